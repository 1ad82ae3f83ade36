"""Discretizers that learn from a cohort, and what they read in its reports: each made once.

Both are kept in the cache, so that runs and the cells of a study share them.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.cache import digest, location, stored
from crossdl.config import ComponentConfig
from crossdl.types import SentenceLabels

if TYPE_CHECKING:
    from crossdl.anatomy import Anatomy
    from crossdl.catalog import Catalog
    from crossdl.interfaces import CohortSource, ReportDiscretizer
    from crossdl.types import ScanRecord

_VERSION = 1
"""Raised whenever learning or reading gives something else for the same texts."""

_MODELS, _READINGS = "discretizers", "readings"


@dataclass(frozen=True, eq=False)
class CohortDiscretizer:
    """A discretizer ready to label.

    Attributes:
        discretizer: Trained.
        folder: Where it is kept if it learned from the cohort, else None; the folder's name
            changes whenever its labels would.
    """

    discretizer: ReportDiscretizer[Any]
    folder: Path | None

    def read(self, findings: Sequence[str | None]) -> list[SentenceLabels | None]:
        """As :func:`crossdl.reports.label_reports`; labels of one that has learned are kept."""
        from crossdl.reports import find_units, label_reports, label_sentences

        made = self.discretizer
        if self.folder is None:
            return label_reports(made, findings)
        texts = [
            None if text is None else [unit.text for unit in find_units(made, text)]
            for text in findings
        ]
        number: dict[str, int] = {}
        for sentences in texts:
            for sentence in sentences or ():
                number.setdefault(sentence, len(number))
        key = {
            "version": _VERSION,
            "model": self.folder.name,
            "config": made.config.model_dump(mode="json"),
            "texts": _digest_of(list(number)),
        }
        folder = stored(
            _READINGS, key, lambda target: _write(target, label_sentences(made, list(number)))
        )
        labels = _read(folder, tuple(number))
        return [
            None if sentences is None else labels.take([number[s] for s in sentences])
            for sentences in texts
        ]


def cohort_discretizer(
    config: ComponentConfig,
    *,
    catalog: Catalog,
    cohort: CohortSource[Any],
    records: Sequence[ScanRecord],
    anatomy: Anatomy,
    seed: int,
) -> CohortDiscretizer:
    """The discretizer of a composition; one that is yet to be trained learns from the silver.

    A killed training continues. Several processes that need one wait for the first of them.

    Args:
        config: Of the discretizer.
        catalog: Where its kind comes from.
        cohort: Has silver sentences, if it must learn.
        records: All of the cohort.
        anatomy: Its labels.
        seed: Of the training.

    Raises:
        InputError: It must learn and the cohort has no silver sentences in a split.
    """
    from filelock import FileLock

    from crossdl.text.silver import silver_of

    made: ReportDiscretizer[Any] = catalog.create("discretizer", config, anatomy)
    if made.trained:
        return CohortDiscretizer(made, None)
    silver = silver_of(cohort, records, anatomy)
    source = catalog.entry("discretizer", config.kind).path
    key = {
        "version": _VERSION,
        "config": config.model_dump(mode="json"),
        "anatomy": digest(anatomy.model_dump(mode="json")),
        "seed": seed,
        "train": _digest_of(silver.train.sentences, silver.train.regions, silver.train.types),
        "valid": _digest_of(silver.valid.sentences, silver.valid.regions, silver.valid.types),
        "unlabelled": _digest_of(silver.unlabelled),
        "source": hashlib.sha256(source.read_bytes()).hexdigest() if source else None,
    }
    at = location(_MODELS, key)
    training = at.with_name(f"{at.name}.training")
    at.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(at.with_name(f"{at.name}.lock")):
        if not at.is_dir():
            made.fit(
                silver.train,
                silver.valid,
                unlabelled=silver.unlabelled,
                seed=seed,
                folder=training,
            )
            stored(_MODELS, key, made.save)
        shutil.rmtree(training, ignore_errors=True)
    made.load(at)  # what labels is what is kept, rounded weights included
    return CohortDiscretizer(made, at)


def _write(folder: Path, labels: SentenceLabels) -> None:
    arrays: dict[str, Any] = {"regions": labels.regions, "types": labels.types}
    if labels.links is not None:
        arrays["links"] = labels.links
    if labels.thresholds is not None:
        arrays["region_thresholds"], arrays["type_thresholds"] = labels.thresholds
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def _read(folder: Path, sentences: tuple[str, ...]) -> SentenceLabels:
    def array(name: str) -> Any:
        path = folder / f"{name}.npy"
        return np.load(path, allow_pickle=False) if path.is_file() else None

    cuts = array("region_thresholds"), array("type_thresholds")
    return SentenceLabels(
        sentences,
        array("regions"),
        array("types"),
        array("links"),
        None if cuts[0] is None else cuts,
    )


def _digest_of(texts: Sequence[str], *arrays: Any) -> str:
    found = hashlib.blake2b(digest_size=16)
    for text in texts:
        found.update(text.encode("utf-8", "surrogatepass") + b"\0")
    for values in arrays:
        found.update(np.ascontiguousarray(values).data)
    return found.hexdigest()
