"""A study's page: tables and figures of its cells, with what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crossdl.evaluation.cases import Estimate
from crossdl.figures import estimate_text
from crossdl.results.comparison import Key
from crossdl.results.document import (
    Block,
    Cell,
    Document,
    Link,
    Pictures,
    Section,
    Table,
    Text,
    write_document,
)
from crossdl.results.figures import ForestRow, curves_figure, forest_figure, matrix_figure
from crossdl.results.metrics import interval_text, metric_title
from crossdl.results.pictures import save_picture
from crossdl.results.provenance import provenance_blocks, read_json
from crossdl.results.study import Mean, StudyResults, Values, combination_title
from crossdl.study.tables import cell_folder

_COLUMNS = 20
"""Most metrics of one heat map."""
_SHOWN_ROWS = 40
"""Longer tables are folded."""


def write_study_summary(folder: Path) -> Path:
    """Writes ``summary.html``, ``summary.md``, ``tables/`` and ``figures/`` of a study.

    Cells that failed or are not finished are named; everything else is of the finished ones.

    Args:
        folder: Of the study, see :mod:`crossdl.study.files`.

    Returns:
        Path of the HTML page.

    Raises:
        InputError: The folder holds no readable study.
    """
    found = StudyResults.read(folder)
    document = Document(
        found.study.name + (f", {found.study.scale}" if found.study.scale else ""),
        found.study.description or "A study",
        [
            Section("Results", _results(found)),
            Section("Differences to the reference", _differences(found)),
            Section("All measures", _measures(found)),
            Section("Training", _training(found)),
            Section("Cells", _cells(found)),
            Section("Provenance", _provenance(found)),
        ],
    )
    return write_document(folder, document)


def _results(found: StudyResults) -> list[Block]:
    """The overview: a row per combination, and the same as a forest plot and as heat maps."""
    if not found.keys:
        return [Text("No cell has finished yet.")]
    said = (
        f"{len(found.finished)} of {len(found.study.cells)} cells have finished. Mean ± standard "
        "deviation over seeds; of one seed the value with its interval over patients."
    )
    axes = [axis.title for axis in found.study.axes]
    titles = [metric_title(name, found.anatomy) for _, name in found.overview]
    rows, exact = [], []
    for values in found.combinations:
        means = found.means.get(values, {})
        n = sum(cell.values == values for cell in found.finished)
        of = sum(cell.values == values for cell in found.study.cells)
        cells = [_mean_text(found, values, key) for key in found.overview]
        rows.append((*values, f"{n} of {of}", *cells))
        numbers = [x for key in found.overview for x in _mean_and_sd(means.get(key))]
        exact.append((*values, n, *numbers))
    both = [f"{metric}, {what}" for _, metric in found.overview for what in ("mean", "sd")]
    table = Table(
        "overview",
        f"Reference: {combination_title(found.reference)}",
        (*axes, "Seeds", *titles),
        rows,
        ((*axes, "seeds", *both), exact),
    )
    pictures = [("forest", "Values of each seed with intervals over patients; diamond: mean")]
    save_picture(_forest(found), found.folder / "figures", "forest")
    maps = _heat_maps(found)
    return [Text(said), table, Pictures(pictures, wide=True), Pictures(maps, wide=True)]


def _forest(found: StudyResults) -> Any:
    panels, references = {}, {}
    for key in found.overview:
        title = metric_title(key[1], found.anatomy)
        panels[title] = [
            ForestRow(
                combination_title(values),
                _per_seed(found, values, key),
                _mean_if_several(found, values, key),
                values == found.reference,
            )
            for values in found.combinations
        ]
        reference = found.means.get(found.reference, {}).get(key)
        references[title] = None if reference is None else reference.mean
    return forest_figure(panels, references, title="Values; dashed: the reference")


def _heat_maps(found: StudyResults) -> list[tuple[str, str]]:
    """One of each evaluator with several metrics: combinations by metrics."""
    pictures = []
    rows = [values for values in found.combinations if values in found.means]
    for kind in dict.fromkeys(kind for kind, _ in found.keys):
        keys = [key for key in found.keys if key[0] == kind][:_COLUMNS]
        values = np.array(
            [[_or_nan(found.means[row].get(key)) for key in keys] for row in rows],
            dtype=np.float64,
        )
        figure = matrix_figure(
            values,
            [combination_title(row) for row in rows],
            [metric_title(name, found.anatomy) for _, name in keys],
            title=f"{kind}: means over seeds",
        )
        save_picture(figure, found.folder / "figures", f"matrix_{kind}")
        pictures.append((f"matrix_{kind}", f"{kind}: combinations by measures"))
    return pictures


def _differences(found: StudyResults) -> list[Block]:
    shown = set(found.keys)
    compared = [row for row in found.comparisons if row[1] in shown]
    if not compared:
        return [Text("Nothing can be compared: no other cell shares scans and metrics with it.")]
    rows = []
    panels: dict[str, list[ForestRow]] = {}
    for values, key, row in compared:
        title = metric_title(key[1], found.anatomy)
        change = Estimate(_float(row["difference"]), _float(row["low"]), _float(row["high"]))
        rows.append(
            (*values, title, _float(row["value"]), _float(row["reference"]), change.value,
             interval_text(change), _float(row["p"]), _float(row["p_holm"]), int(row["seeds"]),
             int(row["scans"]), int(row["patients"]))
        )  # fmt: skip
        if key in found.overview:
            panels.setdefault(title, []).append(ForestRow(combination_title(values), [change]))
    if panels:
        most = max(panels.values(), key=len)
        order = [row.title for row in most]
        aligned = {
            title: [
                next((r for r in given if r.title == name), ForestRow(name, [])) for name in order
            ]
            for title, given in panels.items()
        }
        figure = forest_figure(
            aligned,
            dict.fromkeys(aligned, 0.0),
            title=f"Differences to {combination_title(found.reference)}",
        )
        save_picture(figure, found.folder / "figures", "differences")
    said = (
        f"Each combination minus {combination_title(found.reference)}, on the scans and seeds that "
        f"both have, with the same resamples of patients. p is two-sided; Holm's correction is "
        "over the combinations of each measure."
    )
    axes = [axis.title for axis in found.study.axes]
    columns = (
        *axes, "Measure", "Value", "Reference's", "Difference",
        f"{100 * found.study.confidence:g} % CI", "p", "p (Holm)", "Seeds", "Scans", "Patients",
    )  # fmt: skip
    return [
        Text(said),
        Pictures([("differences", "Paired differences with intervals over patients")], wide=True),
        Table("differences", "Paired differences", columns, rows, folded=len(rows) > _SHOWN_ROWS),
    ]


def _measures(found: StudyResults) -> list[Block]:
    if not found.keys:
        return []
    combinations = [values for values in found.combinations if values in found.means]
    rows = [
        (metric_title(key[1], found.anatomy),
         *(_mean_text(found, values, key) for values in combinations))
        for key in found.keys
    ]  # fmt: skip
    columns = ("Measure", *(combination_title(values) for values in combinations))
    said = "Every metric of every cell, those of single regions too, is in results.csv."
    return [
        Text(said),
        Table("measures", "Means over seeds", columns, rows, folded=len(rows) > _SHOWN_ROWS),
    ]


def _training(found: StudyResults) -> list[Block]:
    histories = {combination_title(v): runs for v, runs in found.histories().items()}
    if not histories:
        return []
    save_picture(curves_figure(histories), found.folder / "figures", "training")
    return [Pictures([("training", "Losses of each training")], wide=True)]


def _cells(found: StudyResults) -> list[Block]:
    """Each cell with a link to its page, and why some have failed."""
    rows: list[Sequence[Cell]] = []
    for cell in found.study.cells:
        run = cell_folder(found.folder, cell.slug)
        page = run / "summary.html"
        name: Cell = cell.slug
        if page.is_file():
            name = Link(cell.slug, page.relative_to(found.folder).as_posix())
        facts = read_json(run / "provenance.json")
        seconds = sum(stage["seconds"] for stage in facts.get("stages", ()))
        data = facts.get("data", {}).get("fingerprint", "-")
        minutes = seconds / 60 if facts.get("stages") else None
        rows.append((name, *cell.values, cell.seed, found.state(cell), minutes, data))
    axes = [axis.title for axis in found.study.axes]
    columns = ("Cell", *axes, "Seed", "State", "Minutes", "Data fingerprint")
    blocks: list[Block] = [Table("cells", "Cells", columns, rows, folded=len(rows) > _SHOWN_ROWS)]
    if found.failures:
        count = len(found.failures)
        items = [(failure.cell, failure.stage, failure.reason) for failure in found.failures]
        title = f"{count} failed cell{'s' if count > 1 else ''}"
        blocks.append(Table("failures", title, ("Cell", "Stage", "Reason"), items))
    return blocks


def _provenance(found: StudyResults) -> list[Block]:
    """The study's own facts, with the machine and the composition of its first finished cell."""
    study = found.study
    asked: list[tuple[str, str]] = [
        ("Scale", study.scale or "-"),
        ("Axes", "; ".join(f"{a.title}: {', '.join(a.values)}" for a in study.axes)),
        ("Seeds", ", ".join(map(str, study.seeds))),
        ("Compared metrics", ", ".join(study.metrics) or "all that can be"),
        ("Threads of a cell", str(study.threads)),
    ]
    rows = [(title, value) for title, value in asked]
    blocks: list[Block] = [Table("asked", "What was asked", ("", "Value"), rows)]
    facts: Mapping[str, Any] = {"versions": study.versions}
    if found.finished:
        first = found.finished[0].slug
        facts = {**read_json(cell_folder(found.folder, first) / "provenance.json"), **facts}
        facts = {name: value for name, value in facts.items() if name != "stages"}
        blocks.append(Text(f"Command, machine and composition are those of cell {first}."))
    return [*blocks, *provenance_blocks(facts, found.config)]


def _per_seed(found: StudyResults, values: Values, key: Key) -> list[Estimate]:
    seeds = [cell.seed for cell in found.finished if cell.values == values]
    each = (found.estimates.get((values, seed), {}).get(key) for seed in seeds)
    return [estimate for estimate in each if estimate is not None]


def _mean_if_several(found: StudyResults, values: Values, key: Key) -> float | None:
    mean = found.means.get(values, {}).get(key)
    return mean.mean if mean is not None and mean.seeds > 1 else None


def _mean_text(found: StudyResults, values: Values, key: Key) -> str:
    """``"0.912 ± 0.010"``; of one seed its value with the interval; "-" where undefined."""
    mean = found.means.get(values, {}).get(key)
    if mean is None or mean.mean is None:
        return "-"
    if mean.sd is not None:
        return f"{mean.mean:.3f} ± {mean.sd:.3f}"
    [estimate] = [e for e in _per_seed(found, values, key) if e.value is not None]
    return estimate_text(estimate)


def _mean_and_sd(mean: Mean | None) -> tuple[float | None, float | None]:
    return (None, None) if mean is None else (mean.mean, mean.sd)


def _or_nan(mean: Mean | None) -> float:
    return float("nan") if mean is None or mean.mean is None else mean.mean


def _float(text: str) -> float | None:
    return float(text) if text else None
