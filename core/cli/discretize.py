"""``crossdl discretize``: labels of sentences and reports, one line of JSON per row."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossdl.cli.options import RegistryFile

if TYPE_CHECKING:
    from crossdl.anatomy import Anatomy
    from crossdl.interfaces import ReportDiscretizer
    from crossdl.report_files import ReportRow
    from crossdl.types import SentenceLabels

CHUNK = 256
"""Rows labelled at a time: enough for a model to batch, few enough for the bar to move."""


def discretize(
    file: Annotated[Path, typer.Argument(help=".txt (a sentence a line), .csv, .xlsx or .jsonl.")],
    out: Annotated[Path, typer.Option("--out", help="Where the labels go, as .jsonl.")],
    column: Annotated[
        str | None,
        typer.Option(help="Column with the text; default: sentence or findings."),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of a text file, if it is not UTF-8.")
    ] = None,
    composition: Annotated[
        str, typer.Option(help="Composition whose discretizer is used.")
    ] = "crossdl",
    registry: RegistryFile = None,
) -> None:
    """Label sentences or Findings sections: probabilities of every region and type."""
    from rich.console import Console

    from crossdl.anatomy import load_anatomy
    from crossdl.registry import load_registry

    book = load_registry(registry)
    chosen = book.composition(composition)
    anatomy = load_anatomy(chosen.anatomy)
    discretizer = book.catalog.create("discretizer", chosen.discretizer, anatomy)
    n = discretize_file(discretizer, anatomy, file, out, column, encoding)
    Console().print(f"{n} row(s) labelled: {out}", soft_wrap=True)


def discretize_file(
    discretizer: ReportDiscretizer[Any],
    anatomy: Anatomy,
    file: Path,
    out: Path,
    column: str | None,
    encoding: str | None,
) -> int:
    """Labels every row of a file; the output appears whole or not at all.

    Returns:
        The number of rows.

    Raises:
        InputError: The file cannot be read, or ``out`` is the file itself or a folder.
    """
    import json

    from rich.console import Console

    from crossdl.errors import InputError
    from crossdl.files import replacing
    from crossdl.report_files import read_rows

    if out.is_dir():
        raise InputError(f"--out {out}: is a folder; give a file name, such as labels.jsonl")
    if out.exists() and file.exists() and out.samefile(file):
        raise InputError(f"--out {out}: is the input itself; give another name")
    rows = read_rows(file, column=column, encoding=encoding)
    empty = [str(row.index) for row in rows if not row.text]
    if empty:
        shown = ", ".join(empty[:5]) + (", ..." if len(empty) > 5 else "")
        Console(stderr=True).print(
            f"warning: {file.name}: {len(empty)} empty row(s), labelled with zeros: {shown}",
            highlight=False,
            soft_wrap=True,
        )
    with replacing(out) as working, working.open("w", encoding="utf-8", newline="\n") as stream:
        for entry in _entries(discretizer, anatomy, rows):
            stream.write(json.dumps(entry, ensure_ascii=False, allow_nan=False) + "\n")
    return len(rows)


def _entries(
    discretizer: ReportDiscretizer[Any], anatomy: Anatomy, rows: list[ReportRow]
) -> Iterator[dict[str, Any]]:
    from crossdl.progress import track
    from crossdl.reports import label_reports

    starts: Any = range(0, len(rows), CHUNK)
    if len(starts) > 1:
        starts = track(starts, f"labelling, {CHUNK} rows a step")
    for start in starts:
        chunk = rows[start : start + CHUNK]
        texts = [row.text for row in chunk if row.kind == "sentence"]
        sentences = iter(range(len(texts)))
        labels = discretizer.label(texts)
        reports = label_reports(
            discretizer, [r.text if r.kind == "findings" else None for r in chunk]
        )
        for row, report in zip(chunk, reports, strict=True):
            entry: dict[str, Any] = {"row": row.index, "id": row.id, row.kind: row.text}
            if report is None:
                at = next(sentences)
                entry["regions"] = _named(anatomy.label_names, labels.regions[at])
                entry["types"] = _named(anatomy.type_names, labels.types[at])
            else:
                entry |= _report_entry(report, anatomy)
            yield entry


def _report_entry(labels: SentenceLabels, anatomy: Anatomy) -> dict[str, Any]:
    """Labels of a report: per label the highest probability behind a positive cell (E1)."""
    import numpy as np

    from crossdl.reports import merge

    matrix = merge(labels, anatomy)
    regions = np.zeros(len(anatomy.label_names), dtype=np.float32)
    types = np.zeros(anatomy.n_types, dtype=np.float32)
    for (row, column), behind in matrix.evidence.items():
        regions[row] = max(regions[row], labels.regions[list(behind), row].max())
        types[column] = max(types[column], labels.types[list(behind), column].max())
    return {
        "regions": _named(anatomy.label_names, regions),
        "types": _named(anatomy.type_names, types),
        "sentences": [
            {
                "text": text,
                "regions": [n for n, p in zip(anatomy.label_names, r, strict=True) if p],
                "types": [n for n, p in zip(anatomy.type_names, t, strict=True) if p],
            }
            for text, r, t in zip(
                labels.sentences, labels.stated_regions, labels.stated_types, strict=True
            )
        ],
        "matrix": {
            name: _named(anatomy.type_names, values)
            for name, values in zip(anatomy.label_names, matrix.values, strict=True)
        },
    }


def _named(names: tuple[str, ...], values: Any) -> dict[str, float]:
    """Probabilities by name, rounded to six digits."""
    return {name: round(float(p), 6) for name, p in zip(names, values, strict=True)}
