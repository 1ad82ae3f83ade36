"""``crossdl discretizer train``: from labelled texts to a discretizer's folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossdl.cli.options import LabelsName, RegistryFile

if TYPE_CHECKING:
    from crossdl.labels import LabelSet
    from crossdl.registry import Composition, Registry
    from crossdl.text.silver import Silver
    from crossdl.types import SentenceLabels


def train(
    out: Annotated[Path, typer.Option("--out", help="Folder for the trained discretizer.")],
    labelled: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Labelled sentences or reports (.jsonl, .csv); without any, the silver "
            "sentences of the composition's cohort are taken."
        ),
    ] = None,
    valid: Annotated[
        Path | None,
        typer.Option(help="Labelled texts for stopping and calibration; default: a tenth."),
    ] = None,
    unlabelled: Annotated[
        list[Path] | None,
        typer.Option(help="More reports, for pre-training a new encoder (repeatable)."),
    ] = None,
    composition: Annotated[
        str, typer.Option(help="Composition whose discretizer is trained.")
    ] = "discretizer",
    labels: LabelsName = "head_ct",
    registry: RegistryFile = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a field: discretizer.encoder=PATH (repeatable)."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Replaces the composition's seed.")] = None,
) -> None:
    """Train a discretizer. Run it again to continue after a stop."""
    from rich.console import Console

    from crossdl.cli.run import parse_changes
    from crossdl.errors import InputError
    from crossdl.labels import load_labels
    from crossdl.registry import load_registry

    if (out / "model.json").exists():
        raise InputError(f"--out {out}: holds a trained discretizer; give another folder")
    book = load_registry(registry)
    changes = parse_changes(change or [])
    if seed is not None:
        changes["seed"] = seed
    chosen = book.composition(composition, changes)
    if labelled:
        known = load_labels(labels)
        data = _from_files(labelled, valid, unlabelled or [], known, chosen.seed)
    else:
        known, data = _from_cohort(book, chosen)
    discretizer = book.catalog.create("discretizer", chosen.discretizer, known)
    if discretizer.trained:
        raise InputError(
            f"composition {composition!r} names a discretizer that needs no training; choose one "
            'with --set discretizer.kind=bert --set discretizer.model="new"'
        )
    console = Console()
    console.print(
        f"{len(data.train.sentences)} labelled texts to train, {len(data.valid.sentences)} to "
        f"validate, {len(data.unlabelled)} without labels"
    )
    out.mkdir(parents=True, exist_ok=True)
    discretizer.fit(
        data.train,
        data.valid,
        unlabelled=data.unlabelled,
        seed=chosen.seed,
        folder=out / "training",
    )
    discretizer.save(out)
    console.print(f"Discretizer: {out}", soft_wrap=True)


def _from_files(
    labelled: list[Path],
    valid: Path | None,
    unlabelled: list[Path],
    labels: LabelSet,
    seed: int,
) -> Silver:
    """Texts of files, each different one once."""
    import numpy as np

    from crossdl.errors import InputError
    from crossdl.report_files import read_rows
    from crossdl.reports import split_findings
    from crossdl.text.labelled import read_labelled
    from crossdl.text.silver import Silver, different

    files = [read_labelled(path, labels) for path in labelled]
    levels = {file.level for file in files}
    if len(levels) > 1:
        raise InputError("the files mix sentences and reports; train on one kind at a time")
    train = different([file.labels for file in files])
    held: SentenceLabels
    if valid is not None:
        held = read_labelled(valid, labels).labels
    else:
        order = np.random.default_rng(seed).permutation(len(train.sentences))
        n = max(1, len(order) // 10)
        held, train = train.take(order[:n]), train.take(np.sort(order[n:]))
    more: dict[str, None] = {}
    for path in unlabelled:
        for row in read_rows(path, column=None, encoding=None):
            whole = row.kind == "sentence" or levels == {"report"}
            more |= dict.fromkeys([row.text] if whole else split_findings(row.text, labels))
    return Silver(train, held, tuple(text for text in more if text))


def _from_cohort(book: Registry, chosen: Composition) -> tuple[LabelSet, Silver]:
    from crossdl.anatomy import load_anatomy
    from crossdl.text.silver import silver_of

    anatomy = load_anatomy(chosen.anatomy)
    cohort = book.catalog.create("cohort", chosen.cohort, anatomy)
    return anatomy, silver_of(cohort, cohort.records(), anatomy)
