"""Any network of MONAI that turns a volume into a volume, as the backbone of an analyzer."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from crossdl.errors import ConfigError
from crossdl.networks.maps import Activation, MapNetwork, ScaleOutput
from crossdl.networks.monai_catalog import constructor

_SLOPE = 0.01  # of LeakyReLU, MONAI's default


class MonaiNetwork(MapNetwork):
    """Features at full resolution from a MONAI network, heads at 1/2, 1/4, ... of it.

    The network is asked for ``features`` output channels. They are averaged over blocks of
    2×2×2 voxels, because maps come at half resolution as those of the U-Net do, and again for
    every coarser scale; each scale has a LeakyReLU and 1×1×1 heads of its own.
    """

    def __init__(
        self,
        name: str,
        arguments: Mapping[str, Any],
        n_regions: int,
        n_types: int,
        *,
        features: int = 32,
        scales: int = 2,
        abnormality_activation: Activation = "sigmoid",
    ) -> None:
        """Makes the network, with random weights from torch's global generator.

        Args:
            name: Class in ``monai.networks.nets``, such as ``"DynUNet"``.
            arguments: For its constructor.
            n_regions: N; 0 makes no region heads.
            n_types: M.
            features: Channels of its output.
            scales: Output scales K.
            abnormality_activation: ``"softmax"`` adds a *normal* channel.

        Raises:
            ConfigError: The constructor refuses the arguments.
        """
        super().__init__()
        from monai.networks import nets

        takes = constructor(name)
        given: dict[str, Any] = {"in_channels": 1, "out_channels": features}
        if takes is not None and (takes.anything or "spatial_dims" in takes.arguments):
            given["spatial_dims"] = 3
        try:
            self.backbone: nn.Module = getattr(nets, name)(**given, **arguments)
        except Exception as error:
            raise ConfigError(
                f"analyzer: monai.networks.nets.{name} refuses its arguments "
                f"({type(error).__name__}: {error}); change analyzer.arguments"
            ) from error
        self.name = name
        self.features = features
        self.scales = scales
        self.add_heads([features] * scales, n_regions, n_types, abnormality_activation)

    def forward(self, image: Tensor) -> list[ScaleOutput]:
        """Computes the maps.

        Args:
            image: ``(B, 1, D, H, W)`` of a shape the network takes, sides divisible by
                ``2^scales``.

        Returns:
            One output per scale, coarsest first; the last has half the image's resolution.
        """
        with _recomputing(self.backbone, self.checkpointing and torch.is_grad_enabled()):
            pooled = cast(Tensor, self.backbone(image))
        stages: list[Tensor] = []
        for _ in range(self.scales):
            pooled = nn.functional.avg_pool3d(pooled, 2)
            stages.insert(0, nn.functional.leaky_relu(pooled, _SLOPE))
        return self.outputs(stages)

    def check(self, shape: tuple[int, int, int]) -> None:
        """Runs the backbone without numbers, on the meta device.

        Args:
            shape: Of the image, ``(D, H, W)``.

        Raises:
            ConfigError: It does not take the shape, or gives something else than
                ``(B, features, D, H, W)``.
        """
        if any(n % 2**self.scales for n in shape):
            raise ConfigError(
                f"analyzer: volume shape {shape} does not fit {self.scales} scales: every side "
                f"must be a multiple of {2**self.scales}; change volume_shape or scales"
            )
        try:
            given = torch.empty((1, 1, *shape), device="meta")
            with torch.no_grad():
                made = copy.deepcopy(self.backbone).to("meta")(given)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise ConfigError(
                f"analyzer: monai.networks.nets.{self.name} does not take volumes of {shape} "
                f"({reason}); change volume_shape or analyzer.arguments"
            ) from error
        expected = (1, self.features, *shape)
        found = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
        if found != expected:
            raise ConfigError(
                f"analyzer: monai.networks.nets.{self.name} gives {found} for an image of "
                f"{(1, 1, *shape)}, not {expected}; take another network or other arguments"
            )


@contextmanager
def _recomputing(network: nn.Module, active: bool) -> Iterator[None]:
    """While active, MONAI's outermost blocks keep only their inputs for the way back."""
    blocks = list(dict.fromkeys(_blocks(network))) if active else []  # DynUNet holds some twice
    for block in blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if type(child).__module__.startswith("monai.networks.blocks"):
            yield child
        else:
            yield from _blocks(child)
