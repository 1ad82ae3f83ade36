"""A segmenter that crashes, hangs or refuses when the scan's name says so."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Literal

import numpy as np

from crossdl.config import ComponentConfig
from crossdl.errors import RegistrationError
from crossdl.interfaces import RegionSegmenter
from crossdl.types import Quality, RegionMap, Volume


class MoodyConfig(ComponentConfig):
    kind: Literal["moody"] = "moody"
    log: Path


class Moody(RegionSegmenter[MoodyConfig]):
    """Labels every voxel above 11 as the first region."""

    def register(self, volume: Volume) -> RegionMap:
        with self.config.log.open("a") as log:
            log.write(f"{volume.name} {os.getpid()}\n")
        if volume.name == "dies":
            os._exit(7)
        if volume.name == "hangs":
            time.sleep(600)
        if volume.name == "fails":
            raise RegistrationError("fails: the tool found no transform")
        if volume.name == "buggy":
            raise ZeroDivisionError("a bug")
        labels = (volume.array > 11).astype(np.uint8)
        return RegionMap(labels, volume.grid, Quality({"final_metric": {"all": -1.0}}, ("look",)))
