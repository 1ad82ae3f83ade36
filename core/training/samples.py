"""What an analyzer is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from mmap import mmap
from typing import Any

import numpy as np

from crossdl.types import FloatArray, LabelArray


@dataclass(frozen=True, eq=False)
class Sample:
    """One training scan; its voxels may be memory-mapped and are read when a batch needs them.

    Attributes:
        scan_id: For messages.
        image: ``(D, H, W)`` uint8, windowed by E3, on the model's input grid.
        regions: ``(D, H, W)`` uint8 on the same grid; 0 none, i + 1 region i. All zero means that
            no coarse segmentation exists (registration failed): E4 skips the scan.
        matrix: ``(N + 2, M)`` float32 pseudo labels (E1), probabilities allowed.
    """

    scan_id: str
    image: LabelArray
    regions: LabelArray
    matrix: FloatArray

    def __getstate__(self) -> dict[str, Any]:
        """Memory-mapped files go to other processes by their name."""
        return {name: _by_name(value) for name, value in self.__dict__.items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Maps them again."""
        found = {
            name: np.memmap(mode="r", **value) if isinstance(value, dict) else value
            for name, value in state.items()
        }
        self.__dict__.update(found)


def _by_name(value: Any) -> Any:
    if not (isinstance(value, np.memmap) and isinstance(value.base, mmap)):  # or part of one
        return value
    facts = {"filename": value.filename, "offset": value.offset}
    return {**facts, "shape": value.shape, "dtype": value.dtype}


TrainingSet = tuple[Sample, ...]
