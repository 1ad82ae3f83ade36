from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crossdl.anatomy import load_anatomy
from crossdl.reports import mirror_text
from crossdl.text.sides import images, swap_back

ANATOMY = load_anatomy("head_ct")
WORDS = [
    "left",
    "Right",
    "R",
    "bilateral",
    "frontal",
    "bleed",
    "左",
    "右侧",
    "双侧",
    "额叶",
    "出血",
]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)


@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_both_images_of_a_text_are_read_alike(texts: list[str]) -> None:
    mirrored = [mirror_text(text, ANATOMY) for text in texts]
    one, two = images(texts, ANATOMY), images(mirrored, ANATOMY)
    assert one.texts == two.texts
    assert (one.sided == two.sided).all()
    assert (one.mirrored ^ two.mirrored == one.sided).all()


@given(st.lists(TEXTS, min_size=1, max_size=6), st.integers(0, 2**31))
def test_mirroring_a_text_mirrors_whatever_is_said(texts: list[str], seed: int) -> None:
    n = len(ANATOMY.label_names)
    one = images(texts, ANATOMY)
    raw = np.random.default_rng(seed).normal(size=(len(texts), n + ANATOMY.n_types))
    said = {text: row for text, row in zip(one.texts, raw.astype(np.float32), strict=True)}
    two = images([mirror_text(text, ANATOMY) for text in texts], ANATOMY)
    values = [
        swap_back(np.stack([said[t] for t in seen.texts]), seen, ANATOMY) for seen in (one, two)
    ]
    np.testing.assert_array_equal(values[0][:, :n][:, ANATOMY.mirror_index], values[1][:, :n])
    np.testing.assert_array_equal(values[0][:, n:], values[1][:, n:])


def test_labels_come_back() -> None:
    seen = images(["right frontal bleed"], ANATOMY)
    assert seen.texts == ("left frontal bleed",)
    labels = np.zeros((1, len(ANATOMY.label_names) + ANATOMY.n_types), dtype=np.float32)
    labels[0, ANATOMY.label_names.index("left_frontal_lobe")] = 1
    back = swap_back(labels, seen, ANATOMY)
    assert np.flatnonzero(back[0]) == [ANATOMY.label_names.index("right_frontal_lobe")]
