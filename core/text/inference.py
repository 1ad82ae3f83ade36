"""Texts → probabilities, fast: equal texts once, by length, in batches of fixed shape.

Every text is computed in an array of the same shape whoever its neighbours are, so its
probabilities do not depend on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from crossdl.text.tokens import PAD, Ids, encode, special_id
from crossdl.types import FloatArray

if TYPE_CHECKING:
    import numpy.typing as npt

    from crossdl.text.network import TextNetwork

_TOKENS = 1024
"""Tokens of a batch; the number of texts in it follows from their length."""


class Forward(Protocol):
    """A network on some machine: tokens, ``(B, L)``, to logits, ``(B, R + T)``."""

    def __call__(self, ids: npt.NDArray[np.int64], mask: npt.NDArray[np.bool_]) -> FloatArray:
        """Computes one batch."""


def on_torch(network: TextNetwork, *, bf16: bool) -> Forward:
    """A network in evaluation mode on this machine's device, in bfloat16 or float32."""
    import torch

    from crossdl.networks.devices import device

    where = device()
    network = network.to(where)

    def forward(ids: npt.NDArray[np.int64], mask: npt.NDArray[np.bool_]) -> FloatArray:
        with torch.inference_mode(), torch.autocast(where.type, torch.bfloat16, enabled=bf16):
            said = network(torch.from_numpy(ids).to(where), torch.from_numpy(mask).to(where))
        return np.asarray(said.float().cpu().numpy(), dtype=np.float32)

    return forward


def logits(forward: Forward, tokenizer: Any, texts: Sequence[str], max_length: int) -> FloatArray:
    """Logits of n texts, ``(n, R + T)`` float32.

    Args:
        forward: The network.
        tokenizer: Its own.
        texts: At least one; equal ones are computed once.
        max_length: Tokens; longer texts are cut.
    """
    from crossdl.text.batches import STEP, pad

    unique = list(dict.fromkeys(texts))
    ids = encode(tokenizer, unique, max_length)
    padding = special_id(tokenizer, PAD)
    groups: dict[int, list[int]] = {}
    for i, row in enumerate(ids):
        groups.setdefault(-(-len(row) // STEP) * STEP, []).append(i)
    found: dict[int, FloatArray] = {}
    for length in sorted(groups):
        members, size = groups[length], max(1, _TOKENS // length)
        for start in range(0, len(members), size):
            chosen = members[start : start + size]
            rows: list[Ids] = [ids[i] for i in chosen]
            rows += [rows[-1]] * (size - len(rows))
            batch = pad(rows, padding, length)
            found |= dict(zip(chosen, forward(batch.ids.numpy(), batch.mask.numpy()), strict=False))
    at = {text: i for i, text in enumerate(unique)}
    return np.stack([found[at[text]] for text in texts])
