"""Table 1 against a naive computation, and ``crossdl cohort show``."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from crossdl.cli import app
from crossdl.errors import InputError
from crossdl.ingest.describe import GROUPS, characteristics, describe, rate_rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory, cohort_writer):
    return cohort_writer.write_built(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def found(folder):
    return describe(folder)


def rows_of(folder: Path, group: str) -> list[dict]:
    rows = pq.read_table(folder / "scans.parquet").to_pylist()
    return [row for row in rows if group in ("all", row["split"])]


def quantile(values: list[float], q: float) -> float:
    """Linear interpolation between the sorted values."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def number(found, group: str, measure: str, item: str, statistic: str) -> float:
    table = found.table
    chosen = table[
        (table["measure"] == measure) & (table["item"] == item) & (table["statistic"] == statistic)
    ]
    assert len(chosen) == 1, (measure, item, statistic)
    return float(chosen[group].iloc[0])


@pytest.mark.parametrize("group", GROUPS)
def test_people(folder, found, group):
    rows = rows_of(folder, group)
    patients: dict[str, list[dict]] = {}
    for row in rows:
        patients.setdefault(row["patient"], []).append(row)
    ages = []
    for scans in patients.values():
        known = [s["age_years"] for s in scans if s["age_years"] is not None]
        ages += [min(known)] if known else []
    assert number(found, group, "scans", "", "count") == len(rows)
    assert number(found, group, "patients", "", "count") == len(patients)
    assert number(found, group, "age_years", "", "count") == len(ages)
    assert number(found, group, "age_years", "", "mean") == pytest.approx(sum(ages) / len(ages))
    for name, q in (("lower quartile", 0.25), ("upper quartile", 0.75)):
        assert number(found, group, "age_years", "", name) == pytest.approx(quantile(ages, q))
    for sex in "FMO":
        share = [
            next((s["sex"] for s in scans if s["sex"]), None) == sex for scans in patients.values()
        ]
        expected = sum(share) / len(share)
        assert number(found, group, "sex", sex, "fraction") == pytest.approx(expected)


@pytest.mark.parametrize("group", GROUPS)
def test_scans(folder, found, group):
    rows = rows_of(folder, group)
    for measure in ("spacing_mm", "thickness_mm", "slices"):
        values = [row[measure] for row in rows]
        mean = sum(values) / len(values)
        assert number(found, group, measure, "", "mean") == pytest.approx(mean)
        low = quantile(values, 0.25)
        assert number(found, group, measure, "", "lower quartile") == pytest.approx(low)
    for name in ("Acme One", "Acme Two", "Acme"):
        share = sum(f"{r['manufacturer']} {r['model'] or ''}".strip() == name for r in rows)
        expected = share / len(rows)
        assert number(found, group, "scanner", name, "fraction") == pytest.approx(expected)


@pytest.mark.parametrize("group", GROUPS)
def test_positive_rates(folder, found, group):
    scans = [row["scan"] for row in rows_of(folder, group)]
    labels = pd.read_parquet(folder / "labels.parquet").to_dict("records")
    positive = {
        (row["scan"], row["region"], row["type"]) for row in labels if row["probability"] >= 0.5
    }
    assert 0 < len(positive) < len(labels)
    regions, types = found.anatomy.label_names, found.anatomy.type_names
    for region in (*regions, "any"):
        for kind in (*types, "any"):
            hits = [
                any(
                    (scan, r, t) in positive
                    for r in (regions if region == "any" else [region])
                    for t in (types if kind == "any" else [kind])
                )
                for scan in scans
            ]
            rate = number(found, group, "positive_rate", f"{region}/{kind}", "fraction")
            assert rate == pytest.approx(sum(hits) / len(hits)), (region, kind)
    wide = found.rates(group)
    assert list(wide.index) == [*regions, "any"] and list(wide.columns) == [*types, "any"]
    assert wide.loc["any", "any"] == number(found, group, "positive_rate", "any/any", "fraction")


def test_scanners_are_ordered_by_how_many_scans_they_made(found):
    table = found.table[found.table["measure"] == "scanner"]
    assert table["all"].is_monotonic_decreasing and table["all"].sum() == pytest.approx(1)


def test_splits_without_scans_are_dashes(tmp_path, cohort_writer):
    folder = cohort_writer.write_built(tmp_path)
    scans = pd.read_parquet(folder / "scans.parquet")
    scans.assign(split="train", age_years=np.nan).to_parquet(folder / "scans.parquet")
    found = describe(folder)
    texts = dict(characteristics(found))
    assert texts["Scans"] == {"all": "6", "train": "6", "valid": "0", "test": "0"}
    assert texts["Age (years)"] == dict.fromkeys(GROUPS, "-")
    assert texts["Slices"]["test"] == "-" != texts["Slices"]["all"]
    assert {cell for _, row in rate_rows(found, "test") for cell in row} == {"-"}


def test_text_has_the_numbers(found):
    texts = dict(characteristics(found))
    assert texts["Slices"]["all"] == "14.5 (13.2, 15.8)"
    assert texts["Sex (%): F"]["train"] == "50.0"
    rates = dict(rate_rows(found, "all"))
    impossible = found.anatomy.type_names.index("intra_hyper")
    assert rates["L lateral ventricle"][impossible] == "-"
    value = found.rates("all").loc["any", "any"]
    assert rates["Any"][-1] == f"{100 * value:.1f}"


def test_command(folder, found, tmp_path):
    html, table = tmp_path / "new" / "page.html", tmp_path / "table.csv"
    shown = CliRunner().invoke(
        app, ["cohort", "show", str(folder), "--html", str(html), "--csv", str(table)]
    )
    assert shown.exit_code == 0, shown.output
    for words in ("14.5 (13.2, 15.8)", "Brain stem", "6 scans are left", str(html)):
        assert words in shown.output
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found.table)
    for row, (_, expected) in zip(rows, found.table.iterrows(), strict=True):
        assert row["item"] == expected["item"]
        for group in GROUPS:
            assert float(row[group]) == pytest.approx(expected[group])
    page = html.read_text(encoding="utf-8")
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)  # nothing is fetched
    assert "data:image/svg+xml;base64," in page and "14.5 (13.2, 15.8)" in page
    for group in GROUPS:
        assert f"<summary>{group}</summary>" in page
    again = CliRunner().invoke(app, ["cohort", "show", str(folder), "--html", str(html)])
    assert again.exit_code == 0 and html.read_text(encoding="utf-8") == page


def test_nothing_but_a_cohort_is_shown(tmp_path):
    with pytest.raises(InputError, match="no finished cohort"):
        describe(tmp_path)


def test_damaged_flow(tmp_path, cohort_writer):
    folder = cohort_writer.write_built(tmp_path)
    (folder / "flow.csv").write_text("step,reason\na,b\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"flow\.csv: is damaged"):
        describe(folder)
    (folder / "flow.csv").unlink()
    with pytest.raises(InputError, match=r"flow\.csv: is missing"):
        describe(folder)
