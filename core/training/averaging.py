"""Exponential average of a module's weights during training."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class WeightAverage:
    """Average of the trained parameters that follows closely at first.

    After n steps the decay is the smaller of the given one and ``(1 + n)/(10 + n)``.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        """Begins with the module's weights.

        Args:
            module: Its trained parameters are averaged; they must be where they stay.
            decay: Weight of the average against the new weights, below 1.
        """
        self.decay = decay
        self._parameters = {n: p for n, p in module.named_parameters() if p.requires_grad}
        self.tensors = {name: p.detach().clone() for name, p in self._parameters.items()}

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """Moves toward the module's weights after so many steps."""
        decay = min(self.decay, (1 + steps) / (10 + steps))
        new = [p.detach() for p in self._parameters.values()]
        torch._foreach_lerp_(list(self.tensors.values()), new, 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchanges the module's weights and the average; doing it twice restores both."""
        for name, parameter in self._parameters.items():
            kept = parameter.detach().clone()
            parameter.copy_(self.tensors[name])
            self.tensors[name].copy_(kept)

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Takes an average back."""
        for name, value in tensors.items():
            self.tensors[name].copy_(value)
