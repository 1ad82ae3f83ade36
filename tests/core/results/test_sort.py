"""The script that sorts tables, run outside a browser on a table that only looks like one."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import crossdl

NODE = shutil.which("node")
SCRIPT = Path(crossdl.__file__).parent / "templates" / "sort.js"

DOCUMENT = """
class Item {
  constructor(text, words = []) {
    this.textContent = text; this.attributes = {}; this.listeners = {}; this.children = [];
    this.classList = { contains: (word) => words.includes(word) };
  }
  getAttribute(name) { return this.attributes[name] ?? null; }
  setAttribute(name, value) { this.attributes[name] = value; }
  removeAttribute(name) { delete this.attributes[name]; }
  append(...items) {
    this.children = [...this.children.filter((c) => !items.includes(c)), ...items];
  }
  addEventListener(name, listener) { this.listeners[name] = listener; }
  get rows() { return this.children; }
}
const titles = TITLES.map(([text, words]) => new Item(text, words));
const body = new Item("");
body.append(...ROWS.map((row) => {
  const made = new Item("");
  made.cells = row.map((text) => new Item(text));
  return made;
}));
const table = { tBodies: [body], tHead: { rows: [{ cells: titles }] } };
globalThis.document = {
  createElement: () => new Item(""),
  querySelectorAll: () => [table],
};
"""


def clicked(
    rows: list[list[str]], clicks: list[int], titles: list[list[Any]] | None = None
) -> tuple[list[str], list[str | None]]:
    """First column and ``aria-sort`` of each title after clicks on titles' buttons."""
    if NODE is None:
        pytest.skip("no JavaScript outside a browser here")
    head = titles or [["name", ["text"]], ["value", []]]
    document = DOCUMENT.replace("TITLES", json.dumps(head)).replace("ROWS", json.dumps(rows))
    end = f"""
for (const k of {clicks}) titles[k].children[0].listeners.click();
console.log(JSON.stringify([body.rows.map((r) => r.cells[0].textContent),
  titles.map((t) => t.getAttribute("aria-sort"))]));
"""
    code = document + SCRIPT.read_text(encoding="utf-8").replace('"use strict";', "") + end
    done = subprocess.run([NODE, "-e", code], capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == 0, done.stderr
    order, marks = json.loads(done.stdout)
    return order, marks


ROWS = [["b", "0.5"], ["a", "-"], ["d", "1,200"], ["C", "-0.25 to 0.1"], ["e", "2e-05"]]


def test_numbers_sort_down_then_up_then_as_they_were() -> None:
    assert clicked(ROWS, [1]) == (["d", "b", "e", "C", "a"], [None, "descending"])
    assert clicked(ROWS, [1, 1]) == (["C", "e", "b", "d", "a"], [None, "ascending"])
    assert clicked(ROWS, [1, 1, 1]) == (["b", "a", "d", "C", "e"], [None, None])


def test_text_sorts_up_first_and_one_column_at_a_time() -> None:
    assert clicked(ROWS, [1, 0]) == (["a", "b", "C", "d", "e"], ["ascending", None])
    assert clicked(ROWS, [0, 0]) == (["e", "d", "C", "b", "a"], ["descending", None])


def test_equal_values_keep_their_order() -> None:
    rows = [["x", "1"], ["y", "2"], ["z", "1"]]
    assert clicked(rows, [1])[0] == ["y", "x", "z"]
    assert clicked(rows, [1, 1])[0] == ["x", "z", "y"]
