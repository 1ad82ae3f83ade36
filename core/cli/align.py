"""``crossdl align``: one scan with the head centred and upright."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crossdl.cli.options import AllowMissingSlices, LabelsName, ScanPath

if TYPE_CHECKING:
    from crossdl.registration.symmetry import Symmetry

DOUBTFUL_SCORE = 0.8
"""Correlation of the two sides below which a person should look at the result."""


def align(
    path: ScanPath,
    out: Annotated[Path, typer.Option("--out", help="Scan to write, .nii or .nii.gz.")],
    method: Annotated[
        Literal["annealing", "moments"],
        typer.Option(help="Search for the plane of symmetry; annealing is the paper's, slower."),
    ] = "moments",
    seed: Annotated[int, typer.Option(min=0, help="Of the annealing.")] = 0,
    labels: LabelsName = "head_ct",
    allow_missing_slices: AllowMissingSlices = False,
) -> None:
    """Turn one scan until the head is upright, centred and as symmetric as possible.

    The voxels are resampled once, onto axes along superior, posterior and left; 0 mm is the
    head's centre. The 4x4 transform (LPS mm, scan to result) goes into a .json beside the result.
    Pitch, the nod of the head, stays as it was. Not for clinical use.
    """
    from rich.console import Console

    from crossdl.anatomy import load_anatomy
    from crossdl.errors import InputError
    from crossdl.files import write_json
    from crossdl.io.nifti import check_name, scan_name
    from crossdl.io.volumes import read_volume, write_ct
    from crossdl.registration.images import REGISTRATION_WINDOW
    from crossdl.registration.input_checks import check_scan
    from crossdl.registration.upright import upright
    from crossdl.rundir import versions

    check_name(out)
    if out.resolve() == path.resolve():
        raise InputError(f"{out}: is the scan itself; give --out another name")
    report = out.with_name(f"{scan_name(out)}.json")
    anatomy = load_anatomy(labels)
    console = Console(stderr=True)
    with console.status("reading the scan"):
        volume = read_volume(path, anatomy.modality, allow_missing_slices=allow_missing_slices)
    check_scan(volume, anatomy)
    with console.status("looking for the plane of symmetry"):
        turned, symmetry = upright(
            volume,
            window=REGISTRATION_WINDOW,
            tissue_threshold=anatomy.tissue_threshold,
            method=method,
            seed=seed,
        )
    report.unlink(missing_ok=True)
    write_ct(out, turned)
    pose = describe(symmetry)
    write_json(
        report,
        {
            "scan": volume.name,
            **pose,
            "seed": seed,
            "reading": dict(volume.meta),
            "versions": versions(),
        },
    )
    if symmetry.score < DOUBTFUL_SCORE:
        console.print(
            f"note: the two sides of the head correlate only by {symmetry.score:.2f}: look at it",
            highlight=False,
            soft_wrap=True,
        )
    Console().print(
        f"Yaw {pose['yaw_degrees']:+.1f} and roll {pose['roll_degrees']:+.1f} degrees taken out "
        f"(positive: face turned, top leant to the patient's left)\n"
        f"Sides correlate by {symmetry.score:.3f} ({method}, {symmetry.evaluations} comparisons, "
        f"{symmetry.seconds:.2f} s)\n"
        f"Scan: {out}\nTransform: {report}  (not for clinical use)",
        highlight=False,
        soft_wrap=True,
    )


def describe(symmetry: Symmetry) -> dict[str, Any]:
    """What the report says of a pose; JSON-able, angles in degrees, positions in LPS mm."""
    import numpy as np

    return {
        "matrix": symmetry.matrix.tolist(),
        "yaw_degrees": float(np.rad2deg(symmetry.yaw)),
        "roll_degrees": float(np.rad2deg(symmetry.roll)),
        "centre_mm": symmetry.centre.tolist(),
        "score": symmetry.score,
        "method": symmetry.method,
        "evaluations": symmetry.evaluations,
        "seconds": symmetry.seconds,
    }
