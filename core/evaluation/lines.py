"""Lines of ``predictions.jsonl``: what was predicted and what is true, a scan a line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crossdl.evaluation.cases import CohortScan, EvaluationSet, SentenceScores
from crossdl.interfaces import FitResult
from crossdl.reports import matrix_scores
from crossdl.types import FloatArray, Prediction, ScanRecord, SentenceLabels


def prediction_line(
    record: ScanRecord,
    truth: FloatArray,
    source: str,
    prediction: Prediction,
    measured: Mapping[str, Any],
) -> dict[str, Any]:
    """JSON-able; cells that nobody assessed, and scores that there are not, become null.

    Args:
        record: The scan.
        truth: ``(N + 2, M)``, NaN where not assessed.
        source: Where truth comes from, "gold" or "report".
        prediction: Of the analyzer.
        measured: Kind of evaluator → what it measured of this scan.
    """
    return {
        "scan": record.scan_id,
        "patient": record.patient_id,
        "truth_source": source,
        "truth": _nulls(truth),
        "reads": {name: _nulls(np.array(value)) for name, value in record.reads.items()},
        "region_scores": _nulls(prediction.region_scores),
        "scan_scores": prediction.scan_scores.tolist(),
        "quality_ok": not prediction.quality.flags,
        "measured": dict(measured),
    }


def report_fields(read: SentenceLabels, known: SentenceLabels | None) -> dict[str, Any]:
    """What a discretizer made of a report, to be added to the scan's line; holds no text.

    Args:
        read: Labels of the report's sentences.
        known: Their true labels, if there are any for just these sentences.
    """
    fields: dict[str, Any] = {"report_scores": matrix_scores(read).tolist()}
    if known is not None and known.sentences == read.sentences:
        stated = np.concatenate([read.stated_regions, read.stated_types], axis=1)
        fields["sentences"] = {
            "truth": np.concatenate([known.regions, known.types], axis=1).tolist(),
            "scores": np.concatenate([read.regions, read.types], axis=1).tolist(),
            "stated": stated.tolist(),
        }
    return fields


def evaluation_set(
    lines: Sequence[dict[str, Any]],
    *,
    valid: EvaluationSet | None = None,
    cohort: tuple[CohortScan, ...] = (),
) -> EvaluationSet:
    """Lines of :func:`prediction_line` as arrays.

    Args:
        lines: At least one.
        valid: The validation scans, if they were predicted.
        cohort: All scans.
    """

    def stack(key: str) -> FloatArray:
        return np.array([line[key] for line in lines], dtype=np.float32)  # null becomes NaN

    shape = np.shape(lines[0]["truth"])
    unread = np.full(shape, np.nan, dtype=np.float32)
    reported = [line.get("report_scores") for line in lines]
    kinds = dict.fromkeys(kind for line in lines for kind in line["measured"])
    reads = dict.fromkeys(name for line in lines for name in line["reads"])
    return EvaluationSet(
        scan_ids=tuple(line["scan"] for line in lines),
        patient_ids=tuple(line["patient"] for line in lines),
        truth=stack("truth"),
        region_scores=stack("region_scores"),
        scan_scores=stack("scan_scores"),
        quality_ok=np.array([line["quality_ok"] for line in lines], dtype=np.bool_),
        gold=np.array([line["truth_source"] == "gold" for line in lines], dtype=np.bool_),
        reads={
            name: np.array([line["reads"].get(name) for line in lines], dtype=np.float32)
            for name in reads
        },
        measured={kind: tuple(line["measured"].get(kind) for line in lines) for kind in kinds},
        report_scores=(
            np.array([unread if r is None else r for r in reported], dtype=np.float32)
            if any(r is not None for r in reported)
            else None
        ),
        sentences=_sentences(lines),
        valid=valid,
        cohort=cohort,
    )


def read_fit(path: Path) -> FitResult | None:
    """How training ended; None where a trained model was only evaluated."""
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    return FitResult(found["best_epoch"], found["best_value"], tuple(found["history"]))


def _sentences(lines: Sequence[dict[str, Any]]) -> SentenceScores | None:
    """The sentences of all lines that have any with known labels."""
    found = [(i, line["sentences"]) for i, line in enumerate(lines) if "sentences" in line]
    found = [(i, sentences) for i, sentences in found if sentences["truth"]]
    if not found:
        return None
    counts = [len(sentences["truth"]) for _, sentences in found]

    def joined(key: str) -> Any:
        return np.concatenate([np.array(sentences[key]) for _, sentences in found])

    return SentenceScores(
        owner=np.repeat(np.array([i for i, _ in found], dtype=np.int64), counts),
        truth=joined("truth").astype(np.float32),
        scores=joined("scores").astype(np.float32),
        stated=joined("stated").astype(np.bool_),
    )


def _nulls(values: Any) -> Any:
    array = np.asarray(values).astype(object)
    array[np.isnan(np.asarray(values, dtype=np.float64))] = None
    return array.tolist()
