"""``crossdl discretizer annotate`` and ``adjudicate``: forms in which people label texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossdl.cli.options import LabelsName

if TYPE_CHECKING:
    from crossdl.labels import LabelSet
    from crossdl.text.annotation.answers import AnswerBook

Annotator = Annotated[str, typer.Option(help="Name of the person who answers.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Of the web form; 0 takes a free one.")]
InTerminal = Annotated[bool, typer.Option("--terminal", help="Ask here, without a browser.")]


def annotate(
    sample: Annotated[Path, typer.Argument(help="Texts to be labelled: .jsonl or .csv.")],
    annotator: Annotator,
    out: Annotated[
        Path, typer.Option("--out", help="Where the answers go, as .jsonl; the same one resumes.")
    ],
    port: Port = 8765,
    terminal: InTerminal = False,
    labels: LabelsName = "head_ct",
) -> None:
    """Label texts in a web form on this machine, or in the terminal.

    Each answer is on disk before the next text is shown. Stop with Ctrl-C at any moment; the
    same command goes on. On a machine far away, forward the port first:
    ssh -L 8765:127.0.0.1:8765 MACHINE
    """
    from crossdl.labels import load_labels
    from crossdl.text.annotation.answers import AnswerBook, read_items

    label_set = load_labels(labels)
    book = AnswerBook(out, annotator, read_items(sample, label_set), label_set)
    _ask(book, label_set, port, terminal)


def adjudicate(
    files: Annotated[list[Path], typer.Argument(help="Answers of two annotators or more.")],
    annotator: Annotator,
    out: Annotated[
        Path, typer.Option("--out", help="Where all labels go, as .jsonl; the same one resumes.")
    ],
    port: Port = 8765,
    terminal: InTerminal = False,
    labels: LabelsName = "head_ct",
) -> None:
    """Decide where annotators differ; what they agree on is taken as it is.

    Texts that only some of them answered are left out.
    """
    from crossdl.errors import InputError
    from crossdl.labels import load_labels
    from crossdl.text.annotation.agreement import read_answered
    from crossdl.text.annotation.answers import AnswerBook

    label_set = load_labels(labels)
    for path in files:
        if out.exists() and path.exists() and out.samefile(path):
            raise InputError(f"--out {out}: is one of the inputs; give another name")
    answered = read_answered(files, label_set)
    book = AnswerBook(out, annotator, answered.disputed, label_set, answered.agreed)
    book.write()
    left = f"; {answered.partial} not answered by all are left out" if answered.partial else ""
    typer.echo(f"{len(answered.agreed)} agreed, {len(answered.disputed)} to decide{left}")
    if answered.disputed:
        _ask(book, label_set, port, terminal)


def _ask(book: AnswerBook, labels: LabelSet, port: int, terminal: bool) -> None:
    """Shows a form until it is ended; Ctrl-C is the usual way."""
    from rich.console import Console

    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        if terminal:
            from crossdl.text.annotation.terminal import ask_in_terminal

            ask_in_terminal(book, labels, console)
        else:
            from crossdl.text.annotation.server import address, form_server

            with form_server(book, labels, port) as server:
                console.print(f"Open {address(server)}\nEnd with Ctrl-C.")
                server.serve_forever()
    except KeyboardInterrupt:
        console.print()
    left = len(book.open)
    more = f"; the same command goes on with the {left} left" if left else ""
    console.print(f"{len(book.items) - left} of {len(book.items)} answered: {book.path}{more}")
