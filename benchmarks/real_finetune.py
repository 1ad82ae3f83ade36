"""The demonstrator after learning on from real scans by weak labels only.

``python benchmarks/real_finetune.py CT_ICH_FOLDER``: five folds by patient. Of each training
patient only one thing is known: which haemorrhages the scan shows, written as sentences of a
report ("There is an epidural hematoma.") and read by the lexicon like any report. No region, no
side, no slice, no mask. The model starts from the shipped one; a fifth of the training patients
chooses the epoch by the scan loss (E9). Every scan is then scored by the fold that has not seen it.
Printed is the table of ``real_transfer.py``.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from real_transfer import Answer, answer, report

from crossdl.anatomy import Anatomy
from crossdl.catalog import default_catalog
from crossdl.interfaces import AbnormalityAnalyzer
from crossdl.models import load_model
from crossdl.plugins.cohorts._reads import HAEMORRHAGES
from crossdl.plugins.cohorts.ct_ich import CtIch
from crossdl.preprocessing import preprocess
from crossdl.progress import track
from crossdl.reports import discretize_reports
from crossdl.training.samples import Sample
from crossdl.types import ScanRecord

FOLDS = 5
SENTENCES = {
    "IPH": "There is an intraparenchymal hematoma.",
    "IVH": "There is intraventricular hemorrhage.",
    "SAH": "There is subarachnoid hemorrhage.",
    "EDH": "There is an epidural hematoma.",
    "SDH": "There is a subdural hematoma.",
}
NOTHING = "No hemorrhage is seen."


def findings(record: ScanRecord) -> str:
    """What a report without any place would say of the scan."""
    assert record.reads is not None
    said = [SENTENCES[name] for name in HAEMORRHAGES if record.reads[name] == 1]
    return " ".join(said or [NOTHING])


def samples(cohort: CtIch, anatomy: Anatomy, shape: tuple[int, int, int]) -> list[Sample]:
    """Prepared scans with weak labels and without regions, so that E4 skips them."""
    catalog = default_catalog()
    lexicon = catalog.create(
        "discretizer", catalog.parse("discretizer", {"kind": "lexicon"}), anatomy
    )
    records = cohort.records()
    labels = discretize_reports(lexicon, [findings(record) for record in records])
    made = []
    for record, matrix in zip(track(records, "preparing"), labels, strict=True):
        assert matrix is not None
        image = preprocess(cohort.volume(record), anatomy, shape).image
        made.append(Sample(record.scan_id, image, np.zeros_like(image), matrix.values))
    return made


def folds(records: Sequence[ScanRecord], seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Fold of every scan; haemorrhages are spread evenly."""
    rng = np.random.default_rng(seed)
    sick = np.array([record.reads is not None and record.reads["ICH"] == 1 for record in records])
    fold = np.empty(len(records), dtype=np.int64)
    for group in (np.flatnonzero(sick), np.flatnonzero(~sick)):
        fold[rng.permutation(group)] = np.arange(len(group)) % FOLDS
    return fold


def tuned(
    start: AbnormalityAnalyzer[Any], train: Sequence[Sample], settings: dict[str, Any], seed: int
) -> AbnormalityAnalyzer[Any]:
    """The model after learning on; every fifth scan chooses the epoch."""
    catalog = default_catalog()
    raw = {**start.config.model_dump(mode="json"), **settings}
    analyzer: AbnormalityAnalyzer[Any] = catalog.create(
        "analyzer", catalog.parse("analyzer", raw), start.anatomy
    )
    order = np.random.default_rng(seed).permutation(len(train))
    valid, rest = order[: len(train) // 5], order[len(train) // 5 :]
    with tempfile.TemporaryDirectory() as folder:
        analyzer.fit(
            tuple(train[int(i)] for i in rest),
            tuple(train[int(i)] for i in valid),
            seed=seed,
            folder=Path(folder),
        )
    return analyzer


def main() -> None:
    """Prints the table of the scans, each scored by a model that has not seen it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="CT-ICH as it was downloaded")
    parser.add_argument(
        "--model", type=Path, help="model to start from; the shipped one by default"
    )
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = load_model(arguments.model)
    settings = {
        "start_from": "shipped" if arguments.model is None else str(arguments.model),
        "epochs": arguments.epochs,
        "patience": arguments.epochs,
        "learning_rate": arguments.rate,
        "schedule": "cosine",
        "region_weight": 0.0,
        "alpha": 1.0,
        "batch_size": 1,
        "execution": {},
    }
    config = default_catalog().parse("cohort", {"kind": "ct_ich", "folder": arguments.folder})
    cohort = default_catalog().create("cohort", config, start.anatomy)
    records = cohort.records()
    made = samples(cohort, start.anatomy, start.input_shape)
    fold = folds(records, arguments.seed)
    answers: list[Answer] = []
    for k in range(FOLDS):
        train = [made[int(i)] for i in np.flatnonzero(fold != k)]
        model = tuned(start, train, settings, arguments.seed)
        answers += [answer(model, cohort, records[int(i)]) for i in np.flatnonzero(fold == k)]
    print(f"{FOLDS} folds, {arguments.epochs} epochs, rate {arguments.rate:g}")
    print("\n".join(report(answers)))


if __name__ == "__main__":
    main()
