"""Settings that every network analyzer has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from crossdl.config import ComponentConfig, Precision
from crossdl.training.augmentation import Augmentation
from crossdl.training.execution import Execution

SHIPPED = "shipped"
"""Value of ``start_from`` that means the model in the package."""

PositiveInt = Annotated[int, Field(ge=1)]


class NetworkConfig(ComponentConfig):
    """Input, losses and training of a network analyzer; defaults are the paper's."""

    start_from: str | None = Field(
        None,
        description='model folder whose weights training starts from, "shipped" for the '
        "demonstrator; none means random weights",
    )
    volume_shape: tuple[PositiveInt, PositiveInt, PositiveInt] | None = Field(
        None, description="input (D, H, W), voxels; none means the anatomy's"
    )
    epochs: int = Field(50, ge=1, description="most epochs trained")
    patience: int = Field(3, ge=1, description="epochs without a better validation loss until stop")
    batch_size: int = Field(1, ge=1, description="scans per step and process")
    accumulate: int = Field(1, ge=1, description="batches whose gradients make one step of Adam")
    learning_rate: float = Field(5e-4, gt=0, description="highest rate of Adam")
    schedule: Literal["halving", "plateau", "cosine", "constant"] = Field(
        "halving",
        description="of the learning rate: halved every epoch from halve_from_epoch on (the "
        "paper), halved where validation stands still (as released), or falling to 0 as a cosine",
    )
    halve_from_epoch: int = Field(
        3, ge=1, description="1-based epoch from which on the learning rate halves every epoch"
    )
    plateau_patience: int = Field(
        2, ge=0, description="epochs without a better validation loss until the rate is halved"
    )
    warmup: float = Field(
        0.0, ge=0, lt=1, description="share of all steps in which the rate rises from 0"
    )
    weight_decay: float = Field(0.0, ge=0, description="of AdamW, on kernels; 0 is Adam")
    clip: float | None = Field(None, gt=0, description="largest norm of a gradient")
    averaging: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="decay of an average of the weights, which is then validated and kept",
    )
    region_weight: float = Field(
        1.0, ge=0, description="weight of the region loss E8; 0 trains on scan-level labels only"
    )
    trained_regions: Annotated[tuple[str, ...], Field(min_length=1)] | None = Field(
        None, description="regions that E4 and E8 train, by name; the others get no score"
    )
    alpha: float = Field(0.1, ge=0, description="weight of the scan loss E9")
    lambda_start: float = Field(1.0, ge=0, description="first weight of E4, halved every epoch")
    lambda_floor: float = Field(0.01, ge=0, description="smallest weight of E4")
    weight_epsilon: float = Field(1e-3, gt=0, description="ε of the class weights of E8")
    cell_frequencies: Literal["counted", "rank_one"] = Field(
        "counted",
        description="f_ij of E8: counted in the training set, or smoothed to row sum times column "
        "sum as in the released code",
    )
    weigh_scans: bool = Field(
        False, description="weigh the positives of E9 by their frequency, as in the released code"
    )
    augmentation: Augmentation = Field(
        default_factory=lambda: Augmentation(), description="random changes of training scans"
    )
    execution: Execution = Field(
        default_factory=lambda: Execution(), description="hardware, data loading, logging"
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
