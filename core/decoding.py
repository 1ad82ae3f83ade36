"""Lines of text files in a known encoding; what does not fit it is named by its line."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crossdl.errors import InputError

_SAMPLE = 4096  # bytes in which NULs show that a text is UTF-16
_OTHERS = ("gb18030",)  # what a file that is not UTF-8 may be


@dataclass(frozen=True)
class Line:
    """One line.

    Attributes:
        number: 1-based.
        text: With its end; where ``problem`` is set, with U+FFFD for what cannot be read.
        problem: Why it cannot be read, and what to do, or None.
    """

    number: int
    text: str
    problem: str | None = None


def read_lines(path: Path, encoding: str | None) -> Iterator[Line]:
    r"""Yields the lines of a file, one at a time in memory; they end in ``\n``, or any line end.

    Args:
        path: A text file; a byte order mark is left out.
        encoding: UTF-8 if not given. Several, such as "utf-8,gb18030", are tried in this order
            for each line.

    Raises:
        InputError: An encoding is unknown, or the file is UTF-16 without saying so.
    """
    names = [name.strip() for name in (encoding or "utf-8").split(",")]
    by_line = all([_ends_lines_as_ascii(name) for name in names])
    if not by_line and len(names) > 1:
        raise InputError(f"--encoding {encoding}: UTF-16 and UTF-32 cannot be mixed with others")
    if encoding is None:
        _check_utf16(path)
    yield from _by_line(path, names) if by_line else _as_a_whole(path, names[0])


def writable(text: str) -> str:
    """Text that UTF-8 can hold: JSON may name halves of characters."""
    return text.encode("utf-8", "replace").decode()


def _by_line(path: Path, names: list[str]) -> Iterator[Line]:
    number, advice = 0, None
    with path.open("rb") as file:
        for data in file:
            start = 0 if number else len(codecs.BOM_UTF8) * data.startswith(codecs.BOM_UTF8)
            text = _decoded(data[start:], names)
            problem = None
            if text is None:
                advice = advice or _advice(path, names)
                byte = _first_misfit(data, names[0])
                problem = f"line {number + 1} is not {_shown(names)} (byte 0x{byte:02X}){advice}"
                text = data.decode(names[0], "replace")
            for part in io.StringIO(text, newline="") if "\r" in text else [text]:
                number += 1
                yield Line(number, part, problem)


def _as_a_whole(path: Path, name: str) -> Iterator[Line]:
    with path.open(encoding=name, newline="") as file:
        try:
            for number, text in enumerate(file, start=1):
                yield Line(number, text.removeprefix("\ufeff") if number == 1 else text)
        except UnicodeError as error:
            raise InputError(
                f"{path.name} is not {name} ({error}); give its encoding with --encoding"
            ) from error


def _decoded(data: bytes, names: list[str]) -> str | None:
    for name in names:
        try:
            return data.decode(name)
        except UnicodeDecodeError:
            continue
    return None


def _first_misfit(data: bytes, name: str) -> int:
    try:
        data.decode(name)
    except UnicodeDecodeError as error:
        return data[error.start]
    raise AssertionError("the line fits")


def _shown(names: list[str]) -> str:
    return " or ".join(name.upper() for name in names)


def _ends_lines_as_ascii(name: str) -> bool:
    try:
        return "a\n".encode(name) == b"a\n"
    except LookupError as error:
        raise InputError(
            f"--encoding {name}: is not known; try utf-8, gb18030 or utf-16"
        ) from error


def _check_utf16(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(_SAMPLE)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise InputError(f"{path.name} is not UTF-8; it reads as UTF-16: pass --encoding utf-16")
    even, odd = head[::2].count(0), head[1::2].count(0)
    if max(even, odd) > len(head) // 8 and min(even, odd) * 8 < max(even, odd):
        name = "utf-16-le" if odd > even else "utf-16-be"
        raise InputError(f"{path.name} is not UTF-8; it reads as UTF-16: pass --encoding {name}")


def _advice(path: Path, names: list[str]) -> str:
    """What to do about a file in which some line does not fit."""
    bad = utf8 = 0
    fits = dict.fromkeys(_OTHERS, True)
    with path.open("rb") as file:
        for data in file:
            text = _decoded(data, names)
            if text is not None:
                utf8 += any(character >= "\u0800" for character in text)
                continue
            bad += 1
            for other in fits:
                fits[other] = fits[other] and _decoded(data, [other]) is not None
    others = [name for name, fit in fits.items() if fit and name not in names]
    if not others:
        return "; give the file's encoding with --encoding"
    other = others[0]
    if utf8 and names[0].lower().replace("-", "") == "utf8":
        return (
            f" but reads as {other.upper()}, as {bad} line(s) do, and {utf8} are UTF-8: pass "
            f"--encoding utf-8,{other} to read each as what it is"
        )
    return f"; the file reads as {other.upper()}: pass --encoding {other}"
