"""The form without a browser: one text after the other, answered by keys."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from crossdl.hints import did_you_mean
from crossdl.labels import LabelSet
from crossdl.text.annotation.answers import NOT_USABLE, Answer, AnswerBook, Item
from crossdl.text.annotation.form import BACK, HELP, NOTHING, UNUSABLE, Form, make_form

_QUIT = "quit"
_COMMANDS = (
    f"{NOTHING} nothing abnormal   {UNUSABLE} not usable   {BACK} back   {HELP} definitions   "
    f"{_QUIT} (every answer is saved)"
)


def ask_in_terminal(
    book: AnswerBook, labels: LabelSet, console: Console, read: Callable[[], str] = input
) -> None:
    """Asks from the first open text on, until all are answered or the person quits.

    An answer is the keys or names of its labels with blanks between, such as ``1 q a``.

    Args:
        book: Takes the answers.
        labels: The label set.
        console: Where everything is printed.
        read: Gives the next line; the end of the input quits.
    """
    form = make_form(labels)
    console.print(_legend(form, definitions=False))
    at: int | None = book.open[0] if book.open else None
    doubt: Answer | None = None
    while at is not None:
        item = book.items[at]
        if doubt is None:
            _show(book, form, item, at, console)
        console.print("> ", end="")
        try:
            line = read().strip()
        except EOFError:
            break
        if line == _QUIT:
            break
        if line == HELP:
            console.print(_legend(form, definitions=True))
            continue
        if line == BACK:
            at, doubt = max(at - 1, 0), None
            continue
        answer = _answer(line, form, labels, console)
        if answer is None:
            continue
        if answer.one_sided and answer != doubt:
            what = "a place but no type" if answer.regions else "a type but no place"
            console.print(f"That is {what}. Complete it, or give it again to keep it so.")
            doubt = answer
            continue
        doubt = None
        book.save(item, answer)
        if at + 1 < len(book.items):
            at += 1
        else:
            at = next(iter(book.open), None)
    console.print()


def _answer(line: str, form: Form, labels: LabelSet, console: Console) -> Answer | None:
    """What a line says; None, with the reason printed, if it says nothing that can be."""
    if line == NOTHING:
        return Answer()
    if line == UNUSABLE:
        return NOT_USABLE
    known = (*labels.label_names, *labels.type_names)
    names = [form.keys.get(token.lower(), token) for token in line.split()]
    strange = [name for name in names if name not in known]
    if strange:
        near = did_you_mean(strange[0], known)
        console.print(f"{strange[0]!r} is no key and no label{near}; {HELP} lists them")
    elif not names:
        console.print(f"Give the keys of its labels; {_COMMANDS}")
    else:
        chosen = frozenset(names)
        return Answer(chosen & set(labels.label_names), chosen & set(labels.type_names))
    return None


def _show(book: AnswerBook, form: Form, item: Item, at: int, console: Console) -> None:
    done = len(book.items) - len(book.open)
    console.print()
    console.print(f"{at + 1} of {len(book.items)}, {done} answered")
    console.print(Text(item.text, style="bold"))
    if item.suggestion is not None:
        console.print(f"a model suggests: {form.words(item.suggestion)}")
    for who, answer in item.given.items():
        console.print(f"{who}: {form.words(answer)}")
    if item.id in book.answers:
        console.print(f"answered: {form.words(book.answers[item.id])}")


def _legend(form: Form, definitions: bool) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, caption=_COMMANDS)
    table.caption_justify = "left"
    for group in (*form.types, *form.regions):
        keys = "  ".join(
            f"{choice.key or choice.name} {choice.title}".strip() for choice in group.choices
        )
        table.add_row(keys, group.title, *([group.definition] if definitions else []))
    return table
