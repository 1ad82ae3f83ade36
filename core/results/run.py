"""The page of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crossdl.anatomy import Anatomy
from crossdl.evaluation.cases import Evaluation
from crossdl.interfaces import FitResult
from crossdl.results.document import (
    Block,
    Cell,
    Document,
    Heading,
    Link,
    Pictures,
    Section,
    Table,
    Text,
    frame_table,
    write_document,
)
from crossdl.results.metrics import (
    headline,
    interval_text,
    interval_title,
    metric_title,
    value_text,
)
from crossdl.results.pictures import picture_name
from crossdl.results.provenance import provenance_blocks, read_json
from crossdl.types import SPLITS, ScanRecord

if TYPE_CHECKING:
    from crossdl.runner import Failure

GALLERY = Path("qc") / "gallery.html"
"""Where a run's page looks for the gallery of its registrations."""

_ABBREVIATIONS = ("roc", "froc", "auroc", "iou", "ece")

_SHOWN_ROWS = 40
"""Longer tables are folded."""


def cohort_flow(
    records: Sequence[ScanRecord], failures: Sequence[Failure]
) -> dict[str, dict[str, int]]:
    """How many scans each split has, and how many of them failed.

    Args:
        records: The whole cohort.
        failures: Items that a stage could not process.

    Returns:
        Split → counts of scans, patients, scans with a report or weak labels, with gold
        labels, failed scans.
    """
    failed = {failure.scan_id for failure in failures}
    flow: dict[str, dict[str, int]] = {}
    for split in SPLITS:
        members = [r for r in records if r.split == split]
        flow[split] = {
            "scans": len(members),
            "patients": len({r.patient_id for r in members}),
            "with report or labels": sum(
                r.findings is not None or r.labels is not None for r in members
            ),
            "with gold labels": sum(r.truth is not None for r in members),
            "failed": sum(r.scan_id in failed for r in members),
        }
    return flow


def write_summary(
    folder: Path,
    *,
    title: str,
    description: str,
    evaluations: Mapping[str, Evaluation],
    anatomy: Anatomy,
    truth_source: str,
    failures: Sequence[Failure],
    fit: FitResult | None,
    flow: Mapping[str, Mapping[str, int]] | None = None,
) -> Path:
    """Writes ``summary.html``, ``summary.md`` and ``tables/``.

    Pictures are those in ``figures/``: of the evaluators
    (:func:`crossdl.results.pictures.save_figures`), ``training`` and ``example_*``. Provenance is
    read from ``config.json`` and ``provenance.json``.

    Args:
        folder: The run's folder.
        title: Headline.
        description: One sentence below it.
        evaluations: Kind of evaluator → what it found.
        anatomy: Words for the tables.
        truth_source: What predictions were compared with, such as "gold".
        failures: Items that a stage could not process.
        fit: How training ended; None where a trained model was only evaluated.
        flow: Counts of each split, from :func:`cohort_flow`.

    Returns:
        Path of the HTML page, which needs no other file and no network.
    """
    config = read_json(folder / "config.json")
    said = (
        f"Compared with: {truth_source} labels. Intervals come from resampling patients; "
        '"-" means undefined (one class only, or too few patients to resample).'
    )
    results: list[Block] = [Text(said)]
    for kind, evaluation in evaluations.items():
        results += _evaluator(kind, evaluation, anatomy, interval_title(config))
    names = sorted(
        (p.stem for p in (folder / "figures").glob("example_*.png")),
        key=lambda name: (len(name), name),
    )
    examples: list[Block] = []
    if names:
        captions = [(name, f"Example {k}") for k, name in enumerate(names, start=1)]
        examples = [
            Text("Test scans with the highest abnormality scores."),
            Pictures(captions, wide=True),
        ]
    document = Document(
        title,
        description or anatomy.title,
        [
            Section("Results on the test scans", results),
            Section("Example cases", examples),
            Section("Training", [] if fit is None else _training(fit)),
            Section("Regions", [_gallery(folder)]),
            Section("Flow", _flow(flow, failures)),
            Section("Provenance", provenance_blocks(read_json(folder / "provenance.json"), config)),
        ],
    )
    return write_document(folder, document)


def _evaluator(kind: str, evaluation: Evaluation, anatomy: Anatomy, interval: str) -> list[Block]:
    """Headline metrics, pictures and tables of one evaluator; all metrics in the CSV."""
    metrics = evaluation.metrics
    rows: list[tuple[Cell, ...]] = []
    for name in headline(metrics, anatomy):
        found = metrics[name]
        numbers = (value_text(found), interval_text(found), found.n, found.positives)
        rows.append((metric_title(name, anatomy), *numbers))
    exact = [
        (name, metric_title(name, anatomy), e.value, e.low, e.high, e.n, e.positives)
        for name, e in metrics.items()
    ]
    columns = ("metric", "measure", "value", "low", "high", "n", "positives")
    blocks: list[Block] = [Heading(kind)]
    if metrics:
        blocks.append(
            Table(
                picture_name(kind, "metrics"),
                "Measures",
                ("Measure", "Value", interval, "n", "Positive"),
                rows,
                (columns, exact),
            )
        )
    blocks.append(
        Pictures([(picture_name(kind, name), _words(name)) for name in evaluation.figures])
    )
    for name, frame in evaluation.tables.items():
        folded = len(frame) > _SHOWN_ROWS
        table = frame_table(picture_name(kind, name), _words(name), frame, folded=folded)
        blocks.append(table)
    return blocks


def _training(fit: FitResult) -> list[Block]:
    said = (
        f"Weights kept from epoch {fit.best_epoch + 1} of {len(fit.history)}, "
        f"validation loss {fit.best_value:.4f}."
    )
    names = list(dict.fromkeys(name for epoch in fit.history for name in epoch))
    rows = [
        (k, *(epoch.get(name) for name in names)) for k, epoch in enumerate(fit.history, start=1)
    ]
    return [
        Text(said),
        Pictures([("training", "Training curves")], wide=True),
        Table("training", "Losses of each epoch", ("epoch", *names), rows, folded=True),
    ]


def _gallery(folder: Path) -> Text:
    if (folder / GALLERY).is_file():
        return Text("Every registration as a picture:", Link("gallery", GALLERY.as_posix()))
    return Text(
        "No gallery of the registrations yet: `crossdl qc` with this run's composition, its "
        f"--registry and --set, and --out {folder.name}/{GALLERY.parent} makes one; the next "
        "report of the run links to it."
    )


def _flow(flow: Mapping[str, Mapping[str, int]] | None, failures: Sequence[Failure]) -> list[Block]:
    blocks: list[Block] = []
    if flow:
        columns = ("Split", *next(iter(flow.values())))
        rows: list[tuple[Cell, ...]] = [(s, *counts.values()) for s, counts in flow.items()]
        blocks.append(Table("flow", "Scans of each split", columns, rows))
    if not failures:
        return [*blocks, Text("No item failed.")]
    items = [(failure.scan_id, failure.stage, failure.reason) for failure in failures]
    title = f"{len(items)} failed item{'s' if len(items) > 1 else ''}"
    columns = ("Scan", "Stage", "Reason")
    return [*blocks, Table("failures", title, columns, items, folded=len(items) > _SHOWN_ROWS)]


def _words(name: str) -> str:
    """``"roc_per_type"`` → ``"ROC per type"``."""
    text = " ".join(w.upper() if w in _ABBREVIATIONS else w for w in name.split("_"))
    return text[:1].upper() + text[1:]
