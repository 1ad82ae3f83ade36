"""Agreement in words and numbers, for the terminal and as a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from crossdl.files import write_text
from crossdl.labels import LabelSet
from crossdl.pages import render_page
from crossdl.text.annotation.agreement import Agreement, Answered, measure
from crossdl.text.annotation.form import make_form


def number(value: float | None) -> str:
    """Three digits, or "-" where it is undefined."""
    return "-" if value is None else f"{value:.3f}"


def facts(answered: Answered, found: Agreement) -> list[tuple[str, str]]:
    """What holds for all labels together, as title and value."""
    return [
        ("texts answered by all", f"{len(answered.items)} ({answered.partial} only by some)"),
        ("not usable for at least one", str(found.unusable)),
        ("exactly the same answer", f"{found.same:.1%}"),
        ("Cohen's kappa, mean over labels", number(found.kappa)),
        *((f"F1 over {part}", number(value)) for part, value in found.micro_f1.items()),
    ]


def agreement_rows(found: Agreement, labels: LabelSet) -> list[list[str]]:
    """Per label: title, how often each annotator gave it, kappa, F1."""
    titles = make_form(labels).titles
    return [
        [titles[x.name], *map(str, x.positives), number(x.kappa), number(x.f1)]
        for x in found.labels
    ]


def disagreement_rows(
    answered: Answered, labels: LabelSet
) -> list[tuple[str, str, Mapping[str, str]]]:
    """Id, text, and what each annotator said, for every text they differ on."""
    form = make_form(labels)
    return [
        (item.id, item.text, {who: form.words(answer) for who, answer in item.given.items()})
        for item in answered.disputed
    ]


def write_agreement(path: Path, answered: Answered, labels: LabelSet) -> None:
    """Writes the page; equal answers give equal bytes."""
    found = measure(answered, labels)
    page = render_page(
        "agreement.html.j2",
        annotators=answered.annotators,
        facts=facts(answered, found),
        rows=agreement_rows(found, labels),
        disagreements=disagreement_rows(answered, labels),
    )
    write_text(path, page)
