"""A reader of pages that checks their form."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Collects text, links and tables, and checks that every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [v or "" for k, v in attrs if k in ("src", "href")]
        self.ids += [v or "" for k, v in attrs if k == "id"]
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("script", "style"):
            assert "http" not in data and "@import" not in data and "url(" not in data
            return
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data
        self.text += data


@pytest.fixture
def read_page() -> Callable[[Path], Page]:
    """``read_page(path)``: checks that the page needs no network and no other file."""

    def read(path: Path) -> Page:
        page = Page(path.read_text(encoding="utf-8"))
        for link in page.links:
            if link.startswith("#"):
                assert link[1:] in page.ids
            elif not link.startswith("data:image/png;base64,"):
                assert "//" not in link and not link.startswith("/")
                assert (path.parent / link).is_file(), link
        return page

    return read
