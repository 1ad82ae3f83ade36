"""Class activation maps: where a classifier looks for what it says.

Grad-CAM: Selvaraju et al. 2017, Grad-CAM: Visual Explanations from Deep Networks via
Gradient-based Localization. HiResCAM: Draelos & Carin 2020, Use HiResCAM instead of Grad-CAM
for faithful explanations of convolutional neural networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from crossdl.networks.classifiers import ClassifierOutput, EncoderClassifier

CAM = Literal["grad_cam", "hires_cam"]


class ActivationMaps(NamedTuple):
    """What a classifier says of images, and where it looks.

    Attributes:
        output: The logits.
        scan: Map of each type's scan-level logit, ``(B, M, D, H, W)`` in [0, 1], on the grid of
            the chosen level.
        regions: Map of each region's largest logit, ``(B, N, D, H, W)`` in [0, 1]; None if it
            was not asked for.
    """

    output: ClassifierOutput
    scan: Tensor
    regions: Tensor | None


def activation(features: Tensor, gradient: Tensor, method: CAM) -> Tensor:
    """The raw map of one logit z.

    * ``"grad_cam"``: Σ_c α_c A_cv with α_c = mean_v ∂z/∂A_cv.
    * ``"hires_cam"``: Σ_c ∂z/∂A_cv · A_cv. Where z is linear in the mean of A over voxels, these
      sum up to z without its bias: each voxel's value is its share of the logit.

    Args:
        features: A, ``(B, C, D, H, W)``.
        gradient: ∂z/∂A, the same shape.
        method: Which map.

    Returns:
        ``(B, D, H, W)``, of any sign.
    """
    if method == "grad_cam":
        gradient = gradient.mean(dim=(2, 3, 4), keepdim=True)
    return (gradient * features).sum(dim=1)


def normalised(raw: Tensor) -> Tensor:
    """Positive evidence only, scaled so that each map's largest value is 1; 0 if there is none.

    Args:
        raw: ``(B, D, H, W)``.

    Returns:
        The same shape, in [0, 1].
    """
    positive = raw.clamp_min(0)
    largest = positive.flatten(1).amax(dim=1).view(-1, 1, 1, 1)
    return positive / largest.clamp_min(torch.finfo(positive.dtype).tiny)


def activation_maps(
    network: EncoderClassifier,
    image: Tensor,
    *,
    method: CAM,
    level: int,
    regions: bool = False,
) -> ActivationMaps:
    """Logits of images with the maps of the scan-level logits; call it where gradients may flow.

    Args:
        network: In evaluation mode; its parameters get no gradient.
        image: ``(B, 1, D, H, W)``, normalised.
        method: Which map.
        level: Level of the encoder whose features are looked at: 0 is finest, as fine as the
            image; ``network.levels - 1`` is the usual choice.
        regions: Whether to make maps of regions, too: N more passes from the logits back to the
            level.
    """
    with torch.no_grad():
        features = network.features(image, level)
    with torch.enable_grad():
        features = features.detach().requires_grad_()
        output = network.conclude(features, level)
        scan = _maps(features, output.scan.unbind(1), method)
        largest = output.regions.amax(dim=2).unbind(1)
        found = _maps(features, largest, method) if regions else None
    attention = None if output.attention is None else output.attention.detach()
    return ActivationMaps(
        ClassifierOutput(output.regions.detach(), output.scan.detach(), attention), scan, found
    )


def cell_activation_maps(
    network: EncoderClassifier,
    image: Tensor,
    cells: Sequence[tuple[int, int]],
    *,
    method: CAM,
    level: int,
) -> Tensor:
    """Maps of the logits of single cells.

    Args:
        network: As for :func:`activation_maps`.
        image: ``(B, 1, D, H, W)``, normalised.
        cells: Region and type of each, by index.
        method: Which map.
        level: Level of the encoder.

    Returns:
        ``(B, len(cells), D, H, W)`` in [0, 1].
    """
    with torch.no_grad():
        features = network.features(image, level)
    with torch.enable_grad():
        features = features.detach().requires_grad_()
        logits = network.conclude(features, level).regions
        return _maps(features, [logits[:, i, j] for i, j in cells], method)


def _maps(features: Tensor, logits: Iterable[Tensor], method: CAM) -> Tensor:
    """Normalised maps of some logits ``(B,)`` each; a scan's depends on its own features only."""
    dtype = torch.promote_types(features.dtype, torch.float32)
    values = features.detach().to(dtype)
    made = []
    for logit in logits:
        (gradient,) = torch.autograd.grad(logit.sum(), features, retain_graph=True)
        made.append(normalised(activation(values, gradient.to(dtype), method)))
    return torch.stack(made, dim=1)
