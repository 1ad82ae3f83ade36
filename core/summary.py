"""What a run shows: a table in the terminal, a page to look at, numbers for programs."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdl.anatomy import Anatomy
from crossdl.evaluation.cases import Estimate, Evaluation
from crossdl.files import write_text
from crossdl.interfaces import FitResult
from crossdl.pages import render_page
from crossdl.types import SPLITS, ScanRecord

if TYPE_CHECKING:
    from rich.table import Table

    from crossdl.runner import Failure

_DPI = 110


def metrics_json(evaluations: Mapping[str, Evaluation]) -> dict[str, Any]:
    """All metrics, JSON-able, in the evaluators' order.

    Args:
        evaluations: Kind of evaluator → what it found.

    Returns:
        ``{evaluator: {metric: {"value", "low", "high", "n", "positives"}}}``; undefined is None.
    """
    return {
        kind: {
            name: {
                "value": _number(estimate.value),
                "low": _number(estimate.low),
                "high": _number(estimate.high),
                "n": int(estimate.n),
                "positives": int(estimate.positives),
            }
            for name, estimate in evaluation.metrics.items()
        }
        for kind, evaluation in evaluations.items()
    }


def headline(evaluation: Evaluation, anatomy: Anatomy) -> dict[str, Estimate]:
    """The metrics that speak of all regions: those whose name holds no region or region part."""
    detail = {*anatomy.region_names, *anatomy.parts}
    return {
        name: estimate
        for name, estimate in evaluation.metrics.items()
        if detail.isdisjoint(name.split("/"))
    }


def metric_title(name: str, anatomy: Anatomy) -> str:
    """A metric's name in the anatomy's own words.

    ``"region/type/intra_hyper"`` → ``"Region, intraparenchymal hyperdensity"``.
    """
    titles = {r.part: r.part_title for r in anatomy.regions}
    titles |= {r.name: r.title for r in anatomy.regions}
    titles |= {t.name: _lower_first(t.title) for t in anatomy.types}
    level, *rest = name.split("/")
    if len(rest) > 1 and rest[0] in ("type", "part", "cell"):
        rest = rest[1:]
    words = [titles.get(word, word.replace("_", " ")) for word in rest]
    return ", ".join([level.replace("_", " ").capitalize(), *words])


def results_table(evaluations: Mapping[str, Evaluation], anatomy: Anatomy) -> Table:
    """The headline metrics for the terminal; "-" where undefined."""
    from rich.table import Table

    table = Table(title="Results")
    table.add_column("Measure")
    for title in ("Value", "Interval", "n", "Positive"):
        table.add_column(title, justify="right", no_wrap=True)
    for kind, evaluation in evaluations.items():
        table.add_row(f"[bold]{kind}[/bold]")
        for name, estimate in headline(evaluation, anatomy).items():
            table.add_row(f"  {metric_title(name, anatomy)}", *_cells(estimate))
        table.add_section()
    return table


def save_figures(evaluations: Mapping[str, Evaluation], folder: Path) -> list[Path]:
    """Writes every figure as ``EVALUATOR_FIGURE.png``; equal figures give equal bytes."""
    from crossdl.figures import save_figure

    paths = []
    for kind, evaluation in evaluations.items():
        for name, figure in evaluation.figures.items():
            path = _figure_path(folder, kind, name)
            save_figure(figure, path, _DPI)
            paths.append(path)
    return paths


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
    """Writes ``summary.html``: one page that needs no other file and no network.

    Pictures are those in ``figures/``: of the evaluators (:func:`save_figures`), ``training.png``
    and ``example_*.png``. Provenance is read from ``config.json`` and ``versions.json``.

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
        Path of the page.
    """
    config = _read_json(folder / "config.json")
    figures = folder / "figures"
    sections = []
    for kind, evaluation in evaluations.items():
        rows = [
            (metric_title(name, anatomy), *_cells(estimate))
            for name, estimate in headline(evaluation, anatomy).items()
        ]
        pictures = [
            (name, image)
            for name in evaluation.figures
            if (image := _inline(_figure_path(figures, kind, name)))
        ]
        tables = [
            (name, table.reset_index().to_dict(orient="split"))
            for name, table in evaluation.tables.items()
        ]
        sections.append({"kind": kind, "rows": rows, "figures": pictures, "tables": tables})
    page = render_page(
        "summary.html.j2",
        title=title,
        description=description,
        anatomy=anatomy.title,
        interval=_interval_title(config),
        sections=sections,
        training=_inline(figures / "training.png"),
        examples=[_inline(p) for p in sorted(figures.glob("example_*.png"))],
        truth_source=truth_source,
        fit=fit,
        flow=flow,
        failures=failures,
        config=json.dumps(config, indent=2, ensure_ascii=False),
        seed=config.get("seed", "-"),
        versions=_read_json(folder / "versions.json"),
        time=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    path = folder / "summary.html"
    write_text(path, page)
    return path


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _lower_first(text: str) -> str:
    """Lower-cases a leading capital, unless the word is an abbreviation."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def _cells(estimate: Estimate) -> tuple[str, str, str, str]:
    """Value, interval, n and positives as text."""
    value = "-" if estimate.value is None else f"{estimate.value:.3f}"
    known = estimate.low is not None and estimate.high is not None
    interval = f"{estimate.low:.3f} - {estimate.high:.3f}" if known else "-"
    return value, interval, str(estimate.n), str(estimate.positives)


def _interval_title(config: Mapping[str, Any]) -> str:
    """``"95 % CI"`` where all evaluators use one confidence, else ``"Interval"``."""
    levels = {e["confidence"] for e in config.get("evaluators", ()) if "confidence" in e}
    return f"{100 * levels.pop():g} % CI" if len(levels) == 1 else "Interval"


def _figure_path(folder: Path, kind: str, name: str) -> Path:
    return folder / f"{kind}_{name}.png"


def _inline(path: Path) -> str:
    """A PNG as data URL, or "" where there is none."""
    if not path.is_file():
        return ""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
