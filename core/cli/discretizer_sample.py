"""``crossdl discretizer sample``: texts to be labelled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crossdl.cli.options import LabelsName, RegistryFile

if TYPE_CHECKING:
    from crossdl.interfaces import ReportDiscretizer
    from crossdl.labels import LabelSet
    from crossdl.registry import Registry
    from crossdl.text.sampling import Drawn
    from crossdl.types import SentenceLabels

CHUNK = 256
"""Texts labelled at a time."""


def sample(
    reports: Annotated[
        str,
        typer.Argument(
            help="Reports (.csv, .xlsx, .jsonl, .txt), a built cohort's folder, or a composition "
            "whose cohort is taken. Of a cohort only training scans are read."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Where the sample goes, as .jsonl.")],
    n: Annotated[int, typer.Option("-n", min=1, help="How many different texts.")] = 300,
    by: Annotated[
        Literal["random", "uncertainty"],
        typer.Option(help="uncertainty: those that --discretizer is least sure of."),
    ] = "random",
    discretizer: Annotated[
        str | None,
        typer.Option(help="Folder of a trained discretizer, or a composition that has one."),
    ] = None,
    random_share: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Part that is random all the same, to calibrate and measure on."
        ),
    ] = 0.2,
    weight: Annotated[
        Literal["unique", "frequency"],
        typer.Option(
            help="unique: every different text has the same chance. frequency: common ones have "
            "more, so that the sample is like the reports."
        ),
    ] = "unique",
    level: Annotated[
        Literal["sentence", "report"],
        typer.Option(help="Draw sentences, or whole reports for labels per report."),
    ] = "sentence",
    exclude: Annotated[
        list[Path] | None,
        typer.Option(help="File whose texts are not drawn: already labelled (repeatable)."),
    ] = None,
    suggest: Annotated[
        bool,
        typer.Option(
            "--suggest",
            help="Add what --discretizer would answer. Faster, but it biases: annotators tend to "
            "agree with what they see. Never for sentences that measure a discretizer.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Everything random derives from it.")] = 0,
    column: Annotated[
        str | None, typer.Option(help="Column with the text; default: sentence or findings.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of a text file, if it is not UTF-8.")
    ] = None,
    labels: LabelsName = "head_ct",
    registry: RegistryFile = None,
) -> None:
    """Draw different sentences for annotation, at random or by a discretizer's uncertainty."""
    from rich.console import Console

    from crossdl.errors import InputError
    from crossdl.files import write_text
    from crossdl.labels import load_labels
    from crossdl.registry import load_registry
    from crossdl.report_files import read_rows
    from crossdl.text.labelled import json_lines
    from crossdl.text.sampling import count_texts, draw
    from crossdl.text.trained import find_discretizer

    if out.suffix.lower() != ".jsonl" or out.is_dir():
        raise InputError(f"--out {out}: must be a file that ends in .jsonl")
    if discretizer is None and (suggest or by == "uncertainty"):
        what = "--suggest" if suggest else f"--by {by}"
        raise InputError(f"{what} needs --discretizer: a trained folder, or a composition")
    book = load_registry(registry)
    model = None if discretizer is None else find_discretizer(discretizer, book)
    label_set = load_labels(labels) if model is None else model.labels
    done = [
        row.text
        for path in exclude or ()
        for row in read_rows(path, column=None, encoding=encoding)
    ]
    texts = _texts(reports, book, label_set, level, column, encoding)
    counts = count_texts(texts, done)
    scores = None
    if model is not None and by == "uncertainty":
        scores = _uncertainties(model, list(counts))
    found = draw(counts, n, seed=seed, weight=weight, scores=scores, random_share=random_share)
    if not found:
        raise InputError(f"{reports}: has no text that is not labelled already")
    rows = _rows(found, level)
    if model is not None and suggest:
        stated = _labelled(model, [drawn.text for drawn in found])
        for row, suggestion in zip(rows, _suggestions(stated, label_set), strict=True):
            row["suggestion"] = suggestion
    write_text(out, json_lines(rows))
    console = Console(soft_wrap=True, highlight=False)
    less = f", fewer than the {n} wanted" if len(found) < n else ""
    console.print(
        f"{len(found)} of {len(counts)} different texts that occur {sum(counts.values())} "
        f"times{less}: {out}  (holds report text; share it as such)"
    )


def _texts(
    reports: str,
    book: Registry,
    labels: LabelSet,
    level: Literal["sentence", "report"],
    column: str | None,
    encoding: str | None,
) -> Iterator[str]:
    from crossdl.report_files import read_rows
    from crossdl.reports import split_findings

    path = Path(reports)
    pairs: Iterable[tuple[str, bool]]
    if path.is_dir() or (not path.exists() and reports in book.compositions):
        pairs = ((text, False) for text in _findings(reports, book))
    else:
        rows = read_rows(path, column=column, encoding=encoding)
        pairs = ((row.text, row.kind == "sentence") for row in rows)
    for text, is_sentence in pairs:
        if is_sentence or level == "report":
            yield text
        else:
            yield from split_findings(text, labels)


def _findings(name: str, book: Registry) -> Iterator[str]:
    """Reports of a cohort's training scans: others must stay unseen."""
    from crossdl.anatomy import load_anatomy
    from crossdl.errors import InputError
    from crossdl.ingest.built import built_anatomy

    folder = Path(name)
    if folder.is_dir():
        config = book.catalog.parse("cohort", {"kind": "dicom", "folder": str(folder)})
        cohort = book.catalog.create("cohort", config, built_anatomy(folder))
    else:
        chosen = book.composition(name)
        cohort = book.catalog.create("cohort", chosen.cohort, load_anatomy(chosen.anatomy))
    texts = [r.findings for r in cohort.records() if r.split == "train" and r.findings]
    if not texts:
        raise InputError(
            f"{name}: its training scans have no report text; build the cohort with keep_findings "
            "in the rules, or give the file of reports"
        )
    yield from texts


def _labelled(model: ReportDiscretizer[Any], texts: list[str]) -> list[SentenceLabels]:
    """Labels of texts, a chunk at a time."""
    from crossdl.progress import track
    from crossdl.reports import label_sentences

    chunks = [texts[i : i + CHUNK] for i in range(0, len(texts), CHUNK)]
    steps = track(chunks, f"labelling, {CHUNK} texts a step") if len(chunks) > 1 else chunks
    return [label_sentences(model, chunk) for chunk in steps]


def _uncertainties(model: ReportDiscretizer[Any], texts: list[str]) -> dict[str, float]:
    from crossdl.text.sampling import uncertainty

    bits = (float(x) for chunk in _labelled(model, texts) for x in uncertainty(chunk))
    return dict(zip(texts, bits, strict=True))


def _suggestions(chunks: list[SentenceLabels], labels: LabelSet) -> Iterator[dict[str, list[str]]]:
    for chunk in chunks:
        for regions, types in zip(chunk.stated_regions, chunk.stated_types, strict=True):
            yield {
                "regions": [x for x, yes in zip(labels.label_names, regions, strict=True) if yes],
                "types": [x for x, yes in zip(labels.type_names, types, strict=True) if yes],
            }


def _rows(found: list[Drawn], level: Literal["sentence", "report"]) -> list[dict[str, Any]]:
    key = "sentence" if level == "sentence" else "findings"
    return [
        {
            "id": drawn.id,
            key: drawn.text,
            "count": drawn.count,
            "drawn": drawn.drawn,
            "bits": None if drawn.uncertainty is None else round(drawn.uncertainty, 4),
        }
        for drawn in found
    ]
