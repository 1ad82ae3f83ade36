from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.plugins.atlases._mni_model import head_model
from crossdl.plugins.cohorts._phantom_brush import Lesion
from crossdl.plugins.cohorts._phantom_canvas import Canvas
from crossdl.plugins.cohorts._phantom_confounders import DRAWN
from crossdl.plugins.cohorts._phantom_head import Space
from crossdl.plugins.cohorts._phantom_mass import Growth, displacement
from crossdl.plugins.cohorts._phantom_painter import KINDS, Painter
from crossdl.plugins.cohorts._phantom_plan import Plan, draw_plan, lesion_data
from crossdl.plugins.cohorts._phantom_truth import (
    findings,
    gold_matrix,
    slice_parts,
    visible_parts,
)
from crossdl.types import BoolArray, FloatArray

PLACES = {"below": ["cerebellum", "brain_stem"], "ventricle": ["lateral_ventricle"]}
TABLES = {**PLACES, "elsewhere": [], "sides": {"positive": "left", "negative": "right"}}

EXAMPLES = [
    Lesion("haematoma", "putamen", 1, 16.0, "", "acute"),
    Lesion("haematoma", "frontal_lobe", -1, 18.0, "level", "subacute"),
    Lesion("contusion", "orbitofrontal", 1, 16.0, "", "acute"),
    Lesion("epidural", "temporal_plate", 1, 18.0),
    Lesion("subdural", "frontal_plate", -1, 12.0, "convexity", "acute"),
    Lesion("subdural", "parietal_plate", 1, 16.0, "convexity", "mixed"),
    Lesion("subdural", "frontal_plate", 1, 16.0, "convexity", "chronic"),
    Lesion("subdural", "frontal_lobe", 1, 5.0, "falx", "acute"),
    Lesion("subdural", "frontal_lobe", 1, 5.0, "tentorium", "acute"),
    Lesion("subarachnoid", "suprasellar", 1, 45.0, "basal"),
    Lesion("subarachnoid", "frontal_plate", 1, 35.0, "sulcal"),
    Lesion("intraventricular", "lateral_ventricle", 1, 20.0, "level"),
    Lesion("intraventricular", "lateral_ventricle", -1, 20.0, "cast"),
    Lesion("infarct", "frontal_lobe", 1, 20.0, "wedge", "subacute"),
    Lesion("infarct", "insula", 1, 55.0, "middle", "subacute"),
    Lesion("infarct", "putamen", 1, 5.0, "lacune", "chronic"),
    Lesion("encephalomalacia", "temporal_lobe", -1, 15.0),
    Lesion("oedema", "frontal_lobe", 1, 24.0),
    Lesion("hygroma", "frontal_plate", -1, 9.0),
    Lesion("arachnoid_cyst", "middle_fossa", 1, 16.0),
    Lesion("tumour", "frontal_lobe", 1, 14.0, "dense"),
    Lesion("tumour", "parietal_lobe", 1, 14.0, "ring"),
]


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return load_anatomy("head_ct")


@pytest.fixture(scope="module")
def painter(anatomy: Anatomy) -> Painter:
    below = frozenset(
        number
        for number, region in enumerate(anatomy.regions, start=1)
        if region.part in PLACES["below"]
    )
    return Painter(Space(head_model(anatomy, 2.0), below), anatomy, TABLES)


def painted(painter: Painter, plan: Plan, seed: int = 0) -> Canvas:
    canvas = painter.canvas(painter.space.model.hu.copy())
    painter.paint(canvas, plan, np.random.default_rng(seed))
    return canvas


def measured(painter: Painter, canvas: Canvas, plan: Plan) -> tuple[FloatArray, BoolArray, tuple]:  # type: ignore[type-arg]
    grid = painter.space.model.grid
    ml = float(np.prod(grid.spacing)) / 1000.0
    inside = painter.space.model.inside
    parts, masks = visible_parts(canvas.parts, canvas, canvas.labels, inside, ml)
    gold = gold_matrix(masks, canvas.labels, painter.anatomy, ml)
    return gold, masks, findings(parts, canvas, plan.lesions, canvas.labels, gold, grid)


def name_of(lesion: Lesion) -> str:
    return f"{lesion.kind}-{lesion.style}-{lesion.acuity}"


def test_every_kind_can_be_painted() -> None:
    assert {lesion.kind for lesion in EXAMPLES} == set(KINDS)
    assert set(lesion_data()["confounders"]) == set(DRAWN)


@pytest.mark.parametrize("lesion", EXAMPLES, ids=name_of)
def test_each_kind_shows_its_density_inside_the_skull(painter: Painter, lesion: Lesion) -> None:
    plan = Plan((lesion,))
    canvas = painted(painter, plan)
    gold, masks, told = measured(painter, canvas, plan)
    [finding] = told
    assert finding.kind == lesion.kind and finding.acuity == lesion.acuity
    assert finding.cells == {(int(i), int(j)) for i, j in np.argwhere(gold > 0)}
    assert 3.0 < finding.size_mm < 190.0
    names = painter.anatomy.type_names
    for j, mask in enumerate(masks):
        assert not (mask & ~painter.space.model.inside).any()
        if mask.any():
            low, high = (40, 90) if names[j].endswith("hyper") else (-2, 32)
            assert low < np.median(canvas.hu[mask]) < high, names[j]
    sides = canvas.labels[masks.any(axis=0)]
    wanted = "left" if lesion.side > 0 else "right"
    known = [painter.anatomy.regions[k - 1].side for k in sides if k]
    if lesion.style != "basal" and known:
        assert np.mean([side == wanted for side in known]) > 0.9


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_confounders_are_seen_but_are_no_lesions(painter: Painter, name: str) -> None:
    canvas = painted(painter, Plan((), (name,)))
    assert not canvas.parts.any()
    assert (np.abs(canvas.hu - painter.space.model.hu) > 4.0).sum() >= 4


def test_a_haematoma_pushes_the_middle_away(painter: Painter) -> None:
    for side in (1, -1):
        plan = Plan((Lesion("haematoma", "putamen", side, 22.0, "", "acute"),))
        assert side * painted(painter, plan).shift_mm < -1.0
    lost = Plan((Lesion("encephalomalacia", "putamen", 1, 16.0),))
    assert painted(painter, lost).shift_mm > 0.0


def test_displacement_does_not_fold_and_leaves_the_skull(painter: Painter) -> None:
    terrain = painter.terrain
    centre = np.array([10.0, 0.0, 25.0])
    moved = displacement(terrain, [Growth(centre, 15.0, 20.0)])
    assert not moved[:, terrain.coarse_depth == 0].any()
    step = 2.0 * terrain.spacing
    slope = np.stack([np.stack(np.gradient(c)) for c in moved]) / step[None, :, None, None, None]
    source = np.eye(3)[:, :, None, None, None] - slope
    inner = terrain.coarse_depth > 6.0
    determinant = np.linalg.det(np.moveaxis(source, (0, 1), (-2, -1)))
    assert determinant[inner].min() > 0.0


def test_regions_move_with_the_tissue(painter: Painter) -> None:
    """What is displaced to a voxel brings its region along."""
    model = painter.space.model
    canvas = painter.canvas(model.labels.astype(np.float32))
    canvas.pushes.append(Growth(np.array([10.0, 0.0, 25.0]), 14.0, 20.0))
    painter.paint(canvas, Plan(), np.random.default_rng(0))
    assert (canvas.labels != model.labels).sum() > 500
    exact = np.abs(canvas.hu - np.rint(canvas.hu)) < 1e-3
    same = np.rint(canvas.hu) == canvas.labels
    assert same[exact & model.inside].mean() > 0.97


@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**31))
def test_cells_and_findings_cover_each_other(painter: Painter, seed: int) -> None:
    plan = draw_plan(painter.lesion_data, 1.0, np.random.default_rng(seed))
    canvas = painted(painter, plan, seed)
    gold, masks, told = measured(painter, canvas, plan)
    cells = {(int(i), int(j)) for i, j in np.argwhere(gold > 0)}
    claimed = set().union(*(finding.cells for finding in told))
    assert claimed == cells
    assert all(finding.cells for finding in told)
    possible = painter.anatomy.possible
    assert not gold[:-2][~possible].any()
    for i, j in np.argwhere(~possible):
        assert not (masks[j] & (canvas.labels == i + 1)).any()


def test_the_same_seed_paints_the_same(painter: Painter) -> None:
    plan = draw_plan(painter.lesion_data, 1.0, np.random.default_rng(5))
    one, two = painted(painter, plan, 5), painted(painter, plan, 5)
    assert np.array_equal(one.hu, two.hu) and np.array_equal(one.parts, two.parts)
    assert not np.array_equal(one.hu, painted(painter, plan, 6).hu)


def test_positive_rate_scales_the_share_of_abnormal_scans() -> None:
    data = lesion_data()
    natural = [bool(draw_plan(data, None, np.random.default_rng(n)).lesions) for n in range(2000)]
    half = [bool(draw_plan(data, 0.5, np.random.default_rng(n)).lesions) for n in range(2000)]
    assert np.mean(natural) == pytest.approx(0.411, abs=0.04)
    assert np.mean(half) == pytest.approx(0.5, abs=0.04)
    assert not draw_plan(data, 0.0, np.random.default_rng(1)).lesions


def test_both_sides_are_equally_frequent() -> None:
    data = lesion_data()
    plans = [draw_plan(data, 1.0, np.random.default_rng(n)) for n in range(1500)]
    sides = [lesion.side for plan in plans for lesion in plan.lesions]
    assert np.mean(sides) == pytest.approx(0.0, abs=0.06)


def test_slices_show_the_part_that_half_of_them_show() -> None:
    parts = np.zeros((4, 3, 3), dtype=np.uint8)
    parts[0, 0, 0] = 1
    parts[2:, 1, 1] = 2, 3
    shown = slice_parts(parts, 2)
    assert shown.shape == (2, 3, 3)
    assert shown[0, 0, 0] == 1 and shown[1, 1, 1] == 3 and (shown > 0).sum() == 2
    three = np.zeros((3, 1, 1), dtype=np.uint8)
    three[0] = 1
    assert not slice_parts(three, 3).any()
    three[1] = 1
    assert slice_parts(three, 3).all()


def test_wider_densities_stay_within_their_limits(painter: Painter) -> None:
    from crossdl.plugins.cohorts._phantom_brush import Brush

    canvas = painter.canvas(painter.space.model.hu.copy())
    low, high = painter.lesion_data["densities"]["fresh_blood"]
    usual = Brush(painter.terrain, canvas, 0, 1.0, np.random.default_rng(0))
    wide = Brush(painter.terrain, canvas, 0, 3.0, np.random.default_rng(0))
    for _ in range(50):
        assert low <= usual.hu("fresh_blood") <= high
    drawn = [wide.hu("fresh_blood") for _ in range(50)]
    assert min(drawn) < low and max(drawn) > high and min(drawn) >= 0.0


def test_a_patients_scans_share_what_lasts(painter: Painter) -> None:
    """Calcifications stay where they are; what else a scan shows is its own."""
    data = painter.lesion_data
    kept = []
    for scan in (1, 2):
        patient = np.random.default_rng(3)
        plan = draw_plan(data, 0.0, np.random.default_rng(scan), patient)
        lasting = Plan((), tuple(c for c in plan.confounders if c in data["lasting"]))
        canvas = painter.canvas(painter.space.model.hu.copy())
        painter.paint(canvas, lasting, np.random.default_rng(scan), 1.0, patient)
        kept.append((lasting, canvas.hu))
    assert kept[0][0] == kept[1][0] and kept[0][0].confounders
    assert np.array_equal(kept[0][1], kept[1][1])
