"""From an external data set's haemorrhage labels of whole scans to the anatomy's matrix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from pydantic import Field, model_validator

from crossdl.anatomy import Anatomy
from crossdl.config import ComponentConfig
from crossdl.errors import InputError
from crossdl.hints import suggest
from crossdl.plugins.cohorts._tables import draw_splits
from crossdl.types import FloatArray, Split

EXTRAPARENCHYMAL = ("IVH", "SAH", "EDH", "SDH")
"""Haemorrhages outside the parenchyma; EPH is any of them."""
HAEMORRHAGES = ("IPH", *EXTRAPARENCHYMAL)
"""All haemorrhages; ICH is any of them where a data set does not say it itself."""


class ReadsConfig(ComponentConfig):
    """What data sets with labels of whole scans share."""

    folder: Path = Field(description="folder of the data set as it was downloaded")
    types: Mapping[str, str] = Field(
        {"IPH": "intra_hyper", **dict.fromkeys(EXTRAPARENCHYMAL, "extra_hyper")},
        description="abnormality type that each haemorrhage of the data set is",
    )
    valid_fraction: float = Field(
        0.0, ge=0, le=1, description="part of the patients drawn for validation"
    )
    test_fraction: float = Field(
        1.0, ge=0, le=1, description="part of the patients drawn for testing; the rest trains"
    )
    split_seed: int = Field(0, ge=0, description="seed of the drawing of patients")

    @model_validator(mode="after")
    def _not_more_than_all(self) -> ReadsConfig:
        if self.valid_fraction + self.test_fraction > 1:
            raise ValueError("valid_fraction and test_fraction must not exceed 1 together")
        unknown = [name for name in self.types if name not in HAEMORRHAGES]
        if unknown:
            raise ValueError(
                f"types: there is no {unknown[0]!r}{suggest(unknown[0], HAEMORRHAGES)}"
            )
        return self

    def draw(self, patients: list[str]) -> dict[str, Split]:
        """The split of every patient."""
        return draw_splits(
            patients,
            valid_fraction=self.valid_fraction,
            test_fraction=self.test_fraction,
            seed=self.split_seed,
        )


def any_of(values: Iterable[float]) -> float:
    """1 if any of the values is, 0 if all are, NaN if that is not known."""
    known = list(values)
    return 1.0 if 1.0 in known else float(np.sum(known))


def truth_of(
    reads: Mapping[str, float],
    types: Mapping[str, str],
    anatomy: Anatomy,
    sides: Mapping[str, float] | None = None,
) -> FloatArray:
    """What labels of a whole scan say of the cells.

    A type of which no haemorrhage is there is 0 in every row. A type that is there could be in any
    region: its rows are NaN and *unclear* is 1; where the bleeding is known to be on one side
    only, the other side's regions are 0. Types that no haemorrhage is, such as hypodensities, are
    NaN, because nobody assessed them; so are all types where there is bleeding (ICH) but none of
    the haemorrhages, because the readers disagree on its kind.

    Args:
        reads: 0, 1 or NaN of ICH and every haemorrhage in ``types``.
        types: Abnormality type that each haemorrhage is.
        anatomy: Names and order of regions and types.
        sides: 0, 1 or NaN: is there bleeding on the side that the anatomy calls so?

    Returns:
        ``(N + 2, M)`` float32 of 0, 1 and NaN.

    Raises:
        InputError: The anatomy has no such type.
    """
    truth = np.full((len(anatomy.label_names), anatomy.n_types), np.nan, dtype=np.float32)
    free = [side for side in sides or {} if _only_elsewhere(side, sides or {})]
    rows = [i for i, region in enumerate(anatomy.regions) if region.side in free]
    disputed = reads["ICH"] == 1 and any_of(reads[name] for name in types) == 0
    for kind in dict.fromkeys(types.values()):
        if kind not in anatomy.type_names:
            raise InputError(
                f"types: anatomy {anatomy.name!r} has no abnormality type {kind!r}"
                f"{suggest(kind, anatomy.type_names)}"
            )
        j = anatomy.type_names.index(kind)
        present = any_of(reads[name] for name, of in types.items() if of == kind)
        if present == 0 and not disputed:
            truth[:, j] = 0
        elif present == 1:
            truth[-1, j] = 1
            truth[rows, j] = 0
    return truth


def _only_elsewhere(side: str, sides: Mapping[str, float]) -> bool:
    """Whether a side has no bleeding and another one has."""
    return sides[side] == 0 and any(value == 1 for name, value in sides.items() if name != side)
