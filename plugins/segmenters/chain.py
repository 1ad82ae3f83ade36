"""``chain``: several segmenters in turn, until one has no doubts about its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, SerializeAsAny

from crossdl.config import ComponentConfig, Slot
from crossdl.errors import CrossDLError, RegistrationError
from crossdl.interfaces import Attempt, RegionSegmenter, build
from crossdl.types import Quality, RegionMap, Volume


class ChainConfig(ComponentConfig):
    """Options of the chain of segmenters."""

    kind: Literal["chain"] = "chain"
    steps: tuple[Annotated[SerializeAsAny[ComponentConfig], Slot("segmenter")], ...] = Field(
        min_length=1, description="segmenters in the order in which they are tried"
    )
    exclude_below: float = Field(
        0.3,
        ge=0,
        le=1,
        description="a scan is excluded if no step is without flags and the best score is below "
        "this; a score of 0.5 is at the limit of a flag",
    )


class Chain(RegionSegmenter[ChainConfig]):
    """Takes the first result without flags, else the one with the best score."""

    def fingerprint(self) -> str:
        """Changes with any step's own."""
        parts = [self.config.exclude_below, [step.fingerprint() for step in self.steps]]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def steps(self) -> Sequence[RegionSegmenter[Any]]:
        """The segmenters of the config."""
        return self._steps

    @cached_property
    def _steps(self) -> tuple[RegionSegmenter[Any], ...]:
        return tuple(build(step, self.anatomy) for step in self.config.steps)

    def register(self, volume: Volume) -> RegionMap:
        """Tries the steps in this process; see :meth:`RegionSegmenter.segment`.

        Quality values are those of the step that was taken, its title as ``step``, and
        ``attempts``: step, score, flags and error of everything that was tried.

        Raises:
            RegistrationError: No step has a result that is good enough; the message has every
                step's reason.
        """
        attempts: list[Attempt] = []
        found: list[RegionMap | None] = []
        while (picked := self.pick(volume.name, attempts)) is None:
            step = self.steps[len(attempts)]
            try:
                regions = step.segment(volume)
            except Exception as error:  # a tool may raise anything; the next step has its turn
                said = str(error) if isinstance(error, CrossDLError) else repr(error)
                found.append(None)
                attempts.append(Attempt(step.title, None, said))
            else:
                found.append(regions)
                attempts.append(Attempt(step.title, regions.quality))
        index, quality = picked
        taken = found[index]
        assert taken is not None
        return RegionMap(taken.labels, taken.grid, quality)

    def pick(self, name: str, attempts: Sequence[Attempt]) -> tuple[int, Quality] | None:
        """See :meth:`RegionSegmenter.pick`."""
        last = attempts[-1].quality if attempts else None
        if last is not None and not last.flags:
            return self._taken(attempts, len(attempts) - 1)
        if len(attempts) < len(self.steps):
            return None
        scores = [_score(attempt) for attempt in attempts]
        best = max(range(len(scores)), key=scores.__getitem__)
        if attempts[best].quality is None or scores[best] < self.config.exclude_below:
            reasons = "; ".join(f"{a.step}: {_reason(a)}" for a in attempts)
            raise RegistrationError(f"{name}: excluded, no step has a usable result: {reasons}")
        return self._taken(attempts, best)

    def _taken(self, attempts: Sequence[Attempt], index: int) -> tuple[int, Quality]:
        quality = attempts[index].quality
        assert quality is not None
        values = {
            **quality.values,
            "step": attempts[index].step,
            "attempts": [
                {
                    "step": a.step,
                    "score": None if a.quality is None else a.quality.values.get("score"),
                    "flags": [] if a.quality is None else list(a.quality.flags),
                    "error": a.error,
                }
                for a in attempts
            ],
        }
        return index, Quality(values, quality.flags)


def _score(attempt: Attempt) -> float:
    """A segmenter without scores has 0 where it has flags."""
    if attempt.quality is None:
        return -1.0
    return float(attempt.quality.values.get("score", 0.0))


def _reason(attempt: Attempt) -> str:
    if attempt.quality is None:
        return attempt.error
    return f"score {_score(attempt):.2f}, {', '.join(attempt.quality.flags)}"
