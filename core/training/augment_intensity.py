"""Augmentation of intensities, in HU on windowed images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from crossdl.anatomy import Window
from crossdl.training.augmentation import Augmentation
from crossdl.training.separable import (
    apply,
    control_shape,
    gaussian,
    normalised,
    smooth_field,
    thick_slices,
)

if TYPE_CHECKING:
    from crossdl.training.augment import Chance

_TOP = 255.0
_NEUTRAL = (1.0, 1.0)
_NONE = (0.0, 0.0)


def change_intensity(
    image: Tensor, window: Window, settings: Augmentation, chance: Chance
) -> Tensor:
    """Tissue contrast, partial volume, reconstruction kernel, bias and noise, as drawn.

    Voxels that the window clips keep their end of it through the tissue curve, and get neither
    bias nor noise: air and bone look the same in every scan.

    Args:
        image: ``(D, H, W)`` uint8, 255 = upper end of the window.
        window: What the image shows.
        settings: Largest changes.
        chance: Draws them.

    Returns:
        The image, uint8 again.
    """
    curve = _curve(window, settings, chance)
    filters = _filters(tuple(image.shape), settings, chance)
    if filters and settings.bone_hu is not None:
        bone = (settings.bone_hu - window.low) / window.width * _TOP
        curve = (torch.arange(256.0) if curve is None else curve).clone()
        curve[255] = max(bone, _TOP)
    sharper = chance.happens("sharpen") if settings.sharpen != _NONE else None
    added = _added(tuple(image.shape), window, settings, chance)
    if curve is None and not filters and sharper is None and added is None:
        return image
    changed = image.float() if curve is None else curve[image.int()]
    changed = apply(changed, filters).clamp_(0, _TOP)
    if sharper is not None:
        within = {axis: gaussian(image.shape[axis], 1.0) for axis in (1, 2)}
        changed += float(sharper.uniform(*settings.sharpen)) * (changed - apply(changed, within))
    if added is not None:
        changed += added.mul_((changed > 0) & (changed < _TOP))
    return changed.round_().clamp_(0, _TOP).to(torch.uint8)


def _curve(window: Window, settings: Augmentation, chance: Chance) -> Tensor | None:
    """New value of each of the 256 values, or None; the window's ends stay."""
    x = np.linspace(0, 1, 256)
    if settings.gamma != _NEUTRAL and (rng := chance.happens("gamma")):
        x = x ** rng.uniform(*settings.gamma)
    if settings.contrast != _NEUTRAL and (rng := chance.happens("contrast")):
        x = 0.5 + (x - 0.5) * rng.uniform(*settings.contrast)
    if settings.brightness_hu and (rng := chance.happens("brightness")):
        x = x + rng.uniform(-1, 1) * settings.brightness_hu / window.width
    curve = np.clip(x * _TOP, 0, _TOP)
    curve[0], curve[255] = 0, _TOP
    return None if np.array_equal(curve, np.arange(256)) else torch.from_numpy(curve).float()


def _filters(shape: tuple[int, ...], settings: Augmentation, chance: Chance) -> dict[int, Tensor]:
    """Matrices that make slices thick and blurred, by axis."""
    filters = {}
    if settings.slice_thickness != _NEUTRAL and (rng := chance.happens("slice_thickness")):
        thickness = max(1.0, float(rng.uniform(*settings.slice_thickness)))
        filters[0] = thick_slices(shape[0], thickness, float(rng.random()))
    if settings.blur != _NONE and (rng := chance.happens("blur")):
        sigma = float(rng.uniform(*settings.blur))
        filters |= {axis: gaussian(shape[axis], sigma) for axis in (1, 2)}
    return filters


def _added(
    shape: tuple[int, ...], window: Window, settings: Augmentation, chance: Chance
) -> Tensor | None:
    """Bias and noise in units of the image, or None."""
    unit = _TOP / window.width
    total = None
    if settings.bias_hu and (rng := chance.happens("bias")):
        strength = float(rng.uniform(0, 1)) * settings.bias_hu * unit
        points = torch.from_numpy(rng.standard_normal(control_shape(), dtype=np.float32))
        total = smooth_field(shape, points * strength)
    if settings.noise_hu != _NONE and (rng := chance.happens("noise")):
        strength = float(rng.uniform(*settings.noise_hu)) * unit
        sigma = float(rng.uniform(0, 1)) * settings.noise_grain
        noise = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
        grain = {axis: normalised(gaussian(shape[axis], sigma)) for axis in (1, 2)}
        noise = apply(noise, grain).mul_(strength)
        total = noise if total is None else total.add_(noise)
    return total
