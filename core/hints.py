"""Suggestions for misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the nearest known name, or ``""`` if none is near.

    >>> did_you_mean("poling", ["pooling", "epochs"])
    "; did you mean 'pooling'?"
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def suggest(name: str, known: Iterable[str]) -> str:
    """The nearest known name, or all of them if none is near."""
    names = list(known)
    return did_you_mean(name, names) or f"; there are {', '.join(names) or 'none'}"
