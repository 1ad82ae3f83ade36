"""The typed data that components exchange.

Conventions, everywhere in the package:

* Arrays of one scan are ``(D, H, W)`` or ``(C, D, H, W)``; torch tensors are ``(B, C, D, H, W)``.
* World space is LPS in millimetres, as in DICOM and ITK. Left and right are the patient's.
* Intensities are Hounsfield units (HU) unless a name says otherwise.
* N is the number of regions that are bags, M the number of abnormality types; region labels
  have N + 2 entries, the last two being *other* and *unclear*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
LabelArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]

Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular voxel grid in world space.

    Attributes:
        shape: Number of voxels, ``(D, H, W)``.
        affine: ``(4, 4)`` float64. Maps the voxel *centre* ``(w, h, d, 1)``, that is the ITK
            index order, to LPS millimetres.
    """

    shape: tuple[int, int, int]
    affine: Float64Array

    def __post_init__(self) -> None:
        """Freezes the affine.

        Raises:
            ValueError: The affine is not a finite, invertible (4, 4) matrix.
        """
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise ValueError("affine must be a finite (4, 4) matrix")
        if abs(np.linalg.det(affine[:3, :3])) < 1e-12:
            raise ValueError("affine is singular")
        affine.flags.writeable = False
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Millimetres between voxel centres along the array axes ``(D, H, W)``."""
        w, h, d = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(d), float(h), float(w)

    def index_to_world(self, index: npt.ArrayLike) -> Float64Array:
        """LPS mm of voxel positions ``(..., 3)`` given as ``(d, h, w)``."""
        dhw = np.asarray(index, dtype=np.float64)
        return dhw[..., ::-1] @ self.affine[:3, :3].T + self.affine[:3, 3]

    def world_to_index(self, world: npt.ArrayLike) -> Float64Array:
        """Fractional ``(d, h, w)`` of LPS positions ``(..., 3)`` in mm."""
        xyz = np.asarray(world, dtype=np.float64) - self.affine[:3, 3]
        inverse = np.linalg.inv(self.affine[:3, :3])
        return np.ascontiguousarray((xyz @ inverse.T)[..., ::-1])

    def same_as(self, other: Grid, tolerance_mm: float = 1e-3) -> bool:
        """Whether both grids have the same voxels in the same places."""
        return self.shape == other.shape and bool(
            np.allclose(self.affine, other.affine, atol=tolerance_mm)
        )

    def strided(self, factor: Sequence[float]) -> Grid:
        """The grid whose voxels are blocks of ``factor`` ``(d, h, w)`` voxels of this one.

        The outer borders coincide; so pooling an array by ``factor`` gives an array on this grid.
        """
        shape = tuple(round(n / f) for n, f in zip(self.shape, factor, strict=True))
        scale = np.eye(4)
        for axis, f in enumerate(reversed(tuple(factor))):
            scale[axis, axis] = f
            scale[axis, 3] = (f - 1) / 2
        return Grid((shape[0], shape[1], shape[2]), self.affine @ scale)


@dataclass(frozen=True, eq=False)
class Volume:
    """One CT scan.

    Attributes:
        array: ``(D, H, W)`` float32, HU, finite.
        grid: Where the voxels are.
        name: What messages and outputs call it; never a patient's name.
        meta: Facts of the acquisition and of reading it (tilt, original slice positions, whether
            it was resampled, warnings). Values are JSON-able and hold no identity of a patient.
    """

    array: FloatArray
    grid: Grid
    name: str = "scan"
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks that array and grid agree.

        Raises:
            ValueError: Shapes differ.
        """
        if self.array.shape != self.grid.shape:
            raise ValueError(f"array {self.array.shape} does not fit grid {self.grid.shape}")


@dataclass(frozen=True, eq=False)
class SentenceLabels:
    """What a discretizer says of n sentences (inputs of E1).

    Attributes:
        sentences: The n sentences.
        regions: ``(n, N + 2)`` float32 probabilities that the region is abnormal.
        types: ``(n, M)`` float32 probabilities that the abnormality type is stated.
        links: ``(n, N + 2, M)``: which types a sentence states of which region, or None: all
            types of a sentence are stated of all its regions (E1).
        thresholds: ``(N + 2,)`` and ``(M,)``; labels above them count as stated. None is 0.5.
    """

    sentences: tuple[str, ...]
    regions: FloatArray
    types: FloatArray
    links: BoolArray | None = None
    thresholds: tuple[FloatArray, FloatArray] | None = None

    @property
    def stated_regions(self) -> BoolArray:
        """``(n, N + 2)``: which region labels count."""
        cut = np.float32(0.5) if self.thresholds is None else self.thresholds[0]
        return np.asarray(self.regions > cut, dtype=np.bool_)

    @property
    def stated_types(self) -> BoolArray:
        """``(n, M)``: which type labels count."""
        cut = np.float32(0.5) if self.thresholds is None else self.thresholds[1]
        return np.asarray(self.types > cut, dtype=np.bool_)

    @property
    def cells(self) -> BoolArray:
        """``(n, N + 2, M)``: r_s t_sᵀ of the labels that count, where they are linked."""
        pairs = self.stated_regions[:, :, None] & self.stated_types[:, None, :]
        return pairs if self.links is None else pairs & self.links

    def take(self, index: Sequence[int] | npt.NDArray[np.int64]) -> SentenceLabels:
        """The labels of some of the sentences, in the order of ``index``."""
        at = np.asarray(index, dtype=np.int64)
        links = None if self.links is None else self.links[at]
        texts = tuple(self.sentences[int(i)] for i in at)
        return SentenceLabels(texts, self.regions[at], self.types[at], links, self.thresholds)


@dataclass(frozen=True, eq=False)
class AbnormalityMatrix:
    """The abnormality matrix A of one report or scan (E1).

    Attributes:
        values: ``(N + 2, M)`` float32 in [0, 1]; rows end with *other* and *unclear*.
        evidence: For each positive cell ``(row, column)``, the indices of the sentences it came
            from; empty where the matrix did not come from text.
    """

    values: FloatArray
    evidence: Mapping[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)

    @property
    def bags(self) -> FloatArray:
        """``(N, M)``: the rows that are regions with voxels."""
        return self.values[:-2]

    @property
    def scan(self) -> FloatArray:
        """``(M,)``: union over all N + 2 rows, the target of E9."""
        return np.asarray(self.values.max(axis=0), dtype=np.float32)

    @property
    def unclear(self) -> bool:
        """Whether any *unclear* cell is positive: such a scan contributes no region loss (E8)."""
        return bool((self.values[-1] >= 0.5).any())


@dataclass(frozen=True)
class Quality:
    """How far a result can be trusted.

    Attributes:
        values: Named measurements (JSON-able), units in the name where they have one.
        flags: Sentences for a person, one per doubt; empty means nothing was noticed.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {"ok": not self.flags, "flags": list(self.flags), **dict(self.values)}


@dataclass(frozen=True, eq=False)
class RegionMap:
    """A coarse segmentation S of one scan.

    Attributes:
        labels: ``(D, H, W)`` uint8; 0 is none of the regions, i + 1 is region i of the anatomy.
        grid: Where the voxels are.
        quality: What the segmenter knows of its own success, such as elastix's final metric.
    """

    labels: LabelArray
    grid: Grid
    quality: Quality = field(default_factory=Quality)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What an analyzer says of one scan.

    Attributes:
        region_maps: Ŝ, ``(N, D', H', W')`` float32 in [0, 1]; 0 of regions without scores. What
            classifiers put here instead, their documentation says.
        abnormality_maps: D̂, ``(M, D', H', W')`` float32 in [0, 1].
        grid: Where the maps' voxels are in the patient (the model's output grid).
        region_scores: ``(N, M)`` float32, E6: max over voxels of Ŝ·D̂; NaN of regions that the
            analyzer was not trained on.
        scan_scores: ``(M,)`` float32: max of each abnormality map. Classifiers have heads for
            both kinds of scores.
        quality: Doubts about input or output.
    """

    region_maps: FloatArray
    abnormality_maps: FloatArray
    grid: Grid
    region_scores: FloatArray
    scan_scores: FloatArray
    quality: Quality = field(default_factory=Quality)

    @property
    def abnormality_score(self) -> float:
        """Worklist score: max over voxels and types."""
        return float(self.scan_scores.max())


@dataclass(frozen=True, eq=False)
class ScanRecord:
    """One scan of a cohort, without its voxels.

    Attributes:
        scan_id: Unique in the cohort; used as file name.
        patient_id: Scans of one patient share it; splits and bootstraps go by patient.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        findings: Text of the report's Findings section, or None.
        truth: Gold ``(N + 2, M)`` matrix of 0 and 1, NaN where nobody assessed the cell, or None.
            Never used in training.
        labels: ``(N + 2, M)`` weak labels in [0, 1] that a cohort brings along instead of the
            text they came from, or None. Used where ``findings`` is None.
        reads: Other labels of the whole scan by name, such as "ICH" of an external data set;
            NaN where not assessed.
        facts: What else is known of the scan and its patient, by name with the unit, such as
            "age_years" or "sex"; what is not known is left out. For tables of who was studied.
    """

    scan_id: str
    patient_id: str
    split: Split
    findings: str | None = None
    truth: FloatArray | None = None
    labels: FloatArray | None = None
    reads: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, float | str] = field(default_factory=dict)
