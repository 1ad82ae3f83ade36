"""Which changes augmentation makes, and how strong; imports nothing heavy."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _ordered(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"the first number must not be larger than the second: {list(value)}")
    return value


_Share = Annotated[float, Field(ge=0, le=1)]
_Range = Annotated[
    tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]], AfterValidator(_ordered)
]
_Factors = Annotated[
    tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]], AfterValidator(_ordered)
]


class Probabilities(BaseModel):
    """How often each change is made, where its strength is not neutral."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rotation: _Share = Field(default=1.0, description="of an axial rotation")
    tilt: _Share = Field(default=0.5, description="of a tilt")
    zoom: _Share = Field(default=0.5, description="of zoom and stretch")
    shift: _Share = Field(default=0.5, description="of a shift")
    elastic: _Share = Field(default=0.3, description="of an elastic deformation")
    gamma: _Share = Field(default=0.3, description="of a gamma curve")
    contrast: _Share = Field(default=0.3, description="of another contrast")
    brightness: _Share = Field(default=0.3, description="of another brightness")
    slice_thickness: _Share = Field(default=0.3, description="of thick slices")
    blur: _Share = Field(default=0.2, description="of blur")
    sharpen: _Share = Field(default=0.2, description="of sharpening")
    bias: _Share = Field(default=0.3, description="of a bias field")
    noise: _Share = Field(default=0.3, description="of noise")


class Augmentation(BaseModel):
    """Random changes of a training scan; the defaults are the paper's, everything else is off.

    Strengths are drawn uniformly from their range. HU mean the scan's own units, although images
    are windowed: what the window clips (air and fat, bone) stays clipped. There is no cut-out,
    because it could remove the finding that a label names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    probability: Probabilities = Field(
        default_factory=lambda: Probabilities(), description="how often each change is made"
    )
    flip_probability: _Share = Field(
        default=0.5, description="of a left-right flip of image, regions and labels"
    )
    rotation_degrees: float = Field(
        default=15.0, ge=0, le=180, description="largest axial rotation"
    )
    tilt_degrees: float = Field(
        default=0.0, ge=0, le=90, description="largest rotation about each of the two other axes"
    )
    zoom: _Factors = Field(default=(1.0, 1.0), description="factors of size, above 1 is larger")
    stretch: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="largest further change of size along each axis, a share",
    )
    shift: float = Field(
        default=0.0, ge=0, le=1, description="largest shift along each axis, in sides"
    )
    elastic: float = Field(
        default=0.0,
        ge=0,
        le=0.1,
        description="standard deviation of a smooth displacement, in sides of the image",
    )
    gamma: _Factors = Field(
        default=(1.0, 1.0), description="exponents of the windowed intensity in 0..1"
    )
    contrast: _Factors = Field(default=(1.0, 1.0), description="factors about the window's centre")
    brightness_hu: float = Field(
        default=0.0, ge=0, description="largest shift of all soft tissue, HU"
    )
    slice_thickness: _Factors = Field(
        default=(1.0, 1.0),
        description="slices simulated, in voxels along D: averaged, then interpolated",
    )
    blur: _Range = Field(
        default=(0.0, 0.0), description="standard deviations of a Gaussian within slices, voxels"
    )
    bone_hu: float | None = Field(
        default=None,
        description="HU that clipped bright voxels count as in blur and thick slices, so that "
        "bone has its partial volume; none means the window's upper end",
    )
    sharpen: _Range = Field(
        default=(0.0, 0.0),
        description="shares of what a Gaussian of one voxel removes that are added",
    )
    bias_hu: float = Field(
        default=0.0, ge=0, description="largest standard deviation of a smooth additive field, HU"
    )
    noise_hu: _Range = Field(
        default=(0.0, 0.0), description="standard deviations of Gaussian noise, HU"
    )
    noise_grain: float = Field(
        default=0.7,
        ge=0,
        description="largest blur of the noise within slices, voxels; its HU stay",
    )
