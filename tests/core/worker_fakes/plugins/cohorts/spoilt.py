"""A cohort of one head, spoilt in the way that the scan's name says."""

from __future__ import annotations

import os
import signal
import time
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from crossdl.config import ComponentConfig
from crossdl.geometry import canonical
from crossdl.interfaces import CohortSource
from crossdl.io.volumes import read_volume
from crossdl.types import FloatArray, Grid, ScanRecord, Volume

AIR = -1000.0
TURNS = {
    "quarter_turn": ("z", 90.0),
    "lying_on_the_side": ("y", 90.0),
    "face_down": ("x", 90.0),
    "huge_tilt": ("x", -60.0),
}
"""About which axis (LPS) and by how many degrees a head is turned."""


class SpoiltConfig(ComponentConfig):
    kind: Literal["spoilt"] = "spoilt"
    source: Path = Field(description="a sound scan")
    names: tuple[str, ...]


class Spoilt(CohortSource[SpoiltConfig]):
    """Scans "sound", "constant", "air", "mr", "one_slice", "upside_down" and so on."""

    def records(self) -> list[ScanRecord]:
        return [ScanRecord(name, name, "train") for name in self.config.names]

    def fingerprint(self, record: ScanRecord) -> str:
        return record.scan_id

    def volume(self, record: ScanRecord) -> Volume:
        name = record.scan_id
        array, grid = self._head
        middle = np.argwhere(array > -200).mean(axis=0).astype(int)
        if name == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "hung":
            time.sleep(600)
        if name in TURNS:
            return Volume(*turned(array, grid, np.argwhere(array > -200), name), name)
        boxes = {
            "one_slice": np.s_[middle[0] : middle[0] + 1],
            "upper_half": np.s_[middle[0] :],
            "lower_half": np.s_[: middle[0]],
            "left_half": np.s_[:, :, middle[2] :],
        }
        if name in boxes:
            part = np.ascontiguousarray(array[boxes[name]])
            affine = grid.affine.copy()
            spans = boxes[name] if isinstance(boxes[name], tuple) else (boxes[name],)
            first = [s.start or 0 for s in spans] + [0] * (3 - len(spans))
            affine[:3, 3] = grid.index_to_world(first)
            return Volume(part, Grid(part.shape, affine), name)
        noise = np.random.default_rng(0).normal(0.0, 10.0, array.shape)
        brain = np.clip(array, -100.0, 100.0)
        others: dict[str, Any] = {
            "sound": array,
            "constant": np.full_like(array, AIR),
            "air": AIR + noise,
            "mr": np.abs(np.where(array < -200, 0.0, 300.0 + 8.0 * brain) + noise),
            "mr_shifted": np.where(array < -200, AIR, -100.0 - 8.0 * brain) + noise,
            "offset_lost": array + 1024.0,
            "upside_down": array[::-1],
            "half_blank": np.where(np.arange(array.shape[2]) < middle[2], AIR, array),
            "shuffled_slices": array[np.random.default_rng(0).permutation(len(array))],
        }
        return Volume(np.ascontiguousarray(others[name], dtype=np.float32), grid, name)

    @cached_property
    def _head(self) -> tuple[FloatArray, Grid]:
        volume = read_volume(self.config.source)
        array, grid = canonical(volume.array, volume.grid)
        return np.ascontiguousarray(array), grid


def turned(
    array: FloatArray, grid: Grid, body: npt.ArrayLike, name: str, order: int = 1, fill: float = AIR
) -> tuple[FloatArray, Grid]:
    """An array turned about the middle of the body, on an isotropic grid that holds all of it."""
    axis, degrees = TURNS[name]
    step, n = 2.0, 128
    affine = np.diag([step, step, step, 1.0])
    middle = grid.index_to_world(np.mean(body, axis=0))
    affine[:3, 3] = middle - step * n / 2
    new = Grid((n, n, n), affine)
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler(axis, degrees, degrees=True).as_matrix()
    turn[:3, 3] = middle - turn[:3, :3] @ middle
    index = np.linalg.inv(grid.affine) @ turn @ affine  # (w, h, d) → (w, h, d)
    flip = [2, 1, 0]
    made = affine_transform(
        array, index[:3, :3][flip][:, flip], index[:3, 3][flip], new.shape, order=order, cval=fill
    )
    return made.astype(np.float32), new
