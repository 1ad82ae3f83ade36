"""Lines of predictions: nothing is lost on the way to arrays, and no text is on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdl.evaluation.cases import EvaluationSet
from crossdl.evaluation.lines import evaluation_set, prediction_line, read_fit, report_fields
from crossdl.reports import matrix_scores
from crossdl.types import Grid, Prediction, Quality, ScanRecord, SentenceLabels

REGIONS, TYPES = 3, 2
NAN = float("nan")


def prediction(seed: int, flags: tuple[str, ...] = ()) -> Prediction:
    rng = np.random.default_rng(seed)
    shape = (2, 2, 2)
    scores = rng.random((REGIONS, TYPES), dtype=np.float32)
    scores[1] = np.nan
    return Prediction(
        np.zeros((REGIONS, *shape), dtype=np.float32),
        np.zeros((TYPES, *shape), dtype=np.float32),
        Grid(shape, np.eye(4)),
        scores,
        rng.random(TYPES, dtype=np.float32),
        Quality(flags=flags),
    )


def sentences(n: int, seed: int = 0) -> SentenceLabels:
    rng = np.random.default_rng(seed)
    texts = tuple(f"secret {i}" for i in range(n))
    cut = (np.full(REGIONS + 2, 0.3, np.float32), np.full(TYPES, 0.8, np.float32))
    regions, types = (rng.random((n, k), dtype=np.float32) for k in (REGIONS + 2, TYPES))
    return SentenceLabels(texts, regions, types, thresholds=cut)


def true_of(read: SentenceLabels) -> SentenceLabels:
    wrong = (read.regions > 0.6).astype(np.float32), (read.types > 0.4).astype(np.float32)
    return SentenceLabels(read.sentences, *wrong)


def line(name: str, seed: int = 0, **fields: Any) -> dict[str, Any]:
    """A line that went through a file."""
    truth = np.random.default_rng(seed).integers(0, 2, (REGIONS + 2, TYPES)).astype(np.float32)
    truth[0, 1] = np.nan
    record = ScanRecord(name, f"patient of {name}", "test", reads=fields.get("reads", {}))
    flags = fields.get("flags", ())
    made = prediction_line(
        record, truth, fields.get("source", "gold"), prediction(seed, flags),
        fields.get("measured", {}),
    )  # fmt: skip
    made |= fields.get("report", {})
    return json.loads(json.dumps(made, allow_nan=False))  # type: ignore[no-any-return]


def test_numbers_survive_and_unknown_ones_stay_unknown() -> None:
    cases = evaluation_set([line("a", 1), line("b", 2, flags=("tilted",))])
    assert (cases.scan_ids, cases.patient_ids[0]) == (("a", "b"), "patient of a")
    for row, seed in enumerate((1, 2)):
        expected = prediction(seed)
        np.testing.assert_array_equal(cases.region_scores[row], expected.region_scores)
        np.testing.assert_array_equal(cases.scan_scores[row], expected.scan_scores)
    assert np.isnan(cases.truth[:, 0, 1]).all() and np.isnan(cases.truth).sum() == 2
    assert np.isnan(cases.region_scores[:, 1]).all()
    assert cases.quality_ok.tolist() == [True, False]
    assert cases.truth.dtype == cases.region_scores.dtype == np.float32
    assert cases.report_scores is None and cases.sentences is None and cases.valid is None


def test_lines_tell_which_truth_is_gold() -> None:
    cases = evaluation_set([line("a"), line("b", source="report")])
    assert cases.gold is not None and cases.gold.tolist() == [True, False]


def test_reads_and_measurements_that_only_some_scans_have() -> None:
    cases = evaluation_set(
        [
            line("a", reads={"ICH": 1.0}, measured={"voxels": {"dice": 0.5}}),
            line("b", reads={"ICH": NAN, "fracture": 0.0}),
            line("c", measured={"voxels": 3, "other": [1]}),
        ]
    )
    np.testing.assert_array_equal(cases.reads["ICH"], np.float32([1, NAN, NAN]))
    np.testing.assert_array_equal(cases.reads["fracture"], np.float32([NAN, 0, NAN]))
    assert cases.measured == {"voxels": ({"dice": 0.5}, None, 3), "other": (None, None, [1])}


def test_a_reports_scores_are_e1_of_its_sentences_and_its_text_is_not_kept() -> None:
    read = sentences(4)
    fields = report_fields(read, true_of(read))
    assert "secret" not in json.dumps(fields)
    cases = evaluation_set([line("a", report=fields)])
    assert cases.report_scores is not None and cases.sentences is not None
    np.testing.assert_array_equal(cases.report_scores[0], matrix_scores(read))
    found, known = cases.sentences, true_of(read)
    np.testing.assert_array_equal(found.truth, np.hstack([known.regions, known.types]))
    np.testing.assert_array_equal(found.scores, np.hstack([read.regions, read.types]))
    np.testing.assert_array_equal(found.stated, np.hstack([read.stated_regions, read.stated_types]))
    assert found.stated.dtype == np.bool_ and found.owner.tolist() == [0] * 4


def test_labels_of_other_sentences_are_not_compared() -> None:
    read = sentences(3)
    shorter = true_of(read).take([0, 1])
    reworded = SentenceLabels(("x", "y", "z"), true_of(read).regions, true_of(read).types)
    for known in (None, shorter, reworded):
        fields = report_fields(read, known)
        assert list(fields) == ["report_scores"]


def test_scans_without_report_or_known_sentences() -> None:
    read, nothing = sentences(3), sentences(0)
    cases = evaluation_set(
        [
            line("a"),
            line("b", report=report_fields(read, true_of(read))),
            line("c", report=report_fields(nothing, true_of(nothing))),
            line("d", report=report_fields(read, None)),
            line("e", report=report_fields(sentences(2, 7), true_of(sentences(2, 7)))),
        ]
    )
    assert cases.report_scores is not None and cases.sentences is not None
    assert np.isnan(cases.report_scores[0]).all()
    assert (cases.report_scores[2] == 0).all()
    np.testing.assert_array_equal(cases.report_scores[1], cases.report_scores[3])
    assert cases.sentences.owner.tolist() == [1, 1, 1, 4, 4]
    only = evaluation_set([line("c", report=report_fields(nothing, true_of(nothing)))])
    assert only.sentences is None and only.report_scores is not None


@settings(max_examples=40)
@given(st.data())
def test_taking_scans_is_taking_their_lines(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 5))
    lines = []
    for i in range(n):
        read = sentences(data.draw(st.integers(0, 3)), seed=i)
        known = data.draw(st.sampled_from([None, true_of(read)]))
        report = data.draw(st.sampled_from([{}, report_fields(read, known)]))
        source = data.draw(st.sampled_from(["gold", "report"]))
        lines.append(
            line(f"s{i}", i, report=report, source=source, reads={"x": i}, measured={"m": i})
        )
    chosen = data.draw(st.lists(st.integers(0, n - 1), min_size=1, unique=True))
    taken = evaluation_set(lines).take(chosen)
    again = evaluation_set([lines[i] for i in chosen])
    assert_same(taken, again)


def assert_same(one: EvaluationSet, two: EvaluationSet) -> None:
    for name in ("scan_ids", "patient_ids", "measured"):
        assert getattr(one, name) == getattr(two, name)
    for name in ("truth", "region_scores", "scan_scores", "quality_ok", "gold"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    np.testing.assert_array_equal(one.reads["x"], two.reads["x"])
    if one.report_scores is None or two.report_scores is None:
        assert two.report_scores is None
        assert one.report_scores is None or np.isnan(one.report_scores).all()
    else:
        np.testing.assert_array_equal(one.report_scores, two.report_scores)
    if two.sentences is None or one.sentences is None:
        assert two.sentences is None
        assert one.sentences is None or len(one.sentences.owner) == 0
        return
    for name in ("owner", "truth", "scores", "stated"):
        np.testing.assert_array_equal(getattr(one.sentences, name), getattr(two.sentences, name))


def test_a_scan_is_taken_once() -> None:
    with pytest.raises(ValueError, match="named twice"):
        evaluation_set([line("a"), line("b")]).take([1, 1])


def test_how_training_ended(tmp_path: Path) -> None:
    path = tmp_path / "training.json"
    assert read_fit(path) is None
    path.write_text('{"best_epoch": 1, "best_value": 0.5, "history": [{"a": 1}, {"a": 0.5}]}')
    found = read_fit(path)
    assert found is not None and found.best_epoch == 1 and found.history[1] == {"a": 0.5}
