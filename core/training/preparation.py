"""What a run needs before it trains: records, weak labels, coarse regions, samples.

All of it is kept in the cache by its content, so runs and the cells of a study share it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.errors import CrossDLError
from crossdl.interfaces import CohortSource
from crossdl.types import AbnormalityMatrix, FloatArray, ScanRecord, SentenceLabels, Split

if TYPE_CHECKING:
    from crossdl.catalog import Catalog
    from crossdl.registry import Composition
    from crossdl.segmentation import CohortRegions
    from crossdl.text.learned import CohortDiscretizer
    from crossdl.training.samples import Sample

LEARNT: tuple[Split, Split] = ("train", "valid")
"""Splits that training looks at."""

Announce = Callable[[str], AbstractContextManager[None]]
Fail = Callable[[str, str, str], None]


class Preparation:
    """The stages before training, each done when it is first asked for.

    Attributes:
        composition: What is prepared for.
        catalog: Where its kinds come from.
        anatomy: The composition's.
        cohort: The composition's.
    """

    def __init__(
        self,
        composition: Composition,
        catalog: Catalog,
        *,
        workers: int | None,
        stage: Announce,
        fail: Fail,
    ) -> None:
        """Does nothing yet.

        Args:
            composition: Validated.
            catalog: Where its kinds come from.
            workers: Registration processes, None for one per core.
            stage: A context around each stage, given its title.
            fail: Told of a scan, the stage and why it failed there.
        """
        self.composition = composition
        self.catalog = catalog
        self.anatomy: Anatomy = load_anatomy(composition.anatomy)
        self.cohort: CohortSource[Any] = catalog.create("cohort", composition.cohort, self.anatomy)
        self._workers, self._stage, self._fail = workers, stage, fail

    @cached_property
    def records(self) -> Sequence[ScanRecord]:
        """The cohort's scans, read once."""
        with self._stage("Cohort"):
            return self.cohort.records()

    @cached_property
    def discretizer(self) -> CohortDiscretizer:
        """The composition's; one that is yet to be trained learns from the cohort's silver."""
        from crossdl.text.learned import cohort_discretizer

        return cohort_discretizer(
            self.composition.discretizer,
            catalog=self.catalog,
            cohort=self.cohort,
            records=self.records,
            anatomy=self.anatomy,
            seed=self.composition.seed,
        )

    @property
    def learned(self) -> Path | None:
        """Folder of the discretizer, where it was needed and has learned from the cohort."""
        return self.discretizer.folder if "discretizer" in vars(self) else None

    @cached_property
    def readings(self) -> dict[str, SentenceLabels]:
        """What the discretizer makes of every report."""
        reported = [r for r in self.records if r.findings is not None]
        if not reported:
            return {}
        with self._stage("Discretize"):
            labels = self.discretizer.read([r.findings for r in reported])
        return {r.scan_id: x for r, x in zip(reported, labels, strict=True) if x is not None}

    @cached_property
    def matrices(self) -> dict[str, AbnormalityMatrix]:
        """Weak labels of every scan: from its report (E1), or those the cohort brings along."""
        from crossdl.reports import merge

        brought = ((r.scan_id, r.labels) for r in self.records)
        found = {scan: AbnormalityMatrix(labels) for scan, labels in brought if labels is not None}
        return found | {scan: merge(x, self.anatomy) for scan, x in self.readings.items()}

    @cached_property
    def chosen(self) -> dict[Split, list[ScanRecord]]:
        """The scans that training looks at: those with weak labels, ``train_share`` of its own.

        Scans without any have failed, unless only silver labels are asked for.
        """
        found: dict[Split, list[ScanRecord]] = {}
        silver = self.composition.train_labels == "silver"
        for split in LEARNT:
            members = [r for r in self.records if r.split == split]
            if silver:
                usable = [r for r in members if self.cohort.silver(r) is not None]
            else:
                usable = [r for r in members if r.findings is not None or r.labels is not None]
                known = {r.scan_id for r in usable}
                for record in members:
                    if record.scan_id not in known:
                        reason = "the scan has no report and no labels"
                        self._fail(record.scan_id, "discretize", reason)
            found[split] = usable
        share, seed = self.composition.train_share, self.composition.seed
        return found | {"train": _share(found["train"], share, seed)}

    def _label(self, record: ScanRecord) -> FloatArray:
        """Weak labels of a scan of training."""
        from crossdl.reports import merge

        if self.composition.train_labels == "discretizer":
            return self.matrices[record.scan_id].values
        silver = self.cohort.silver(record)
        assert silver is not None  # it was chosen for that
        return merge(silver, self.anatomy).values

    def register(self, records: Sequence[ScanRecord]) -> CohortRegions:
        """Coarse regions of scans; workers start once for all."""
        from crossdl.segmentation import segment_cohort

        with self._stage("Register"):
            outcome = segment_cohort(
                records,
                cohort=self.composition.cohort,
                segmenter=self.composition.segmenter,
                anatomy=self.composition.anatomy,
                catalog=self.catalog,
                workers=self._workers,
            )
        for scan_id, reason in outcome.failures.items():
            self._fail(scan_id, "register", reason)
        return outcome

    def samples(self, shape: tuple[int, int, int]) -> dict[Split, tuple[Sample, ...]]:
        """What the analyzer learns from and is validated on.

        Args:
            shape: Voxels ``(D, H, W)`` of its input.
        """
        labels = {r.scan_id: self._label(r) for split in LEARNT for r in self.chosen[split]}
        return self._samples(labels, shape)

    def keep(self, shape: tuple[int, int, int], *, test: bool = False) -> None:
        """Puts all that :meth:`samples` needs into the cache, without reading a report.

        Args:
            shape: Voxels ``(D, H, W)`` of the analyzer's input.
            test: Whether to register the test scans, too.
        """
        empty = np.zeros((len(self.anatomy.label_names), self.anatomy.n_types), dtype=np.float32)
        labels = {r.scan_id: empty for split in LEARNT for r in self.chosen[split]}
        self._samples(labels, shape)
        if test:
            self.register([r for r in self.records if r.split == "test"])

    def _samples(
        self, labels: dict[str, FloatArray], shape: tuple[int, int, int]
    ) -> dict[Split, tuple[Sample, ...]]:
        from crossdl.prepared import training_sample
        from crossdl.progress import track

        regions = self.register([r for split in LEARNT for r in self.chosen[split]]).regions
        found: dict[Split, tuple[Sample, ...]] = {}
        for split in LEARNT:
            samples = []
            with self._stage(f"Preprocess {split} scans"):
                for record in track(self.chosen[split], "preprocessing"):
                    scan = record.scan_id
                    try:
                        sample = training_sample(
                            self.cohort, record, regions.get(scan), labels[scan], self.anatomy,
                            shape,
                        )  # fmt: skip
                    except CrossDLError as error:
                        self._fail(scan, "preprocess", str(error))
                        continue
                    samples.append(sample)
            found[split] = tuple(samples)
        return found


def _share(scans: list[ScanRecord], share: float, seed: int) -> list[ScanRecord]:
    """At least one of the scans, in their order; a smaller share is part of every larger one."""

    def place(scan: ScanRecord) -> bytes:
        text = f"{seed}/{scan.scan_id}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text).digest()

    if share == 1.0 or not scans:
        return scans
    kept = sorted(scans, key=place)[: max(1, math.ceil(share * len(scans)))]
    names = {scan.scan_id for scan in kept}
    return [scan for scan in scans if scan.scan_id in names]
