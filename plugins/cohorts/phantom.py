"""Simulated head CTs with lesions, reports and exact truth: the built-in cohort."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from crossdl.cache import digest, location, stored
from crossdl.files import write_json
from crossdl.interfaces import CohortSource
from crossdl.plugins.atlases._mni_model import HeadModel, head_model
from crossdl.plugins.cohorts._phantom_config import PhantomConfig
from crossdl.plugins.cohorts._phantom_findings import Story
from crossdl.plugins.cohorts._phantom_head import Space
from crossdl.plugins.cohorts._phantom_painter import Painter
from crossdl.plugins.cohorts._phantom_plan import lesion_data
from crossdl.plugins.cohorts._phantom_render import render
from crossdl.plugins.cohorts._phantom_report import Report, write_report
from crossdl.progress import track
from crossdl.types import (
    SPLITS,
    BoolArray,
    Grid,
    RegionMap,
    ScanRecord,
    SentenceLabels,
    Split,
    Volume,
)

VERSION = 5
"""Raised whenever the code changes what a seed gives."""

_STORY = TypeAdapter(Story)
_NOT_OF_VOXELS = {"patients", "repeat_rate", "language", "reports"}
"""Fields that say which scans there are and what is written of them."""


class Phantom(CohortSource[PhantomConfig]):
    """CT-like heads of simulated patients with the four lesion types in known regions.

    Every scan is made from its own seed, so it depends on neither the number nor the order of
    the others. Truth is measured on the voxels of the scan, and the report is written from it:
    gold is the truth, silver what the sentences of the report say. Rendered scans are kept in
    the cache; the way reports are written does not change them.
    """

    def records(self) -> Sequence[ScanRecord]:
        """All scans; those that are not in the cache are rendered, two at a time."""
        plans = self._plans
        missing = [p for p in plans if not location("phantom", self._key(p)).is_dir()]
        if missing:
            _ = self._painter
            with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
                for _ in track(
                    pool.map(self._folder, missing), "Simulating scans", total=len(missing)
                ):
                    pass
        return [self._record(plan) for plan in plans]

    def volume(self, record: ScanRecord) -> Volume:
        """The simulated scan, ``(D, H, W)`` in whole HU."""
        folder = self._folder(self._plan_of(record))
        hu = np.load(folder / "hu.npy", allow_pickle=False)
        return Volume(hu.astype(np.float32), self._grid(folder), name=record.scan_id)

    def fingerprint(self, record: ScanRecord) -> str:
        """Digest of everything the scan is made from."""
        return digest(self._key(self._plan_of(record)))

    def voxel_truth(self, record: ScanRecord) -> BoolArray:
        """Lesion masks ``(M, D, H, W)``."""
        with np.load(self._folder(self._plan_of(record)) / "truth.npz", allow_pickle=False) as file:
            shape = tuple(int(n) for n in file["shape"])
            bits = np.unpackbits(file["masks"], count=int(np.prod(shape)))
        return bits.reshape(shape).astype(np.bool_)

    def region_truth(self, record: ScanRecord) -> RegionMap:
        """The regions that the head model has at the scan's voxels."""
        folder = self._folder(self._plan_of(record))
        with np.load(folder / "truth.npz", allow_pickle=False) as file:
            return RegionMap(file["labels"], self._grid(folder))

    def silver(self, record: ScanRecord) -> SentenceLabels:
        """What the sentences of the Findings say, flaws included."""
        said = self._report(self._plan_of(record)).sentences
        return SentenceLabels(
            tuple(sentence.text for sentence in said),
            np.stack([sentence.regions for sentence in said]),
            np.stack([sentence.types for sentence in said]),
        )

    @cached_property
    def _plans(self) -> list[tuple[str, str, Split, int, int]]:
        """``(scan_id, patient_id, split, number in the split, scan of the patient)``."""
        plans: list[tuple[str, str, Split, int, int]] = []
        number = 0
        for split in SPLITS:
            for index in range(getattr(self.config.patients, split)):
                number += 1
                patient = f"p{number:04d}"
                plans.append((patient, patient, split, index, 0))
                if self._rng(split, index, 1, 0).random() < self.config.repeat_rate:
                    plans.append((f"{patient}b", patient, split, index, 1))
        return plans

    def _plan_of(self, record: ScanRecord) -> tuple[str, str, Split, int, int]:
        for plan in self._plans:
            if plan[0] == record.scan_id:
                return plan
        raise KeyError(record.scan_id)

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

    def _key(self, plan: tuple[str, str, Split, int, int]) -> dict[str, Any]:
        config = self.config.model_dump(mode="json", exclude=_NOT_OF_VOXELS)
        return {
            "version": VERSION,
            "config": config,
            "head": self._model.fingerprint,
            "data": digest({"cohort": self._data, "lesions": lesion_data()}),
            "types": list(self.anatomy.type_names),
            "impossible": [list(cell) for cell in self.anatomy.impossible],
            "scan": [plan[2], plan[3], plan[4]],
        }

    def _folder(self, plan: tuple[str, str, Split, int, int]) -> Path:
        return stored("phantom", self._key(plan), lambda target: self._make(target, plan))

    def _make(self, target: Path, plan: tuple[str, str, Split, int, int]) -> None:
        _, _, split, index, number = plan
        painter = self._painter
        scan = render(
            painter.space,
            painter,
            self.anatomy,
            self.config,
            self._rng(split, index, 2, 0),
            self._rng(split, index, 3, number),
        )
        np.save(target / "hu.npy", scan.hu, allow_pickle=False)
        np.savez_compressed(
            target / "truth.npz",
            labels=scan.labels,
            masks=np.packbits(scan.masks),
            shape=np.array(scan.masks.shape),
        )
        write_json(
            target / "scan.json",
            {
                "affine": scan.grid.affine.tolist(),
                "truth": scan.truth.astype(int).tolist(),
                "story": _STORY.dump_python(scan.story, mode="json"),
            },
        )

    def _report(self, plan: tuple[str, str, Split, int, int]) -> Report:
        facts = json.loads((self._folder(plan) / "scan.json").read_text(encoding="utf-8"))
        rng = self._rng(plan[2], plan[3], 4, plan[4])
        language = self.config.language
        if language == "mixed":
            language = "zh" if rng.random() < 0.5 else "en"
        truth = np.array(facts["truth"], dtype=np.float32)
        story = _STORY.validate_python(facts["story"])
        return write_report(story, truth, self.anatomy, language, rng, self.config.reports)

    def _record(self, plan: tuple[str, str, Split, int, int]) -> ScanRecord:
        facts = json.loads((self._folder(plan) / "scan.json").read_text(encoding="utf-8"))
        truth = np.array(facts["truth"], dtype=np.float32)
        return ScanRecord(plan[0], plan[1], plan[2], self._report(plan).findings, truth)

    @staticmethod
    def _grid(folder: Path) -> Grid:
        facts = json.loads((folder / "scan.json").read_text(encoding="utf-8"))
        shape = np.load(folder / "hu.npy", mmap_mode="r", allow_pickle=False).shape
        return Grid((shape[0], shape[1], shape[2]), np.array(facts["affine"]))
