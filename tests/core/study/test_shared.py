"""Which tasks a study becomes and what waits for what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from crossdl.registry import Composition, load_registry
from crossdl.study.expansion import CellPlan
from crossdl.study.shared import Work, plan_work
from crossdl.study.tasks import Stage, Task

REGISTRY = """
plugin_paths = ["plugins"]

[compositions.toy]
cohort = { kind = "boxes" }
discretizer = { kind = "lexicon" }
segmenter = { kind = "slabs" }
analyzer = { kind = "unet", volume_shape = [16, 32, 32], levels = 3, base_filters = 2 }
evaluators = [{ kind = "scan_auroc" }]

[studies.s]
base = "toy"
seeds = SEEDS
axes = AXES
"""


def task(
    key: str, stage: Stage, title: str, compositions: Sequence[Composition], test: bool, cell: str
) -> Task:
    texts = tuple(c.model_dump_json() for c in compositions)
    return Task(key, stage, title, texts, (), "", "", 1, 1, test, "")


def work_of(project: Path, axes: str, seeds: str = "[0]") -> Work:
    text = REGISTRY.replace("AXES", axes).replace("SEEDS", seeds)
    (project / "registry.toml").write_text(text, encoding="utf-8")
    book = load_registry(project / "registry.toml")
    return plan_work({cell.slug: cell for cell in book.cells("s")}, book.catalog, task)


def shared(work: Work, stage: str) -> list[str]:
    return [key for key, one in work.tasks.items() if one.stage == stage]


def test_equal_cohorts_and_registrations_are_one_task(project: Path) -> None:
    work = work_of(project, "[{field='analyzer.epochs', values=[1, 2]}]", "[0, 1]")
    (cohort,), (prepare,) = shared(work, "cohort"), shared(work, "prepare")
    assert work.after[prepare] == {cohort} and work.after[cohort] == set()
    runs = shared(work, "run")
    assert len(runs) == 4 and all(work.after[key] == {cohort, prepare} for key in runs)
    assert len(work.tasks[prepare].compositions) == 1
    assert not shared(work, "discretize")  # the rules have nothing to learn


def test_a_discretizer_that_learns_is_shared_by_cells_of_one_seed(project: Path) -> None:
    axes = (
        "[{values=[{discretizer={kind='parrot'}}], titles=['p']}, "
        "{field='analyzer.epochs', values=[1, 2]}]"
    )
    work = work_of(project, axes, "[0, 1]")
    assert len(shared(work, "discretize")) == 2
    for key in shared(work, "run"):
        assert len([b for b in work.after[key] if "discretize" in b]) == 1


def test_registrations_for_two_shapes_wait_for_each_other(project: Path) -> None:
    work = work_of(
        project, "[{field='analyzer.volume_shape', values=[[16, 32, 32], [16, 48, 48]]}]"
    )
    first, second = shared(work, "prepare")
    assert first in work.after[second]
    assert [first in work.after[key] for key in shared(work, "run")] == [True, False]
    assert [second in work.after[key] for key in shared(work, "run")] == [False, True]


def test_every_selection_of_scans_is_prepared(project: Path) -> None:
    axes = "[{field='train_share', values=[1.0, 0.5]}]"
    (prepare,) = shared(work_of(project, axes), "prepare")
    work = work_of(project, axes, "[0, 1]")
    assert len(work.tasks[prepare].compositions) == 3  # all of them, and a half per seed


def test_test_scans_are_registered_where_a_prediction_needs_them(project: Path) -> None:
    for value, expected in (("static", True), ("dynamic", False)):
        axes = f"[{{field='analyzer.inference_regions', values=['{value}']}}]"
        work = work_of(project, axes, "[0, 1]")
        (prepare,) = shared(work, "prepare")
        assert work.tasks[prepare].test_regions == expected


def test_one_cell_shares_nothing(project: Path) -> None:
    work = work_of(project, "[{field='analyzer.epochs', values=[1]}]")
    assert [t.stage for t in work.tasks.values()] == ["run"]


@pytest.mark.parametrize("scale", [None, "tiny", "small", "paper"])
def test_every_shipped_study_can_be_planned(scale: str | None) -> None:
    book = load_registry()
    expected = {
        "table_s2", "pooling", "scan_vs_region", "single_vs_multi_region", "gradcam",
        "discretizer_size", "training_size", "atlas_choice", "silver_vs_pseudo",
        "lexicon_vs_bert", "elastix_vs_ants",
    }  # fmt: skip
    assert expected <= set(book.studies)
    for name in book.studies:
        cells: list[CellPlan] = book.cells(name, scale)
        work = plan_work({cell.slug: cell for cell in cells}, book.catalog, task)
        assert {c.slug for c in cells} <= set(work.tasks)
        assert len({c.composition.model_dump_json() for c in cells}) == len(cells)
