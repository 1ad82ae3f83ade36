"""Knows the truth of a scan by its name and says it with some noise."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from crossdl.config import ComponentConfig
from crossdl.errors import InputError
from crossdl.interfaces import AbnormalityAnalyzer, FitResult
from crossdl.training.samples import TrainingSet
from crossdl.types import Grid, Prediction, RegionMap, Volume


class GuessConfig(ComponentConfig):
    kind: Literal["guess"] = "guess"
    skill: float = Field(0.5, ge=0, le=1, description="share of truth in what it says")
    mood: Literal["good", "fails", "crashes", "dies_once"] = Field("good", description="behaviour")
    seconds: float = Field(0.0, ge=0, description="of training")


class Guess(AbnormalityAnalyzer[GuessConfig]):
    """Learns its seed."""

    _seed = 0

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return (4, 8, 8)

    def fit(self, train: TrainingSet, valid: TrainingSet, *, seed: int, folder: Path) -> FitResult:
        folder.mkdir(parents=True, exist_ok=True)
        self._seed = seed
        if self.config.mood == "fails":
            raise InputError("the analyzer is in a bad mood; cheer it up")
        if self.config.mood == "crashes":
            raise ZeroDivisionError("nothing to divide")
        if self.config.mood == "dies_once" and not (folder / "died").exists():
            (folder / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.config.seconds)
        return FitResult(0, 0.5, ({"valid/region": 0.5},))

    def predict(self, volume: Volume, regions: RegionMap | None = None) -> Prediction:
        n, m = self.anatomy.n_regions, self.anatomy.n_types
        index = int("".join(c for c in volume.name if c.isdigit()))
        truth = np.random.default_rng([index, 4]).random((n + 2, m)) < 0.01
        noise = np.random.default_rng([self._seed, index]).random((n + 2, m))
        said = self.config.skill * truth + (1 - self.config.skill) * noise
        said = said.astype(np.float32)
        grid = Grid((4, 8, 8), volume.grid.affine)
        maps = np.zeros((n, 4, 8, 8), dtype=np.float32)
        heat = np.broadcast_to(said.max(axis=0)[:, None, None, None], (m, 4, 8, 8)).copy()
        return Prediction(maps, heat, grid, said[:n], said.max(axis=0))

    def save(self, folder: Path) -> None:
        text = json.dumps({"seed": self._seed, "anatomy": self.anatomy.model_dump(mode="json")})
        (folder / "model.json").write_text(text, encoding="utf-8")

    def load(self, folder: Path) -> None:
        self._seed = json.loads((folder / "model.json").read_text(encoding="utf-8"))["seed"]
