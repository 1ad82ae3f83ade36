"""The anatomy: the one table from which everything about regions, types and sides derives.

An anatomy is data (``anatomies/NAME.toml``). Sizes of network heads, flips of image, masks,
labels and text, table rows and figure labels all come from here; another anatomy or modality is
another file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from crossdl.config import flatten_errors
from crossdl.errors import ConfigError
from crossdl.hints import did_you_mean
from crossdl.labels import LabelSet, Partner
from crossdl.lexicon import Lexicon
from crossdl.types import BoolArray


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Region(_Frozen):
    """One anatomical region that is a bag."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="label used in files")
    title: str = Field(description="what tables and figures print")
    part: str = Field(description="name without the side; both sides of a pair share it")
    part_title: str = Field(description="what tables print where sides are merged")
    side: str | None = Field(None, description="side key of the lexicons, none for midline")
    mirror: str = Field(description="region this one becomes when left and right are swapped")
    definition: str = Field(
        "", description="what annotators count as the part; its first region that has one says it"
    )


class AbnormalityType(_Frozen):
    """One abnormality type."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="label used in files")
    title: str = Field(description="what tables and figures print")
    definition: str = Field("", description="what annotators count as this type")


class Label(_Frozen):
    """A region label without voxels: *other* or *unclear*."""

    name: str
    title: str
    definition: str = Field("", description="what annotators count as this label")


class Window(_Frozen):
    """Intensity window of E3."""

    level: float = Field(description="centre, HU")
    width: float = Field(gt=0, description="full width, HU")

    @property
    def low(self) -> float:
        """HU that becomes 0."""
        return self.level - self.width / 2

    @property
    def high(self) -> float:
        """HU that becomes 255."""
        return self.level + self.width / 2


class Anatomy(LabelSet):
    """Regions, types and conventions of one body part and modality.

    Attributes of the file are the fields below; see ``anatomies/head_ct.toml``.
    """

    modality: str = Field(description="DICOM Modality a series must have, e.g. CT")
    regions: tuple[Region, ...] = Field(min_length=1)
    types: tuple[AbnormalityType, ...] = Field(min_length=1)
    other: Label
    unclear: Label
    impossible: tuple[tuple[str, str], ...] = Field(
        (), description="(region, type) cells that cannot occur; never scored"
    )
    window: Window
    volume_shape: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        description="model input (D, H, W), voxels"
    )
    tissue_threshold: float = Field(description="HU above which a voxel is body, not air")
    atlas: Mapping[str, Any] = Field(description="default atlas component, a table with its kind")
    lexicon: Mapping[str, Lexicon] = Field(description="one per language code")

    @model_validator(mode="after")
    def _consistent(self) -> Anatomy:
        names = [r.name for r in self.regions]
        if len({*names, self.other.name, self.unclear.name}) != len(names) + 2:
            raise ValueError("region names must be unique")
        if not isinstance(self.atlas.get("kind"), str):
            raise ValueError("atlas: must be a table with a kind")
        if len({t.name for t in self.types}) != len(self.types):
            raise ValueError("type names must be unique")
        by_name = {r.name: r for r in self.regions}
        for region in self.regions:
            partner = by_name.get(region.mirror)
            if partner is None or partner.mirror != region.name or partner.part != region.part:
                raise ValueError(
                    f"mirror of {region.name!r} must be a region of the same part whose mirror "
                    f"is {region.name!r} again"
                )
            unsided = region.side is None
            if unsided != (partner is region) or (not unsided and partner.side == region.side):
                raise ValueError(
                    f"{region.name!r}: paired regions have different sides, a region that is its "
                    "own mirror has none"
                )
        for cell in self.impossible:
            if cell[0] not in by_name or cell[1] not in {t.name for t in self.types}:
                raise ValueError(f"impossible cell {cell} names an unknown region or type")
        sides = {r.side for r in self.regions if r.side is not None}
        labels = {self.other.name, self.unclear.name}
        problems = [
            f"lexicon.{language}.{problem}"
            for language, lexicon in self.lexicon.items()
            for problem in lexicon.unknown_names(sides, self.parts, labels, self.type_names)
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def n_regions(self) -> int:
        """N, the number of bags."""
        return len(self.regions)

    @property
    def region_names(self) -> tuple[str, ...]:
        """The N region names in order."""
        return tuple(r.name for r in self.regions)

    @property
    def type_names(self) -> tuple[str, ...]:
        """The M type names in order."""
        return tuple(t.name for t in self.types)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The N + 2 region labels in order: regions, *other*, *unclear*."""
        return (*self.region_names, self.other.name, self.unclear.name)

    @property
    def definitions(self) -> Mapping[str, str]:
        """Label → what counts as it, for labels that have a definition; sides share it."""
        of_part: dict[str, str] = {}
        for region in self.regions:
            of_part[region.part] = of_part.get(region.part) or region.definition
        found = {region.name: of_part[region.part] for region in self.regions}
        found |= {label.name: label.definition for label in (self.other, self.unclear)}
        found |= {kind.name: kind.definition for kind in self.types}
        return {name: definition for name, definition in found.items() if definition}

    @property
    def label_values(self) -> dict[str, int]:
        """Region name → its value in label maps; 0 is none of them."""
        return {name: value for value, name in enumerate(self.region_names, start=1)}

    @property
    def parts(self) -> tuple[str, ...]:
        """Region names with the sides merged, in order of first appearance."""
        return tuple(dict.fromkeys(r.part for r in self.regions))

    @cached_property
    def mirror_index(self) -> npt.NDArray[np.int64]:
        """``(N + 2,)``: ``labels[mirror_index]`` are the labels of the mirrored scan."""
        names = self.region_names
        swapped = [names.index(r.mirror) for r in self.regions]
        return np.array([*swapped, len(names), len(names) + 1], dtype=np.int64)

    @property
    def side_partners(self) -> frozenset[Partner]:
        """Sides of paired regions."""
        by_name = {r.name: r for r in self.regions}
        pairs = [(r.side, by_name[r.mirror].side) for r in self.regions]
        return frozenset((a, b) for a, b in pairs if a is not None and b is not None)

    @cached_property
    def possible(self) -> BoolArray:
        """``(N, M)``: False where a cell cannot occur."""
        mask = np.ones((self.n_regions, self.n_types), dtype=np.bool_)
        for region, kind in self.impossible:
            mask[self.region_names.index(region), self.type_names.index(kind)] = False
        return mask


@cache
def load_anatomy(name: str) -> Anatomy:
    """Reads an anatomy by built-in name (``"head_ct"``) or by path of a ``.toml`` file.

    Raises:
        ConfigError: No such file, not TOML, or fields missing, misspelt or inconsistent.
    """
    try:
        text = _anatomy_text(name)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{name!r}: cannot be read as an anatomy file: {error}") from error
    try:
        return Anatomy.model_validate(tomllib.loads(text))
    except RecursionError as error:
        raise ConfigError(f"{name}: is nested too deeply for TOML") from error
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, path)) or 'the file'}: {message}"
            for path, message, _ in flatten_errors(error, Anatomy)
        ]
        raise ConfigError(f"{name}: the anatomy is not valid", problems) from error
    except ValueError as error:
        raise ConfigError(f"{name}: not valid TOML: {error}") from error


def _anatomy_text(name: str) -> str:
    """Text of a built-in anatomy, or of a file."""
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise ConfigError(f"{name}: no such anatomy file; give a path to a .toml file")
        return path.read_text(encoding="utf-8")
    folder = files("crossdl") / "anatomies"
    known = sorted(p.name[:-5] for p in folder.iterdir() if p.name.endswith(".toml"))
    if name not in known:
        raise ConfigError(
            f"anatomy {name!r} does not exist{did_you_mean(name, known)}; built in are "
            f"{', '.join(known)}, or give a path to a .toml file"
        )
    return (folder / f"{name}.toml").read_text(encoding="utf-8")
