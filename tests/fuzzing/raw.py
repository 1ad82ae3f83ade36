"""DICOM files as lists of raw elements, so that every byte of them can be wrong on purpose."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

LONG = (b"OB", b"OW", b"OF", b"OD", b"OL", b"SQ", b"UN", b"UT", b"UC", b"UR")
"""Value representations whose length has four bytes."""
META_END = 0x0002FFFF


@dataclass(frozen=True)
class Element:
    """One element of an explicit little-endian file.

    Attributes:
        tag: Group and element in one number.
        vr: Two letters.
        value: Its bytes; of a sequence or of encapsulated pixels, all up to the delimiter.
        length: What the file says, which may be wrong.
    """

    tag: int
    vr: bytes
    value: bytes
    length: int

    def with_value(self, value: bytes) -> Element:
        """The same element with another value and its length."""
        value += b"\0" * (len(value) % 2)
        return replace(self, value=value, length=len(value))


def parse(content: bytes) -> list[Element]:
    """The elements of a valid file, its preamble left out."""
    at, elements = 132, []
    while at < len(content):
        group, number, vr = struct.unpack_from("<HH2s", content, at)
        if vr in LONG:
            (length,) = struct.unpack_from("<I", content, at + 8)
            start = at + 12
        else:
            (length,) = struct.unpack_from("<H", content, at + 6)
            start = at + 8
        end = len(content) if length == 0xFFFFFFFF else start + length  # pixels come last
        elements.append(Element(group << 16 | number, vr, content[start:end], length))
        at = end
    return elements


def join(elements: list[Element]) -> bytes:
    """The file of the elements, lengths as they say."""
    parts = [bytes(128), b"DICM"]
    for e in elements:
        parts.append(struct.pack("<HH2s", e.tag >> 16, e.tag & 0xFFFF, e.vr))
        if e.vr in LONG:
            parts.append(struct.pack("<HI", 0, e.length & 0xFFFFFFFF))
        else:
            parts.append(struct.pack("<H", e.length & 0xFFFF))
        parts.append(e.value)
    return b"".join(parts)
