"""Pre-alignment after known turns: ``python benchmarks/prealignment.py [--real FOLDER]``.

Phantoms are made upright, so their plane of symmetry is known: its direction by construction, its
place from the true regions. Of a real scan the pose is unknown; there the pose found in the scan as
it is, turned as the scan is turned, is what must be found again, so a bias that turns with the head
does not show. Every scan is turned at random by up to 25 degrees about each axis and moved by up to
20 mm. ``plane`` is the plane of symmetry alone, ``template`` the first alignment of the default
atlas started from it. A scan counts as failed beyond 5 degrees (yaw and roll; for the template,
pitch too).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.spatial.transform import Rotation

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.catalog import default_catalog
from crossdl.interfaces import build
from crossdl.io.volumes import read_volume
from crossdl.progress import progress_bar
from crossdl.registration.images import REGISTRATION_WINDOW
from crossdl.registration.initial import align
from crossdl.registration.prepare import Template, centred, coarse_head, make_template
from crossdl.registration.symmetry import symmetrise, turned
from crossdl.types import Float64Array, Grid, RegionMap, Volume

METHODS = ("none", "moments", "annealing")
STAGES = ("plane", "template")
FAILED_DEGREES = 5.0


@dataclass(frozen=True, eq=False)
class Pose:
    """Of a head: axes (columns: its left, posterior, superior) and a point of its mid-plane."""

    axes: Float64Array
    point: Float64Array

    def moved(self, matrix: Float64Array) -> Pose:
        """After a rigid move by a (4, 4) matrix, LPS mm."""
        return Pose(matrix[:3, :3] @ self.axes, matrix[:3, :3] @ self.point + matrix[:3, 3])


def main() -> None:
    """Turns, searches, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phantoms", type=int, default=24)
    parser.add_argument("--real", type=Path, help="folder of NIfTI scans")
    parser.add_argument("--poses", type=int, default=2, help="random poses per scan")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    anatomy = load_anatomy("head_ct")
    source = build(default_catalog().parse("atlas", dict(anatomy.atlas)), anatomy)
    template = make_template(
        source.load(),
        window=REGISTRATION_WINDOW,
        tissue_threshold=anatomy.tissue_threshold,
        blur_mm=4.0,
    )
    rng = np.random.default_rng(given.seed)
    console = Console(width=150)
    if given.phantoms:
        rows = measure(
            phantoms(given.phantoms, anatomy), given.phantoms, given.poses, template, rng
        )
        console.print(summary(rows, f"{given.phantoms} phantoms, {given.poses} poses each"))
    if given.real:
        paths = sorted(given.real.glob("*.nii*"))
        scans = ((read_volume(path), None) for path in paths)
        rows = measure(scans, len(paths), given.poses, template, rng)
        console.print(summary(rows, f"{len(paths)} real scans, {given.poses} poses each"))


def phantoms(count: int, anatomy: Anatomy) -> Iterator[tuple[Volume, Pose | None]]:
    """Upright phantoms with their true poses; of the template only the plane of it is true."""
    catalog = default_catalog()
    config = {
        "kind": "phantom",
        "seed": 5,
        "repeat_rate": 0.0,
        "patients": {"train": 1, "valid": 1, "test": count},
        "scanner": {"turn_degrees": (0.0, 0.0, 0.0), "pitch_degrees": 0.0},
    }
    cohort = catalog.create("cohort", catalog.parse("cohort", config), anatomy)
    for record in [r for r in cohort.records() if r.split == "test"]:
        point = middle(cohort.region_truth(record), anatomy)
        yield cohort.volume(record), Pose(np.eye(3), point)


def middle(regions: RegionMap, anatomy: Anatomy) -> Float64Array:
    """Median over region pairs of the point halfway between the two sides, LPS mm."""
    names = anatomy.region_names
    centres = {
        name: regions.grid.index_to_world(np.argwhere(regions.labels == i + 1)).mean(axis=0)
        for i, name in enumerate(names)
        if (regions.labels == i + 1).any()
    }
    halfway = [
        (centres[r.name] + centres[r.mirror]) / 2
        for r in anatomy.regions
        if r.mirror != r.name and r.name in centres and r.mirror in centres
    ]
    return np.asarray(np.median(halfway, axis=0), dtype=np.float64)


def measure(
    scans: Iterator[tuple[Volume, Pose | None]],
    count: int,
    poses: int,
    template: Template,
    rng: np.random.Generator,
) -> list[dict[str, Any]]:
    """One row per scan, pose, method and stage."""
    rows = []
    with progress_bar() as bar:
        task = bar.add_task("aligning", total=count * poses)
        for volume, truth in scans:
            own = find(volume, template)
            for _ in range(poses):
                move = np.eye(4)
                angles = rng.uniform(-25.0, 25.0, 3)
                move[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
                # Turned about the head, so that the scan stays where it is up to 20 mm.
                pivot = own["moments", "plane"][0].point
                move[:3, 3] = pivot + rng.uniform(-20.0, 20.0, 3) - move[:3, :3] @ pivot
                grid = Grid(volume.grid.shape, move @ volume.grid.affine)
                found = find(Volume(volume.array, grid, volume.name), template)
                for (method, stage), (pose, seconds) in found.items():
                    before = own[method, stage][0]
                    if method == "none" and stage == "plane":
                        before = own["moments", "plane"][0]
                    wanted = (before if truth is None else truth).moved(move)
                    rows.append(
                        {"method": method, "stage": stage, "seconds": seconds,
                         **errors(pose, wanted, before.moved(move))}
                    )  # fmt: skip
                bar.advance(task)
    return rows


def find(volume: Volume, template: Template) -> dict[tuple[str, str], tuple[Pose, float]]:
    """Pose and CPU seconds by method and stage."""
    low = template.window[0]
    _, coarse, head = coarse_head(volume, template.window, template.tissue_threshold)
    found = {}
    for method in METHODS:
        begun = time.process_time()
        if method == "none":
            upright = centred(head)
            axes = np.eye(3)
        else:
            symmetry = symmetrise(coarse, head, low, method=method)
            upright, axes = symmetry.matrix, turned(symmetry.yaw, symmetry.roll)
        between = time.process_time()
        found[method, "plane"] = Pose(axes, np.linalg.inv(upright)[:3, 3]), between - begun
        pose = align(coarse, head, template.coarse, template.head, low, upright, template.upright)
        turn = Rotation.from_euler("xyz", pose.values[3:6]).as_matrix()
        home = np.linalg.inv(template.upright)
        point = (pose.matrix @ home)[:3, 3]
        found[method, "template"] = (
            Pose(turn @ home[:3, :3], point),
            time.process_time() - begun,
        )
    return found


def errors(found: Pose, plane: Pose, whole: Pose) -> dict[str, float]:
    """Degrees and mm from the plane that should be found, and degrees of the whole turn."""
    normal = plane.axes.T @ found.axes[:, 0]
    turn = Rotation.from_matrix(whole.axes.T @ found.axes)
    return {
        "yaw": float(np.rad2deg(np.arctan2(normal[1], normal[0]))),
        "roll": float(np.rad2deg(np.arcsin(-normal[2].clip(-1, 1)))),
        "angle": float(np.rad2deg(np.arccos(normal[0].clip(-1, 1)))),
        "shift": float((found.point - plane.point) @ plane.axes[:, 0]),
        "whole": float(np.rad2deg(turn.magnitude())),
    }


def summary(rows: list[dict[str, Any]], title: str) -> Table:
    """Medians and 95th percentiles by stage and method."""
    table = Table("stage", "start", title=title)
    for heading in (
        "yaw °", "roll °", "angle of plane °", "shift mm", "whole turn °", "failed", "CPU s",
    ):  # fmt: skip
        table.add_column(heading, justify="right")
    for stage in STAGES:
        for method in METHODS:
            mine = [row for row in rows if (row["stage"], row["method"]) == (stage, method)]
            cells = []
            for key in ("yaw", "roll", "angle", "shift", "whole"):
                values = np.abs([row[key] for row in mine])
                cells.append(f"{np.median(values):.2f} ({np.percentile(values, 95):.2f})")
            if stage == "plane":
                cells[-1] = "-"
            angle = "angle" if stage == "plane" else "whole"
            failed = sum(row[angle] > FAILED_DEGREES for row in mine)
            seconds = np.median([row["seconds"] for row in mine])
            table.add_row(stage, method, *cells, f"{failed} of {len(mine)}", f"{seconds:.2f}")
    table.caption = (
        "median (95th percentile); CPU seconds on one thread include the search for the plane"
    )
    return table


if __name__ == "__main__":
    main()
