"""What lesions are painted on: densities, and which lesion of which type every voxel shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.plugins.cohorts._phantom_head import Space
from crossdl.plugins.cohorts._phantom_mass import Push
from crossdl.plugins.cohorts._phantom_voxels import Box, possible_voxels
from crossdl.types import BoolArray, FloatArray, LabelArray

NO_TYPE = 255
"""Type of a part that is seen but is no abnormality, such as a tumour as dense as brain."""


@dataclass(eq=False)
class Canvas:
    """A patient's head being painted, all arrays ``(D, H, W)`` on the head model's grid.

    Attributes:
        anatomy: Regions and types.
        hu: Densities.
        labels: Regions, displaced by mass effect as ``hu`` is.
        parts: Number of the lesion part seen at each voxel, 0 where there is none. A lesion has a
            part for every type it shows.
        metal: Voxels of clips and coils, which streak.
        lesion_of: Number of the lesion (from 0) each part belongs to; entry 0 is -1.
        type_of: Type index of each part; entry 0 is ``NO_TYPE``.
        pushes: Mass effects not yet carried out.
        shift_mm: Displacement of the mid-plane, positive to the left.
    """

    anatomy: Anatomy
    hu: FloatArray
    labels: LabelArray
    parts: LabelArray
    metal: BoolArray
    lesion_of: list[int] = field(default_factory=lambda: [-1])
    type_of: list[int] = field(default_factory=lambda: [NO_TYPE])
    pushes: list[Push] = field(default_factory=list)
    shift_mm: float = 0.0

    @classmethod
    def of(
        cls, space: Space, anatomy: Anatomy, hu: FloatArray, solid: Sequence[str] = ()
    ) -> Canvas:
        """A canvas without lesions.

        Args:
            space: The head model.
            anatomy: Regions and types.
            hu: Painted on in place.
            solid: Parts that hold no fluid: cisterns next to them belong to no region.
        """
        labels = space.model.labels.copy()
        numbers = [k for k, r in enumerate(anatomy.regions, start=1) if r.part in solid]
        labels[np.isin(labels, numbers) & (space.fluid > 0.5)] = 0
        return cls(
            anatomy,
            hu,
            labels,
            np.zeros(labels.shape, dtype=np.uint8),
            np.zeros(labels.shape, dtype=np.bool_),
        )

    def part(self, lesion: int, type_index: int) -> int:
        """Number of the part of a lesion that has a type."""
        for number, (owner, kind) in enumerate(zip(self.lesion_of, self.type_of, strict=True)):
            if (owner, kind) == (lesion, type_index):
                return number
        if len(self.type_of) > 255:
            return 0
        self.lesion_of.append(lesion)
        self.type_of.append(type_index)
        return len(self.type_of) - 1

    def paint(
        self, box: Box, weight: FloatArray, hu: Any, part: int, least_weight: float = 0.5
    ) -> None:
        """Blends a density in; where it prevails, the part is what is seen.

        Args:
            box: Where.
            weight: How much of each voxel it fills, 0 to 1.
            hu: Its density, a number or an array of the box.
            part: From :meth:`part`.
            least_weight: What counts as prevailing.
        """
        self.tint(box, weight, hu)
        mostly = weight > least_weight
        type_index = self.type_of[part]
        if type_index != NO_TYPE:
            mostly &= possible_voxels(self.anatomy, self.labels[box], type_index)
        self.parts[box][mostly] = part

    def tint(self, box: Box, weight: FloatArray, hu: Any) -> None:
        """Blends in a density that is no lesion."""
        here = self.hu[box]
        here += weight * (np.asarray(hu, dtype=np.float32) - here)
