"""``crossdl discretizer evaluate``: F1 and AUROC on labelled texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossdl.cli.options import DiscretizerName, RegistryFile

if TYPE_CHECKING:
    from rich.table import Table

    from crossdl.text.scores import TextScores


def evaluate(
    labelled: Annotated[Path, typer.Argument(help="Labelled sentences or reports.")],
    discretizer: DiscretizerName = "crossdl",
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the figures go, as .json.")
    ] = None,
    errors: Annotated[
        bool, typer.Option("--errors", help="List the texts that were read wrongly.")
    ] = False,
    registry: RegistryFile = None,
) -> None:
    """Measure a discretizer on labelled texts that it was not trained on."""
    from dataclasses import asdict

    import numpy as np
    from rich.console import Console

    from crossdl.files import write_json
    from crossdl.registry import load_registry
    from crossdl.reports import label_sentences
    from crossdl.text.labelled import read_labelled
    from crossdl.text.scores import languages, score
    from crossdl.text.trained import find_discretizer

    reader = find_discretizer(discretizer, load_registry(registry))
    truth = read_labelled(labelled, reader.labels).labels
    said = label_sentences(reader, truth.sentences)
    spoken = np.array(languages(truth, reader.labels))
    found = {"all": score(truth, said, reader.labels)}
    if len(set(spoken)) > 1:
        for language in sorted(set(spoken)):
            index = np.flatnonzero(spoken == language)
            found[language] = score(truth.take(index), said.take(index), reader.labels)
    console = Console()
    console.print(_summary(found))
    console.print(_by_label(found["all"]))
    if errors:
        names = (*reader.labels.label_names, *reader.labels.type_names)
        true = np.hstack([truth.regions, truth.types]) >= 0.5
        stated = np.hstack([said.stated_regions, said.stated_types])
        for i in np.flatnonzero((true != stated).any(axis=1)):
            console.print(truth.sentences[i], markup=False, highlight=False)
            for word, row in (("is", true[i]), ("said", stated[i])):
                listed = ", ".join(n for n, there in zip(names, row, strict=True) if there)
                console.print(f"  {word}: {listed or 'nothing'}", markup=False, highlight=False)
    if out is not None:
        write_json(out, {language: asdict(one) for language, one in found.items()})


def _summary(found: dict[str, TextScores]) -> Table:
    from rich.table import Table

    table = Table("texts", "n", "exact", title="F1 at the discretizer's thresholds")
    for heading in ("micro, all", "regions", "types", "mean regions", "mean types"):
        table.add_column(heading, justify="right")
    for name, one in found.items():
        values = (one.micro["all"], one.micro["regions"], one.micro["types"])
        means = (one.macro["regions"], one.macro["types"])
        shown = [_number(v) for v in (*values, *means)]
        table.add_row(name, str(one.n), f"{one.exact}", *shown)
    return table


def _by_label(one: TextScores) -> Table:
    from rich.table import Table

    table = Table("label", "positives", "F1", "AUROC")
    for name, label in one.labels.items():
        table.add_row(name, str(label.positives), _number(label.f1), _number(label.auroc))
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
