"""An atlas of your own: a folder with a template CT, its label map and a description."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from crossdl.atlas import Atlas
from crossdl.atlases.folder import DESCRIPTION, LABELS, TEMPLATE, in_order, read_description
from crossdl.config import ComponentConfig
from crossdl.errors import InputError
from crossdl.interfaces import AtlasSource
from crossdl.io.volumes import read_labels, read_volume
from crossdl.types import RegionMap


class FolderConfig(ComponentConfig):
    """Configuration of :class:`Folder`."""

    kind: Literal["folder"] = "folder"
    path: Path = Field(description=f"folder with {TEMPLATE}, {LABELS} and {DESCRIPTION}")


class Folder(AtlasSource[FolderConfig]):
    """Template (HU) and label map from NIfTI files on one grid.

    ``atlas.toml`` gives ``name``, ``source``, ``licence`` and a table ``[regions]`` with the
    number that each region of the anatomy has in the label map; numbers it does not name belong
    to no region. ``crossdl atlas build`` and ``crossdl atlas regions`` write such folders.
    """

    def load(self) -> Atlas:
        """Reads the folder.

        Raises:
            InputError: A file is missing or unreadable, the grids differ, or a region is missing,
                unknown or without voxels.
        """
        folder = self.config.path
        if (folder / TEMPLATE).is_file() and not (folder / LABELS).is_file():
            raise InputError(
                f"{folder / LABELS}: is missing: the atlas has no regions yet; draw them on "
                f"{TEMPLATE} and attach them with crossdl atlas regions"
            )
        for name in (TEMPLATE, LABELS, DESCRIPTION):
            if not (folder / name).is_file():
                raise InputError(f"{folder / name}: is missing; an atlas folder needs this file")
        described = read_description(folder / DESCRIPTION, self.anatomy)
        template = read_volume(folder / TEMPLATE, self.anatomy.modality)
        numbers, grid = read_labels(folder / LABELS)
        if not template.grid.same_as(grid):
            raise InputError(
                f"{folder / LABELS}: is not on the grid of {TEMPLATE}; resample it to that grid"
            )
        labels = in_order(numbers, described.regions, folder / LABELS, self.anatomy)
        digest = hashlib.sha256(template.array.tobytes())
        digest.update(labels.tobytes())
        digest.update(grid.affine.tobytes())
        provenance: dict[str, Any] = {"made_by": self.config.kind, **described.model_dump()}
        return Atlas(template, RegionMap(labels, grid), digest.hexdigest(), provenance)
