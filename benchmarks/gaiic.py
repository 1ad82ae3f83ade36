"""Report-level training on real reports: ``python benchmarks/gaiic.py --train FILE --out DIR``.

FILE is ``labelled.csv`` of GAIIC 2021 track 1 (Tianchi): a report a line,
``id|,|tokens|,|regions ,types``, characters replaced by numbers. ``--unlabelled`` adds texts for
masked-language pre-training, ``--test`` names labelled reports to measure on; without it, a part
of FILE is kept apart (``--fold`` 0 to 3). Writes ``probabilities.csv``, ``metrics.json`` and the
model into DIR, and prints AUC per label and the score of the competition. The labels are those of
``gaiic2021.toml``; nothing else here knows the corpus, the model is the discretizer ``bert``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from crossdl.labels import load_labels
from crossdl.plugins.discretizers.bert import BertConfig, BertDiscretizer
from crossdl.types import SentenceLabels

HERE = Path(__file__).resolve().parent

RECIPE: dict[str, Any] = {
    "model": "new",
    "encoder": "scratch",
    "level": "report",
    "silver": 0,
    "pooling": "label_attention",
    "scratch": {
        "vocabulary": "blank",
        "min_frequency": 1,
        "layers": 4,
        "width": 256,
        "epochs": 14,
        "batch_size": 32,
        "learning_rate": 6e-4,
        "mask_rate": 0.2,
    },
    "training": {
        "epochs": 8,
        "patience": 8,
        "batch_size": 32,
        "learning_rate": 5e-4,
        "head_rate": 2.0,
        "schedule": "linear",
        "warmup": 0.1,
        "weight_decay": 0.01,
        "swap_probability": 0.0,
        "mix_probability": 0.25,
        "mix_rarity": 0.5,
        "mix_share": 0.7,
        "mask_rate": 0.1,
        "averaging": 0.99,
        "dropout": 0.2,
        "clip": 1.0,
    },
}
"""Fields of the discretizer's config."""


def main() -> None:
    """Trains, measures, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--unlabelled", type=Path)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--fold", type=int, default=0, choices=range(4))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--config", default="{}", help="JSON merged into the recipe")
    parser.add_argument("--work", type=Path, help="folder of checkpoints; default: a temporary one")
    given = parser.parse_args()
    begun = time.perf_counter()
    labels = load_labels(str(HERE / "gaiic2021.toml"))
    names, rows = read_labelled(given.train, len(labels.label_names), labels.n_types)
    if given.test is not None:
        test_names, test = read_labelled(given.test, len(labels.label_names), labels.n_types)
    else:
        order = np.random.default_rng(2021).permutation(len(names))
        held, kept = order[given.fold :: 4], np.delete(order, np.s_[given.fold :: 4])
        test_names, test = [names[i] for i in held], rows.take(held)
        rows = rows.take(kept)
    order = np.random.default_rng(given.seed).permutation(len(rows.sentences))
    n_valid = max(1, len(order) // 20)
    valid, train = rows.take(order[:n_valid]), rows.take(order[n_valid:])
    texts = [] if given.unlabelled is None else given.unlabelled.read_text("utf-8").splitlines()
    config = BertConfig.model_validate(merged(RECIPE, json.loads(given.config)))
    discretizer = BertDiscretizer(config, labels)
    with tempfile.TemporaryDirectory() as scratch:
        discretizer.fit(
            train,
            valid,
            unlabelled=[t for t in (t.strip() for t in texts) if t],
            seed=given.seed,
            folder=given.work or Path(scratch),
        )
    trained = time.perf_counter() - begun
    said = discretizer.label(test.sentences)
    given.out.mkdir(parents=True, exist_ok=True)
    discretizer.save(given.out)
    write_probabilities(given.out / "probabilities.csv", test_names, said, labels)
    results = measure(test, said, labels)
    results["seconds"] = {"training": trained, "all": time.perf_counter() - begun}
    (given.out / "metrics.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    show(results, len(train.sentences), len(test.sentences))


def read_labelled(path: Path, n_regions: int, n_types: int) -> tuple[list[str], SentenceLabels]:
    """Names and labels of the reports of a file."""
    names, texts = [], []
    lines = path.read_text("utf-8").splitlines()
    values = (np.zeros((len(lines), n), dtype=np.float32) for n in (n_regions, n_types))
    regions, types = values
    for i, line in enumerate(lines):
        name, text, stated = line.split("|,|")
        for column, indices in zip((regions, types), (stated + ",").split(","), strict=False):
            column[i, [int(k) for k in indices.split()]] = 1
        names.append(name)
        texts.append(text.strip())
    return names, SentenceLabels(tuple(texts), regions, types)


def measure(truth: SentenceLabels, said: SentenceLabels, labels: Any) -> dict[str, Any]:
    """AUC and log loss of every label, their means, and the competition's score."""
    from sklearn.metrics import log_loss, roc_auc_score

    results: dict[str, Any] = {"labels": {}}
    for group, names in (("regions", labels.label_names), ("types", labels.type_names)):
        y, p = getattr(truth, group), getattr(said, group).astype(np.float64)
        each = {
            name: {
                "positives": int(y[:, j].sum()),
                "auc": float(roc_auc_score(y[:, j], p[:, j]))
                if 0 < y[:, j].sum() < len(y)
                else None,
                "log_loss": float(log_loss(y[:, j], p[:, j], labels=[0, 1])),
            }
            for j, name in enumerate(names)
        }
        results["labels"] |= each
        areas = [e["auc"] for e in each.values() if e["auc"] is not None]
        results[group] = {
            "auc": float(np.mean(areas)),
            "log_loss": float(np.mean([e["log_loss"] for e in each.values()])),
        }
    losses = (results["regions"]["log_loss"], results["types"]["log_loss"])
    results["score"] = 0.6 * (1 - losses[0]) + 0.4 * (1 - losses[1])
    return results


def write_probabilities(path: Path, names: list[str], said: SentenceLabels, labels: Any) -> None:
    """One report a line: its name, then a probability per label."""
    header = ",".join(["id", *labels.label_names, *labels.type_names])
    values = np.hstack([said.regions, said.types])
    lines = [
        ",".join([n, *(f"{p:.6f}" for p in row)]) for n, row in zip(names, values, strict=True)
    ]
    path.write_text("\n".join([header, *lines]) + "\n", "utf-8")


def show(results: dict[str, Any], n_train: int, n_test: int) -> None:
    """Prints the tables."""
    table = Table("label", "positives", "AUC", "log loss", title=f"{n_test} reports")
    for name, one in results["labels"].items():
        area = "-" if one["auc"] is None else f"{one['auc']:.4f}"
        table.add_row(name, str(one["positives"]), area, f"{one['log_loss']:.4f}")
    console = Console()
    console.print(table)
    for group in ("regions", "types"):
        console.print(f"mean AUC of {group}: {results[group]['auc']:.4f}")
    console.print(f"score: {results['score']:.4f}")
    minutes = results["seconds"]["training"] / 60
    console.print(f"trained on {n_train} reports in {minutes:.1f} minutes")


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """``base`` with nested changes."""
    both = {k: v for k, v in change.items() if not isinstance(v, dict)}
    return (
        base
        | both
        | {k: merged(base.get(k, {}), v) for k, v in change.items() if isinstance(v, dict)}
    )


if __name__ == "__main__":
    main()
