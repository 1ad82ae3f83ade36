"""Settings that every network analyzer has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny

from crossdl.config import ComponentConfig, Precision, Slot
from crossdl.training.augmentation import Augmentation

SHIPPED = "shipped"
"""Value of ``start_from`` that means the model in the package."""

PositiveInt = Annotated[int, Field(ge=1)]


def _max_pooling() -> ComponentConfig:
    from crossdl.catalog import default_catalog

    return default_catalog().parse("pooling", {"kind": "max"})


class NetworkConfig(ComponentConfig):
    """Input, losses and training of a network analyzer; defaults are the paper's."""

    pooling: Annotated[SerializeAsAny[ComponentConfig], Slot("pooling")] = Field(
        default_factory=_max_pooling, description="how voxel maps become bag probabilities"
    )
    start_from: str | None = Field(
        None,
        description='model folder whose weights training starts from, "shipped" for the '
        "demonstrator; none means random weights",
    )
    volume_shape: tuple[PositiveInt, PositiveInt, PositiveInt] | None = Field(
        None, description="input (D, H, W), voxels; none means the anatomy's"
    )
    epochs: int = Field(50, ge=1, description="most epochs trained")
    patience: int = Field(3, ge=1, description="epochs without a better validation E8 until stop")
    batch_size: int = Field(1, ge=1, description="scans per step")
    learning_rate: float = Field(5e-4, gt=0, description="of Adam, in the first epochs")
    halve_from_epoch: int = Field(
        3, ge=1, description="1-based epoch from which on the learning rate halves every epoch"
    )
    alpha: float = Field(0.1, ge=0, description="weight of the scan loss E9")
    lambda_start: float = Field(1.0, ge=0, description="first weight of E4, halved every epoch")
    lambda_floor: float = Field(0.01, ge=0, description="smallest weight of E4")
    weight_epsilon: float = Field(1e-3, gt=0, description="ε of the class weights of E8")
    augmentation: Augmentation = Field(
        default_factory=lambda: Augmentation(), description="random changes of training scans"
    )
    precision: Precision = Field(
        "auto", description="auto: bf16 where the processor has instructions for it"
    )
    save_dtype: Literal["float32", "float16"] = Field(
        "float32", description="of the saved weights; float16 halves the file"
    )
    min_slices: int = Field(10, ge=1, description="fewer slices than this raise a quality flag")
    extent_mm: tuple[float, float] = Field(
        (60.0, 350.0), description="plausible sides of the head's box; others raise a flag"
    )
