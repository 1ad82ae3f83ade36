"""Reading a text in one of its two mirror images, so that left and right cannot be confused.

A network only ever sees the image of a text that sorts first; where that is the mirrored one,
its region labels are swapped back. So mirroring a text mirrors its labels exactly, whatever the
network has learnt, and every text about one side also teaches the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossdl.labels import LabelSet
from crossdl.reports import mirror_text
from crossdl.types import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class Images:
    """The images that are read.

    Attributes:
        texts: n texts, each the given one or its mirror image.
        others: The other image of each; the same text where it names no side.
        mirrored: ``(n,)``: whether it is the mirror image.
        sided: ``(n,)``: whether the text names a side at all.
    """

    texts: tuple[str, ...]
    others: tuple[str, ...]
    mirrored: BoolArray
    sided: BoolArray


def images(texts: Sequence[str], labels: LabelSet) -> Images:
    """Which image of each text is read: the one that sorts first."""
    mirrors = [mirror_text(text, labels) for text in texts]
    pairs = list(zip(texts, mirrors, strict=True))
    return Images(
        tuple(min(pair) for pair in pairs),
        tuple(max(pair) for pair in pairs),
        np.array([mirror < text for text, mirror in pairs], dtype=np.bool_),
        np.array([mirror != text for text, mirror in pairs], dtype=np.bool_),
    )


def swap_back(values: FloatArray, seen: Images, labels: LabelSet) -> FloatArray:
    """Values of the given texts from those of their images.

    Args:
        values: ``(n, R + T)`` logits or labels of ``seen.texts``, regions first.
        seen: What :func:`images` chose.
        labels: Mirror images of the R region labels.

    Returns:
        ``(n, R + T)``: mirrored where the text was, and equal on both sides where it names none.
    """
    n_regions = len(labels.label_names)
    index = np.arange(values.shape[1])
    index[:n_regions] = labels.mirror_index
    swapped = values[:, index]
    chosen = np.where(seen.mirrored[:, None], swapped, values)
    return np.where(seen.sided[:, None], chosen, (values + swapped) / 2).astype(np.float32)
