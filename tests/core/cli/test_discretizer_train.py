"""``crossdl discretizer train`` and ``evaluate`` on files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crossdl.cli import app
from crossdl.errors import InputError

TINY = [
    "discretizer.exchanged=0",
    "discretizer.scratch={layers=1, width=16, heads=2, epochs=1}",
    "discretizer.training={epochs=1, learning_rate=1e-3}",
]


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Twenty labelled sentences."""
    path = tmp_path / "silver.jsonl"
    rows = [
        {
            "id": str(i),
            "sentence": f"{'Left' if i % 2 else 'Right'} frontal hemorrhage, {i} mm",
            "regions": ["left_frontal_lobe" if i % 2 else "right_frontal_lobe"],
            "types": ["intra_hyper"],
        }
        for i in range(20)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["discretizer", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def train(labelled: Path, out: Path, *more: str) -> str:
    changes = [part for change in TINY for part in ("--set", change)]
    return run("train", str(labelled), "--out", str(out), *changes, *more)


def test_trained_on_a_file_and_measured(labelled: Path, tmp_path: Path) -> None:
    assert "18 labelled texts to train, 2 to validate" in train(labelled, tmp_path / "model")
    scores = tmp_path / "scores.json"
    run("evaluate", str(labelled), "--discretizer", str(tmp_path / "model"), "--out", str(scores))
    found = json.loads(scores.read_text("utf-8"))["all"]
    assert found["n"] == 20 and found["labels"]["left_frontal_lobe"]["positives"] == 10


def test_the_seed_reaches_split_and_training(labelled: Path, tmp_path: Path) -> None:
    described = []
    for name, more in (("a", []), ("b", ["--seed", "0"]), ("c", ["--seed", "5"])):
        train(labelled, tmp_path / name, *more)
        described.append(json.loads((tmp_path / name / "model.json").read_text("utf-8")))
    assert described[0] == described[1]
    assert [d["training"]["seed"] for d in described] == [0, 0, 5]


def test_what_cannot_be_trained(labelled: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "model.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="holds a trained discretizer"):
        train(labelled, tmp_path / "full")
    with pytest.raises(InputError, match="needs no training"):
        run("train", str(labelled), "--out", str(tmp_path / "new"), "--composition", "crossdl")
