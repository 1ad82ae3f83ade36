"""Rendered phantoms on disk: about 1.3 MB for 34 slices of 192 x 192, truth included."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from crossdl.files import write_json
from crossdl.plugins.cohorts._phantom_findings import Story
from crossdl.plugins.cohorts._phantom_render import Rendered
from crossdl.types import BoolArray, FloatArray, Grid, LabelArray

_STORY = TypeAdapter(Story)


def write_scan(folder: Path, scan: Rendered) -> None:
    """Writes ``voxels.npz`` and ``scan.json`` into an empty folder.

    HU are kept as their high and low bytes, which compress better apart.
    """
    planes = np.ascontiguousarray(scan.hu.astype("<i2")).view(np.uint8).reshape(*scan.hu.shape, 2)
    np.savez_compressed(
        folder / "voxels.npz",
        low=planes[..., 0],
        high=planes[..., 1],
        labels=scan.labels,
        masks=np.packbits(scan.masks),
    )
    facts = {
        "shape": list(scan.masks.shape),
        "affine": scan.grid.affine.tolist(),
        "truth": scan.truth.astype(int).tolist(),
        "story": _STORY.dump_python(scan.story, mode="json"),
    }
    write_json(folder / "scan.json", facts)


@dataclass(frozen=True)
class StoredScan:
    """What :func:`write_scan` wrote; every part is read when it is asked for.

    Attributes:
        folder: Where it is.
    """

    folder: Path

    @cached_property
    def _facts(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "scan.json").read_text(encoding="utf-8"))
        return found

    @property
    def grid(self) -> Grid:
        """Where the voxels are."""
        _, d, h, w = self._facts["shape"]
        return Grid((d, h, w), np.array(self._facts["affine"]))

    @property
    def truth(self) -> FloatArray:
        """Gold matrix ``(N + 2, M)``."""
        return np.array(self._facts["truth"], dtype=np.float32)

    @property
    def story(self) -> Story:
        """What a report may tell."""
        return _STORY.validate_python(self._facts["story"])

    @property
    def hu(self) -> FloatArray:
        """``(D, H, W)`` whole HU."""
        planes = np.stack([self._array("low"), self._array("high")], axis=-1)
        return planes.view("<i2")[..., 0].astype(np.float32)

    @property
    def labels(self) -> LabelArray:
        """``(D, H, W)`` true regions."""
        return self._array("labels")

    @property
    def masks(self) -> BoolArray:
        """``(M, D, H, W)`` lesions by type."""
        shape = self._facts["shape"]
        bits = np.unpackbits(self._array("masks"), count=int(np.prod(shape)))
        return bits.reshape(shape).astype(np.bool_)

    def _array(self, name: str) -> LabelArray:
        with np.load(self.folder / "voxels.npz", allow_pickle=False) as file:
            found: LabelArray = file[name]
        return found
