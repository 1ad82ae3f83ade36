"""Discretizers on simulated reports: ``python benchmarks/discretizers.py``.

Trains ``bert`` from nothing on 100 to 3,000 silver sentences of the phantom cohort (Fig. S2A of Liu
et al.), pre-trained on all training reports without labels, and measures it on 900 sentences of
other patients, with the rules of ``lexicon`` beside it: mean F1 over region and over type labels,
and report-level AUROC per type against the silver labels of the report (what it says) and against
the truth of its scan (errors and omissions of the report included). ``--real FILE`` adds micro-F1
on labelled real sentences, ``--figure FILE`` draws the curve, ``--model DIR`` measures a trained
discretizer too.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from crossdl.anatomy import load_anatomy
from crossdl.registry import load_registry
from crossdl.reports import label_reports
from crossdl.statistics import auroc
from crossdl.text.labelled import read_labelled
from crossdl.text.scores import score
from crossdl.text.silver import silver_of
from crossdl.text.trained import load_discretizer
from crossdl.types import SentenceLabels

SIZES = (100, 300, 1000, 1500, 3000)
HELD_OUT = 900
TRAINING = {
    "patience": 1000,
    "batch_size": 16,
    "learning_rate": 1e-3,
    "schedule": "linear",
    "warmup": 0.1,
    "weight_decay": 0.01,
    "swap_probability": 0.0,
    "averaging": 0.995,
    "clip": 1.0,
}
STEPS = 4000
"""Of fine-tuning, whatever the number of sentences."""


@dataclass(frozen=True)
class Row:
    """One discretizer's figures."""

    name: str
    regions: float
    types: float
    said: tuple[float | None, ...]
    truth: tuple[float | None, ...]
    real: float | None
    minutes: float


def main() -> None:
    """Trains, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    book = load_registry(None)
    chosen = book.composition("discretizer")
    anatomy = load_anatomy(chosen.anatomy)
    cohort = book.catalog.create("cohort", chosen.cohort, anatomy)
    records = cohort.records()
    silver = silver_of(cohort, records, anatomy)
    tests = [r for r in records if r.split == "test"]
    test = different_from(silver.train, [cohort.silver(r) for r in tests], given.seed)
    real = None if given.real is None else read_labelled(given.real, anatomy).labels
    print(
        f"{len(silver.train.sentences)} training, {len(silver.valid.sentences)} validation and "
        f"{len(test.sentences)} test sentences (all different); {len(tests)} test reports"
    )

    def measured(name: str, reader: Any, minutes: float) -> Row:
        found = score(test, reader.label(test.sentences), anatomy)
        labels = [x for x in label_reports(reader, [r.findings for r in tests]) if x is not None]
        scores = np.array([report_scores(x) for x in labels])
        stated = np.array([cohort.silver(r).types.max(axis=0) for r in tests])
        gold = np.array([r.truth.max(axis=0) for r in tests])
        of_real = None
        if real is not None:
            of_real = score(real, reader.label(real.sentences), anatomy).micro["all"]
        areas = [
            tuple(auroc(y[:, j], scores[:, j]) for j in range(anatomy.n_types))
            for y in (stated, gold)
        ]
        regions, types = (found.macro[g] or 0.0 for g in ("regions", "types"))
        return Row(name, regions, types, *areas, of_real, minutes)

    rows = [measured("lexicon", book.catalog.create("discretizer", book.catalog.parse(
        "discretizer", "lexicon"), anatomy), 0.0)]  # fmt: skip
    if given.model is not None:
        rows.append(measured(given.model.name, load_discretizer(given.model, book.catalog), 0.0))
    base = chosen.discretizer.model_dump(mode="json")
    for size in given.sizes:
        epochs = max(1, round(STEPS * TRAINING["batch_size"] / size))
        training = {**TRAINING, "epochs": epochs}
        scratch = {**base["scratch"], "layers": 2, "width": 128, "heads": 4, "epochs": 20}
        fields = {**base, "silver": size, "exchanged": 0, "training": training, "scratch": scratch}
        reader = book.catalog.create(
            "discretizer", book.catalog.parse("discretizer", fields), anatomy
        )
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            reader.fit(
                silver.train,
                silver.valid,
                unlabelled=silver.unlabelled,
                seed=given.seed,
                folder=Path(folder),
            )
        minutes = (time.perf_counter() - begun) / 60
        rows.append(measured(f"bert, {size} sentences", reader, minutes))
        Console().print(table(rows, anatomy.type_names))
    if not given.sizes:
        Console().print(table(rows, anatomy.type_names))
    if given.json is not None:
        given.json.write_text(json.dumps([vars(row) for row in rows], indent=1) + "\n", "utf-8")
    if given.figure is not None:
        draw(rows, given.sizes, given.figure)


def different_from(train: SentenceLabels, parts: list[SentenceLabels], seed: int) -> SentenceLabels:
    """Different test sentences that are not in the training set, at most 900, drawn by seed."""
    from crossdl.text.silver import different

    every, known = different(parts), set(train.sentences)
    new = [i for i, text in enumerate(every.sentences) if text not in known]
    order = np.random.default_rng(seed).permutation(new)[:HELD_OUT]
    return every.take(np.sort(order))


def report_scores(labels: SentenceLabels) -> np.ndarray[Any, Any]:
    """Per type, the largest probability of a sentence that may have a region, ``(M,)``."""
    if not labels.sentences:
        return np.zeros(labels.types.shape[1])
    return np.asarray((labels.types * labels.regions.max(axis=1, keepdims=True)).max(axis=0))


def table(rows: list[Row], types: tuple[str, ...]) -> Table:
    """As Fig. S2A, as a table."""
    made = Table("discretizer", "mean F1 regions", "mean F1 types")
    for kind in types:
        made.add_column(f"AUROC {kind}\n(said / true)")
    made.add_column("real, micro-F1")
    made.add_column("minutes")
    for row in rows:
        pairs = [
            " / ".join("-" if v is None else f"{v:.3f}" for v in pair)
            for pair in zip(row.said, row.truth, strict=True)
        ]
        real = "-" if row.real is None else f"{row.real:.3f}"
        made.add_row(
            row.name, f"{row.regions:.3f}", f"{row.types:.3f}", *pairs, real, f"{row.minutes:.1f}"
        )
    return made


def draw(rows: list[Row], sizes: list[int], path: Path) -> None:
    """F1 over the number of sentences, the rules as lines."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    rules, learnt = rows[0], rows[-len(sizes) :]
    for name, colour in (("regions", "tab:blue"), ("types", "tab:orange")):
        values = [getattr(row, name) for row in learnt]
        axes.plot(sizes, values, "o-", color=colour, label=f"bert from nothing, {name}")
        axes.axhline(getattr(rules, name), color=colour, ls=":", label=f"lexicon, {name}")
    axes.axhline(0.97, color="grey", lw=0.8)
    axes.set(xscale="log", xlabel="labelled sentences", ylabel="mean F1 of the labels")
    axes.set_xticks(sizes, [f"{n:,}" for n in sizes])
    axes.minorticks_off()
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
