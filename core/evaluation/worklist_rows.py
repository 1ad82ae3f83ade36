"""The rows of a worklist's evaluation: which scans have which disease."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.errors import InputError
from crossdl.evaluation.cases import EvaluationSet
from crossdl.hints import suggest
from crossdl.statistics.auroc import union
from crossdl.types import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class Row:
    """Scans with and without a disease.

    Attributes:
        name: In metrics.
        title: In tables and figures.
        status: ``(n,)`` 1 with the disease, 0 without, NaN where nobody assessed it.
    """

    name: str
    title: str
    status: FloatArray

    @property
    def positive(self) -> BoolArray:
        """``(n,)`` scans with it."""
        return np.asarray(self.status == 1)

    @property
    def negative(self) -> BoolArray:
        """``(n,)`` scans without it."""
        return np.asarray(self.status == 0)

    @property
    def assessed(self) -> int:
        """Number of scans of which it is known."""
        return int((~np.isnan(self.status)).sum())


def disease_rows(cases: EvaluationSet, anatomy: Anatomy, wanted: Sequence[str]) -> list[Row]:
    """A row per disease: the wanted reads, or all; without any read, the abnormality types.

    Raises:
        InputError: A wanted read is none of the cohort's.
    """
    if not wanted and not cases.reads:
        present = union(cases.truth, axis=1)
        return [Row(t.name, t.title, present[:, j]) for j, t in enumerate(anatomy.types)]
    for name in wanted:
        if name not in cases.reads:
            raise InputError(
                f"evaluators: worklist: diseases: the cohort's scans have no read {name!r}"
                f"{suggest(name, cases.reads)}"
            )
    names = wanted or tuple(cases.reads)
    return [
        Row(name.replace("/", "-").replace(" ", "_"), capitalised(name), cases.reads[name])
        for name in names
    ]


def joint_rows(rows: Sequence[Row]) -> tuple[Row, Row]:
    """Scans with any of the diseases, and scans that have none, which wait longer for it."""
    status = union(np.stack([row.status for row in rows], axis=1), axis=1)
    return Row("any_finding", "Any of these", status), Row(
        "no_finding", "None of these", np.asarray(1 - status, dtype=np.float32)
    )


def capitalised(name: str) -> str:
    """A first capital; abbreviations stay as they are."""
    return name[:1].upper() + name[1:]
