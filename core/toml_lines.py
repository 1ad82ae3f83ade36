"""Where in a TOML text a dotted path stands, so that a message can name the line."""

from __future__ import annotations

import re
from collections.abc import Sequence

_KEY = r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')"""
_KEYS = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"\s*\[\[?\s*({_KEYS})\s*\]\]?\s*(?:#.*)?$")
_PAIR = re.compile(rf"\s*({_KEYS})\s*=")


class TomlLines:
    r"""Finds lines of paths in one text.

    >>> TomlLines('seed = 1\n[a.b]\nc = {kind = "x", dd = 2}').find(["a", "b", "c", "dd"])
    3
    """

    def __init__(self, text: str) -> None:
        """Reads the headers and keys of every line."""
        self._lines = text.splitlines()
        self._at: dict[tuple[str, ...], int] = {}
        header: tuple[str, ...] = ()
        for number, line in enumerate(self._lines):
            match = _HEADER.match(line)
            if match:
                header = _split(match[1])
                self._note(header, number)
            elif match := _PAIR.match(line):
                self._note((*header, *_split(match[1])), number)

    def find(self, path: Sequence[int | str]) -> int | None:
        """1-based line of the deepest part of ``path`` that stands in the text, or None."""
        keys = tuple(key for key in path if isinstance(key, str))
        for depth in range(len(keys), 0, -1):
            start = self._at.get(keys[:depth])
            if start is not None:
                return self._inside(start, keys[depth:]) + 1
        return None

    def _note(self, path: tuple[str, ...], number: int) -> None:
        for depth in range(1, len(path) + 1):
            self._at.setdefault(path[:depth], number)

    def _inside(self, start: int, keys: tuple[str, ...]) -> int:
        """Looks for keys of inline tables from ``start`` to the next key or header."""
        later = [number for number in self._at.values() if number > start]
        for key in reversed(keys):
            pattern = re.compile(rf"""[{{,.]\s*["']?{re.escape(key)}["']?\s*[=.]""")
            for number in range(start, min(later, default=len(self._lines))):
                if pattern.search(self._lines[number]):
                    return number
        return start


def _split(keys: str) -> tuple[str, ...]:
    return tuple(key.strip("\"'") for key in re.findall(_KEY, keys))
