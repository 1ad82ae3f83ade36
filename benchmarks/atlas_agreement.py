"""The built-in head atlas beside regions drawn by others: ``--reference FOLDER``.

FOLDER holds ``blast_ct_regions.nii.gz`` and ``blast_ct_mask.nii.gz`` of BLAST-CT (github
biomedia-mira/blast-ct, Apache-2.0): 31 regions on 1 mm, in MNI space. Its labels are grown outward
and count inside its mask only. What is compared:

* groups: lobes (temporal with hippocampus), cerebellum (vermis by side), basal ganglia (lentiform
  nucleus, caudate and what the reference has between and around them), brain stem, lateral
  ventricles (the reference has one label for all ventricles: what lies in the middle below the
  bodies, or in the posterior fossa, is left out as third and fourth);
* our centrum ovale is left out on both sides, because the reference has none.

``published`` compares voxels at the same coordinates. The reference's template is pitched
against ours and higher, so ``aligned`` first fits shift, rotation and scales of the two brain
surfaces; labels take no part in the fit. ``all`` is Dice inside the reference's mask, ``both`` only
where both atlases have one of the groups: insula, thalamus, corona radiata and cisterns belong to
no region of ours.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.io.volumes import read_labels
from crossdl.plugins.atlases._mni_model import HeadModel, head_model
from crossdl.plugins.atlases._mni_shapes import signed_distance
from crossdl.types import BoolArray, Float64Array, Grid

GROUPS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {  # left, right numbers
    "frontal_lobe": ((8, 9, 10), (22, 23, 24)),
    "temporal_lobe": ((11, 15), (25, 29)),
    "parietal_lobe": ((14,), (28,)),
    "occipital_lobe": ((13,), (27,)),
    "basal_ganglia": ((4, 5, 6), (18, 19, 20)),
    "cerebellum": ((7,), (21,)),
}
STEM, VERMIS, VENTRICLE = 1, 2, 31
PIVOT = np.array([0.0, 20.0, 10.0])
SURFACE_ABOVE_MM = -20.0
"""Below this the two skull bases are drawn differently; LPS mm."""

Labels = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


class Reference:
    """The reference's labels and mask, to be looked up at points."""

    def __init__(self, folder: Path) -> None:
        """Reads both files."""
        numbers, self.grid = read_labels(folder / "blast_ct_regions.nii.gz")
        mask, grid = read_labels(folder / "blast_ct_mask.nii.gz")
        if not grid.same_as(self.grid):
            raise SystemExit(f"{folder}: regions and mask are on different grids")
        self.mask: BoolArray = mask > 0
        self.numbers = np.where(self.mask, numbers, 0)

    def at(self, points: Float64Array) -> tuple[Labels, BoolArray]:
        """Numbers and mask at LPS points ``(..., 3)``."""
        index = np.rint(self.grid.world_to_index(points)).astype(int)
        known = np.asarray(((index >= 0) & (index < self.grid.shape)).all(axis=-1))
        d, h, w = np.moveaxis(np.where(known[..., None], index, 0), -1, 0)
        inside: BoolArray = known & self.mask[d, h, w]
        return np.where(known, self.numbers[d, h, w], 0), inside


def placed(values: Float64Array, points: Float64Array) -> Float64Array:
    """Our points in the reference's space; 3 shifts (mm), 3 rotations (rad), 3 log scales."""
    from scipy.spatial.transform import Rotation

    matrix = Rotation.from_euler("xyz", values[3:6]).as_matrix() * np.exp(values[6:9])
    moved: Float64Array = (points - PIVOT) @ matrix.T + PIVOT + values[:3]
    return moved


def fitted(model: HeadModel, reference: Reference) -> Float64Array:
    """Shift, rotation and scales that lay our cavity's surface on the mask's."""
    from scipy import ndimage
    from scipy.optimize import least_squares

    margin = 20
    mask = np.pad(reference.mask, margin)
    theirs = signed_distance(mask, 1.0)
    surface = model.inside & (ndimage.distance_transform_edt(model.inside) <= 1.0)
    points = model.grid.index_to_world(np.argwhere(surface))
    points = points[points[:, 2] > SURFACE_ABOVE_MM][::5]

    def residual(values: Float64Array) -> Float64Array:
        index = reference.grid.world_to_index(placed(values, points)).T + margin
        distance = ndimage.map_coordinates(theirs, index, order=1, mode="nearest")
        return np.asarray(distance, dtype=np.float64)

    start = np.zeros(9)
    scale = [1.0] * 3 + [0.02] * 6
    fit = least_squares(residual, start, x_scale=scale, loss="soft_l1", f_scale=2.0)
    return np.asarray(fit.x, dtype=np.float64)


def theirs_as_ours(numbers: Labels, points: Float64Array, anatomy: Anatomy) -> Labels:
    """The reference's numbers as labels of the anatomy; both ventricles as the left one's."""
    label = {name: i for i, name in enumerate(anatomy.region_names, start=1)}
    left = points[..., 0] > 0
    result = np.zeros(numbers.shape, dtype=np.int64)
    for part, sides in GROUPS.items():
        for side, wanted in zip(("left", "right"), sides, strict=True):
            result[np.isin(numbers, wanted)] = label[f"{side}_{part}"]
    vermis = np.where(left, label["left_cerebellum"], label["right_cerebellum"])
    result = np.where(numbers == VERMIS, vermis, result)
    result[numbers == STEM] = label["brain_stem"]
    _, back, up = np.moveaxis(points, -1, 0)
    third = (np.abs(points[..., 0]) < 5.0) & (up < 8.0)
    fourth = (np.abs(points[..., 0]) < 20.0) & (up < -15.0) & (back > 20.0)
    result[(numbers == VENTRICLE) & ~third & ~fourth] = label["left_lateral_ventricle"]
    return result


def dice(a: Labels, b: Labels, number: int) -> float:
    """Overlap of one label."""
    total = int((a == number).sum() + (b == number).sum())
    return float(2 * ((a == number) & (b == number)).sum() / total) if total else float("nan")


def main() -> None:
    """Prints one row per group."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--spacing", type=float, default=2.0, help="voxel edge of our atlas, mm")
    given = parser.parse_args()
    anatomy = load_anatomy("head_ct")
    model, reference = head_model(anatomy, given.spacing), Reference(given.reference)
    fit = fitted(model, reference)
    grid: Grid = model.grid
    points = grid.index_to_world(np.moveaxis(np.indices(grid.shape), 0, -1))
    label = {name: i for i, name in enumerate(anatomy.region_names, start=1)}
    ours = model.labels.astype(np.int64)
    ours[ours == label["right_lateral_ventricle"]] = label["left_lateral_ventricle"]
    centrum = np.isin(ours, [i for n, i in label.items() if n.endswith("centrum_ovale")])
    groups = [n for n in label if n.split("_", 1)[1] in GROUPS]
    groups += ["brain_stem", "left_lateral_ventricle"]

    columns: dict[str, list[float]] = {}
    for name, values in (("published", np.zeros(9)), ("aligned", fit)):
        there = placed(values, points)
        numbers, mask = reference.at(there)
        theirs = np.where(centrum, 0, theirs_as_ours(numbers, points, anatomy))
        mine = np.where(mask & ~centrum, ours, 0)
        both = (mine > 0) & (theirs > 0)
        for kind, a, b in (("all", mine, theirs), ("both", mine * both, theirs * both)):
            columns[f"{name}, {kind}"] = [dice(a, b, label[group]) for group in groups]
    table = Table("group", *columns, title="Dice against BLAST-CT's regions")
    for i, group in enumerate(groups):
        title = "lateral ventricles" if "ventricle" in group else group.replace("_", " ")
        table.add_row(title, *(f"{column[i]:.3f}" for column in columns.values()))
    table.add_section()
    table.add_row("mean", *(f"{np.mean(column):.3f}" for column in columns.values()))
    surface = [i for i, g in enumerate(groups) if g.endswith(("lobe", "cerebellum"))]
    table.add_row(
        "lobes, cerebellum",
        *(f"{np.mean(np.array(column)[surface]):.3f}" for column in columns.values()),
    )
    console = Console()
    console.print(table)
    turn, scales = np.rad2deg(fit[3:6]), np.exp(fit[6:9])
    console.print(
        f"aligned: shift {fit[:3].round(1)} mm, rotation about L, P, S {turn.round(1)} degrees, "
        f"scales {scales.round(3)}",
        highlight=False,
    )


if __name__ == "__main__":
    main()
