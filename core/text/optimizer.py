"""Adam as transformers are trained: warm-up, decay of weights but not of biases and norms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


def scheduled_adam(
    parameters: Iterable[tuple[str, nn.Parameter]],
    *,
    rate: float,
    decay: float,
    steps: int,
    warmup: float,
    falling: bool,
) -> dict[str, Any]:
    """What ``configure_optimizers`` returns.

    Args:
        parameters: By name.
        rate: Highest learning rate.
        decay: Weight decay of matrices; 0 makes it plain Adam.
        steps: Of the whole training.
        warmup: Share of them in which the rate rises from 0.
        falling: Whether it then falls to 0 linearly.
    """
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for _, parameter in parameters:
        if parameter.requires_grad:
            (matrices if parameter.ndim > 1 else others).append(parameter)
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}],
        lr=rate,
        fused=True,
    )
    rising = max(1, round(warmup * steps))

    def factor(step: int) -> float:
        up = min(1.0, (step + 1) / rising) if warmup > 0 else 1.0
        down = max(0.0, (steps - step) / max(1, steps - rising)) if falling else 1.0
        return min(up, down)

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
