"""Micro-F1 of the rules on labelled sentences: ``python benchmarks/lexicon.py [FILE] [--errors]``.

FILE is JSON lines with ``sentence``, ``language``, ``regions`` and ``types``; without it, the
sentences of the folder named by CROSSDL_DATA are used.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from crossdl.anatomy import load_anatomy
from crossdl.plugins.discretizers.lexicon import LexiconConfig, LexiconDiscretizer


def micro_f1(truth: np.ndarray, said: np.ndarray) -> float:
    """2 TP / (2 TP + FP + FN) over all cells; 1 where there is nothing to find."""
    wrong = int((truth != said).sum())
    right = 2 * int((truth & said).sum())
    return right / (right + wrong) if right + wrong else 1.0


def main() -> None:
    """Prints one row per language."""
    files = [a for a in sys.argv[1:] if not a.startswith("--")]
    if files:
        file = Path(files[0])
    elif "CROSSDL_DATA" in os.environ:
        file = Path(os.environ["CROSSDL_DATA"]) / "sentences" / "head_ct_sentences.jsonl"
    else:
        raise SystemExit("give a file, or set CROSSDL_DATA")
    anatomy = load_anatomy("head_ct")
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]
    labels = LexiconDiscretizer(LexiconConfig(), anatomy).label([r["sentence"] for r in rows])
    said = {"regions": labels.regions > 0.5, "types": labels.types > 0.5}
    names = {"regions": anatomy.label_names, "types": anatomy.type_names}
    truth = {k: np.array([[n in r[k] for n in names[k]] for r in rows]) for k in names}
    table = Table("language", "sentences", "regions F1", "types F1", "all F1", "exact")
    for language in (*sorted({r["language"] for r in rows}), "all"):
        chosen = np.array([language in ("all", r["language"]) for r in rows])
        t = np.hstack([truth["regions"], truth["types"]])[chosen]
        s = np.hstack([said["regions"], said["types"]])[chosen]
        n = len(anatomy.label_names)
        scores = (micro_f1(t[:, :n], s[:, :n]), micro_f1(t[:, n:], s[:, n:]), micro_f1(t, s))
        exact = f"{int((t == s).all(axis=1).sum())}/{len(t)}"
        table.add_row(language, str(len(t)), *(f"{f:.3f}" for f in scores), exact)
    Console().print(table)
    if "--errors" in sys.argv:
        for i, row in enumerate(rows):
            got = {k: [n for n, p in zip(names[k], said[k][i], strict=True) if p] for k in names}
            if any(set(got[k]) != set(row[k]) for k in names):
                print(row["sentence"], "\n   is ", row["regions"], row["types"])
                print("   got", got["regions"], got["types"])


if __name__ == "__main__":
    main()
