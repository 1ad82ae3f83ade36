"""Metrics as numbers for programs and as words for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdl.anatomy import Anatomy
from crossdl.evaluation.cases import Estimate, Evaluation
from crossdl.label_titles import region_titles

if TYPE_CHECKING:
    from rich.table import Table


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


def read_metrics(path: Path) -> dict[str, dict[str, Estimate]]:
    """Reads ``metrics.json``, which :func:`metrics_json` made.

    Returns:
        Kind of evaluator → metric → estimate.
    """
    found = json.loads(path.read_text(encoding="utf-8"))
    return {
        kind: {name: Estimate(**numbers) for name, numbers in metrics.items()}
        for kind, metrics in found.items()
    }


def headline(names: Iterable[str], anatomy: Anatomy) -> list[str]:
    """The metrics that speak of all regions and diseases.

    Those are the metrics whose name holds neither a region label, nor a region part, nor
    "disease".
    """
    detail = {*anatomy.label_names, *anatomy.parts, "disease"}
    return [name for name in names if detail.isdisjoint(name.split("/"))]


def metric_title(name: str, anatomy: Anatomy) -> str:
    """A metric's name in the anatomy's own words.

    ``"region/type/intra_hyper"`` → ``"Region, intraparenchymal hyperdensity"``.
    """
    titles = {r.part: r.part_title for r in anatomy.regions}
    titles |= dict(zip(anatomy.label_names, region_titles(anatomy), strict=True))
    titles |= {t.name: _lower_first(t.title) for t in anatomy.types}
    level, *rest = name.split("/")
    if len(rest) > 1 and rest[0] in ("region", "type", "part", "cell", "disease"):
        rest = rest[1:]
    words = [titles.get(word, word.replace("_", " ")) for word in rest]
    return ", ".join([level.replace("_", " ").capitalize(), *words])


def value_text(estimate: Estimate) -> str:
    """The value; "-" where undefined."""
    return "-" if estimate.value is None else f"{estimate.value:.3f}"


def interval_text(estimate: Estimate) -> str:
    """``"0.850 - 0.950"``, ``"-0.100 to 0.200"``; "-" where there is no interval."""
    if estimate.low is None or estimate.high is None:
        return "-"
    return f"{estimate.low:.3f} {'to' if estimate.low < 0 else '-'} {estimate.high:.3f}"


def interval_title(config: Mapping[str, Any]) -> str:
    """``"95 % CI"`` where all evaluators of a composition use one confidence, else "Interval"."""
    levels = {e["confidence"] for e in config.get("evaluators", ()) if "confidence" in e}
    return f"{100 * levels.pop():g} % CI" if len(levels) == 1 else "Interval"


def results_table(
    evaluations: Mapping[str, Evaluation], anatomy: Anatomy, shown: Mapping[str, Sequence[str]]
) -> Table:
    """The headline metrics for the terminal; "-" where undefined.

    Args:
        evaluations: Kind of evaluator → what it found.
        anatomy: Words for the metrics.
        shown: Kind of evaluator → patterns of the metrics to show.
    """
    from rich.table import Table

    table = Table(title="Results")
    table.add_column("Measure")
    for title in ("Value", "Interval", "n", "Positive"):
        table.add_column(title, justify="right", no_wrap=True)
    for kind, evaluation in evaluations.items():
        table.add_row(f"[bold]{kind}[/bold]")
        for name in headline(evaluation.metrics, anatomy):
            if not any(fnmatch(name, pattern) for pattern in shown[kind]):
                continue
            found = evaluation.metrics[name]
            numbers = (value_text(found), interval_text(found), str(found.n), str(found.positives))
            table.add_row(f"  {metric_title(name, anatomy)}", *numbers)
        table.add_section()
    return table


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _lower_first(text: str) -> str:
    """Lower-cases a leading capital, unless the word is an abbreviation."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]
