"""Adam as transformers are trained: warm-up, decay of weights but not of biases and norms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn


def scheduled_adam(
    parameters: Mapping[float, Iterable[nn.Parameter]],
    *,
    decay: float,
    steps: int,
    warmup: float,
    falling: bool,
) -> dict[str, Any]:
    """What ``configure_optimizers`` returns.

    Args:
        parameters: By highest learning rate.
        decay: Weight decay of matrices; 0 makes it plain Adam.
        steps: Of the whole training.
        warmup: Share of them in which the rate rises from 0.
        falling: Whether it then falls to 0 linearly.
    """
    groups: list[dict[str, Any]] = []
    for rate, members in parameters.items():
        learnt = [p for p in members if p.requires_grad]
        for matrices, weight_decay in ((True, decay), (False, 0.0)):
            chosen = [p for p in learnt if (p.ndim > 1) == matrices]
            if chosen:
                groups.append({"params": chosen, "lr": rate, "weight_decay": weight_decay})
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98) if decay else (0.9, 0.999), fused=True)
    rising = max(1, round(warmup * steps))

    def factor(step: int) -> float:
        up = min(1.0, (step + 1) / rising) if warmup > 0 else 1.0
        down = max(0.0, (steps - step) / max(1, steps - rising)) if falling else 1.0
        return min(up, down)

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
