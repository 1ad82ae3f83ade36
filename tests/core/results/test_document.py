"""Tables keep what they are given, whatever it is, in all three forms."""

from __future__ import annotations

import csv
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from crossdl.results.document import (
    Document,
    Facts,
    Link,
    Pictures,
    Section,
    Source,
    Table,
    Text,
    frame_table,
    write_document,
)
from crossdl.results.markdown import escaped, markdown

WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1
)


def tables_of(source: str) -> list[list[str]]:
    """Rows of the tables of a Markdown text, as a reader of it sees them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(source)
    rows: list[list[str]] = []
    for token, inline in itertools.pairwise(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("td_open", "th_open"):
            rows[-1].append("".join(c.content for c in inline.children or ()))
    return rows


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=3))
@settings(max_examples=25)
def test_any_text_survives(rows: list[tuple[str, str]]) -> None:
    table = Table("t", "T", ("one", "two"), rows)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_document(folder, Document("d", "", [Section("s", [table])]))
        with (folder / "tables" / "t.csv").open(encoding="utf-8", newline="") as file:
            assert list(csv.reader(file)) == [["one", "two"], *map(list, rows)]
        seen = tables_of((folder / "summary.md").read_text(encoding="utf-8"))
    assert seen == [["one", "two"], *([" ".join(c.split()) for c in row] for row in rows)]


def test_no_text_becomes_markup(tmp_path: Path, read_page: Callable[[Path], Any]) -> None:
    nasty = '</script><img src=x onerror="alert(1)"> [a](http://b) `c` | *d*'
    document = Document(
        nasty,
        "- " + nasty,
        [
            Section(
                nasty,
                [
                    Text("1. " + nasty),
                    Facts([(nasty, nasty)]),
                    Source(nasty, "```\n" + nasty),
                    Table("t", nasty, (nasty,), [(nasty,)]),
                ],
            )
        ],
    )
    page = read_page(write_document(tmp_path, document))
    assert page.text.count(nasty) >= 8 and page.links == ["#section-1"]
    html = MarkdownIt("commonmark").enable("table").render(markdown(document))
    assert "<img" not in html and "href" not in html and "<li>-" not in html
    assert html.count("alert(1)") == 11 and "<ol>" not in html


def test_frames_become_plain_values() -> None:
    frame = pd.DataFrame(
        {
            "n": np.array([1, 2], dtype=np.int64),
            "share": [0.5, np.nan],
            "seen": [True, False],
            "when": pd.to_datetime(["2020-01-02", None]),
            "text": ["a", None],
        },
        index=pd.Index(["x", "y"], name="Row"),
    )
    table = frame_table("t", "T", frame)
    assert table.columns == ["Row", "n", "share", "seen", "when", "text"]
    assert table.rows[0][:4] == ["x", 1, 0.5, "yes"]
    assert table.rows[1] == ["y", 2, None, "no", None, None]
    assert table.textual == [True, False, False, True, False, True]
    plain = frame_table("t", "T", pd.DataFrame({("a", "b"): [1], ("a", ""): [2]}))
    assert plain.columns == ["a, b", "a"]


def test_what_is_not_there_is_left_out(tmp_path: Path, read_page: Callable[[Path], Any]) -> None:
    sections = [Section("gone", [Pictures([("none", "None")])]), Section("empty", [])]
    page = read_page(write_document(tmp_path, Document("d", "", sections)))
    assert "gone" not in page.text and "empty" not in page.text and page.links == []


def test_links_stay_links(tmp_path: Path, read_page: Callable[[Path], Any]) -> None:
    (tmp_path / "a b.html").write_text("", encoding="utf-8")
    table = Table("t", "T", ("page",), [(Link("x", "a b.html"),)])
    page = read_page(write_document(tmp_path, Document("d", "", [Section("s", [table])])))
    assert page.links == ["#section-1", "a b.html"]
    assert "[x](<a b.html>)" in (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert (tmp_path / "tables" / "t.csv").read_text(encoding="utf-8") == "page\nx\n"


@given(WORDS)
def test_escaping_changes_no_character(text: str) -> None:
    shown = MarkdownIt("commonmark").parseInline("x" + escaped(text))[0].children or []
    assert "".join(c.content for c in shown) == "x" + " ".join(text.split())
