"""A convolution of an upsampled map and a skip, without the upsampled map.

Nearest upsampling by 2 and a 3×3×3 convolution are together one transposed convolution with
stride 2 and a 4×4×4 kernel: along each axis, taps (w_0, w_1, w_2) become
(w_2, w_1 + w_2, w_0 + w_1, w_0). An output voxel then costs 8 products per channel instead of
27, and neither the upsampled map nor its concatenation with the skip has to be kept.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv3d, conv_transpose3d

_AXIS = torch.tensor([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], dtype=torch.float32)
_SPREAD = torch.einsum("sz,ty,ux->zyxstu", _AXIS, _AXIS, _AXIS).reshape(27, 64)
"""Which taps of the convolution each tap of the transposed one sums up."""


def convolve_upsampled(features: Tensor, skip: Tensor, weight: Tensor) -> Tensor:
    """``conv3d(cat([upsample(features), skip]), weight, padding=1)``.

    Args:
        features: ``(B, C, D, H, W)``.
        skip: ``(B, S, 2D, 2H, 2W)``.
        weight: ``(O, C + S, 3, 3, 3)``.

    Returns:
        ``(B, O, 2D, 2H, 2W)``.
    """
    channels = features.shape[1]
    kernel = _transposed(weight[:, :channels])
    made = conv_transpose3d(features, kernel, stride=2, padding=1)
    return made + conv3d(skip, weight[:, channels:], padding=1)


def _transposed(weight: Tensor) -> Tensor:
    """``(O, C, 3, 3, 3)`` → ``(C, O, 4, 4, 4)``; in the weight's own precision."""
    outputs, channels = weight.shape[:2]
    with torch.autocast(weight.device.type, enabled=False):
        taps = weight.transpose(0, 1).reshape(channels * outputs, 27)
        return (taps @ _SPREAD.to(taps)).view(channels, outputs, 4, 4, 4)
