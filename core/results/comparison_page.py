"""A comparison of runs as tables, in the terminal and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crossdl.evaluation.cases import Estimate
from crossdl.figures import estimate_text
from crossdl.results.comparison import FinishedRun, Key, RunComparison
from crossdl.results.document import (
    Block,
    Cell,
    Document,
    Pictures,
    Section,
    Table,
    Text,
    cell_text,
    write_document,
)
from crossdl.results.metrics import interval_text, interval_title, metric_title

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from crossdl.results.figures import Curves

_UNKNOWN = Estimate(None)
_PANELS = 12
"""Most ROC panels of the figure."""


def comparison_tables(found: RunComparison) -> list[Table]:
    """Metrics side by side, paired differences, settings that differ, where the runs come from."""
    tables = [_metrics(found)]
    if found.differences:
        tables.append(_differences(found))
    return [*tables, *_settings(found), _origins(found.runs)]


def shared_text(found: RunComparison) -> str:
    """How many scans the runs share, and what that means."""
    count, other = len(found.shared.scans), len(found.shared.different)
    said = f"{count} test scan{'s are' if count != 1 else ' is'} common to all runs"
    if other:
        said += (
            f"; {other} more have the same name in all runs, but other voxels, patients or truth "
            "in one of them, and are left out"
        )
    return f"{said}; {found.unpaired}." if found.unpaired else f"{said}."


def write_comparison(folder: Path, found: RunComparison) -> Path:
    """Writes ``summary.html``, ``summary.md``, ``tables/`` and ``figures/``.

    Args:
        folder: Made if it is absent.
        found: The comparison.

    Returns:
        Path of the HTML page.
    """
    from crossdl.results.figures import roc_panels
    from crossdl.results.pictures import save_picture

    pictures: list[Block] = []
    panels = _panels(found)
    if panels:
        title = "ROC curves on the shared scans" if found.shared.scans else "ROC curves"
        save_picture(roc_panels(panels, title=title), folder / "figures", "roc")
        pictures.append(Pictures([("roc", title)], wide=True))
    metrics, *others = comparison_tables(found)
    differences = [table for table in others if table.name == "differences"]
    settings = [table for table in others if table.name.startswith("settings")]
    origins = others[-1]
    names = ", ".join(run.label for run in found.runs)
    explained = (
        "Run minus reference, the first run, on the shared scans and with the same resamples of "
        "patients. p is two-sided and, with R resamples, at least 2 / (R + 1); Holm's correction "
        "is over all rows of this table."
    )
    paired: list[Block] = [Text(shared_text(found))]
    if differences:
        paired += [Text(explained), *differences]
    document = Document(
        "Comparison of runs",
        names,
        [
            Section("Results", [Text("Each run on all of its own test scans."), metrics]),
            Section("Paired differences", paired),
            Section("ROC curves", pictures),
            Section("Settings that differ", settings),
            Section("Provenance", [origins]),
        ],
    )
    return write_document(folder, document)


def rich_table(table: Table) -> RichTable:
    """The table for the terminal."""
    from rich.table import Table as RichTable

    made = RichTable(title=table.title, title_justify="left")
    for column, textual in zip(table.columns, table.textual, strict=True):
        made.add_column(column, justify="left" if textual else "right")
    for row in table.rows:
        made.add_row(*(cell_text(cell) for cell in row))
    return made


def _metrics(found: RunComparison) -> Table:
    runs, anatomy = found.runs, found.runs[0].anatomy

    def estimate(run: FinishedRun, key: Key) -> Estimate:
        return run.metrics.get(key[0], {}).get(key[1], _UNKNOWN)

    rows = [
        (metric_title(key[1], anatomy), *(estimate_text(estimate(run, key)) for run in runs))
        for key in found.keys
    ]
    exact: list[tuple[Cell, ...]] = [
        (kind, name, metric_title(name, anatomy), run.label, e.value, e.low, e.high, e.n,
         e.positives)
        for run in runs
        for kind, metrics in run.metrics.items()
        for name, e in metrics.items()
    ]  # fmt: skip
    columns = (
        "evaluator", "metric", "measure", "run", "value", "low", "high", "n", "positives",
    )  # fmt: skip
    interval = interval_title(runs[0].config)
    title = f"Value ({interval})"
    return Table(
        "metrics", title, ("Measure", *(run.label for run in runs)), rows, (columns, exact)
    )


def _differences(found: RunComparison) -> Table:
    anatomy = found.runs[0].anatomy
    rows: list[tuple[Cell, ...]] = []
    exact: list[tuple[Cell, ...]] = []
    for key in found.keys:
        for run in found.runs[1:]:
            c = found.differences[run.label].get(key)
            if c is None:
                continue
            title = metric_title(key[1], anatomy)
            interval = interval_text(Estimate(c.difference, c.low, c.high))
            rows.append(
                (title, run.label, c.first, c.second, c.difference, interval, c.p, c.p_corrected)
            )
            exact.append(
                (*key, title, run.label, c.first, c.second, c.difference, c.low, c.high, c.p,
                 c.p_corrected, c.n, c.positives, c.patients, c.confidence, c.method)
            )  # fmt: skip
    interval = interval_title(found.runs[0].config)
    return Table(
        "differences",
        f"Run minus {found.runs[0].label}",
        ("Measure", "Run", "Run's", "Reference's", "Difference", interval, "p", "p (Holm)"),
        rows,
        (
            (
                "evaluator", "metric", "measure", "run", "value", "reference", "difference", "low",
                "high", "p", "p_holm", "n", "positives", "patients", "confidence", "method",
            ),
            exact,
        ),
    )  # fmt: skip


def _settings(found: RunComparison) -> list[Table]:
    """What differs, and folded what other kinds of components have or have not."""
    columns = ("Field", *(run.label for run in found.runs))
    rows = {path: (path, *values) for path, values in found.settings.items()}
    partial = [row for path, row in rows.items() if None in row and not path.endswith("kind")]
    common = [row for row in rows.values() if row not in partial]
    title = "Fields of the compositions"
    tables = [Table("settings", title if common else f"{title}: none differs", columns, common)]
    if partial:
        title = f"Fields that only some of the runs have: {len(partial)}"
        tables.append(Table("settings_of_some", title, columns, partial, folded=True))
    return tables


def _origins(runs: Sequence[FinishedRun]) -> Table:
    """Where each run comes from."""

    def row(title: str, *path: str) -> tuple[Cell, ...]:
        values: list[Cell] = []
        for run in runs:
            value: object = run.provenance
            for key in path:
                value = value.get(key) if isinstance(value, dict) else None
            values.append(None if value is None else str(value))
        return (title, *values)

    rows = [
        row("Started", "started"),
        row("Command", "command"),
        row("Git revision", "versions", "git"),
        row("crossdl", "versions", "crossdl"),
        row("torch", "versions", "torch"),
        row("Data fingerprint", "data", "fingerprint"),
        row("Scans", "data", "scans"),
        row("Processor", "machine", "processor"),
        row("GPU", "machine", "gpu"),
    ]
    return Table("provenance", "Where the runs come from", ("", *(r.label for r in runs)), rows)


def _panels(found: RunComparison) -> dict[str, Curves]:
    """Metrics of which some run has a ROC curve."""
    panels: dict[str, Curves] = {}
    for kind, name in found.keys:
        known = [(label, one[kind]) for label, one in found.evaluations.items() if kind in one]
        if any(name in evaluation.curves for _, evaluation in known) and len(panels) < _PANELS:
            panels[metric_title(name, found.runs[0].anatomy)] = {
                label: (e.curves.get(name), e.metrics.get(name, _UNKNOWN)) for label, e in known
            }
    return panels
