"""``crossdl discretize``: labels of sentences and reports, one line of JSON per row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossdl.cli.options import DiscretizerName, RegistryFile

if TYPE_CHECKING:
    from crossdl.interfaces import ReportDiscretizer
    from crossdl.labelled_rows import LabelledRow
    from crossdl.report_files import ReportRow


def discretize(
    file: Annotated[Path, typer.Argument(help=".txt (a sentence a line), .csv, .xlsx or .jsonl.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Where the labels go, as .jsonl.")
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(help="Column with the text; default: sentence or findings."),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            help="Encoding of a text file, if it is not UTF-8; several, as utf-8,gb18030, are "
            "tried for each line."
        ),
    ] = None,
    skip_bad_rows: Annotated[
        bool,
        typer.Option(
            "--skip-bad-rows", help="Write an error instead of labels for rows that are unreadable."
        ),
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print texts with what was found where.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write one page that links sentences and matrix cells.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows printed and put on the page.")] = 200,
    discretizer: DiscretizerName = "crossdl",
    registry: RegistryFile = None,
) -> None:
    """Label sentences or Findings sections: probabilities of every region and type."""
    from rich.console import Console

    from crossdl.errors import InputError
    from crossdl.registry import load_registry
    from crossdl.text.trained import find_discretizer

    if out is None and html is None and not explain:
        raise InputError("nothing to write: give --out, --html or --explain")
    reader = find_discretizer(discretizer, load_registry(registry))
    n = discretize_file(
        reader, file, out, column=column, encoding=encoding, skip_bad_rows=skip_bad_rows,
        explain=explain, html=html, limit=limit,
    )  # fmt: skip
    written = ", ".join(str(path) for path in (out, html) if path is not None)
    Console().print(f"{n} row(s) labelled{written and ': ' + written}", soft_wrap=True)


def discretize_file(
    discretizer: ReportDiscretizer[Any],
    file: Path,
    out: Path | None,
    *,
    column: str | None = None,
    encoding: str | None = None,
    skip_bad_rows: bool = False,
    explain: bool = False,
    html: Path | None = None,
    limit: int = 200,
) -> int:
    """Labels the rows of a file, a few at a time in memory; outputs appear whole or not at all.

    The file is read to its end before the first row is labelled, so that what is wrong with it
    is said at once.

    Returns:
        The number of rows labelled: all of them, or ``limit`` where ``out`` is None.

    Raises:
        InputError: The file cannot be read, or an output is the file itself or a folder.
    """
    import json

    from crossdl.cli.discretize_explain import print_row
    from crossdl.cli.discretize_page import page, view
    from crossdl.files import replacing
    from crossdl.labelled_rows import label_rows
    from crossdl.progress import track
    from crossdl.report_files import read_rows

    for option, path in (("--out", out), ("--html", html)):
        _check_output(option, path, file)

    def rows() -> Iterator[ReportRow]:
        return read_rows(file, column=column, encoding=encoding, keep_bad=skip_bad_rows)

    total = _check_rows(file, rows())
    wanted = total if out is not None else min(total, limit)
    failed: list[str] = []
    views: list[dict[str, Any]] = []
    with ExitStack() as stack:
        stream = None
        if out is not None:
            working = stack.enter_context(replacing(out))
            stream = stack.enter_context(working.open("w", encoding="utf-8", newline="\n"))
        labelled: Iterator[LabelledRow] = label_rows(discretizer, islice(rows(), wanted))
        if not explain:
            labelled = track(labelled, "labelling", wanted)
        n = -1
        for n, one in enumerate(labelled):
            if one.row.problem is not None:
                failed.append(f"{one.row.index}: {one.row.problem}")
            if stream is not None:
                entry = _entry(one, discretizer)
                stream.write(json.dumps(entry, ensure_ascii=False, allow_nan=False) + "\n")
            if explain and n < limit:
                print_row(one, discretizer.labels)
            if html is not None and n < limit:
                views.append(view(one, discretizer.labels))
        if html is not None:
            working = stack.enter_context(replacing(html))
            working.write_text(page(views, discretizer.labels, file.name, total), encoding="utf-8")
    _warn(file, f"{len(failed)} row(s) without labels", failed)
    if explain and total > limit:
        _note(f"only the first {limit} of {total} rows are printed; see --limit")
    return wanted - len(failed)


def _check_output(option: str, path: Path | None, file: Path) -> None:
    from crossdl.errors import InputError

    if path is None:
        return
    if path.is_dir():
        raise InputError(f"{option} {path}: is a folder; give a file name")
    if path.exists() and file.exists() and path.samefile(file):
        raise InputError(f"{option} {path}: is the input itself; give another name")


def _check_rows(file: Path, rows: Iterator[ReportRow]) -> int:
    """Reads all rows, warns of doubtful ones and counts them."""
    from crossdl.splitting import hidden

    total = 0
    empty: list[str] = []
    unclean: list[str] = []
    for row in rows:
        total += 1
        if not row.text and row.problem is None:
            empty.append(str(row.index))
        elif hidden(row.text):
            unclean.append(str(row.index))
    _warn(file, f"{len(empty)} empty row(s), labelled with zeros", empty)
    _warn(file, f"{len(unclean)} row(s) with control characters, read as blanks", unclean)
    return total


def _warn(file: Path, what: str, rows: list[str]) -> None:
    if rows:
        _note(f"{file.name}: {what}: {', '.join(rows[:5])}{', ...' if len(rows) > 5 else ''}")


def _note(message: str) -> None:
    from rich.console import Console

    Console(stderr=True).print(f"warning: {message}", highlight=False, markup=False, soft_wrap=True)


def _entry(one: LabelledRow, discretizer: ReportDiscretizer[Any]) -> dict[str, Any]:
    """The line of one row; a whole report has no sentences and no matrix."""
    row, labels, names = one.row, one.labels, discretizer.labels
    entry: dict[str, Any] = {"row": row.index, "id": row.id}
    if row.problem is not None:
        return entry | {"error": row.problem}
    entry[row.kind] = row.text
    entry["regions"] = _named(names.label_names, one.regions)
    entry["types"] = _named(names.type_names, one.types)
    if one.matrix is None or row.kind == "sentence":
        return entry
    stated = zip(one.units, labels.stated_regions, labels.stated_types, strict=True)
    entry["sentences"] = [
        {
            "text": unit.text,
            "start": unit.start,
            "end": unit.end,
            "regions": [n for n, p in zip(names.label_names, r, strict=True) if p],
            "types": [n for n, p in zip(names.type_names, t, strict=True) if p],
        }
        for unit, r, t in stated
    ]
    entry["matrix"] = {
        name: _named(names.type_names, values)
        for name, values in zip(names.label_names, one.matrix.values, strict=True)
    }
    return entry


def _named(names: tuple[str, ...], values: Any) -> dict[str, float]:
    """Probabilities by name, rounded to six digits."""
    return {name: round(float(p), 6) for name, p in zip(names, values, strict=True)}
