"""Texts → probabilities, fast: equal texts once, by length, in batches of fixed shape.

Every text is computed in an array of the same shape whoever its neighbours are, so its
probabilities do not depend on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.text.tokens import PAD, Ids, encode, special_id
from crossdl.types import FloatArray

if TYPE_CHECKING:
    from torch import nn

_TOKENS = 1024
"""Tokens of a batch; the number of texts in it follows from their length."""


def logits(
    network: nn.Module, tokenizer: Any, texts: Sequence[str], max_length: int, *, bf16: bool
) -> FloatArray:
    """Logits of n texts, ``(n, R + T)`` float32.

    Args:
        network: A :class:`crossdl.text.network.TextNetwork` in evaluation mode.
        tokenizer: Its own.
        texts: Any; equal ones are computed once.
        max_length: Tokens; longer texts are cut.
        bf16: Whether to compute in bfloat16.
    """
    import torch

    from crossdl.networks.devices import device
    from crossdl.text.batches import STEP, pad

    unique = list(dict.fromkeys(texts))
    ids = encode(tokenizer, unique, max_length)
    padding = special_id(tokenizer, PAD)
    width = int(network.head.out_features)  # type: ignore[union-attr, arg-type]
    found = np.zeros((len(unique), width), dtype=np.float32)
    groups: dict[int, list[int]] = {}
    for i, row in enumerate(ids):
        groups.setdefault(-(-len(row) // STEP) * STEP, []).append(i)
    where = device()
    network = network.to(where)
    with torch.inference_mode(), torch.autocast(where.type, torch.bfloat16, enabled=bf16):
        for length in sorted(groups):
            members, size = groups[length], max(1, _TOKENS // length)
            for start in range(0, len(members), size):
                chosen = members[start : start + size]
                rows: list[Ids] = [ids[i] for i in chosen]
                rows += [rows[-1]] * (size - len(rows))
                batch = pad(rows, padding, length)
                said = network(batch.ids.to(where), batch.mask.to(where))
                found[chosen] = said[: len(chosen)].float().cpu().numpy()
    at = {text: i for i, text in enumerate(unique)}
    return found[[at[text] for text in texts]]
