"""The tensors of a model, as its file holds them."""

from __future__ import annotations

from torch import Tensor, nn


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Every tensor of a model once, under the first of its names; networks may hold some twice."""
    found: dict[int, tuple[str, Tensor]] = {}
    for name, value in model.state_dict(keep_vars=True).items():
        found.setdefault(id(value), (name, value.detach()))
    return dict(found.values())


def fill(tensors: dict[str, Tensor], values: dict[str, Tensor]) -> None:
    """Copies values into the tensors of a model.

    Raises:
        ValueError: Names or shapes differ.
    """
    if tensors.keys() != values.keys():
        raise ValueError(f"{len(values.keys() ^ tensors.keys())} weights have other names")
    for name, value in values.items():
        if tensors[name].shape != value.shape:
            raise ValueError(f"weight {name} has shape {tuple(value.shape)}")
        tensors[name].copy_(value)
