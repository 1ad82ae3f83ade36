"""The descriptive table of a built cohort (Table 1 of Liu et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.ingest.built import built_anatomy, label_matrices, read_cohort_table, read_flow
from crossdl.ingest.flow import FlowRow
from crossdl.types import SPLITS, BoolArray

if TYPE_CHECKING:
    import pandas as pd

ALL, ANY, UNKNOWN = "all", "any", "unknown"
GROUPS = (ALL, *SPLITS)
"""Columns of numbers: all scans, and each split."""
THRESHOLD = 0.5
"""A cell is positive from this probability on, as where E1 merges sentences."""
STATISTICS = {"mean": "mean", "q1": "lower quartile", "q3": "upper quartile"}
_COLUMNS = (
    "scan", "patient", "split", "age_years", "sex", "manufacturer", "model", "spacing_mm",
    "thickness_mm", "slices",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Description:
    """What a cohort holds.

    Attributes:
        table: Columns ``measure``, ``item``, ``statistic``, and a number for each of
            :data:`GROUPS`, NaN where it is undefined. Measures in this order: ``scans``,
            ``patients`` (count); ``age_years`` (of patients: count of known ages, mean, quartiles);
            ``sex`` (fraction of patients); ``scanner`` (fraction of scans, the most frequent
            first); ``spacing_mm``, ``thickness_mm``, ``slices`` (of scans: mean, quartiles);
            ``positive_rate`` (fraction of scans; item ``region/type``, either may be ``any``).
        anatomy: The one the cohort was built for.
        flow: Rows of ``flow.csv``.
    """

    table: pd.DataFrame
    anatomy: Anatomy
    flow: tuple[FlowRow, ...]

    def rates(self, group: str) -> pd.DataFrame:
        """Positive rates of one of :data:`GROUPS`: rows are region labels, columns are types.

        Row *any* joins all N + 2 rows, column *any* all types.
        """
        part = self.table[self.table["measure"] == "positive_rate"]
        cells = part["item"].str.split("/", expand=True)
        wide = part.assign(region=cells[0], type=cells[1]).pivot(
            index="region", columns="type", values=group
        )
        rows, columns = (*self.anatomy.label_names, ANY), (*self.anatomy.type_names, ANY)
        return wide.loc[list(rows), list(columns)]


def describe(folder: Path) -> Description:
    """Describes a built cohort; source scans and volumes are not read.

    A patient's age is that at the first scan: the lowest.

    Raises:
        InputError: The folder is no finished cohort, or is damaged.
    """
    import pandas as pd

    anatomy = built_anatomy(folder)
    scans = read_cohort_table(folder, "scans.parquet", _COLUMNS)
    positive = label_matrices(folder, scans["scan"].tolist(), anatomy) >= THRESHOLD
    makes = scans[["manufacturer", "model"]].fillna("").agg(" ".join, axis=1).str.strip()
    scans = scans.assign(scanner=makes.where(makes != "", UNKNOWN))
    ranked = scans["scanner"].value_counts()
    order = sorted(ranked.index, key=lambda name: (name == UNKNOWN, -ranked[name], name))
    sexes = sorted(scans["sex"].dropna().unique())
    columns = {}
    for group in GROUPS:
        chosen = np.ones(len(scans), dtype=bool) if group == ALL else scans["split"] == group
        part = scans[chosen]
        columns[group] = {
            **_people(part, sexes),
            **_fractions("scanner", part["scanner"], order),
            **_spread("spacing_mm", part["spacing_mm"]),
            **_spread("thickness_mm", part["thickness_mm"]),
            **_spread("slices", part["slices"]),
            **_positive_rates(positive[np.asarray(chosen)], anatomy),
        }
    table = pd.DataFrame(columns)
    table.index.names = ["measure", "item", "statistic"]
    return Description(table.reset_index(), anatomy, tuple(read_flow(folder)))


Numbers = dict[tuple[str, str, str], float]


def _people(scans: pd.DataFrame, sexes: list[str]) -> Numbers:
    patients = scans.groupby("patient", sort=True).agg({"age_years": "min", "sex": "first"})
    known = patients["age_years"].astype(float).dropna()
    return {
        ("scans", "", "count"): len(scans),
        ("patients", "", "count"): len(patients),
        ("age_years", "", "count"): len(known),
        **_spread("age_years", known),
        **_fractions("sex", patients["sex"].fillna(UNKNOWN), [*sexes, UNKNOWN]),
    }


def _fractions(measure: str, values: pd.Series, items: list[str]) -> Numbers:
    return {
        (measure, item, "fraction"): float((values == item).mean()) if len(values) else np.nan
        for item in items
    }


def _spread(measure: str, values: pd.Series) -> Numbers:
    numbers = values.astype(float).dropna()
    found = (numbers.mean(), numbers.quantile(0.25), numbers.quantile(0.75))
    return {
        (measure, "", name): float(value)
        for name, value in zip(STATISTICS.values(), found, strict=True)
    }


def _positive_rates(positive: BoolArray, anatomy: Anatomy) -> Numbers:
    """``(n, N + 2, M)`` → the fraction of scans that are positive, with row and column any."""
    wide = np.concatenate([positive, positive.any(axis=1, keepdims=True)], axis=1)
    wide = np.concatenate([wide, wide.any(axis=2, keepdims=True)], axis=2)
    rates = wide.mean(axis=0) if len(wide) else np.full(wide.shape[1:], np.nan)
    return {
        ("positive_rate", f"{region}/{kind}", "fraction"): float(rates[i, j])
        for i, region in enumerate((*anatomy.label_names, ANY))
        for j, kind in enumerate((*anatomy.type_names, ANY))
    }


def characteristics(description: Description) -> list[tuple[str, dict[str, str]]]:
    """The rows above the positive rates as text: a title, and a cell for each group."""
    table = description.table.set_index(["measure", "item", "statistic"])
    rows: list[tuple[str, dict[str, str]]] = []

    def add(title: str, make: Mapping[str, str]) -> None:
        rows.append((title, dict(make)))

    def each(measure: str, item: str, statistic: str, form: str) -> dict[str, str]:
        numbers = table.loc[(measure, item, statistic)]
        return {g: "-" if np.isnan(numbers[g]) else format(numbers[g], form) for g in GROUPS}

    def spread(measure: str, form: str) -> dict[str, str]:
        mean, low, high = (each(measure, "", name, form) for name in STATISTICS.values())
        return {g: f"{mean[g]} ({low[g]}, {high[g]})" if mean[g] != "-" else "-" for g in GROUPS}

    def percentages(measure: str, title: str) -> None:
        for item in table.loc[measure].index.get_level_values("item"):
            cells = each(measure, item, "fraction", ".1%")
            if item != UNKNOWN or any(cell not in ("-", "0.0%") for cell in cells.values()):
                add(f"{title}: {item}", {g: c.removesuffix("%") for g, c in cells.items()})

    add("Scans", each("scans", "", "count", ",.0f"))
    add("Patients", each("patients", "", "count", ",.0f"))
    add("Age (years)", spread("age_years", ".1f"))
    add("Patients of known age", each("age_years", "", "count", ",.0f"))
    percentages("sex", "Sex (%)")
    percentages("scanner", "Scanner (%)")
    add("Pixel spacing (mm)", spread("spacing_mm", ".3f"))
    add("Slice thickness (mm)", spread("thickness_mm", ".2f"))
    add("Slices", spread("slices", ".1f"))
    return rows


def rate_rows(description: Description, group: str) -> list[tuple[str, list[str]]]:
    """Positive rates in percent as text: a region's title, and a cell per type and *any*.

    "-" where a cell cannot occur or there is no scan.
    """
    anatomy, rates = description.anatomy, description.rates(group)
    titles = [r.title for r in anatomy.regions]
    titles += [anatomy.other.title, anatomy.unclear.title, "Any"]
    rows = []
    for i, (title, values) in enumerate(zip(titles, rates.to_numpy(), strict=True)):
        cells = [
            "-" if np.isnan(value) or _impossible(anatomy, i, j) else f"{100 * value:.1f}"
            for j, value in enumerate(values)
        ]
        rows.append((title, cells))
    return rows


def _impossible(anatomy: Anatomy, row: int, column: int) -> bool:
    inside = row < anatomy.n_regions and column < anatomy.n_types
    return inside and not anatomy.possible[row, column]
