"""Terms of one language, as data of an anatomy (filled by ``[lexicon.LANGUAGE]``)."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field


class Lexicon(BaseModel):
    """How one language names regions, types and sides, and how it negates."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sides: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict, description="side key → words, e.g. left → (left, left-sided)"
    )
