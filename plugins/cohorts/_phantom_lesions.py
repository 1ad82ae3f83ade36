"""Where a lesion outside all regions lies, in words a report can use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Seat:
    """Where a lesion outside all regions is.

    Attributes:
        place: Index in the table ``elsewhere``, or -1.
        side: Side key, or None for both.
    """

    place: int
    side: str | None
