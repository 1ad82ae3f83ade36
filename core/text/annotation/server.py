"""The web form: pages of one annotator on this machine alone.

It listens on 127.0.0.1 only. Whoever asks must know the random token of the address, so no other
web page or user of the machine can read or write; requests under another host name (DNS
rebinding) or sent by another page (cross-site requests) are refused.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any
from urllib.parse import parse_qs

from crossdl.errors import CrossDLError, InputError
from crossdl.labels import LabelSet
from crossdl.pages import render_page
from crossdl.text.annotation.answers import NOT_USABLE, Answer, AnswerBook
from crossdl.text.annotation.form import BACK, HELP, NOTHING, UNUSABLE, make_form

ADDRESS = "127.0.0.1"
_LONGEST = 64 * 1024  # bytes of a request
_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Page:
    """What is answered to a request: HTML with the nonce of its script, or a plain sentence."""

    status: HTTPStatus
    body: str = ""
    goes_to: str | None = None
    nonce: str | None = None


class Desk:
    """The pages of one book of answers, apart from how they are sent."""

    def __init__(self, book: AnswerBook, labels: LabelSet) -> None:
        """Keeps both."""
        self.book, self.labels = book, labels
        self.form = make_form(labels)

    def show(self, name: str) -> Page:
        """The page of an address below the token: a number from 1, ``done``, or the start."""
        if name == "":
            return self._to_open(0)
        if name == "done":
            return self._done()
        at = self._position(name)
        if at is None:
            return Page(HTTPStatus.NOT_FOUND, "There is no such text.")
        return self._item(at, self.book.answers.get(self.book.items[at].id))

    def take(self, name: str, fields: dict[str, list[str]]) -> Page:
        """Saves what was sent from the page of a text, and says where to go next."""
        at = self._position(name)
        if at is None:
            return Page(HTTPStatus.NOT_FOUND, "There is no such text.")
        item = self.book.items[at]
        before = self.book.answers.get(item.id)
        answer = Answer(
            frozenset(fields.get("regions", ())) & set(self.labels.label_names),
            frozenset(fields.get("types", ())) & set(self.labels.type_names),
        )
        ticked = bool(answer.regions or answer.types)
        match fields.get("action", [""])[0]:
            case "back":
                if ticked and answer != before:
                    self.book.save(item, answer)
                return Page(HTTPStatus.SEE_OTHER, goes_to=str(max(at, 1)))
            case "nothing":
                answer = Answer()
            case "skip":
                answer = NOT_USABLE
            case "next" if not ticked and before != answer:
                notice = "Nothing is ticked yet. If the text says nothing abnormal, say so with "
                return self._item(at, answer, f"{notice}“Nothing abnormal”.")
            case "next" if answer.one_sided and "confirmed" not in fields:
                what = "place but no type" if answer.regions else "type but no place"
                notice = f"You ticked a {what}. Complete it, or press “Next” again to keep it so."
                return self._item(at, answer, notice, confirmed=True)
            case "next":
                pass
            case _:
                return Page(HTTPStatus.BAD_REQUEST, "The form was sent without its button.")
        if answer != before:
            self.book.save(item, answer)
        if at + 1 < len(self.book.items):
            return Page(HTTPStatus.SEE_OTHER, goes_to=str(at + 2))
        return self._to_open(0)

    def _position(self, name: str) -> int | None:
        known = name.isascii() and name.isdigit() and len(name) < 9
        return int(name) - 1 if known and 1 <= int(name) <= len(self.book.items) else None

    def _to_open(self, start: int) -> Page:
        still = [i for i in self.book.open if i >= start]
        return Page(HTTPStatus.SEE_OTHER, goes_to=str(still[0] + 1) if still else "done")

    def _item(
        self, at: int, answer: Answer | None, notice: str = "", confirmed: bool = False
    ) -> Page:
        item = self.book.items[at]
        shown = item.agreed if answer is None else answer
        ticked = shown.regions | shown.types if shown is not None else frozenset()
        suggested = item.suggestion
        marks = {
            name: [who for who, given in item.given.items() if name in given.regions | given.types]
            for name in (*self.labels.label_names, *self.labels.type_names)
        }
        return self._page(
            at=at,
            text=item.text,
            ticked=ticked,
            answered=item.id in self.book.answers,
            unusable=answer is not None and not answer.usable,
            notice=notice,
            confirmed=confirmed,
            suggested=None if suggested is None else suggested.regions | suggested.types,
            marks=marks,
            given={who: self.form.words(given) for who, given in item.given.items()},
        )

    def _done(self) -> Page:
        return self._page(at=None)

    def _page(self, **values: Any) -> Page:
        book, nonce = self.book, secrets.token_urlsafe(16)
        body = render_page(
            "annotate.html.j2",
            form=self.form,
            total=len(book.items),
            n_answered=len(book.items) - len(book.open),
            n_unusable=sum(not answer.usable for answer in book.answers.values()),
            first_open=book.open[0] if book.open else None,
            annotator=book.annotator,
            file=str(book.path),
            commands={"nothing": NOTHING, "skip": UNUSABLE, "back": BACK, "help": HELP},
            nonce=nonce,
            **values,
        )
        return Page(HTTPStatus.OK, body, nonce=nonce)


class _Handler(BaseHTTPRequestHandler):
    """Checks who asks, then lets the desk answer."""

    server: _Server
    timeout = _PATIENCE_S
    server_version = "crossdl"
    sys_version = ""

    def do_GET(self) -> None:
        name = self._admitted()
        if name is not None:
            self._answer(lambda: self.server.desk.show(name))

    def do_POST(self) -> None:
        name = self._admitted()
        if name is None:
            return
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self._send(Page(HTTPStatus.LENGTH_REQUIRED, "How long is it?"))
        elif int(length) > _LONGEST:
            self._send(Page(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "That is too long."))
        else:
            sent = self.rfile.read(int(length))
            if len(sent) == int(length):  # else the browser died in the middle of an answer
                fields = parse_qs(sent.decode("utf-8", "replace"))
                self._answer(lambda: self.server.desk.take(name, fields))

    def _admitted(self) -> str | None:
        """What is asked for below the token; None after a refusal."""
        hosts = self.server.hosts
        origin = self.headers.get("Origin")
        if self.headers.get("Host") not in hosts:
            self._send(Page(HTTPStatus.FORBIDDEN, "This form is for this machine alone."))
        elif origin is not None and origin not in {f"http://{host}" for host in hosts}:
            self._send(Page(HTTPStatus.FORBIDDEN, "Another page must not use this form."))
        else:
            token, _, name = self.path.partition("?")[0].removeprefix("/").partition("/")
            if secrets.compare_digest(token.encode(), self.server.token.encode()):
                return name
            self._send(Page(HTTPStatus.NOT_FOUND, "Use the whole address that was printed."))
        return None

    def _answer(self, make: Any) -> None:
        try:
            with self.server.lock:
                page = make()
        except (CrossDLError, OSError) as error:
            page = Page(HTTPStatus.INTERNAL_SERVER_ERROR, f"Not saved: {error}")
        self._send(page)

    def _send(self, page: Page) -> None:
        data = page.body.encode()
        self.send_response(page.status)
        if page.goes_to is not None:
            self.send_header("Location", f"/{self.server.token}/{page.goes_to}")
        kind = "plain" if page.nonce is None else "html"
        for name, value in {
            "Content-Type": f"text/{kind}; charset=utf-8",
            "Content-Length": str(len(data)),
            "Cache-Control": "no-store",
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
            f"script-src 'nonce-{page.nonce}'; form-action 'self'; frame-ancestors 'none'; "
            "base-uri 'none'",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: addresses hold the token."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of a page is no news."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def __init__(self, port: int, desk: Desk) -> None:
        super().__init__((ADDRESS, port), _Handler)
        self.desk, self.lock = desk, Lock()
        self.token = secrets.token_urlsafe(24)
        self.hosts = {f"{name}:{self.server_port}" for name in (ADDRESS, "localhost")}


@contextmanager
def form_server(book: AnswerBook, labels: LabelSet, port: int) -> Iterator[_Server]:
    """A server that is ready for ``serve_forever``; closed at the end.

    Raises:
        InputError: The port is in use, or not allowed.
    """
    try:
        server = _Server(port, Desk(book, labels))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"--port {port}: {reason}; give another, or 0 for any") from error
    with server:
        yield server


def address(server: _Server) -> str:
    """Where the form is, with the token."""
    return f"http://{ADDRESS}:{server.server_port}/{server.token}/"
