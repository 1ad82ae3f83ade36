"""The web form, driven over a socket as a browser does."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

import pytest

from crossdl.errors import InputError
from crossdl.labels import ReportLabels
from crossdl.text.annotation.answers import NOT_USABLE, Answer, AnswerBook, Item
from crossdl.text.annotation.server import address, form_server
from crossdl.text.labelled import read_labelled

LABELS = ReportLabels(
    name="x",
    title="X",
    region_labels=("a", "b"),
    type_labels=("t", "u"),
    definition={"a": "what counts as <a>"},
)
ITEMS = [
    Item("1", "sentence", 'first <script>alert("x")</script>'),
    Item("2", "sentence", "左侧额叶", Answer(frozenset("a"), frozenset("t"))),
    Item("3", "sentence", "third"),
]


@contextmanager
def _form(path: Path, items: list[Item] = ITEMS) -> Iterator[str]:
    book = AnswerBook(path, "anna", items, LABELS)
    with form_server(book, LABELS, 0) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield address(server)
        finally:
            server.shutdown()
            thread.join()


def _get(url: str, **headers: str) -> tuple[str, str]:
    """Where a request ends, and the page."""
    with urlopen(Request(url, headers=headers), timeout=10) as reply:
        return urlsplit(reply.url).path.rpartition("/")[2], reply.read().decode()


def _send(url: str, *fields: tuple[str, str], **headers: str) -> tuple[str, str]:
    request = Request(url, data=urlencode(fields).encode(), headers=headers)
    with urlopen(request, timeout=10) as reply:
        return urlsplit(reply.url).path.rpartition("/")[2], reply.read().decode()


def _refused(url: str, data: bytes | None = None, **headers: str) -> int:
    with pytest.raises(HTTPError) as error:
        urlopen(Request(url, data=data, headers=headers), timeout=10)
    error.value.close()
    return error.value.code


def test_answers_are_saved_at_once_and_a_restart_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "anna.jsonl"

    def saved() -> dict[str, Answer]:
        return AnswerBook(path, "anna", ITEMS, LABELS).answers

    with _form(path) as url:
        at, page = _get(url)
        assert at == "1" and "0 of 3 answered" in page and "what counts as &lt;a&gt;" in page
        assert "<script>alert" not in page and "&lt;script&gt;alert" in page
        ticked = (("regions", "a"), ("regions", "b"), ("types", "t"))
        at, page = _send(url + "1", *ticked, ("action", "next"))
        assert at == "2" and "1 of 3 answered" in page and "左侧额叶" in page
        assert saved() == {"1": Answer(frozenset("ab"), frozenset("t"))}
        assert page.count('suggested"') >= 2
        at, page = _send(url + "2", ("action", "skip"))
        assert at == "3" and saved()["2"] == NOT_USABLE
        at, page = _send(url + "3", ("action", "back"))
        assert at == "2" and "not usable" in page and "3" not in saved()
    with _form(path) as url:
        assert _get(url)[0] == "3"
        at, page = _send(url + "3", ("action", "nothing"))
        assert at == "done" and "All done" in page and str(path) in page
        assert saved()["3"] == Answer()
        at, page = _get(url + "1")
        assert page.count("checked") - page.count(":checked") - page.count("box.checked") == 3
    assert read_labelled(path, LABELS).ids == ("1", "3")


def test_doubtful_answers_are_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with _form(path) as url:
        at, page = _send(url + "1", ("action", "next"))
        assert at == "1" and "Nothing is ticked yet" in page and not path.exists()
        at, page = _send(url + "1", ("regions", "a"), ("action", "next"))
        assert at == "1" and "place but no type" in page and not path.exists()
        assert 'name="confirmed"' in page
        at, _ = _send(url + "1", ("regions", "a"), ("action", "next"), ("confirmed", "1"))
        assert at == "2" and path.exists()
        at, _ = _send(url + "2", ("types", "t"), ("action", "back"))  # ticks are not lost
        assert at == "1" and read_labelled(path, LABELS).types.tolist() == [[0, 0], [1, 0]]
        last = (("action", "next"), ("confirmed", "1"))
        _send(url + "3", ("regions", "unknown"), ("types", "u"), *last)
        assert read_labelled(path, LABELS).regions[2].tolist() == [0, 0]


def test_both_answers_are_shown_to_who_decides(tmp_path: Path) -> None:
    given = {"anna": Answer(frozenset("a"), frozenset("t")), "ben": Answer(frozenset("ab"))}
    with _form(tmp_path / "gold.jsonl", [Item("1", "sentence", "x", None, given)]) as url:
        _, page = _get(url)
        assert "A, T</dd>" in page and "A, B</dd>" in page and "These answers differ" in page
        (box,) = [line for line in page.split("<input")[1:] if 'value="a"' in line]
        assert "checked" in box and box.count('class="who"') == 2


def test_only_who_knows_the_address_may_read_or_write(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with _form(path) as url:
        base = url.rstrip("/").rpartition("/")[0]
        nothing = urlencode({"action": "nothing"}).encode()
        for wrong in ("", "/1", "/x/1", url.rstrip("/")[len(base) : -1] + "/1"):
            assert _refused(f"{base}{wrong}") == _refused(f"{base}{wrong}", nothing) == 404
        assert _refused(url + "1", nothing, Host="evil.example") == 403
        assert _refused(url + "1", Host="evil.example:80") == 403
        assert _refused(url + "1", nothing, Origin="https://evil.example") == 403
        assert _refused(url + "1", nothing, Origin="null") == 403
        assert not path.exists()
        assert _refused(url + "4") == _refused(url + "0") == _refused(url + "x") == 404
        assert _refused(url + "4", nothing) == 404
        assert _refused(url + "1", b"x" * 70_000) == 413
        assert _refused(url + "1", b"regions=a&types=t") == 400  # the button is the last field
        port = urlsplit(url).port
        assert _send(url + "1", ("action", "nothing"), Origin=base)[0] == "2"
        assert _send(url + "2", ("action", "nothing"), Host=f"localhost:{port}")[0] == "3"


def test_headers_keep_other_pages_out(tmp_path: Path) -> None:
    with _form(tmp_path / "a.jsonl") as url, urlopen(url, timeout=10) as reply:
        policy = reply.headers["Content-Security-Policy"]
        page = reply.read().decode()
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        nonce = policy.partition("'nonce-")[2].partition("'")[0]
        assert f'<script nonce="{nonce}">' in page and page.count(nonce) == 1
        assert "http://" not in page and "https://" not in page and "src=" not in page
        assert reply.headers["Cache-Control"] == "no-store"


def test_a_form_elsewhere_and_requests_without_length(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with _form(path) as url:
        other = AnswerBook(path, "anna", ITEMS, LABELS)
        other.save(ITEMS[0], NOT_USABLE)
        with pytest.raises(HTTPError, match="500") as error:
            _send(url + "2", ("action", "nothing"))
        assert "changed by another program" in error.value.read().decode()
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        connection.putrequest("POST", parts.path + "1")
        connection.endheaders()
        assert connection.getresponse().status == 411
        connection.close()


def test_half_an_answer_is_not_saved(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.jsonl"
    with _form(path) as url:
        parts = urlsplit(url)
        head = f"POST {parts.path}1 HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 99\r\n\r\n"
        with socket.create_connection((parts.hostname, parts.port or 0), timeout=10) as browser:
            browser.sendall(head.encode() + b"action=nothing&regions=a")
            browser.shutdown(socket.SHUT_WR)
            assert browser.recv(99) == b""
        with socket.create_connection((parts.hostname, parts.port or 0), timeout=10) as browser:
            browser.sendall(f"GET http://[ HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            assert b"404" in browser.recv(99)
        assert _get(url)[0] == "1" and not path.exists()
    assert capfd.readouterr().err == ""


def test_a_port_in_use(tmp_path: Path) -> None:
    with _form(tmp_path / "a.jsonl") as url:
        port = urlsplit(url).port or 0
        book = AnswerBook(tmp_path / "b.jsonl", "anna", ITEMS, LABELS)
        with (
            pytest.raises(InputError, match=rf"--port {port}: .*give another"),
            form_server(book, LABELS, port),
        ):
            pass
