"""What an atlas folder holds: template, label map, description and provenance."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crossdl.anatomy import Anatomy
from crossdl.config import flatten_errors
from crossdl.errors import InputError
from crossdl.files import write_text
from crossdl.hints import suggest
from crossdl.types import LabelArray

TEMPLATE, LABELS, DESCRIPTION = "template.nii.gz", "labels.nii.gz", "atlas.toml"
PROVENANCE = "provenance.json"
"""How the template was averaged and where the regions came from; not needed to use the atlas."""
OVERVIEW = "overview.webp"
"""Slices of the template with its regions, to look at."""


ModelT = TypeVar("ModelT", bound=BaseModel)


class Description(BaseModel):
    """Contents of ``atlas.toml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="what outputs call the atlas")
    source: str = Field(description="where template and labels come from")
    licence: str = Field(description="under which they may be used")
    regions: dict[str, int] = Field(
        min_length=1, description="region of the anatomy → its number in the label map"
    )


def read_description(path: Path, anatomy: Anatomy) -> Description:
    """Reads ``atlas.toml``.

    Raises:
        InputError: The file is no TOML, lacks a field, or names other regions than the anatomy.
    """
    described = _parsed(path, Description)
    check_regions(described.regions, path, anatomy)
    return described


def write_description(path: Path, described: Description) -> None:
    """Writes ``atlas.toml``; JSON's strings are TOML's too."""
    lines = [
        f"{key} = {json.dumps(getattr(described, key), ensure_ascii=False)}"
        for key in ("name", "source", "licence")
    ]
    lines += ["", "[regions]", *(f"{name} = {n}" for name, n in described.regions.items())]
    write_text(path, "\n".join(lines) + "\n")


def read_numbers(path: Path, anatomy: Anatomy) -> dict[str, int]:
    """The table ``[regions]`` of a TOML file: region → number.

    Raises:
        InputError: As :func:`read_description`.
    """

    class Numbers(BaseModel):
        regions: dict[str, int] = Field(min_length=1)

    regions = _parsed(path, Numbers).regions
    check_regions(regions, path, anatomy)
    return regions


def check_regions(regions: Mapping[str, int], path: Path, anatomy: Anatomy) -> None:
    """Checks that numbers are given for the regions of the anatomy and no others.

    Raises:
        InputError: They are not; the message names the region and ``path``.
    """
    known = anatomy.region_names
    for name in regions:
        if name not in known:
            raise InputError(
                f"{path}: regions.{name}: anatomy {anatomy.name!r} has no such "
                f"region{suggest(name, known)}; correct the name"
            )
    missing = [name for name in known if name not in regions]
    if missing:
        raise InputError(
            f"{path}: regions: {', '.join(missing)} of anatomy {anatomy.name!r} "
            "missing; add the numbers"
        )
    for name, number in regions.items():
        first = next(other for other, n in regions.items() if n == number)
        if not 1 <= number <= 255 or first != name:
            raise InputError(
                f"{path}: regions.{name}: {number} is "
                + (f"also the number of {first}" if first != name else "not from 1 to 255")
                + "; correct it"
            )


def in_order(
    numbers: LabelArray, regions: Mapping[str, int], path: Path, anatomy: Anatomy
) -> LabelArray:
    """A drawn label map in the anatomy's order; numbers without a region become 0.

    Args:
        numbers: ``(D, H, W)`` of the file.
        regions: Region → number.
        path: The label map, for messages.
        anatomy: Gives the order.

    Raises:
        InputError: A region has no voxel.
    """
    labels = np.zeros_like(numbers)
    for i, name in enumerate(anatomy.region_names, start=1):
        where = numbers == regions[name]
        if not where.any():
            raise InputError(
                f"{path}: has no voxel with {regions[name]}, the number of {name}; "
                f"correct {DESCRIPTION} or the label map"
            )
        labels[where] = i
    return labels


def _parsed(path: Path, model: type[ModelT]) -> ModelT:
    if not path.is_file():
        raise InputError(f"{path}: is missing; an atlas folder needs this file")
    try:
        return model.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, where))}: {message}"
            for where, message, _ in flatten_errors(error, model)
        ]
        raise InputError(f"{path}: {'; '.join(problems)}; correct the file") from error
    except ValueError as error:
        raise InputError(f"{path}: is not valid TOML: {error}; correct the file") from error
