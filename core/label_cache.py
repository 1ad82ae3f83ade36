"""Labels of sentences that were seen before: templates repeat, so most of a corpus does."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.reports import label_sentences
from crossdl.types import SentenceLabels

if TYPE_CHECKING:
    from crossdl.interfaces import ReportDiscretizer

SIZE = 200_000
"""Sentences remembered; 100 MB at most with the labels of a head CT."""


@dataclass(frozen=True)
class _Row:
    """One sentence's labels, packed.

    Attributes:
        values: R + T float32.
        links: R · T bits, or None.
    """

    values: bytes
    links: bytes | None


class LabelCache:
    """A discretizer that remembers the sentences it labelled last.

    Labels are the same as without it. Memory does not grow beyond ``size`` sentences and what
    one call needs, however long the sentences are: they are remembered by their hash.
    """

    def __init__(self, discretizer: ReportDiscretizer[Any], size: int = SIZE) -> None:
        """Starts empty.

        Args:
            discretizer: Labels what is not known yet.
            size: How many sentences are remembered; the longest unused are forgotten first.
        """
        self.discretizer = discretizer
        self.size = size
        self._rows: OrderedDict[bytes, _Row] = OrderedDict()

    def label(self, sentences: Sequence[str]) -> SentenceLabels:
        """Labels, thresholds and links as by :func:`crossdl.reports.label_sentences`.

        Each different sentence is given to the discretizer at most once.
        """
        keys = [_key(sentence) for sentence in sentences]
        new = {k: s for k, s in zip(keys, sentences, strict=True) if k not in self._rows}
        fresh = label_sentences(self.discretizer, list(new.values()))
        known = dict(zip(new, _pack(fresh), strict=True))
        for key in keys:
            if key not in known:
                self._rows.move_to_end(key)
                known[key] = self._rows[key]
        self._rows.update((key, known[key]) for key in new)
        while len(self._rows) > self.size:
            self._rows.popitem(last=False)
        return _unpack([known[key] for key in keys], sentences, fresh)

    def label_each(self, reports: Sequence[Sequence[str] | None]) -> list[SentenceLabels | None]:
        """Labels of every report's sentences; None for a report that is None."""
        labels = self.label([s for sentences in reports for s in sentences or ()])
        found: list[SentenceLabels | None] = []
        start = 0
        for sentences in reports:
            end = start + len(sentences or ())
            found.append(None if sentences is None else labels.take(range(start, end)))
            start = end
        return found


def _key(sentence: str) -> bytes:
    return blake2b(sentence.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _pack(labels: SentenceLabels) -> list[_Row]:
    values = np.concatenate([labels.regions, labels.types], axis=1, dtype=np.float32)
    if labels.links is None:
        return [_Row(row.tobytes(), None) for row in values]
    n_cells = labels.links.shape[1] * labels.links.shape[2]
    bits = np.packbits(labels.links.reshape(len(values), n_cells), axis=1)
    return [_Row(v.tobytes(), b.tobytes()) for v, b in zip(values, bits, strict=True)]


def _unpack(rows: list[_Row], sentences: Sequence[str], like: SentenceLabels) -> SentenceLabels:
    n, (_, n_regions), (_, n_types) = len(rows), like.regions.shape, like.types.shape
    values = np.frombuffer(b"".join(row.values for row in rows), dtype=np.float32)
    values = values.reshape(n, n_regions + n_types)
    links = None
    if like.links is not None:
        packed = np.frombuffer(b"".join(row.links or b"" for row in rows), dtype=np.uint8)
        cells = n_regions * n_types
        bits = np.unpackbits(packed.reshape(n, -(-cells // 8)), axis=1, count=cells)
        links = bits.reshape(n, n_regions, n_types).astype(np.bool_)
    regions, types = values[:, :n_regions].copy(), values[:, n_regions:].copy()
    return SentenceLabels(tuple(sentences), regions, types, links, like.thresholds)
