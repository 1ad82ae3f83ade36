"""What a CT scanner adds to a head: beam hardening, streaks, kernel, noise, head holder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from crossdl.types import FloatArray, Grid

_WORK = 96
_VIEWS = 72
_AIR = -800.0
_DENSE = 130.0  # HU from which on tissue is bone that veils its surroundings
_VEIL_MM = 4.0  # standard deviation of the veil

Holder = Literal["cup", "wedge", "pillow"]
HOLDERS: tuple[Holder, ...] = ("cup", "wedge", "pillow")
"""A shell on a circle, two boards that meet in a V, and a shell with a ring-shaped pillow."""


@dataclass(frozen=True)
class Exposure:
    """How one scan was taken.

    Attributes:
        noise_hu: Standard deviation of noise in the middle of the head.
        blur_mm: Standard deviation of the kernel's point spread in the slice.
        edge: How far the kernel overshoots at edges; 0 is a soft kernel.
        grain_mm: Size of the noise's grain.
        veil: Share of the bone's density that is spread over its surroundings, a few millimetres
            far; it hides the fluid below the inner table.
        hardening: Strength of beam hardening that the scanner leaves; 1 is usual.
        streaks: Strength of the noise that dense bone and metal send through a slice.
        holder: HU of the head holder, None without one.
        shape: Of the head holder.
        tubes: Number of tubes and cables beside the head.
    """

    noise_hu: float
    blur_mm: float
    edge: float
    grain_mm: float
    veil: float
    hardening: float
    streaks: float
    holder: float | None
    shape: Holder
    tubes: int


def scanned(
    image: FloatArray, metal: FloatArray | None, grid: Grid, how: Exposure, rng: np.random.Generator
) -> FloatArray:
    """The head as a scanner shows it.

    Args:
        image: ``(D, H, W)`` true HU.
        metal: Fraction of metal, same shape, or None.
        grid: Where the voxels are.
        how: The exposure.
        rng: Draws noise and things beside the head.
    """
    from scipy import ndimage

    _, h, w = grid.spacing
    image = image.copy()
    _add_holder(image, grid, how, rng)
    if how.blur_mm > 0.0:
        sigma = (0.0, how.blur_mm / h, how.blur_mm / w)
        soft = ndimage.gaussian_filter(image, sigma, truncate=3.0)
        if how.edge > 0.0:
            wide = ndimage.gaussian_filter(soft, sigma, truncate=3.0)
            soft += np.float32(how.edge) * (soft - wide)
        image = soft
    if how.veil > 0.0:
        bone = (image - _DENSE).clip(0.0, 2000.0)
        spread = (0.0, _VEIL_MM / h, _VEIL_MM / w)
        image += np.float32(how.veil) * ndimage.gaussian_filter(bone, spread, truncate=3.0)
    artefact = _artefact(image, metal, grid, how, rng)
    return image + artefact + _noise(image, grid, how, rng)


def _artefact(
    image: FloatArray,
    metal: FloatArray | None,
    grid: Grid,
    how: Exposure,
    rng: np.random.Generator,
) -> FloatArray:
    """Errors of the projections, reconstructed: hardening grows with the square of the bone.

    Each view's line integral of bone ``b`` gets an error ``-k b^2``, and noise that grows with
    the attenuation as photons get few; both go through filtered back projection.
    """
    from scipy import ndimage

    count, rows, columns = image.shape
    n = min(_WORK, max(rows, columns))
    bone = ((image - 130.0) / 1000.0).clip(0.0, 2.5)
    if metal is not None:
        bone += 6.0 * metal
    step = (1, rows / n, columns / n)
    if n < max(rows, columns):
        bone = ndimage.uniform_filter1d(bone, max(1, round(step[1])), axis=1)
        bone = ndimage.uniform_filter1d(bone, max(1, round(step[2])), axis=2)
        bone = ndimage.zoom(
            bone, (1, n / rows, n / columns), order=1, grid_mode=True, mode="nearest"
        )
    pixel_cm = grid.spacing[1] * rows / n / 10.0
    forward = _projector(n)
    sums = forward @ np.ascontiguousarray(bone.reshape(count, n * n).T)  # (views * bins, D)
    sums *= np.float32(pixel_cm)
    error = np.float32(-0.012 * how.hardening) * sums * sums
    starved = np.float32(0.02 * how.streaks) * np.expm1(0.33 * sums.clip(0.0, 14.0))
    error += starved * rng.standard_normal(sums.shape, dtype=np.float32)
    error = _ramp(error.reshape(_VIEWS, -1, count)).reshape(sums.shape)
    back = forward.T @ error  # (n * n, D)
    scale = np.float32(1000.0 * np.pi / _VIEWS / 2.0 / pixel_cm)
    result = (back.T * scale).reshape(count, n, n)
    result = ndimage.gaussian_filter1d(ndimage.gaussian_filter1d(result, 0.6, axis=1), 0.6, axis=2)
    if n < max(rows, columns):
        result = ndimage.zoom(
            result, (1, rows / n, columns / n), order=1, grid_mode=True, mode="nearest"
        )
    return np.asarray(result, dtype=np.float32)


@cache
def _projector(n: int) -> Any:
    """Parallel projection of an ``n`` x ``n`` picture: sparse ``(views * bins, n * n)``."""
    from scipy import sparse

    bins = int(np.ceil(n * 1.42)) + 2
    y, x = (np.mgrid[:n, :n] - (n - 1) / 2).reshape(2, -1)
    rows, weights = [], []
    for view, angle in enumerate(np.pi * (np.arange(_VIEWS) + 0.5) / _VIEWS):
        at = x * np.cos(angle) + y * np.sin(angle) + (bins - 1) / 2
        low = np.floor(at).astype(np.int64)
        for index, weight in ((low, low + 1 - at), (low + 1, at - low)):
            rows.append(view * bins + index)
            weights.append(weight)
    columns = np.tile(np.arange(n * n), 2 * _VIEWS)
    shape = (_VIEWS * bins, n * n)
    values = (np.concatenate(weights).astype(np.float32), (np.concatenate(rows), columns))
    return sparse.csr_matrix(values, shape=shape)


def _ramp(views: FloatArray) -> FloatArray:
    """Ramp filter with a Hann window along the bins of ``(views, bins, D)``."""
    from scipy import fft

    length = 2 * views.shape[1]
    frequency = np.fft.rfftfreq(length).astype(np.float32)
    window = 2.0 * frequency * (0.5 + 0.5 * np.cos(2 * np.pi * frequency))
    spectrum = fft.rfft(views, length, axis=1) * window[None, :, None].astype(np.float32)
    return np.asarray(fft.irfft(spectrum, length, axis=1)[:, : views.shape[1]], dtype=np.float32)


def _noise(image: FloatArray, grid: Grid, how: Exposure, rng: np.random.Generator) -> FloatArray:
    """Grain without its lowest frequencies, stronger in the middle and between dense bone."""
    from scipy import ndimage

    _, h, w = grid.spacing
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    for axis, spacing in ((1, h), (2, w)):
        noise = ndimage.gaussian_filter1d(noise, how.grain_mm / spacing, axis=axis)
    low = noise
    for axis, spacing in ((1, h), (2, w)):
        low = ndimage.gaussian_filter1d(low, 2.5 * how.grain_mm / spacing, axis=axis)
    noise -= np.float32(0.7) * low
    noise *= np.float32(1.0 / noise.std())
    solid = (image > -300.0).mean(axis=(1, 2)) + 2.0 * (image > 300.0).mean(axis=(1, 2))
    level = np.sqrt((solid / max(float(np.median(solid)), 1e-3)).clip(0.3, 2.5))
    y = np.linspace(-1.0, 1.0, image.shape[1], dtype=np.float32)[:, None]
    x = np.linspace(-1.0, 1.0, image.shape[2], dtype=np.float32)
    middle = 0.75 + 0.4 * np.exp(-2.5 * (x**2 + y**2))
    noise *= level.astype(np.float32)[:, None, None] * middle * np.float32(how.noise_hu)
    return noise


def _add_holder(image: FloatArray, grid: Grid, how: Exposure, rng: np.random.Generator) -> None:
    """The head holder behind the head, straight along D, and tubes beside the head."""
    _, h, w = grid.spacing
    y = (np.arange(image.shape[1], dtype=np.float32) - (image.shape[1] - 1) / 2)[:, None] * h
    x = (np.arange(image.shape[2], dtype=np.float32) - (image.shape[2] - 1) / 2)[None, :] * w
    half = min(abs(float(y[0, 0])), abs(float(x[0, 0])))
    shift, radius = rng.uniform(-4.0, 20.0), rng.uniform(0.93, 1.1) * half
    thick, reach = max(rng.uniform(1.2, 4.0), 1.5 * h), rng.uniform(-0.1, 0.5)
    slope, tip = rng.uniform(0.3, 0.7), rng.uniform(0.9, 1.05) * half
    soft = rng.uniform(12.0, 22.0)
    places = rng.uniform([-1.0, -0.6, 1.5], [1.0, 0.9, 4.0], (6, 3))
    from_slice = rng.uniform(0.0, 0.7, 6)
    if how.holder is not None:
        away = np.sqrt(x**2 + (y + shift) ** 2) - radius
        part = (y > reach * half) & (np.abs(x) < 0.98 * half)
        if how.shape == "wedge":
            away = (y + slope * np.abs(x) - tip) / np.sqrt(1.0 + slope**2)
            part = (y > 0.0) & (np.abs(x) < (0.25 + 0.5 * abs(reach)) * half)
        if how.shape == "pillow":
            foam = np.abs(np.abs(away + soft / 2) - soft / 2)
            _blend(image, ((1.0 - foam) / max(h, w) + 0.5).clip(0.0, 1.0) * part, -20.0)
        weight = ((thick / 2 - np.abs(away)) / max(h, w) + 0.5).clip(0.0, 1.0) * part
        _blend(image, weight, how.holder)
    count = len(image)
    for (px, py, size), first in zip(places[: how.tubes], from_slice, strict=False):
        # Hollow tubes and wires: beside the head from some slice on, drifting along D.
        drift = np.linspace(0.0, rng.normal(0.0, 20.0), count, dtype=np.float32)[:, None, None]
        away = np.sqrt((x - 0.93 * np.sign(px) * half) ** 2 + (y - 0.9 * py * half - drift) ** 2)
        wall = np.minimum(size - away, away - (size - 2.5))
        shown = (np.arange(count) >= first * count)[:, None, None]
        _blend(image, (wall / max(h, w) + 0.5).clip(0.0, 1.0) * shown, 400.0)


def _blend(image: FloatArray, weight: Any, hu: float) -> None:
    weight = np.where(image < _AIR, weight, 0.0).astype(np.float32)
    image += weight * (np.float32(hu) - image)
