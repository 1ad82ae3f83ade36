"""How the learning rate changes: a function of the step and of what happened before."""

from __future__ import annotations

import math
from collections.abc import Sequence

from crossdl.training.config import NetworkConfig


def rate_factor(
    config: NetworkConfig, step: int, steps_per_epoch: int, monitored: Sequence[float]
) -> float:
    """What the learning rate of a step is multiplied by.

    Nothing is remembered between steps, so a resumed training needs no state of a schedule.

    Args:
        config: Schedule and warm-up.
        step: 0-based step of the optimizer.
        steps_per_epoch: Of the optimizer.
        monitored: Validation loss of every finished epoch.

    Returns:
        1 or less.
    """
    total = config.epochs * steps_per_epoch
    rising = round(config.warmup * total)
    warm = min(1.0, (step + 1) / rising) if rising else 1.0
    if config.schedule == "halving":
        epoch = step // steps_per_epoch
        return warm * 0.5 ** max(0, epoch + 2 - config.halve_from_epoch)
    if config.schedule == "plateau":
        return warm * 0.5 ** plateaus(monitored, config.plateau_patience)
    if config.schedule == "cosine":
        done = max(0, step - rising) / max(1, total - rising)
        return warm * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    return warm


def plateaus(values: Sequence[float], patience: int) -> int:
    """How often more than ``patience`` epochs in a row brought no better value.

    As Keras and torch count for ``ReduceLROnPlateau``: after a reduction the count starts again.
    """
    best, waited, count = math.inf, 0, 0
    for value in values:
        if value < best:
            best, waited = value, 0
            continue
        waited += 1
        if waited > patience:
            count, waited = count + 1, 0
    return count
