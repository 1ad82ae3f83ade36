"""Arguments and options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ScanPath = Annotated[Path, typer.Argument(help="Folder of a DICOM series, or a NIfTI file.")]
RegistryFile = Annotated[Path | None, typer.Option(help="registry.toml; default: the shipped one.")]
AllowMissingSlices = Annotated[
    bool, typer.Option("--allow-missing-slices", help="Interpolate over missing slices.")
]
ModelFolder = Annotated[
    Path | None, typer.Option(help="Model folder (RUN/model); default: the shipped demonstrator.")
]
LabelsName = Annotated[
    str, typer.Option("--labels", help="Label set: an anatomy by name, or a .toml file.")
]
DiscretizerName = Annotated[
    str,
    typer.Option("--discretizer", help="Folder of a trained discretizer, or a composition."),
]
CohortPath = Annotated[
    Path | None,
    typer.Argument(
        metavar="[PATH]",
        help="A built cohort, a folder of NIfTI scans, or one scan (NIfTI file or DICOM series); "
        "default: the composition's cohort.",
    ),
]
CompositionChanges = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a field: segmenter.preset=fast (repeatable)."),
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; default: one per core.")]
TimeLimit = Annotated[float, typer.Option(min=1, help="Seconds after which a scan is given up.")]
