from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.catalog import default_catalog
from crossdl.plugins.atlases._mni_model import head_model
from crossdl.plugins.cohorts._phantom_findings import DISEASES, Kind
from crossdl.plugins.cohorts._phantom_head import Space, make_body, make_pose, model_index
from crossdl.plugins.cohorts._phantom_truth import gold_matrix, without_specks
from crossdl.plugins.cohorts.phantom import Phantom, PhantomConfig
from crossdl.reports import discretize_reports, merge
from crossdl.types import ScanRecord

SMALL = {
    "patients": {"train": 10, "valid": 1, "test": 2},
    "matrix": 96,
    "field_of_view_mm": (220.0, 240.0),
    "model_mm": 2.0,
    "thickness_mm": (5.0, 6.0),
    "slices": (24, 32),
    "positive_rate": 0.8,
}


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return load_anatomy("head_ct")


@pytest.fixture(scope="module")
def cache(
    tmp_path_factory: pytest.TempPathFactory, cache_with_heads: Callable[[Path], Path]
) -> Iterator[Path]:
    folder = cache_with_heads(tmp_path_factory.mktemp("phantom") / "cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSDL_CACHE", str(folder))
        yield folder


def phantom(anatomy: Anatomy, **changes: object) -> Phantom:
    return Phantom(PhantomConfig.model_validate({**SMALL, **changes}), anatomy)


@pytest.fixture(scope="module")
def cohort(anatomy: Anatomy, cache: Path) -> Phantom:
    return phantom(anatomy)


@pytest.fixture(scope="module")
def records(cohort: Phantom) -> list[ScanRecord]:
    return list(cohort.records())


def test_counts_and_splits(records: list[ScanRecord]) -> None:
    first = [r for r in records if r.scan_id == r.patient_id]
    assert [r.split for r in first] == ["train"] * 10 + ["valid"] + ["test"] * 2
    assert len({r.scan_id for r in records}) == len(records)


def test_a_scan_depends_on_nothing_but_its_seed(anatomy: Anatomy, cache: Path) -> None:
    """Rendered alone, last, or among others: the same bytes."""
    few = {"repeat_rate": 0.0}
    one = phantom(anatomy, patients={"train": 4, "valid": 1, "test": 1}, **few)
    kept = {r.split: (one.volume(r).array, r.findings, r.truth) for r in one.records()}
    masks = {r.split: one.voxel_truth(r) for r in one.records()}
    shutil.rmtree(cache / "phantom")
    two = phantom(anatomy, patients={"train": 4, "valid": 1, "test": 1}, **few)
    for plan in reversed(two._plans.values()):
        two._folder(plan)
    for record in two.records():
        array, findings, truth = kept[record.split]
        if record.scan_id in ("p0004", "p0005", "p0006"):  # the last of each split
            assert np.array_equal(two.volume(record).array, array)
            assert record.findings == findings
            assert record.truth is not None and np.array_equal(record.truth, truth)
            assert np.array_equal(two.voxel_truth(record), masks[record.split])


def test_more_patients_leave_the_others_alone(anatomy: Anatomy, cohort: Phantom) -> None:
    more = phantom(anatomy, patients={"train": 12, "valid": 1, "test": 2})
    prints = {cohort.fingerprint(r) for r in cohort.records()}
    missing = prints - {more.fingerprint(r) for r in more.records()}
    assert not missing


def test_fingerprints(anatomy: Anatomy, cohort: Phantom, records: list[ScanRecord]) -> None:
    prints = [cohort.fingerprint(r) for r in records]
    assert len(set(prints)) == len(prints)
    assert prints == [phantom(anatomy).fingerprint(r) for r in records]
    other = phantom(anatomy, seed=1, repeat_rate=0.0)
    first = [r for r in records if r.scan_id == r.patient_id]
    assert not set(prints) & {other.fingerprint(r) for r in first}


def test_matrix_says_what_the_voxels_say(
    anatomy: Anatomy, cohort: Phantom, records: list[ScanRecord]
) -> None:
    cells = 0
    for record in records:
        masks, regions = cohort.voxel_truth(record), cohort.region_truth(record)
        assert record.truth is not None
        ml = np.prod(regions.grid.spacing) / 1000
        for j in range(anatomy.n_types):
            column = record.truth[:, j]
            assert bool(column.any()) == bool(masks[j].any())
            total = masks[j].sum() * ml
            for row in range(anatomy.n_regions + 1):
                number = 0 if row == anatomy.n_regions else row + 1
                overlap = (masks[j] & (regions.labels == number)).sum() * ml
                if column[row]:
                    cells += 1
                    assert overlap > 0.05
                else:
                    assert overlap < max(0.15, 0.51 * total)
        assert not record.truth[-1].any()
    assert cells > 10


def test_reads_name_the_diseases_that_are_visible(
    anatomy: Anatomy, cohort: Phantom, records: list[ScanRecord]
) -> None:
    assert {kind for kind in DISEASES} == set(get_args(Kind))
    seen = set()
    for record in records:
        assert record.truth is not None
        assert list(record.reads) == list(DISEASES.values())
        shown = {name for name, value in record.reads.items() if value == 1}
        assert shown | {name for name, value in record.reads.items() if value == 0} == {
            *DISEASES.values()
        }
        assert bool(shown) == bool(record.truth.any())
        if "epidural haematoma" in shown:
            assert record.truth[:, anatomy.type_names.index("extra_hyper")].any()
        if "infarct" in shown:
            assert record.truth[:, anatomy.type_names.index("intra_hypo")].any()
        seen |= shown
    assert len(seen) > 3


def test_gold_matrix_of_drawn_lesions(anatomy: Anatomy) -> None:
    labels = np.zeros((10, 20, 20), dtype=np.uint8)
    labels[:, :, :10], labels[:, :, 10:] = 1, 2
    masks = np.zeros((anatomy.n_types, 10, 20, 20), dtype=bool)
    masks[0, 2:6, 2:6, 3:11] = True  # 112 voxels in region 1, 16 in region 2
    masks[2, 9, 0, 0] = True  # a speck
    gold = gold_matrix(masks, labels, anatomy, voxel_ml=0.01)
    assert gold[:2, 0].tolist() == [1, 1] and gold[:, 1:].sum() == 0 and gold.sum() == 2
    masks[0, 2:6, 2:6, 10] = False
    masks[0, 2, 2, 10] = True  # 1 voxel, below a tenth
    assert gold_matrix(masks, labels, anatomy, 0.01)[:2, 0].tolist() == [1, 0]
    labels[:] = 0
    gold = gold_matrix(masks, labels, anatomy, 0.01)
    assert gold[anatomy.n_regions, 0] == 1 and gold.sum() == 1


def test_specks_are_removed() -> None:
    mask = np.zeros((10, 10, 10), dtype=bool)
    mask[:3, :3, :3] = True
    mask[8, 8, 8] = True
    clean = without_specks(mask, voxel_ml=0.01)
    assert clean.sum() == 27 and not clean[8, 8, 8]


def test_impossible_cells_have_no_voxels(
    anatomy: Anatomy, cohort: Phantom, records: list[ScanRecord]
) -> None:
    for record in records:
        assert record.truth is not None
        assert not record.truth[:-2][~anatomy.possible].any()
        masks, labels = cohort.voxel_truth(record), cohort.region_truth(record).labels
        for i, j in np.argwhere(~anatomy.possible):
            assert not (masks[j] & (labels == i + 1)).any()


def test_left_lesions_lie_to_the_patients_left(
    anatomy: Anatomy, cohort: Phantom, records: list[ScanRecord]
) -> None:
    seen = set()
    for record in records:
        volume, masks = cohort.volume(record), cohort.voxel_truth(record)
        labels = cohort.region_truth(record).labels
        middle = volume.grid.index_to_world(np.argwhere(labels > 0)).mean(axis=0)[0]
        for i, region in enumerate(anatomy.regions):
            for j in range(anatomy.n_types):
                assert record.truth is not None
                if region.side is None or not record.truth[i, j]:
                    continue
                where = np.argwhere(masks[j] & (labels == i + 1))
                x = volume.grid.index_to_world(where)[:, 0].mean()
                outwards = x - middle if region.side == "left" else middle - x
                assert outwards > -10.0  # blood along the falx of a turned head
                seen.add(region.side)
    assert seen == {"left", "right"}


def test_every_region_is_in_every_scan(
    anatomy: Anatomy, cohort: Phantom, records: list[ScanRecord]
) -> None:
    for record in records:
        found = np.bincount(cohort.region_truth(record).labels.ravel(), minlength=18)[1:]
        assert (found > 20).all(), (record.scan_id, found)


def test_densities(anatomy: Anatomy, cohort: Phantom, records: list[ScanRecord]) -> None:
    healthy = [r for r in records if r.truth is not None and not r.truth.any()]
    assert healthy
    names = anatomy.region_names
    for record in healthy:
        hu, labels = cohort.volume(record).array, cohort.region_truth(record).labels
        for name, low, high in (
            ("left_frontal_lobe", 20, 52),
            ("right_cerebellum", 20, 54),  # between dense bones, which harden the beam
            ("left_centrum_ovale", 20, 44),
            ("right_lateral_ventricle", 0, 24),
        ):
            assert low < np.median(hu[labels == names.index(name) + 1]) < high, name
        assert hu.min() >= -1024 and np.median(hu[:, :3, :3]) < -950
        assert 0.02 < (hu > 300).mean() < 0.2


def test_lesions_have_the_density_of_their_type(
    anatomy: Anatomy, cohort: Phantom, records: list[ScanRecord]
) -> None:
    seen = set()
    for record in records:
        hu, masks = cohort.volume(record).array, cohort.voxel_truth(record)
        for j, name in enumerate(anatomy.type_names):
            if masks[j].any():
                seen.add(name)
                low, high = (38, 90) if name.endswith("hyper") else (-8, 34)
                assert low < np.median(hu[masks[j]]) < high
    assert len(seen) == anatomy.n_types


def test_language(anatomy: Anatomy, cohort: Phantom, cache: Path) -> None:
    chinese = re.compile("[\u4e00-\u9fff]")
    few = {"patients": {"train": 3, "valid": 1, "test": 1}}
    for language in ("zh", "en"):
        for record in phantom(anatomy, language=language, **few).records():
            assert record.findings
            assert bool(chinese.search(record.findings)) == (language == "zh")
            assert "{" not in record.findings and "[" not in record.findings
    mixed = {bool(chinese.search(r.findings or "")) for r in cohort.records()}
    assert mixed == {True, False}


def test_the_way_of_writing_leaves_the_scans_alone(
    anatomy: Anatomy, cohort: Phantom, records: list[ScanRecord]
) -> None:
    other = phantom(anatomy, language="zh", reports={"error_rate": 0.5, "template_rate": 0.0})
    assert [other.fingerprint(r) for r in records] == [cohort.fingerprint(r) for r in records]
    assert [r.findings for r in other.records()] != [r.findings for r in records]


def test_without_flaws_silver_sentences_merge_to_the_truth(
    anatomy: Anatomy, records: list[ScanRecord]
) -> None:
    faultless = {"error_rate": 0.0, "silent_rate": 0.0, "vague_rate": 0.0}
    cohort = phantom(anatomy, reports=faultless)
    assert sum(r.truth.sum() for r in records if r.truth is not None) > 20
    for record in cohort.records():
        assert record.truth is not None
        np.testing.assert_array_equal(
            merge(cohort.silver(record), anatomy).values, record.truth, record.scan_id
        )


def test_reports_can_be_read_back(anatomy: Anatomy, cohort: Phantom) -> None:
    """A rule-based reader finds most of what the sentences say."""
    catalog = default_catalog()
    reader = catalog.create("discretizer", catalog.parse("discretizer", "lexicon"), anatomy)
    records = cohort.records()
    read = discretize_reports(reader, [r.findings for r in records])
    said = np.stack([merge(cohort.silver(r), anatomy).values for r in records])
    found = np.stack([m.values for m in read if m is not None])
    assert said.sum() > 20
    assert 2 * (said * found).sum() / (said.sum() + found.sum()) > 0.85


def test_vague_reports_are_unclear(anatomy: Anatomy, cache: Path) -> None:
    vague = {"vague_rate": 1.0, "error_rate": 0.0, "silent_rate": 0.0}
    cohort = phantom(anatomy, reports=vague)
    silver = [merge(cohort.silver(r), anatomy) for r in cohort.records()]
    assert sum(matrix.unclear for matrix in silver) >= 3
    assert not any(r.truth[-1].any() for r in cohort.records() if r.truth is not None)


def test_no_sentence_is_taken_from_the_checking_set(
    cohort: Phantom, records: list[ScanRecord], data_dir: Path
) -> None:
    path = data_dir / "sentences" / "head_ct_sentences.jsonl"
    known = {json.loads(line)["sentence"].strip(" .。") for line in path.open(encoding="utf-8")}
    for record in records:
        for sentence in re.split("[。.]", record.findings or ""):
            assert sentence.strip() not in known or len(sentence.strip()) < 25


def test_a_patients_scans_share_the_head(anatomy: Anatomy, cache: Path) -> None:
    few = {"patients": {"train": 1, "valid": 1, "test": 1}, "positive_rate": 0.0}
    cohort = phantom(anatomy, repeat_rate=1.0, **few)
    first, second = cohort.records()[:2]
    assert first.patient_id == second.patient_id and first.scan_id != second.scan_id
    ml = [
        (cohort.region_truth(r).labels == 13).sum()
        * np.prod(cohort.region_truth(r).grid.spacing)
        / 1000
        for r in (first, second)
    ]
    assert ml[0] == pytest.approx(ml[1], rel=0.15)
    assert not np.array_equal(cohort.volume(first).array, cohort.volume(second).array)


@pytest.mark.parametrize("seed", range(4))
def test_the_warp_does_not_fold(anatomy: Anatomy, cache: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    space = Space(head_model(anatomy, 2.0), frozenset())
    body = make_body(rng, 1.5)
    pose = make_pose(rng, 48, 4.5, 5.0, (28, 34), body)
    index = model_index(space, body, pose, 1)
    jacobian = np.stack([np.stack(np.gradient(c)) for c in index.astype(np.float64)])
    determinant = np.linalg.det(np.moveaxis(jacobian, (0, 1), (-2, -1)))
    assert determinant.min() > 0 or determinant.max() < 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"thickness_mm": (5.0, 4.0)}, "thickness_mm: must be two positive numbers"),
        ({"noise_hu": (0.0, 4.0)}, "noise_hu: must be two positive numbers"),
        ({"patients": {"train": 0}}, "greater than or equal to 1"),
        ({"language": "fr"}, "'zh', 'en' or 'mixed'"),
        ({"patient": 3}, "Extra inputs"),
    ],
)
def test_wrong_fields_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        PhantomConfig.model_validate(changes)
