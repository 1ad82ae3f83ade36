"""Lines of ``predictions.jsonl``: what was predicted and what is true, a test scan a line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crossdl.interfaces import EvaluationSet, FitResult
from crossdl.types import FloatArray, Prediction, ScanRecord


def prediction_line(
    record: ScanRecord, truth: FloatArray, source: str, prediction: Prediction
) -> dict[str, Any]:
    """JSON-able; cells that nobody assessed, and scores that there are not, become null.

    Args:
        record: The scan.
        truth: ``(N + 2, M)``, NaN where not assessed.
        source: Where truth comes from, "gold" or "report".
        prediction: Of the analyzer.
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
    }


def evaluation_set(lines: Sequence[dict[str, Any]]) -> EvaluationSet:
    """Lines of :func:`prediction_line` as arrays."""

    def stack(key: str) -> FloatArray:
        return np.array([line[key] for line in lines], dtype=np.float32)  # null becomes NaN

    return EvaluationSet(
        scan_ids=tuple(line["scan"] for line in lines),
        patient_ids=tuple(line["patient"] for line in lines),
        truth=stack("truth"),
        region_scores=stack("region_scores"),
        scan_scores=stack("scan_scores"),
        quality_ok=np.array([line["quality_ok"] for line in lines], dtype=np.bool_),
    )


def read_fit(path: Path) -> FitResult | None:
    """How training ended; None where a trained model was only evaluated."""
    if not path.is_file():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    return FitResult(found["best_epoch"], found["best_value"], tuple(found["history"]))


def _nulls(values: Any) -> Any:
    array = np.asarray(values).astype(object)
    array[np.isnan(np.asarray(values, dtype=np.float64))] = None
    return array.tolist()
