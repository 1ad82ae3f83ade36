"""Densities of one patient's normal head: age, skull, scalp, and slow variation everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossdl.plugins.atlases._mni_brain import brain_hu
from crossdl.plugins.atlases._mni_model import head_data
from crossdl.plugins.atlases._mni_vault import soft, vault_hu
from crossdl.types import FloatArray

if TYPE_CHECKING:
    from crossdl.plugins.cohorts._phantom_config import HeadRanges
    from crossdl.plugins.cohorts._phantom_head import Space


@dataclass(frozen=True)
class Person:
    """What makes a patient's tissue individual.

    Attributes:
        atrophy: Below 0 for a tight young brain, 1 for wide sulci.
        hu: Densities of tissue, as in ``mni_head.toml``.
        unevenness_hu: Standard deviation of slow variation over the brain.
        skull: Thickness of the skull, 1 is usual.
        frontal_mm: Inner thickening of the frontal bone, mm.
        bone: Density of bone, 1 is usual.
        scalp: Thickness of the scalp, 1 is usual.
        size: Of the head, 1 is an adult's; children have a thin skull and a tight brain, too.
    """

    atrophy: float
    hu: dict[str, float]
    unevenness_hu: float
    skull: float
    frontal_mm: float
    bone: float
    scalp: float
    size: float


def make_person(rng: np.random.Generator, ranges: HeadRanges) -> Person:
    """Draws a patient's tissue."""
    grey = rng.uniform(*ranges.grey_hu)
    bone = rng.uniform(*ranges.bone)
    usual = head_data()["hu"]
    hu = {
        **usual,
        "grey": grey,
        "white": grey - rng.uniform(*ranges.contrast_hu),
        "fluid": rng.uniform(*ranges.fluid_hu),
        "blood": rng.uniform(*ranges.blood_hu),
        "dura": rng.uniform(42.0, 60.0),
        "muscle": usual["muscle"] + rng.normal(0.0, 4.0),
        "fat": usual["fat"] + rng.normal(0.0, 8.0),
        "compact": usual["compact"] * bone,
        "diploe": usual["diploe"] * bone * rng.uniform(0.7, 1.2),
    }
    child = rng.random() < ranges.child_rate
    grown = float(rng.uniform(0.0, 1.0)) if child else 1.0
    return Person(
        atrophy=float(rng.uniform(*ranges.atrophy)) * (0.3 if child else 1.0),
        hu={key: float(value) for key, value in hu.items()},
        unevenness_hu=float(rng.uniform(*ranges.unevenness_hu)),
        skull=_between(rng, ranges.skull) * (0.4 + 0.4 * grown if child else 1.0),
        frontal_mm=float(rng.uniform(2.0, 7.0)) if rng.random() < 0.08 else 0.0,
        bone=float(bone),
        scalp=_between(rng, ranges.scalp),
        size=0.84 + 0.13 * grown if child else 1.0,
    )


def normal_hu(space: Space, person: Person, rng: np.random.Generator) -> FloatArray:
    """HU of a patient's head before lesions, ``(D, H, W)`` on the head model's grid."""
    model, hu = space.model, person.hu
    shape, spacing = model.hu.shape, model.grid.spacing[0]
    slow, quick, rough = (smooth_field(shape, knots, rng) for knots in (7, 22, 34))
    result = model.hu.copy()
    flat = result.ravel()

    at = space.bone_index
    flat[at] *= np.float32(person.bone) * (np.float32(1.0) + np.float32(0.12) * rough.ravel()[at])
    at = space.flesh_index
    flat[at] += np.float32(person.hu["muscle"] - 55.0) + np.float32(2.5) * rough.ravel()[at]

    at = space.brain_index
    fluid = model.fluid.ravel()[at]
    deep = space.deep_share
    centre = np.float32(0.95 - 0.65 * person.atrophy) + 0.12 * quick.ravel()[at]
    centre += deep * (np.float32(0.38) - centre)
    fluid = (np.float32(0.5) + np.float32(1.5) * (fluid - centre)).clip(0.0, 1.0)
    brain = brain_hu(fluid, space.white_share, model.dura.ravel()[at], model.blood.ravel()[at], hu)
    brain += np.float32(person.unevenness_hu) * (slow.ravel()[at] + 0.7 * quick.ravel()[at])
    flat[at] = brain

    at = space.vault_index
    outer = model.outer.ravel()[at]
    factor = np.float32(person.skull) * (1.0 + 0.1 * slow.ravel()[at] + 0.04 * quick.ravel()[at])
    skull = space.skull_mm * factor
    frontal = np.float32(person.frontal_mm) * space.frontal_share
    drawn = vault_hu(
        outer + frontal,
        skull + frontal,
        space.scalp_mm * np.float32(person.scalp),
        space.temporalis_mm * np.float32(person.scalp),
        rough.ravel()[at],
        hu,
        spacing,
    )
    weight = model.vault.ravel()[at] * soft(outer + frontal, spacing)
    flat[at] += weight * (drawn - flat[at])
    return result


def smooth_field(
    shape: Sequence[int], knots: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Smooth noise of about unit variance; ``knots`` values along the longest axis."""
    counts = [max(4, round(knots * n / max(shape))) + 3 for n in shape]
    values = rng.standard_normal(counts, dtype=np.float32) * np.float32(2.6)
    bases = [
        cubic_basis(np.linspace(0.0, c - 3.001, n), c) for c, n in zip(counts, shape, strict=True)
    ]
    field: Any = np.tensordot(values, bases[2], axes=([2], [0]))
    field = np.einsum("abw,bh->ahw", field, bases[1], optimize=True)
    return np.asarray(np.tensordot(bases[0], field, axes=([0], [0])), dtype=np.float32)


def cubic_basis(at: npt.NDArray[np.float64], count: int) -> FloatArray:
    """Values ``(count, n)`` of uniform cubic B-splines; ``at`` lies in [0, count - 3)."""
    whole = np.floor(at).astype(int).clip(0, count - 4)
    t = at - whole
    parts = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    basis = np.zeros((count, len(at)), dtype=np.float32)
    for k, part in enumerate(parts):
        basis[whole + k, np.arange(len(at))] = part / 6.0
    return basis


def _between(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """Drawn from a range, its middle most often."""
    low, high = limits
    return float(low + (high - low) * rng.beta(2.5, 2.5))
