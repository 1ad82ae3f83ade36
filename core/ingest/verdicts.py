"""What a person decided about a scan after looking at its regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Decision = Literal["keep", "drop"]
STEP = "verdict"
"""Step of the flow at which scans are dropped by eye."""
REASON = "regions do not fit"
"""Why, where no note says it."""


@dataclass(frozen=True)
class Verdict:
    """One decision.

    Attributes:
        scan: Its name.
        verdict: What becomes of it.
        note: Why; at most 80 characters, or "".
        regions: Which region map was looked at, or "" where that is not known.
    """

    scan: str
    verdict: Decision
    note: str = ""
    regions: str = ""
