from __future__ import annotations

import numpy as np

from crossdl.text.masked import spans


def test_spans_keep_the_rate_and_the_forbidden() -> None:
    rng = np.random.default_rng(0)
    free = rng.random((200, 60)) < 0.8
    for longest in (1, 3):
        hidden = spans(rng, free, 0.15, longest)
        assert not (hidden & ~free).any()
        assert 0.10 < hidden[free].mean() < 0.18
        assert hidden.any(axis=1).all()


def test_a_text_without_free_tokens_is_left_alone() -> None:
    free = np.zeros((2, 5), dtype=np.bool_)
    free[1, 3] = True
    hidden = spans(np.random.default_rng(0), free, 0.15, 3)
    assert np.argwhere(hidden).tolist() == [[1, 3]]
