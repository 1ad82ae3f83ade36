"""Discretizers on simulated reports: ``python benchmarks/discretizers.py --rows FILE``.

Trains ``bert`` as the composition ``discretizer`` says on 100 to 3,000 silver sentences of the
phantom cohort (Fig. S2A of Liu et al.) and on sentences made of the unlabelled reports by
exchanging terms, which rules label, and measures it on 900 sentences of other patients, with the
rules of ``lexicon`` beside it: mean F1 over region and over type labels, and report-level AUROC per
type against the silver labels of the report (what it says) and against the truth of its scan
(errors and omissions of the report included). ``--plain`` trains without such sentences,
``--model DIR`` measures a trained discretizer, ``--real FILE`` adds micro-F1 on labelled real
sentences, ``--figure FILE`` draws the curve. ``--rows FILE`` keeps the figures of every
discretizer; what it has is not trained again. All sizes share one pre-training; the first pays for
it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.files import write_json
from crossdl.interfaces import ReportDiscretizer
from crossdl.registry import Registry, load_registry
from crossdl.reports import label_reports
from crossdl.statistics.auroc import auroc
from crossdl.text.labelled import read_labelled
from crossdl.text.scores import languages, score
from crossdl.text.silver import Silver, different, silver_of
from crossdl.text.trained import load_discretizer
from crossdl.types import BoolArray, SentenceLabels

SIZES = (100, 300, 1000, 1500, 3000)
HELD_OUT = 900
PLAIN_STEPS = 4000
"""Of fine-tuning without exchanged sentences, whatever the number of silver sentences."""


@dataclass(frozen=True)
class Row:
    """One discretizer's figures.

    Attributes:
        name: What it is.
        silver: Silver sentences it learnt from; None if it did not learn here.
        regions: Mean F1 of the region labels.
        types: Mean F1 of the type labels.
        said: Report-level AUROC per type against what the reports say.
        truth: The same against what the scans have.
        real: Micro-F1 on real sentences, by language.
        minutes: Of training.
    """

    name: str
    silver: int | None
    regions: float
    types: float
    said: Sequence[float | None]
    truth: Sequence[float | None]
    real: Mapping[str, float | None]
    minutes: float


def main() -> None:
    """Trains, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    known = json.loads(given.rows.read_text("utf-8")) if given.rows.is_file() else []
    rows = {one["name"]: Row(**one) for one in known}
    bench = Bench.make(given.seed, given.real, given.rows.with_suffix(".work"))

    def add(name: str, silver: int | None, train: Callable[[], ReportDiscretizer[Any]]) -> None:
        if name in rows:
            return
        begun = time.perf_counter()
        reader = train()
        minutes = 0.0 if silver is None else (time.perf_counter() - begun) / 60
        rows[name] = bench.measured(name, silver, reader, minutes)
        write_json(given.rows, [asdict(row) for row in rows.values()])
        Console(width=140).print(table(list(rows.values()), bench.anatomy.type_names))

    add("lexicon", None, bench.rules)
    if given.model is not None:
        path = given.model
        add(path.name, None, lambda: load_discretizer(path, bench.book.catalog))
    for size in given.sizes:
        name = f"bert, {size:,} sentences" + (", nothing exchanged" if given.plain else "")
        add(name, size, partial(bench.trained, size, plain=given.plain))
    Console(width=140).print(table(list(rows.values()), bench.anatomy.type_names))
    if given.figure is not None:
        draw(list(rows.values()), given.figure)


@dataclass(frozen=True, eq=False)
class Bench:
    """Texts to learn from and to measure on."""

    book: Registry
    anatomy: Anatomy
    silver: Silver
    reports: Sequence[str]
    test: SentenceLabels
    said: BoolArray
    truth: BoolArray
    real: SentenceLabels | None
    seed: int
    work: Path

    @classmethod
    def make(cls, seed: int, real: Path | None, work: Path) -> Bench:
        """From the composition ``discretizer`` and labelled real sentences."""
        book = load_registry(None)
        chosen = book.composition("discretizer")
        anatomy = load_anatomy(chosen.anatomy)
        cohort = book.catalog.create("cohort", chosen.cohort, anatomy)
        records = cohort.records()
        silver = silver_of(cohort, records, anatomy)
        tests = [r for r in records if r.split == "test"]
        labels = [cohort.silver(r) for r in tests]
        bench = cls(
            book,
            anatomy,
            silver,
            [r.findings for r in tests],
            different_from(silver.train, labels, seed),
            np.array([x.types.max(axis=0) >= 0.5 for x in labels]),
            np.array([r.truth.max(axis=0) >= 0.5 for r in tests]),
            None if real is None else read_labelled(real, anatomy).labels,
            seed,
            work,
        )
        print(
            f"{len(silver.train.sentences):,} training, {len(silver.valid.sentences)} validation "
            f"and {len(bench.test.sentences)} test sentences, all different; {len(tests)} test "
            "reports"
        )
        return bench

    def rules(self) -> ReportDiscretizer[Any]:
        """``lexicon``."""
        made: ReportDiscretizer[Any] = self.book.catalog.create(
            "discretizer", self.book.catalog.parse("discretizer", "lexicon"), self.anatomy
        )
        return made

    def trained(self, size: int, *, plain: bool) -> ReportDiscretizer[Any]:
        """``bert`` after learning from so many silver sentences."""
        fields = self.book.composition("discretizer").discretizer.model_dump(mode="json")
        fields["silver"] = size
        if plain:
            training = fields["training"]
            epochs = max(1, round(PLAIN_STEPS * training["batch_size"] / size))
            fields |= {
                "exchanged": 0,
                "scratch": {**fields["scratch"], "epochs": 20},
                "training": {**training, "epochs": epochs, "patience": epochs},
            }
        made: ReportDiscretizer[Any] = self.book.catalog.create(
            "discretizer", self.book.catalog.parse("discretizer", fields), self.anatomy
        )
        work = self.work / ("plain" if plain else "exchanged")
        before, own = work / "pretraining", work / str(size)
        if before.is_dir():  # the same texts whatever the number of labelled ones
            shutil.copytree(before, own / before.name, dirs_exist_ok=True)
        made.fit(
            self.silver.train,
            self.silver.valid,
            unlabelled=self.silver.unlabelled,
            seed=self.seed,
            folder=own,
        )
        if not before.is_dir():
            shutil.copytree(own / before.name, before)
        return made

    def measured(
        self, name: str, silver: int | None, reader: ReportDiscretizer[Any], minutes: float
    ) -> Row:
        """Everything about one discretizer."""
        found = score(self.test, reader.label(self.test.sentences), self.anatomy)
        labels = [x for x in label_reports(reader, self.reports) if x is not None]
        scores = np.array([report_scores(x) for x in labels])
        areas = [
            [auroc(y[:, j], scores[:, j]) for j in range(self.anatomy.n_types)]
            for y in (self.said, self.truth)
        ]
        real: dict[str, float | None] = {}
        if self.real is not None:
            spoken = np.array(languages(self.real, self.anatomy))
            said = reader.label(self.real.sentences)
            for language in ("all", *sorted(set(spoken))):
                index = np.flatnonzero((spoken == language) | (language == "all"))
                part = score(self.real.take(index), said.take(index), self.anatomy)
                real[language] = part.micro["all"]
        regions, types = (found.macro[g] or 0.0 for g in ("regions", "types"))
        return Row(name, silver, regions, types, *areas, real, minutes)


def different_from(train: SentenceLabels, parts: list[SentenceLabels], seed: int) -> SentenceLabels:
    """Different test sentences that are not in the training set, at most 900, drawn by seed."""
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
    made.add_column("real text, micro-F1")
    made.add_column("minutes")
    for row in rows:
        pairs = [
            " / ".join("-" if v is None else f"{v:.3f}" for v in pair)
            for pair in zip(row.said, row.truth, strict=True)
        ]
        real = ", ".join(f"{k} {v:.3f}" for k, v in row.real.items() if v is not None)
        made.add_row(
            row.name, f"{row.regions:.3f}", f"{row.types:.3f}", *pairs, real, f"{row.minutes:.1f}"
        )
    return made


def draw(rows: list[Row], path: Path) -> None:
    """F1 over the number of sentences, the rules as lines."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    rules = next(row for row in rows if row.name == "lexicon")
    learnt = sorted((row for row in rows if row.silver), key=lambda row: row.silver or 0)
    plain = [row for row in learnt if row.name.endswith("exchanged")]
    curve = [row for row in learnt if row not in plain]
    for name, colour in (("regions", "tab:blue"), ("types", "tab:orange")):
        for part, style, what in ((curve, "o-", ""), (plain, "x:", ", nothing exchanged")):
            if not part:
                continue
            axes.plot(
                [row.silver for row in part],
                [getattr(row, name) for row in part],
                style,
                color=colour,
                label=f"bert, {name}{what}",
            )
        axes.axhline(getattr(rules, name), color=colour, ls="--", lw=1, label=f"lexicon, {name}")
    axes.axhline(0.97, color="grey", lw=0.8)
    sizes = [row.silver for row in curve]
    axes.set(xscale="log", xlabel="silver sentences", ylabel="mean F1 of the labels")
    axes.set_xticks(sizes, [f"{n:,}" for n in sizes])
    axes.minorticks_off()
    axes.legend(loc="lower right", fontsize="small")
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
