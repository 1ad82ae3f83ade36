"""Region AUROC: every metric against scikit-learn on the cells it names."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.catalog import default_catalog
from crossdl.evaluation.cases import EvaluationSet
from crossdl.plugins.evaluators.region_auroc import RegionAuroc, RegionAurocConfig
from crossdl.results.metrics import metrics_json

MakeCases = Callable[..., EvaluationSet]


@pytest.fixture
def evaluator(anatomy: Anatomy) -> RegionAuroc:
    return RegionAuroc(RegionAurocConfig(n_resamples=30), anatomy)


def test_every_metric_pools_the_cells_it_names(
    evaluator: RegionAuroc, make_cases: MakeCases
) -> None:
    cases = make_cases(0)
    truth, scores = cases.truth[:, :3], cases.region_scores

    def pooled(cells: list[tuple[int, int]]) -> float:
        t = np.concatenate([truth[:, i, j] for i, j in cells])
        return roc_auc_score(t, np.concatenate([scores[:, i, j] for i, j in cells]))

    possible = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1)]
    rates = np.array([truth[:, i, j].mean(dtype=np.float64) for i, j in possible])
    areas = np.array([pooled([cell]) for cell in possible])
    expected = {
        "region/micro": pooled(possible),
        "region/weighted_macro": (rates * areas).sum() / rates.sum(),
        "region/type/bright": pooled([(0, 0), (1, 0), (2, 0)]),
        "region/type/dark": pooled([(0, 1), (1, 1)]),
        "region/part/knee": pooled([(0, 0), (1, 0), (0, 1), (1, 1)]),
        "region/part/hip": pooled([(2, 0)]),
        "region/any/knee_b": roc_auc_score(truth[:, 1].max(axis=1), scores[:, 1].max(axis=1)),
        "region/any/hip": pooled([(2, 0)]),
        "region/cell/knee_a/dark": pooled([(0, 1)]),
        "region/cell/hip/bright": pooled([(2, 0)]),
    }
    metrics = evaluator.evaluate(cases, 0).metrics
    for name, value in expected.items():
        assert metrics[name].value == pytest.approx(value, abs=1e-12), name
        low, high = metrics[name].low, metrics[name].high
        assert low is not None and high is not None and low <= high
    assert metrics["region/cell/hip/dark"].value is None
    assert metrics["region/micro"].n == 5 * len(truth)
    assert metrics["region/micro"].positives == sum(truth[:, i, j].sum() for i, j in possible)


def test_impossible_cells_and_the_row_without_voxels_do_not_matter(
    evaluator: RegionAuroc, make_cases: MakeCases
) -> None:
    cases = make_cases(1)
    truth, scores = cases.truth.copy(), cases.region_scores.copy()
    scores[:, 2, 1], truth[:, 2, 1] = 1, 0
    truth[:, 3] = 1 - truth[:, 3]
    changed = replace(cases, truth=truth, region_scores=scores)
    assert evaluator.evaluate(cases, 0).metrics == evaluator.evaluate(changed, 0).metrics


def test_cells_that_nobody_assessed_do_not_enter(
    evaluator: RegionAuroc, make_cases: MakeCases
) -> None:
    cases = make_cases(1)
    truth = cases.truth.copy()
    truth[:30, 0, 0] = np.nan
    metrics = evaluator.evaluate(replace(cases, truth=truth), 0).metrics
    cell = metrics["region/cell/knee_a/bright"]
    expected = roc_auc_score(truth[30:, 0, 0], cases.region_scores[30:, 0, 0])
    assert cell.value == pytest.approx(expected, abs=1e-12)
    assert (cell.n, cell.positives) == (len(truth) - 30, truth[30:, 0, 0].sum())
    assert metrics["region/micro"].n == 5 * len(truth) - 30


def test_vague_wording_makes_negatives_of_its_type_unknown(
    evaluator: RegionAuroc, make_cases: MakeCases
) -> None:
    cases = make_cases(1)
    vague = cases.truth.copy()
    vague[:20, -1, 0] = 1
    unknown = cases.truth.copy()
    rows = unknown[:20, :3, 0]
    rows[rows == 0] = np.nan
    one, two = (
        evaluator.evaluate(replace(cases, truth=truth), 0).metrics for truth in (vague, unknown)
    )
    assert one == two
    assert one["region/type/dark"] == evaluator.evaluate(cases, 0).metrics["region/type/dark"]


def test_mirrored_scans_give_the_same_merged_numbers(
    evaluator: RegionAuroc, make_cases: MakeCases, anatomy: Anatomy
) -> None:
    cases = make_cases(2)
    mirror = anatomy.mirror_index
    turned = replace(
        cases, truth=cases.truth[:, mirror], region_scores=cases.region_scores[:, mirror[:-2]]
    )
    one, two = (evaluator.evaluate(c, 0).metrics for c in (cases, turned))
    for name in one:
        if name.startswith(("region/type", "region/part")) or name == "region/micro":
            assert one[name] == two[name], name
    assert one["region/cell/knee_a/dark"] == two["region/cell/knee_b/dark"]


def test_a_cell_of_one_class_is_undefined_and_leaves_the_mean_alone(
    evaluator: RegionAuroc, make_cases: MakeCases
) -> None:
    cases = make_cases(3)
    truth = cases.truth.copy()
    truth[:, 0, 1] = 0
    evaluation = evaluator.evaluate(replace(cases, truth=truth), 0)
    assert evaluation.metrics["region/cell/knee_a/dark"].value is None
    table = evaluation.tables["cells"]
    assert table.loc["Knee a", "Dark spot"] == "-"
    assert table.loc["Hip", "Dark spot"] == "-"
    others = [evaluation.metrics[f"region/cell/{r}/bright"] for r in ("knee_a", "knee_b", "hip")]
    others.append(evaluation.metrics["region/cell/knee_b/dark"])
    mean = sum(e.value * e.positives for e in others) / sum(e.positives for e in others)
    assert evaluation.metrics["region/weighted_macro"].value == pytest.approx(mean, abs=1e-12)
    json.dumps(metrics_json({"region_auroc": evaluation}), allow_nan=False)


def test_one_scan_and_no_positive_are_survived(
    evaluator: RegionAuroc, make_cases: MakeCases
) -> None:
    cases = make_cases(4, n=2)
    evaluation = evaluator.evaluate(replace(cases, truth=np.zeros_like(cases.truth)), 0)
    assert all(e.value is None and e.low is None for e in evaluation.metrics.values())
    for figure in evaluation.figures.values():
        figure.canvas.draw()


def test_same_seed_same_intervals(evaluator: RegionAuroc, make_cases: MakeCases) -> None:
    cases = make_cases(5)
    one, two, other = (evaluator.evaluate(cases, seed).metrics for seed in (7, 7, 8))
    assert one == two
    assert one["region/micro"].low != other["region/micro"].low


def test_the_default_anatomy_fills_its_table(make_cases: MakeCases) -> None:
    head = load_anatomy("head_ct")
    rng = np.random.default_rng(0)
    n = 30
    truth = (rng.random((n, head.n_regions + 2, head.n_types)) < 0.2).astype(np.float32)
    truth[:, :-2] *= head.possible
    cases = replace(
        make_cases(0, n=n),
        truth=truth,
        region_scores=rng.random((n, head.n_regions, head.n_types)).astype(np.float32),
    )
    table = RegionAuroc(RegionAurocConfig(n_resamples=5), head).evaluate(cases, 0).tables["cells"]
    assert table.shape == (head.n_regions + 1, head.n_types + 1)
    assert [r.title for r in head.regions] == list(table.index[:-1])
    undefined = (table.iloc[:-1, :-1] == "-").to_numpy()
    assert undefined[~head.possible].all()
    assert not undefined[head.possible].all()


@pytest.mark.parametrize("field", [{"n_resamples": -1}, {"confidence": 1}, {"resamples": 5}])
def test_wrong_options_are_refused(field: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        default_catalog().parse("evaluator", {"kind": "region_auroc", **field})


def test_regions_without_scores_do_not_enter(evaluator: RegionAuroc, make_cases: MakeCases) -> None:
    cases = make_cases(0)
    scores = cases.region_scores.copy()
    scores[:, 1] = np.nan
    found = evaluator.evaluate(replace(cases, region_scores=scores), 0)
    whole = evaluator.evaluate(cases, 0).metrics
    for name in ("region/any/knee_b", "region/cell/knee_b/bright", "region/cell/knee_b/dark"):
        assert found.metrics[name].value is None and found.metrics[name].n == 0
        assert whole[name].value is not None
    assert found.metrics["region/cell/knee_a/dark"] == whole["region/cell/knee_a/dark"]
    assert found.metrics["region/micro"].n == 3 * len(scores)
    assert (found.tables["cells"].loc["Knee b"] == "-").all()
