"""Options that all registration segmenters share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny, model_validator

from crossdl.config import ComponentConfig, Slot
from crossdl.registration.images import REGISTRATION_WINDOW
from crossdl.registration.judgement import Limits


class RegistrationConfig(ComponentConfig):
    """Options of every registration segmenter."""

    atlas: Annotated[SerializeAsAny[ComponentConfig] | None, Slot("atlas")] = Field(
        None, description="template and regions; none means the anatomy's own"
    )
    working_shape: tuple[int, int, int] | None = Field(
        None,
        description="voxels (D, H, W) of the box around the head to register on; none means the "
        "kind's own",
    )
    window_low: float = Field(
        REGISTRATION_WINDOW[0], description="HU below count as this before registration"
    )
    window_high: float = Field(
        REGISTRATION_WINDOW[1], description="HU above count as this before registration"
    )
    template_blur_mm: float = Field(
        4.0, ge=0, le=10, description="Gaussian blur of the template (standard deviation, mm)"
    )
    mask: bool = Field(
        True, description="let the tool see only the surroundings of the head in the field of view"
    )
    prealignment: Literal["annealing", "moments", "none"] = Field(
        "moments",
        description="how the head's plane of symmetry is found, where the alignment starts from; "
        "annealing is the paper's. On 21 real scans turned by up to 25 degrees about each axis "
        "both found the plane again within 0.3 degrees (95th percentile), moments in 0.13 and "
        "annealing in 0.47 s; with none, the alignment went wrong by more than 5 degrees in one",
    )
    seed: int = Field(
        0, ge=0, lt=2**31, description="of the tool's random samples and of the annealing"
    )
    threads: int = Field(
        1, ge=1, le=256, description="threads of one registration; results are fixed per number"
    )
    similarity_gate: float = Field(
        0.75,
        ge=-1,
        le=1,
        description="lowest correlation of warped template and patient inside the head; 42 sound "
        "registrations of the built-in atlas to real scans gave 0.78 to 0.89",
    )
    brain_similarity_gate: float = Field(
        0.74,
        ge=-1,
        le=1,
        description="lowest mean of the correlations inside the regions after the first alignment "
        "and at the end; the same gave 0.66 to 0.89, the second lowest 0.76, and heads that were "
        "turned by 90 or 180 degrees at most 0.72",
    )
    head_dice_gate: float = Field(
        0.85, ge=0, le=1, description="lowest overlap of the heads; the same gave 0.88 to 0.96"
    )
    folded_gate: float = Field(
        0.01, ge=0, le=1, description="largest part of the head with a folded deformation"
    )
    soft_tissue_gate: float = Field(
        0.75,
        ge=0,
        le=1,
        description="smallest part of the regions with the HU of brain, fluid or blood; the same "
        "gave 0.84 to 0.96",
    )
    coverage_gate: float = Field(
        0.8,
        ge=0,
        le=1,
        description="smallest part of the atlas's regions in the field of view; the same gave "
        "0.97 to 1",
    )
    region_ml_gate: float = Field(2.0, ge=0, description="smallest believable region, ml")
    region_share_gate: float = Field(
        3.0,
        gt=1,
        description="largest believable factor between a region's share of all regions in the "
        "patient and in the atlas, either way; the same gave at most 1.5",
    )
    side_ratio_gate: float = Field(
        2.5, gt=1, description="largest believable volume ratio of a region and its mirror partner"
    )

    @model_validator(mode="after")
    def _ordered(self) -> RegistrationConfig:
        if self.window_low >= self.window_high:
            raise ValueError("window_low must be below window_high")
        if self.working_shape is not None and min(self.working_shape) < 16:
            raise ValueError("working_shape must be at least 16 along every axis")
        return self

    @property
    def limits(self) -> Limits:
        """The gates, without the tool's own."""
        return Limits(
            similarity=self.similarity_gate,
            brain_similarity=self.brain_similarity_gate,
            head_dice=self.head_dice_gate,
            folded=self.folded_gate,
            soft_tissue=self.soft_tissue_gate,
            coverage=self.coverage_gate,
            region_ml=self.region_ml_gate,
            region_share=self.region_share_gate,
            side_ratio=self.side_ratio_gate,
        )
