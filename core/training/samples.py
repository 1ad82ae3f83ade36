"""What an analyzer is trained on."""

from __future__ import annotations

from dataclasses import dataclass

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


TrainingSet = tuple[Sample, ...]
