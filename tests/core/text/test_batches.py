from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crossdl.text.batches import loader, pad


@given(st.lists(st.integers(1, 90), min_size=1, max_size=300), st.integers(1, 20))
def test_every_text_once_and_like_lengths_together(lengths: list[int], size: int) -> None:
    for seed in (None, 3):
        batches = [key[1] for key in loader(lengths, size, lambda key: key, seed)]
        assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
        assert max(map(len, batches)) <= size
    padded = sum(max(lengths[i] for i in batch) * len(batch) for batch in batches)
    assert padded <= sum(lengths) + 90 * size  # one pool: sorted, so little is padding


def test_order_depends_on_seed_and_epoch_only() -> None:
    def keys(seed: int, epoch: int) -> list[tuple[int, tuple[int, ...]]]:
        made = loader(list(range(1, 200)), 8, lambda key: key, seed)
        made.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        return list(made)

    assert keys(0, 1) == keys(0, 1)
    assert [k[1] for k in keys(0, 1)] != [k[1] for k in keys(0, 2)]
    assert keys(0, 1) != keys(1, 1)
    assert all(epoch == 1 for epoch, _ in keys(0, 1))


def test_padding() -> None:
    batch = pad([np.array([5, 6, 7], np.int32), np.arange(9, dtype=np.int32)], 99)
    assert batch.ids.shape == (2, 16)
    assert batch.mask.sum(1).tolist() == [3, 9]
    assert (batch.ids[~batch.mask] == 99).all()
    assert batch.ids[0, :3].tolist() == [5, 6, 7]
