"""Drawing texts to be labelled: at random, or those a discretizer is least sure of."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from crossdl.errors import InputError
from crossdl.types import Float64Array, SentenceLabels

Weight = Literal["unique", "frequency"]
Drawing = Literal["random", "uncertainty"]

_NUMBER = re.compile(r"\d+(?:[.．,]\d+)*")


@dataclass(frozen=True)
class Drawn:
    """A text that was drawn.

    Attributes:
        text: The sentence or report.
        count: How often it occurs.
        drawn: How it came in; only those drawn at random tell how often a label is right.
        uncertainty: Bits, see :func:`uncertainty`; None where it was not asked for.
    """

    text: str
    count: int
    drawn: Drawing
    uncertainty: float | None = None

    @property
    def id(self) -> str:
        """Depends on the text alone, so that samples of the same reports fit together."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]


def plain(text: str) -> str:
    """A text with every run of blanks as one blank; texts that differ in blanks are equal."""
    return " ".join(text.split())


def count_texts(texts: Iterable[str], exclude: Iterable[str] = ()) -> dict[str, int]:
    """How often each different text occurs, without empty and excluded ones."""
    counts: dict[str, int] = {}
    for text in map(plain, texts):
        if text:
            counts[text] = counts.get(text, 0) + 1
    for text in map(plain, exclude):
        counts.pop(text, None)
    return counts


def uncertainty(labels: SentenceLabels) -> Float64Array:
    """Bits that labelling each of n texts is expected to tell, ``(n,)``.

    It is the entropy of each label's probability, summed over the labels: what an annotator
    answers is all labels of a text at once, so a text where three labels are open teaches more
    than one where a single label is. (The margin of the least sure label, the usual alternative,
    does not see the others.) Labels count as independent, which only matters for the scale.
    """
    p = np.concatenate([labels.regions, labels.types], axis=1).astype(np.float64)
    return np.asarray((_bits(p) + _bits(1 - p)).sum(axis=1), dtype=np.float64)


def draw(
    counts: Mapping[str, int],
    n: int,
    *,
    seed: int,
    weight: Weight = "unique",
    scores: Mapping[str, float] | None = None,
    random_share: float = 0.2,
) -> list[Drawn]:
    """Draws different texts.

    The draw depends on seed and texts alone, not on their order: with more reports, texts that
    were drawn mostly are so again.

    Args:
        counts: Text → how often it occurs.
        n: How many to draw; all of them if there are fewer.
        seed: Everything random derives from it.
        weight: ``"unique"``: every different text has the same chance, so that templates do not
            crowd out the rest. ``"frequency"``: chances follow the counts, so that the sample is
            like the reports, as measuring needs it; a text that is uncertain *and* frequent then
            comes first.
        scores: Bits of :func:`uncertainty` by text; the highest are drawn. Of texts that differ
            only in their numbers one is drawn, as long as there are others. None: all at random.
        random_share: Part of the n that is drawn at random in spite of ``scores``. Uncertain
            texts alone are no fair picture: probabilities cannot be calibrated, nor errors
            counted, on them.

    Raises:
        InputError: Every score is 0: the discretizer is sure of everything.
    """
    factor = {text: float(counts[text]) if weight == "frequency" else 1.0 for text in counts}
    late = {text: _waiting_time(text, seed) / factor[text] for text in counts}
    shuffled = sorted(counts, key=lambda text: (late[text], text))
    if scores is None:
        return [Drawn(text, counts[text], "random") for text in shuffled[:n]]
    if counts and not any(scores[text] > 0 for text in counts):
        raise InputError(
            "uncertainty: the discretizer gives every label 0 or 1, as rules do; draw at random, "
            "or use a trained discretizer"
        )
    by_chance = shuffled[: round(min(n, len(shuffled)) * random_share)]
    rest = sorted(
        shuffled[len(by_chance) :], key=lambda text: (-scores[text] * factor[text], late[text])
    )
    first_of: dict[str, str] = {}
    for text in rest:
        first_of.setdefault(_NUMBER.sub("0", text), text)
    leaders = set(first_of.values())
    ranked = [*first_of.values(), *(text for text in rest if text not in leaders)]
    found = [Drawn(text, counts[text], "random", scores[text]) for text in by_chance]
    found += [
        Drawn(text, counts[text], "uncertainty", scores[text])
        for text in ranked[: n - len(by_chance)]
    ]
    return sorted(found, key=lambda item: (late[item.text], item.text))


def _bits(p: Float64Array) -> Float64Array:
    return np.asarray(-p * np.log2(np.where(p > 0, p, 1.0)), dtype=np.float64)


def _waiting_time(text: str, seed: int) -> float:
    """An exponential random number; the smallest n of them, divided by weights, are a draw."""
    digest = hashlib.sha256(f"{seed}\0{text}".encode()).digest()
    return -math.log((int.from_bytes(digest[:7], "big") + 1) / (2**56 + 1))
