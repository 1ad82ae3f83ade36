"""Cells of report matrices by both merges: ``python benchmarks/linking.py [NAME] [--cells FILE]``.

NAME is ``lexicon`` (the default), the folder of a trained discretizer or a composition. Reports are
those of phantoms, written without flaws, so that the truth of the scan is what a report says. By
``sentence`` all regions of a sentence share all its types (E1); by ``clause`` only those count that
the discretizer links. Simulated sentences say one thing each, therefore a second row joins each
sentence with a finding to the next one, by a comma; what normal sentences say stays as it is.
``--cells`` adds hand-made sentences from a file like ``tests/plugins/discretizers/links.txt``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.registry import load_registry
from crossdl.reports import label_sentences, merge
from crossdl.text.trained import find_discretizer

PARTS = {"F": "frontal_lobe", "T": "temporal_lobe", "P": "parietal_lobe", "O": "occipital_lobe"}
PARTS |= {"CO": "centrum_ovale", "BG": "basal_ganglia", "LV": "lateral_ventricle"}
PARTS |= {"CB": "cerebellum"}
SHORT = {f"{s[0].upper()}{k}": [f"{s}_{p}"] for s in ("left", "right") for k, p in PARTS.items()}
SHORT |= {f"B{k}": [f"left_{p}", f"right_{p}"] for k, p in PARTS.items()}
SHORT |= {"BS": ["brain_stem"], "OT": ["other"], "UN": ["unclear"]}
SHORT |= {"IH": ["intra_hyper"], "EH": ["extra_hyper"], "IL": ["intra_hypo"], "EL": ["extra_hypo"]}
STYLE = {"error_rate": 0, "silent_rate": 0, "vague_rate": 0, "typo_rate": 0}

Case = tuple[list[str], np.ndarray[Any, Any]]
"""The sentences of a report and its matrix."""


def main() -> None:
    """Prints one row per corpus and merge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", default="lexicon")
    parser.add_argument("--reports", type=int, default=400)
    parser.add_argument("--cells", type=Path)
    given = parser.parse_args()
    book = load_registry(None)
    if given.name == "lexicon":
        anatomy = load_anatomy("head_ct")
        reader = book.catalog.create(
            "discretizer", book.catalog.parse("discretizer", "lexicon"), anatomy
        )
    else:
        reader = find_discretizer(given.name, book)
        anatomy = reader.labels
        if not isinstance(anatomy, Anatomy):
            raise SystemExit(f"{given.name} was trained for other labels than an anatomy's")
    cases = phantom_cases(book, anatomy, given.reports)
    corpora = {
        "phantom reports": cases,
        "the same, joined": [(joined(*case), case[1]) for case in cases],
    }
    if given.cells is not None:
        corpora[given.cells.name] = written_cases(given.cells, anatomy)
    table = Table("reports", "linking", "precision", "recall", "F1", "exact")
    for name, chosen in corpora.items():
        for linking in ("sentence", "clause"):
            table.add_row(f"{name} ({len(chosen)})", linking, *measured(reader, chosen, linking))
    Console().print(table)


def phantom_cases(book: Any, anatomy: Anatomy, number: int) -> list[Case]:
    """Reports of phantoms with lesions; scans stay coarse, only their reports are wanted."""
    fields = {
        "kind": "phantom",
        "seed": 23,
        "patients": {"train": 1, "valid": 1, "test": number},
        "repeat_rate": 0.0,
        "positive_rate": 1.0,
        "matrix": 64,
        "model_mm": 4.0,
        "reports": STYLE,
    }
    cohort = book.catalog.create("cohort", book.catalog.parse("cohort", fields), anatomy)
    records = [record for record in cohort.records() if record.split == "test"]
    return [(list(cohort.silver(record).sentences), record.truth) for record in records]


def joined(sentences: Sequence[str], truth: np.ndarray[Any, Any]) -> list[str]:
    """Every two sentences of a report as one; ``truth`` stays that of the report."""
    pairs = [sentences[i : i + 2] for i in range(0, len(sentences), 2)]
    return [
        ("，" if any("\u4e00" <= c for c in pair[0]) else ", ").join(
            sentence.rstrip("。. ") for sentence in pair
        )
        for pair in pairs
    ]


def written_cases(path: Path, anatomy: Anatomy) -> list[Case]:
    """Hand-made sentences, each as a report."""
    cases = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        sentence, stated = line.rsplit("|", 1)
        truth = np.zeros((len(anatomy.label_names), anatomy.n_types), dtype=np.float32)
        for place, types in (entry.split(":") for entry in stated.split()):
            rows = [anatomy.label_names.index(name) for name in SHORT[place]]
            for kind in types.split("+"):
                truth[rows, anatomy.type_names.index(SHORT[kind][0])] = 1
        cases.append(([sentence.strip()], truth))
    return cases


def measured(reader: Any, cases: Sequence[Case], linking: str) -> tuple[str, ...]:
    """Precision, recall and F1 of all cells, and the share of matrices without any error."""
    labels = label_sentences(reader, [s for sentences, _ in cases for s in sentences])
    if linking == "clause":
        labels = replace(labels, links=reader.link(labels))
    hits = said = meant = exact = at = 0
    for sentences, truth in cases:
        own = labels.take(list(range(at, at + len(sentences))))
        at += len(sentences)
        found = merge(own, reader.labels).values > 0.5
        hits += int((found & (truth > 0.5)).sum())
        said += int(found.sum())
        meant += int((truth > 0.5).sum())
        exact += bool((found == (truth > 0.5)).all())
    figures = (hits / max(said, 1), hits / max(meant, 1), 2 * hits / max(said + meant, 1))
    return (*(f"{figure:.3f}" for figure in figures), f"{exact}/{len(cases)}")


if __name__ == "__main__":
    main()
