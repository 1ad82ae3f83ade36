"""Simulated head CTs with lesions, reports and exact truth: the built-in cohort."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from crossdl.cache import digest, location, stored
from crossdl.interfaces import CohortSource
from crossdl.plugins.atlases._mni_model import HeadModel, head_model
from crossdl.plugins.cohorts._phantom_config import PhantomConfig
from crossdl.plugins.cohorts._phantom_findings import diseases
from crossdl.plugins.cohorts._phantom_head import Space
from crossdl.plugins.cohorts._phantom_painter import Painter
from crossdl.plugins.cohorts._phantom_plan import lesion_data
from crossdl.plugins.cohorts._phantom_render import render
from crossdl.plugins.cohorts._phantom_report import Report, write_report
from crossdl.plugins.cohorts._phantom_store import StoredScan, write_scan
from crossdl.progress import track
from crossdl.types import (
    SPLITS,
    BoolArray,
    RegionMap,
    ScanRecord,
    SentenceLabels,
    Split,
    Volume,
)

VERSION = 11
"""Raised whenever the code changes what a seed gives."""

_NOT_OF_VOXELS = {"patients", "repeat_rate", "language", "reports"}
"""Fields that say which scans there are and what is written of them."""


@dataclass(frozen=True)
class Plan:
    """Which scan it is.

    Attributes:
        scan_id: Its name.
        patient_id: Whose it is.
        split: Which split the patient is in.
        index: Number of the patient within the split.
        number: Number of the scan among the patient's.
    """

    scan_id: str
    patient_id: str
    split: Split
    index: int
    number: int


class Phantom(CohortSource[PhantomConfig]):
    """CT-like heads of simulated patients with the four lesion types in known regions.

    Every scan is made from its own seed, so it depends on neither the number nor the order of
    the others. Truth is measured on the voxels of the scan, and the report is written from it:
    gold is the truth, silver what the sentences of the report say. Rendered scans are kept in
    the cache; the way reports are written does not change them.
    """

    def records(self) -> Sequence[ScanRecord]:
        """All scans; those that are not in the cache are rendered, two at a time.

        ``reads`` say of every disease that phantoms may have whether the scan shows it.
        """
        plans = self._plans
        missing = [p for p in plans.values() if not location("phantom", self._key(p)).is_dir()]
        if missing:
            _ = self._painter
            with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
                for _ in track(
                    pool.map(self._folder, missing), "Simulating scans", total=len(missing)
                ):
                    pass
        return [self._record(plan) for plan in plans.values()]

    def volume(self, record: ScanRecord) -> Volume:
        """The simulated scan, ``(D, H, W)`` in whole HU."""
        scan = self._scan(self._plan_of(record))
        return Volume(scan.hu, scan.grid, name=record.scan_id)

    def fingerprint(self, record: ScanRecord) -> str:
        """Digest of everything the scan is made from."""
        return digest(self._key(self._plan_of(record)))

    def voxel_truth(self, record: ScanRecord) -> BoolArray:
        """Lesion masks ``(M, D, H, W)``."""
        return self._scan(self._plan_of(record)).masks

    def region_truth(self, record: ScanRecord) -> RegionMap:
        """The regions that the head model has at the scan's voxels."""
        scan = self._scan(self._plan_of(record))
        return RegionMap(scan.labels, scan.grid)

    def silver(self, record: ScanRecord) -> SentenceLabels:
        """What the sentences of the Findings say, flaws included."""
        said = self._report(self._plan_of(record)).sentences
        return SentenceLabels(
            tuple(sentence.text for sentence in said),
            np.stack([sentence.regions for sentence in said]),
            np.stack([sentence.types for sentence in said]),
        )

    @cached_property
    def _plans(self) -> dict[str, Plan]:
        """By the scan's name."""
        plans: list[Plan] = []
        number = 0
        for split in SPLITS:
            for index in range(getattr(self.config.patients, split)):
                number += 1
                patient = f"p{number:04d}"
                plans.append(Plan(patient, patient, split, index, 0))
                if self._rng(split, index, 1, 0).random() < self.config.repeat_rate:
                    plans.append(Plan(f"{patient}b", patient, split, index, 1))
        return {plan.scan_id: plan for plan in plans}

    def _plan_of(self, record: ScanRecord) -> Plan:
        return self._plans[record.scan_id]

    def _rng(self, split: Split, index: int, purpose: int, scan: int) -> np.random.Generator:
        entropy = [self.config.seed, SPLITS.index(split), index, purpose, scan]
        return np.random.default_rng(np.random.SeedSequence(entropy))

    @cached_property
    def _data(self) -> dict[str, Any]:
        import tomllib

        text = (files("crossdl") / "plugins" / "cohorts" / "phantom.toml").read_text("utf-8")
        return tomllib.loads(text)

    @cached_property
    def _model(self) -> HeadModel:
        return head_model(self.anatomy, self.config.model_mm)

    @cached_property
    def _painter(self) -> Painter:
        below = frozenset(
            number
            for number, region in enumerate(self.anatomy.regions, start=1)
            if region.part in self._data["below"]
        )
        return Painter(Space(self._model, below), self.anatomy, self._data)

    @cached_property
    def _common_key(self) -> dict[str, Any]:
        """What all scans depend on."""
        return {
            "version": VERSION,
            "config": self.config.model_dump(mode="json", exclude=_NOT_OF_VOXELS),
            "head": self._model.fingerprint,
            "data": digest({"cohort": self._data, "lesions": lesion_data()}),
            "types": list(self.anatomy.type_names),
            "impossible": [list(cell) for cell in self.anatomy.impossible],
        }

    def _key(self, plan: Plan) -> dict[str, Any]:
        return {**self._common_key, "scan": [plan.split, plan.index, plan.number]}

    def _scan(self, plan: Plan) -> StoredScan:
        return StoredScan(self._folder(plan))

    def _folder(self, plan: Plan) -> Path:
        return stored("phantom", self._key(plan), lambda target: self._make(target, plan))

    def _make(self, target: Path, plan: Plan) -> None:
        split, index, number = plan.split, plan.index, plan.number
        painter = self._painter
        scan = render(
            painter.space,
            painter,
            self.anatomy,
            self.config,
            self._rng(split, index, 2, 0),
            self._rng(split, index, 3, number),
        )
        write_scan(target, scan)

    def _report(self, plan: Plan) -> Report:
        scan = self._scan(plan)
        rng = self._rng(plan.split, plan.index, 4, plan.number)
        language = self.config.language
        if language == "mixed":
            language = "zh" if rng.random() < 0.5 else "en"
        return write_report(
            scan.story, scan.truth, self.anatomy, language, rng, self.config.reports
        )

    def _record(self, plan: Plan) -> ScanRecord:
        scan = self._scan(plan)
        return ScanRecord(
            plan.scan_id,
            plan.patient_id,
            plan.split,
            self._report(plan).findings,
            scan.truth,
            reads=diseases(scan.story),
        )
