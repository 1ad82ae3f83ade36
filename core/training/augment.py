"""Augmentation of a sample: flips with swapped labels, shapes, intensities."""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import Tensor

from crossdl.anatomy import Anatomy
from crossdl.training.augment_intensity import change_intensity
from crossdl.training.augment_shape import change_shape
from crossdl.training.augmentation import Augmentation


class Chance:
    """Random numbers of one sample; every change has its own, so others leave it as it is."""

    def __init__(self, settings: Augmentation, key: tuple[int, ...]) -> None:
        """Keeps both.

        Args:
            settings: Give the probabilities.
            key: Such as (seed, epoch, number of the scan).
        """
        self._settings = settings
        self._key = key

    def numbers(self, name: str) -> np.random.Generator:
        """Source of a change's numbers."""
        return np.random.default_rng([*self._key, zlib.crc32(name.encode())])

    def happens(self, name: str) -> np.random.Generator | None:
        """The source of a change's numbers, or None where it is not made this time."""
        rng = self.numbers(name)
        chance: float = getattr(self._settings.probability, name)
        return rng if rng.random() < chance else None


def augment(
    image: Tensor,
    regions: Tensor,
    matrix: Tensor,
    *,
    anatomy: Anatomy,
    settings: Augmentation,
    key: tuple[int, ...],
) -> tuple[Tensor, Tensor, Tensor]:
    """A random variant of a sample.

    Args:
        image: ``(D, H, W)`` uint8, windowed by E3; W along left-right.
        regions: ``(D, H, W)`` uint8 labels; 0 none, i + 1 region i.
        matrix: ``(N + 2, M)``.
        anatomy: Gives mirror regions and the window.
        settings: What is changed.
        key: Decides everything random, such as (seed, epoch, number of the scan).

    Returns:
        The same three, changed.
    """
    chance = Chance(settings, key)
    if chance.numbers("flip").random() < settings.flip_probability:
        image, regions, matrix = mirror(image, regions, matrix, anatomy)
    image, regions = change_shape(image, regions, settings, chance)
    return change_intensity(image, anatomy.window, settings, chance), regions, matrix


def mirror(
    image: Tensor, regions: Tensor, matrix: Tensor, anatomy: Anatomy
) -> tuple[Tensor, Tensor, Tensor]:
    """Mirrors a sample: W is reversed, and every label becomes that of its mirror region.

    Args:
        image: ``(D, H, W)``, W along left-right.
        regions: ``(D, H, W)`` labels; 0 none, i + 1 region i.
        matrix: ``(N + 2, M)``.
        anatomy: Says which regions are each other's mirror image.
    """
    order = torch.from_numpy(anatomy.mirror_index)
    swap = torch.zeros(256, dtype=torch.uint8)
    swap[1 : anatomy.n_regions + 1] = order[: anatomy.n_regions] + 1
    return image.flip(-1), swap[regions.flip(-1).int()], matrix[order]
