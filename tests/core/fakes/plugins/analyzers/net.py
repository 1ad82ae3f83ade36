"""An analyzer whose config nests a component and a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny

from crossdl.config import ComponentConfig, Slot
from crossdl.interfaces import AbnormalityAnalyzer, FitResult
from crossdl.training.samples import TrainingSet
from crossdl.types import Prediction, RegionMap, Volume


class Optimizer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: float = Field(0.1, gt=0, description="step size")


class NetConfig(ComponentConfig):
    kind: Literal["net"] = "net"
    pooling: Annotated[SerializeAsAny[ComponentConfig], Slot("pooling")] = Field(
        "largest", validate_default=True, description="how bags are made"
    )
    epochs: int = Field(5, ge=1, description="passes over the data")
    optimizer: Optimizer = Field(Optimizer(), description="how weights move")


class Net(AbnormalityAnalyzer[NetConfig]):
    """Knows nothing."""

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return (2, 3, 4)

    def fit(self, train: TrainingSet, valid: TrainingSet, *, seed: int, folder: Path) -> FitResult:
        return FitResult(0, 0.0, ({},))

    def predict(self, volume: Volume, regions: RegionMap | None = None) -> Prediction:
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    def load(self, folder: Path) -> None:
        raise NotImplementedError
