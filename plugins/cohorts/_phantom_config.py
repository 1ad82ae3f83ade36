"""What can be set about the cohort ``phantom``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from crossdl.config import ComponentConfig
from crossdl.plugins.cohorts._phantom_report import ReportStyle

Range = tuple[float, float]


def _check_order(model: BaseModel, exclude: set[str]) -> None:
    for name, value in model:
        if isinstance(value, tuple) and name not in exclude and value[0] > value[1]:
            raise ValueError(f"{name}: the smaller number must come first")


class Patients(BaseModel):
    """Number of patients in each split."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: int = Field(default=96, ge=1, description="patients to train on")
    valid: int = Field(default=24, ge=1, description="patients to choose the best epoch by")
    test: int = Field(default=48, ge=1, description="patients to evaluate on")


class HeadRanges(BaseModel):
    """How much heads differ. A range is a pair of least and greatest value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deformation: float = Field(
        default=1.0, ge=0, le=2, description="strength of the individual shape"
    )
    atrophy: Range = Field(
        default=(-0.6, 1.0), description="-0.6: no fluid below the vault, 1: wide sulci"
    )
    grey_hu: Range = Field(default=(34.0, 45.0), description="density of grey matter, HU")
    contrast_hu: Range = Field(
        default=(6.0, 11.5), description="grey matter minus white matter, HU"
    )
    fluid_hu: Range = Field(default=(4.0, 12.0), description="density of cerebrospinal fluid, HU")
    blood_hu: Range = Field(default=(46.0, 66.0), description="density of venous sinuses, HU")
    unevenness_hu: Range = Field(
        default=(0.2, 0.7),
        description="slow variation of density over the brain, standard deviation, HU",
    )
    skull: Range = Field(default=(0.7, 1.4), description="thickness of the skull, 1 is usual")
    bone: Range = Field(default=(0.8, 1.2), description="density of bone, 1 is usual")
    scalp: Range = Field(default=(0.6, 2.4), description="thickness of the scalp, 1 is usual")

    child_rate: float = Field(default=0.04, ge=0, le=1, description="share of children")

    @model_validator(mode="after")
    def _ordered(self) -> HeadRanges:
        _check_order(self, exclude={"deformation"})
        return self


class ScannerRanges(BaseModel):
    """How much scans differ. A range is a pair of least and greatest value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    blur_mm: Range = Field(default=(0.4, 1.1), description="point spread in the slice, sd, mm")
    edge: Range = Field(default=(0.0, 0.8), description="overshoot of the kernel at edges")
    grain_mm: Range = Field(default=(0.5, 1.3), description="size of the noise's grain, sd, mm")
    veil: Range = Field(
        default=(0.0, 0.14), description="share of bone's density spread 4 mm around it"
    )
    hardening: Range = Field(default=(0.3, 1.5), description="beam hardening left over, 1 is usual")
    streaks: Range = Field(default=(0.2, 1.5), description="streaks from dense bone, 1 is usual")
    collimation: int = Field(default=3, ge=1, le=8, description="thin slices averaged into one")
    turn_degrees: tuple[float, float, float] = Field(
        default=(10.0, 5.0, 7.0), description="spread of the head's pitch, roll and yaw"
    )
    pitch_degrees: float = Field(
        default=5.0,
        ge=-30,
        le=30,
        description="usual pitch: the front of a slice lies so much lower",
    )
    sheared_rate: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="share of tilted scans whose slices were stacked upright",
    )
    motion_rate: float = Field(default=0.06, ge=0, le=1, description="share of scans with motion")
    holder_rate: float = Field(
        default=0.8, ge=0, le=1, description="share of scans that show the holder"
    )
    tube_rate: float = Field(default=0.12, ge=0, le=1, description="share of scans with tubes")
    low_dose_rate: float = Field(
        default=0.06, ge=0, le=1, description="share of scans with about twice the noise"
    )

    @model_validator(mode="after")
    def _ordered(self) -> ScannerRanges:
        _check_order(self, exclude={"turn_degrees"})
        return self


class PhantomConfig(ComponentConfig):
    """Configuration of :class:`Phantom`. A range is a pair of least and greatest value."""

    kind: Literal["phantom"] = "phantom"
    patients: Patients = Field(Patients(), description="number of patients by split")
    seed: int = Field(0, ge=0, lt=2**31, description="another seed gives other patients")
    language: Literal["zh", "en", "mixed"] = Field("mixed", description="language of the reports")
    matrix: int = Field(192, ge=32, le=512, description="voxels along a row and a column")
    field_of_view_mm: Range = Field((220.0, 250.0), description="width of a slice, mm")
    thickness_mm: Range = Field((4.0, 5.0), description="slice thickness and distance, mm")
    slices: tuple[int, int] = Field((28, 40), description="fewest and most slices")
    positive_rate: float | None = Field(
        0.5, ge=0, le=1, description="share of scans with lesions; null is natural prevalence"
    )
    lesion_contrast: float = Field(
        1.0, ge=0, le=3, description="widening of the ranges of lesion densities"
    )
    noise_hu: Range = Field((1.5, 5.0), description="standard deviation of noise, HU")
    model_mm: float = Field(1.5, ge=1.0, le=4.0, description="voxel edge of the head model, mm")
    head: HeadRanges = Field(HeadRanges(), description="how much heads differ")
    scanner: ScannerRanges = Field(ScannerRanges(), description="how much scans differ")
    repeat_rate: float = Field(0.1, ge=0, le=1, description="share of patients scanned twice")
    reports: ReportStyle = Field(ReportStyle(), description="how reports are written, and flaws")

    @model_validator(mode="after")
    def _ordered(self) -> PhantomConfig:
        for name in ("field_of_view_mm", "thickness_mm", "slices", "noise_hu"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name}: must be two positive numbers, the smaller one first")
        return self
