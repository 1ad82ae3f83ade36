"""Discretizers that learn from a cohort are trained once, and read texts once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from crossdl.anatomy import load_anatomy
from crossdl.interfaces import CohortSource, DiscretizerConfig, ReportDiscretizer
from crossdl.reports import label_reports
from crossdl.text.learned import cohort_discretizer
from crossdl.types import ScanRecord, SentenceLabels

ANATOMY = load_anatomy("head_ct")
N, M = len(ANATOMY.label_names), ANATOMY.n_types


class LengthConfig(DiscretizerConfig):
    kind: Literal["length"] = "length"
    size: int = 3


class Length(ReportDiscretizer[LengthConfig]):
    """Labels by the length of a sentence and the number of sentences it has learned from."""

    log: list[str] = []  # noqa: RUF012
    known: int | None = None

    @property
    def trained(self) -> bool:
        return self.known is not None

    @property
    def thresholds(self) -> tuple[Any, Any]:
        return np.full(N, 0.25, np.float32), np.full(M, 0.75, np.float32)

    def fit(self, train: SentenceLabels, valid: SentenceLabels, **more: Any) -> None:
        more["folder"].mkdir(parents=True)
        self.log.append(f"fit {more['seed']}")
        self.known = len(train.sentences)

    def label(self, sentences: Sequence[str]) -> SentenceLabels:
        self.log.append(f"label {len(sentences)}")
        at = np.array([len(s) % 10 / 10 for s in sentences], dtype=np.float32)
        return SentenceLabels(tuple(sentences), np.tile(at[:, None], N), np.tile(at[:, None], M))

    def save(self, folder: Path) -> None:
        (folder / "known").write_text(str(self.known), encoding="utf-8")

    def load(self, folder: Path) -> None:
        self.known = int((folder / "known").read_text(encoding="utf-8"))


class Few:
    """A cohort of three reports, as far as it is needed here."""

    def silver(self, record: ScanRecord) -> SentenceLabels:
        return SentenceLabels((record.findings or "",), np.zeros((1, N)), np.zeros((1, M)))


class Only:
    """A catalog of one kind."""

    def create(self, slot: str, config: LengthConfig, anatomy: Any) -> Length:
        return Length(config, anatomy)

    def entry(self, slot: str, kind: str) -> Any:
        class Entry:
            path = None

        return Entry()


RECORDS = [
    ScanRecord("a", "a", "train", "Haematoma in the left frontal lobe. No fracture."),
    ScanRecord("b", "b", "valid", "No fracture."),
    ScanRecord("c", "c", "test", None),
]


def made(seed: int = 0, **fields: Any) -> Any:
    cohort: Any = Few()
    assert not isinstance(cohort, CohortSource)
    catalog: Any = Only()
    return cohort_discretizer(
        LengthConfig(**fields), catalog=catalog, cohort=cohort, records=RECORDS, anatomy=ANATOMY,
        seed=seed,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSDL_CACHE", str(tmp_path / "cache"))
    Length.log.clear()


def test_it_learns_once_per_config_and_seed(tmp_path: Path) -> None:
    first, again = made(), made()
    assert Length.log == ["fit 0"] and first.folder == again.folder
    assert again.discretizer.known == 1
    assert made(seed=1).folder != first.folder and made(size=4).folder != first.folder
    assert Length.log == ["fit 0", "fit 1", "fit 0"]
    left = {p.suffix for p in (tmp_path / "cache" / "discretizers").glob("*/*")}
    assert left <= {"", ".lock"}  # no checkpoints are left


@pytest.mark.parametrize("linking", ["sentence", "clause"])
def test_readings_are_kept_and_are_what_label_reports_gives(linking: str) -> None:
    texts = [RECORDS[0].findings, None, "No fracture.", ""]
    found = made(linking=linking)
    expected = label_reports(found.discretizer, texts)
    Length.log.clear()
    once, twice = found.read(texts), made(linking=linking).read(texts)
    assert Length.log == ["label 2"]  # equal sentences once, and nothing the second time
    for labels in (once, twice):
        for one, other in zip(labels, expected, strict=True):
            assert (one is None) == (other is None)
            if one is None or other is None:
                continue
            assert one.sentences == other.sentences
            np.testing.assert_array_equal(one.regions, other.regions)
            np.testing.assert_array_equal(one.types, other.types)
            np.testing.assert_array_equal(one.cells, other.cells)
            assert (one.links is None) == (linking == "sentence")
