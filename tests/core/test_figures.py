"""Figures: which way up a scan is shown, which slices, and what the charts hold."""

from __future__ import annotations

import io
import subprocess
import sys
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from crossdl.anatomy import load_anatomy
from crossdl.display import body_box, choose_slices
from crossdl.evaluation.cases import Estimate
from crossdl.figures import fix_layout, heat_map, overlay_figure, roc_figure, training_curves
from crossdl.geometry import canonical
from crossdl.statistics.auroc import roc_curve
from crossdl.types import Grid

HEAD = load_anatomy("head_ct")
SHAPE = (6, 40, 32)
TITLE = "case 1"


def png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    fix_layout(figure)
    figure.savefig(buffer, dpi=60, metadata={"Software": None})
    return buffer.getvalue()


def grid_of(shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Grid:
    d, h, w = spacing
    return Grid(shape, np.diag([w, h, d, 1.0]))


def turned(
    array: np.ndarray, grid: Grid, order: tuple[int, ...], signs: tuple[int, ...]
) -> tuple[np.ndarray, Grid]:
    """The same voxels in the same places, stored with other axes and directions."""
    lead = array.ndim - 3
    made = array.transpose(*range(lead), *(lead + a for a in order))
    made = made[(..., *(slice(None, None, s) for s in signs))]
    start = [0 if s > 0 else n - 1 for s, n in zip(signs, made.shape[lead:], strict=True)]
    affine = np.eye(4)
    origin = grid.affine[:3, 3].copy()
    for position, (axis, sign) in enumerate(zip(order, signs, strict=True)):
        column = grid.affine[:3, 2 - axis]
        affine[:3, 2 - position] = column * sign
        origin += column * start[position]
    affine[:3, 3] = origin
    return np.ascontiguousarray(made), Grid(made.shape[lead:], affine)


def head() -> tuple[np.ndarray, np.ndarray, np.ndarray, Grid]:
    """An ellipsoid with a region and one hot map at the patient's right, in front."""
    d, h, w = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    inside = d**2 * 0.5 + h**2 + w**2 < 0.8
    ct = np.where(inside, 30, -1000).astype(np.float32)
    labels = np.where(inside & (w < 0), 2, inside.astype(np.uint8)).astype(np.uint8)
    maps = np.zeros((HEAD.n_types, *SHAPE), np.float32)
    maps[0] = np.exp(-((d - 0.2) ** 2 + (h + 0.4) ** 2 + (w + 0.4) ** 2) / 0.02)
    return ct, labels, maps, grid_of(SHAPE, (5.0, 1.0, 1.0))


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_canonical_undoes_any_storage_order(order: tuple[int, ...]) -> None:
    array = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    grid = grid_of(SHAPE, (5.0, 0.5, 0.7))
    for signs in product((1, -1), repeat=3):
        stored, where = turned(array, grid, order, signs)
        np.testing.assert_array_equal(canonical(stored, where)[0], array)


@given(st.tuples(*[st.floats(-25, 25)] * 3), st.permutations(range(3)))
@settings(max_examples=40)
def test_oblique_scans_turn_to_the_nearest_axes(
    degrees: tuple[float, float, float], order: list[int]
) -> None:
    from scipy.spatial.transform import Rotation

    array = np.arange(24).reshape(2, 3, 4)
    rotation = np.eye(4)
    rotation[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    stored, where = turned(array, grid_of((2, 3, 4), (1.0, 1.0, 1.0)), tuple(order), (1, -1, 1))
    tilted = Grid(where.shape, rotation @ where.affine)
    np.testing.assert_array_equal(canonical(stored, tilted)[0], array)


def test_the_picture_does_not_depend_on_how_the_scan_is_stored() -> None:
    ct, labels, maps, grid = head()
    expected = png(overlay_figure(ct, labels, maps, HEAD, title=TITLE, grid=grid, slices=2))
    for order, signs in (((2, 0, 1), (-1, 1, -1)), ((1, 2, 0), (-1, -1, 1))):
        parts = [turned(a, grid, order, signs)[0] for a in (ct, labels, maps)]
        where = turned(ct, grid, order, signs)[1]
        figure = overlay_figure(*parts, HEAD, title=TITLE, grid=where, slices=2)
        assert png(figure) == expected


def test_radiological_convention_and_millimetres() -> None:
    """A finding at the patient's right front is drawn at the upper left; pixels are to scale."""
    ct, labels, maps, _ = head()
    grid = grid_of(SHAPE, (5.0, 0.5, 1.5))
    figure = overlay_figure(ct, labels, maps, HEAD, title=TITLE, grid=grid, slices=1)
    drawn = [ax for ax in figure.axes if len(ax.images) > 1]
    assert len(drawn) == 1
    picture, heat = drawn[0].images
    left, right, bottom, top = picture.get_extent()
    assert (left, top) == (0, 0)
    rows, columns = picture.get_array().shape
    assert right == pytest.approx(columns * 1.5) and bottom == pytest.approx(rows * 0.5)
    assert drawn[0].get_aspect() == 1.0
    assert (*drawn[0].get_xlim(), *drawn[0].get_ylim()) == (left, right, bottom, top)
    near, far, low, high = heat.get_extent()  # only where there is something to colour
    alpha = np.asarray(heat.get_array())[..., 3]
    assert (far - near, low - high) == pytest.approx((alpha.shape[1] * 1.5, alpha.shape[0] * 0.5))
    y, x = np.unravel_index(alpha.argmax(), alpha.shape)
    assert high + 0.5 * (y + 0.5) < bottom / 2 and near + 1.5 * (x + 0.5) < right / 2
    marks = {t.get_text(): t.get_position() for t in drawn[0].texts}
    assert marks["R"][0] < 0.5 < marks["L"][0] and marks["P"][1] < 0.5 < marks["A"][1]


def test_window_titles_scores_and_warning() -> None:
    ct, labels, maps, grid = head()
    figure = overlay_figure(
        ct, labels, maps, HEAD, title=TITLE, grid=grid, scores=[0.91, 0.2, 0.3, 0.4]
    )
    image = figure.axes[0].images[0]
    assert image.get_clim() == (HEAD.window.low, HEAD.window.high)
    words = " ".join(ax.get_title() for ax in figure.axes)
    for kind in HEAD.types:
        assert kind.title in words
    assert "scan score 0.91" in words
    legends = [legend for part in figure.subfigs for legend in part.legends]
    assert "Not for clinical use" in legends[0].get_title().get_text()
    assert [t.get_text() for t in legends[0].get_texts()] == [HEAD.regions[0].part_title]


def test_slices_are_named_by_their_place_in_the_patient() -> None:
    ct, labels, maps, grid = head()
    figure = overlay_figure(ct, labels, maps, HEAD, title=TITLE, grid=grid, slices=1)
    hot = int(maps[0].max(axis=(1, 2)).argmax())
    assert f"slice {hot + 1} of {SHAPE[0]}, z = {5 * hot} mm" in figure.axes[0].get_title()


def test_maps_below_the_threshold_and_scans_without_regions_are_drawn_plain() -> None:
    ct, labels, maps, grid = head()
    figure = overlay_figure(ct, labels * 0, maps * 0.1, HEAD, title=TITLE, grid=grid)
    assert all(len(ax.images) <= 1 for ax in figure.axes)
    png(figure)


def test_maps_may_be_stored_in_steps() -> None:
    ct, labels, maps, grid = head()
    stored = np.rint(maps * 255).astype(np.uint8)
    rounded = stored * np.float32(1 / 255)
    figures = [
        overlay_figure(ct, labels, given, HEAD, title=TITLE, grid=grid, step=step)
        for given, step in ((stored, 1 / 255), (rounded, 1.0))
    ]
    assert png(figures[0]) == png(figures[1])


def test_arrays_on_different_grids_are_refused() -> None:
    ct, labels, maps, grid = head()
    with pytest.raises(ValueError, match="grid"):
        overlay_figure(ct, labels[1:], maps, HEAD, title=TITLE, grid=grid)
    with pytest.raises(ValueError, match="anatomy"):
        overlay_figure(ct, labels, maps[1:], HEAD, title=TITLE, grid=grid)


@given(
    st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**31), st.sampled_from([0.0, 0.3, 1.1])
)
@settings(max_examples=100)
def test_chosen_slices_are_distinct_sorted_and_hold_the_highest_peak(
    depth: int, count: int, seed: int, threshold: float
) -> None:
    rng = np.random.default_rng(seed)
    height = rng.random((3, depth)).astype(np.float32)
    first, last = sorted(rng.integers(0, depth, size=2).tolist())
    chosen = choose_slices(height, (first, last), count, threshold)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == min(count, last - first + 1)
    assert first <= chosen[0] and chosen[-1] <= last
    if threshold <= 1:
        assert first + int(height[:, first : last + 1].max(axis=0).argmax()) in chosen


def test_slices_without_findings_are_spread() -> None:
    chosen = choose_slices(np.zeros((1, 30), np.float32), (0, 29), 4, 0.3)
    assert np.diff([-1, *chosen, 30]).max() <= 12


def test_the_box_leaves_the_head_holder_out() -> None:
    ct = np.full((4, 60, 60), -1000, np.float32)
    ct[:, 10:40, 15:45] = 30
    ct[:, 55:57, :] = 300
    d, h, w = body_box(ct, -200, margin=2)
    assert (d.start, d.stop) == (0, 4)
    assert 6 <= h.start <= 8 and 42 <= h.stop <= 44
    assert 11 <= w.start <= 14 and 46 <= w.stop <= 49
    whole = body_box(np.full((4, 6, 6), -1000, np.float32), -200, margin=2)
    assert whole == (slice(0, 4), slice(0, 6), slice(0, 6))


def test_a_real_scan_makes_a_full_picture(data_dir: Path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    files = sorted((data_dir / "ct_ich" / "ct_scans").glob("*.nii*"))
    if not files:
        pytest.skip("no CT-ICH scans in the data folder")
    image = sitk.ReadImage(str(files[0]))
    ct = sitk.GetArrayFromImage(image).astype(np.float32)
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    maps = np.zeros((HEAD.n_types, *ct.shape), np.float32)
    maps[1, ct.shape[0] // 2] = 0.8
    figure = overlay_figure(
        ct, np.zeros(ct.shape, np.uint8), maps, HEAD, title=TITLE, grid=Grid(ct.shape, affine)
    )
    assert len(png(figure)) > 20_000
    shown = [ax.get_title() for ax in figure.axes]
    assert any(t.startswith(f"slice {ct.shape[0] // 2 + 1} of") for t in shown)
    pixels = np.concatenate([ax.images[0].get_array().ravel() for ax in figure.axes[:4]])
    assert (pixels > HEAD.tissue_threshold).mean() > 0.3


def test_training_curves_pair_training_with_validation() -> None:
    history = [
        {"train/total": 2.0, "valid/total": 2.1, "learning_rate": 1e-3},
        {"train/total": 1.0, "valid/total": 1.5},
    ]
    figure = training_curves(history)
    panels = {ax.get_title(): ax for ax in figure.axes if ax.lines}
    assert set(panels) == {"total", "learning rate"}
    assert [line.get_label() for line in panels["total"].lines] == ["training", "validation"]
    assert panels["total"].lines[0].get_ydata().tolist() == [2.0, 1.0]
    assert np.isnan(panels["learning rate"].lines[0].get_ydata()[1])
    png(training_curves([]))


def test_heat_map_prints_a_dash_where_undefined() -> None:
    values = np.array([[0.9, np.nan], [0.75, 0.4]])
    figure = heat_map(values, ["a", "b"], ["c", "d"], title=TITLE, label="AUROC")
    assert [t.get_text() for t in figure.axes[0].texts] == ["0.900", "-", "0.750", "0.400"]
    png(figure)


def test_roc_figure_names_every_curve_with_its_interval() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((50, 1)) < 0.4
    curve = roc_curve(truth, truth + rng.normal(size=(50, 1)), np.arange(50), n_resamples=20)
    curves = {"A": (curve, Estimate(0.8, 0.7, 0.9, 50, 20)), "B": (None, Estimate(None))}
    figure = roc_figure(curves, title=TITLE)
    texts = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
    assert texts == ["A: 0.800 (0.700, 0.900)", "B: -"]
    assert png(figure) == png(roc_figure(curves, title=TITLE))


def test_drawing_uses_no_global_state_and_importing_draws_nothing() -> None:
    code = (
        "import sys, crossdl.figures, crossdl.results.run\n"
        "import crossdl.plugins.evaluators.region_auroc, crossdl.plugins.evaluators.scan_auroc\n"
        "heavy = {'matplotlib', 'sklearn', 'scipy', 'pandas', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "crossdl.figures.training_curves([{'a': 1.0}]).savefig('/dev/null', format='png')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
