"""How training is executed: processes, data loading, logging. Imports nothing heavy."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class LoggerSettings(BaseModel):
    """Where curves go."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        default="tensorboard",
        description='"tensorboard", "csv", "wandb", "mlflow", "comet", "none", or the '
        '"package.module:Class" of any other Lightning logger',
    )
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="of the logger's class, such as project or tracking_uri"
    )


class Execution(BaseModel):
    """Hardware of a training. With several processes a step takes ``batch_size`` scans of each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workers: int | None = Field(
        default=None,
        ge=0,
        description="processes that load and augment, per training process; 0 does it in between "
        "steps, none means 1, or up to 4 where a GPU computes; the result is the same",
    )
    devices: int = Field(default=1, ge=1, description="GPUs (or CPU processes) per node")
    nodes: int = Field(default=1, ge=1, description="machines; start the same command on each")
    strategy: str = Field(
        default="auto",
        description='of Lightning, such as "ddp" under torchrun or SLURM; auto starts the '
        "processes of one machine by itself",
    )
    checkpointing: bool = Field(
        default=False,
        description="keep only the blocks' inputs and compute blocks again on the way back: less "
        "memory, a third more work",
    )
    logger: LoggerSettings = Field(
        default_factory=LoggerSettings, description="curves of losses and rates"
    )
