"""A segmenter that crashes, hangs or refuses when the scan's name says so."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from crossdl.config import ComponentConfig
from crossdl.errors import RegistrationError
from crossdl.interfaces import RegionSegmenter
from crossdl.types import Quality, RegionMap, Volume


class MoodyConfig(ComponentConfig):
    kind: Literal["moody"] = "moody"
    log: Path
    calm: bool = Field(False, description="does what it should whatever the scan's name")
    score: float | None = Field(None, description="of its own success, if it has one")
    flags: tuple[str, ...] = ("look",)
    least: float = Field(11.0, description="voxels above become the first region")


class Moody(RegionSegmenter[MoodyConfig]):
    """Labels every voxel above a limit as the first region."""

    def register(self, volume: Volume) -> RegionMap:
        with self.config.log.open("a") as log:
            log.write(f"{volume.name} {os.getpid()}\n")
        if not self.config.calm:
            self._have_a_mood(volume.name)
        labels = (volume.array > self.config.least).astype(np.uint8)
        values: dict[str, Any] = {"final_metric": {"all": -1.0}}
        if self.config.score is not None:
            values["score"] = self.config.score
        return RegionMap(labels, volume.grid, Quality(values, self.config.flags))

    def _have_a_mood(self, name: str) -> None:
        if name == "dies":
            os._exit(7)
        if name == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "hangs":
            time.sleep(600)
        if name == "fails":
            raise RegistrationError("fails: the tool found no transform")
        if name == "buggy":
            raise ZeroDivisionError("a bug")
