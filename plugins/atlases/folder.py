"""An atlas of your own: a folder with a template CT, its label map and a description."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crossdl.atlas import Atlas
from crossdl.config import ComponentConfig, flatten_errors
from crossdl.errors import InputError
from crossdl.hints import suggest
from crossdl.interfaces import AtlasSource
from crossdl.io.volumes import read_labels, read_volume
from crossdl.types import LabelArray, RegionMap

TEMPLATE, LABELS, DESCRIPTION = "template.nii.gz", "labels.nii.gz", "atlas.toml"


class FolderConfig(ComponentConfig):
    """Configuration of :class:`Folder`."""

    kind: Literal["folder"] = "folder"
    path: Path = Field(description=f"folder with {TEMPLATE}, {LABELS} and {DESCRIPTION}")


class _Description(BaseModel):
    """Contents of ``atlas.toml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="what outputs call the atlas")
    source: str = Field(description="where template and labels come from")
    licence: str = Field(description="under which they may be used")
    regions: dict[str, int] = Field(
        min_length=1, description="region of the anatomy → its number in the label map"
    )


class Folder(AtlasSource[FolderConfig]):
    """Template (HU) and label map from NIfTI files on one grid.

    ``atlas.toml`` gives ``name``, ``source``, ``licence`` and a table ``[regions]`` with the
    number that each region of the anatomy has in the label map; numbers it does not name belong
    to no region.
    """

    def load(self) -> Atlas:
        """Reads the folder.

        Raises:
            InputError: A file is missing or unreadable, the grids differ, or a region is missing,
                unknown or without voxels.
        """
        folder = self.config.path
        for name in (TEMPLATE, LABELS, DESCRIPTION):
            if not (folder / name).is_file():
                raise InputError(f"{folder / name}: is missing; an atlas folder needs this file")
        described = self._describe(folder / DESCRIPTION)
        template = read_volume(folder / TEMPLATE, self.anatomy.modality)
        numbers, grid = read_labels(folder / LABELS)
        if not template.grid.same_as(grid):
            raise InputError(
                f"{folder / LABELS}: is not on the grid of {TEMPLATE}; resample it to that grid"
            )
        labels = self._in_order(numbers, described, folder / LABELS)
        digest = hashlib.sha256(template.array.tobytes())
        digest.update(labels.tobytes())
        digest.update(grid.affine.tobytes())
        provenance: dict[str, Any] = {"made_by": self.config.kind, **described.model_dump()}
        return Atlas(template, RegionMap(labels, grid), digest.hexdigest(), provenance)

    def _describe(self, path: Path) -> _Description:
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
            described = _Description.model_validate(raw)
        except ValidationError as error:
            problems = [
                f"{'.'.join(map(str, where))}: {message}"
                for where, message, _ in flatten_errors(error, _Description)
            ]
            raise InputError(f"{path}: {'; '.join(problems)}; correct the file") from error
        except ValueError as error:
            raise InputError(f"{path}: is not valid TOML: {error}; correct the file") from error
        known = self.anatomy.region_names
        for name in described.regions:
            if name not in known:
                raise InputError(
                    f"{path}: regions.{name}: anatomy {self.anatomy.name!r} has no such "
                    f"region{suggest(name, known)}; correct the name"
                )
        missing = [name for name in known if name not in described.regions]
        if missing:
            raise InputError(
                f"{path}: regions: {', '.join(missing)} of anatomy {self.anatomy.name!r} "
                "missing; add the numbers"
            )
        return described

    def _in_order(self, numbers: LabelArray, described: _Description, path: Path) -> LabelArray:
        labels = np.zeros_like(numbers)
        for i, name in enumerate(self.anatomy.region_names, start=1):
            where = numbers == described.regions[name]
            if not where.any():
                raise InputError(
                    f"{path}: has no voxel with {described.regions[name]}, the number of {name}; "
                    f"correct {DESCRIPTION} or the label map"
                )
            labels[where] = i
        return labels
