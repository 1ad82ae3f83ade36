"""The cohort kind that reads what ``crossdl cohort build`` wrote."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crossdl.anatomy import load_anatomy
from crossdl.errors import InputError
from crossdl.ingest.sources import read_sources, write_sources
from crossdl.io.dicom import read_series

ANATOMY = load_anatomy("head_ct")


@pytest.fixture(scope="module")
def built(tmp_path_factory, cohort_writer):
    """Written once; tests that change something take a copy."""
    return cohort_writer.write_built(tmp_path_factory.mktemp("built"))


@pytest.fixture
def folder(tmp_path, built):
    return Path(shutil.copytree(built.parent, tmp_path, dirs_exist_ok=True)) / "cohort"


def test_records(folder, source, cohort_writer):
    records = source("dicom", folder).records()
    table = pd.read_parquet(folder / "scans.parquet")
    assert len(records) == cohort_writer.SCANS
    assert [r.scan_id for r in records] == table["scan"].tolist()
    assert [r.patient_id for r in records] == table["patient"].tolist()
    assert [r.split for r in records] == table["split"].tolist()
    assert all(r.findings is None and r.truth is None for r in records)


def test_labels(folder, source):
    records = {r.scan_id: r for r in source("dicom", folder).records()}
    total = 0.0
    for row in pd.read_parquet(folder / "labels.parquet").itertuples():
        i, j = ANATOMY.label_names.index(row.region), ANATOMY.type_names.index(row.type)
        assert records[row.scan].labels[i, j] == np.float32(row.probability)
        total += row.probability
    assert sum(r.labels.sum() for r in records.values()) == pytest.approx(total, rel=1e-5)


def test_facts_are_what_is_known_of_patient_and_scanner(tmp_path, cohort_writer, source):
    first, second, *_, last = source("dicom", cohort_writer.write_built(tmp_path)).records()
    assert dict(second.facts) == {
        "age_years": 37.0, "sex": "M", "manufacturer": "Acme", "model": "One",
        "spacing_mm": pytest.approx(0.46), "thickness_mm": 5.0, "slices": 13, "sentences": 1,
    }  # fmt: skip
    assert {"sex", "model"}.isdisjoint(first.facts) and "age_years" not in last.facts


def test_findings_where_they_are_kept(tmp_path, cohort_writer, source):
    folder = cohort_writer.write_built(tmp_path, findings=True)
    assert [r.findings for r in source("dicom", folder).records()][:2] == ["Scan 0.", "Scan 1."]


def test_prepared_scans_are_mapped(folder, source):
    cohort = source("dicom", folder)
    for k, record in enumerate(cohort.records()):
        ready = cohort.prepared(record)
        assert isinstance(ready.image, np.memmap) and not ready.image.flags.writeable
        assert ready.image.shape == ANATOMY.volume_shape and (ready.image == 10 * k).all()
        assert ready.grid.spacing == pytest.approx((1.9, 1.1, 0.9))
        assert ready.grid.affine[:3, 3].tolist() == [-70, -80, k]


def test_volume_comes_from_the_source_files(built, source):
    cohort = source("dicom", built)
    for k, record in enumerate(cohort.records()[:2]):
        volume, expected = cohort.volume(record), read_series(built.parent / "dicom" / f"{k}", "CT")
        assert np.array_equal(volume.array, expected.array)
        assert volume.grid.same_as(expected.grid) and volume.name == record.scan_id


def test_holes_are_read_as_they_were_built(tmp_path, cohort_writer, source):
    folder = cohort_writer.write_built(tmp_path)
    (tmp_path / "dicom" / "0" / "05.dcm").unlink()
    sources, rules = folder / "private" / "sources.parquet", folder / "rules.toml"
    rows = [
        {"scan": "s" + "0" * 16, "series": "1", "patient": "A", "path": f"0/{path.name}"}
        for path in sorted((tmp_path / "dicom" / "0").iterdir())
    ]
    write_sources(sources, rows, tmp_path / "dicom")
    cohort = source("dicom", folder)
    record = cohort.records()[0]
    with pytest.raises(InputError, match="slices are missing"):
        cohort.volume(record)
    text = rules.read_text(encoding="utf-8")
    allowed = text.replace("allow_missing_slices = false", "allow_missing_slices = true")
    assert allowed != text
    rules.write_text(allowed, encoding="utf-8")
    warnings = source("dicom", folder).volume(record).meta["warnings"]
    assert any("slices are missing" in text for text in warnings)


def test_sources_that_were_moved(folder, source, built, tmp_path):
    path, root = folder / "private" / "sources.parquet", built.parent / "dicom"
    rows = [
        {"scan": scan, "series": "1", "patient": "A", "path": str(file.relative_to(root))}
        for scan, files in read_sources(path).items()
        for file in files
    ]
    write_sources(path, rows, tmp_path / "gone")
    cohort = source("dicom", folder)
    record = cohort.records()[0]
    with pytest.raises(InputError, match=rf"{record.scan_id}: 12 of its 12 DICOM files.*dicom"):
        cohort.volume(record)
    assert cohort.prepared(record).image.shape == ANATOMY.volume_shape  # training goes on
    moved = source("dicom", folder, dicom=str(root))
    assert moved.volume(record).array.shape[0] == 12


def test_names_of_files_that_are_no_text(tmp_path):
    names = [os.fsdecode(b"\xd5\xc5/1.dcm"), "张/2.dcm"]
    rows = [{"scan": "s1", "series": "1", "patient": "A", "path": name} for name in names]
    write_sources(tmp_path / "sources.parquet", rows, tmp_path)
    found = read_sources(tmp_path / "sources.parquet")
    assert found == {"s1": [tmp_path / name for name in names]}


def test_cohort_that_was_shared_without_its_private_folder(folder, source):
    shutil.rmtree(folder / "private")
    cohort = source("dicom", folder)
    with pytest.raises(InputError, match=r"sources\.parquet"):
        cohort.volume(cohort.records()[0])


def test_fingerprint_is_the_digest_of_the_sources(folder, source):
    cohort = source("dicom", folder)
    found = [cohort.fingerprint(record) for record in cohort.records()]
    assert found == pd.read_parquet(folder / "scans.parquet")["source_digest"].tolist()


def change_anatomy(folder, **fields) -> None:
    facts = json.loads((folder / "cohort.json").read_text(encoding="utf-8"))
    facts["anatomy"].update(fields)
    (folder / "cohort.json").write_text(json.dumps(facts), encoding="utf-8")


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"name": "old", "volume_shape": [8, 16, 16]}, "'old'.*volume shape"),
     ({"window": {"level": 40, "width": 80}}, "window")],
)  # fmt: skip
def test_another_anatomy(folder, source, fields, words):
    change_anatomy(folder, **fields)
    with pytest.raises(InputError, match=words):
        source("dicom", folder).records()


def test_words_of_reports_may_change(folder, source):
    change_anatomy(folder, title="Another title")
    assert source("dicom", folder).records()


def spoil(folder, name, **columns):
    table = pd.read_parquet(folder / name)
    for column, value in columns.items():
        table.loc[0, column] = value
    table.to_parquet(folder / name)


@pytest.mark.parametrize(
    ("name", "columns", "words"),
    [("labels.parquet", {"region": "left_frontal"}, "'left_frontal'"),
     ("labels.parquet", {"type": "hyper"}, "'hyper'"),
     ("labels.parquet", {"scan": "s9"}, "'s9'"),
     ("scans.parquet", {"split": "training"}, "'training'")],
)  # fmt: skip
def test_tables_that_do_not_fit(folder, source, name, columns, words):
    spoil(folder, name, **columns)
    with pytest.raises(InputError, match=rf"{name}.*{words}"):
        source("dicom", folder).records()


@pytest.mark.parametrize("name", ["scans.parquet", "labels.parquet", "reports.parquet"])
def test_tables_that_are_missing_or_damaged(folder, source, name):
    (folder / name).write_bytes(b"PAR1")
    with pytest.raises(InputError, match=f"{name}: is damaged"):
        source("dicom", folder).records()
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"{name}: is missing"):
        source("dicom", folder).records()


def test_folders_that_are_no_finished_cohort(folder, source, tmp_path):
    (folder / "cohort.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="damaged"):
        source("dicom", folder).records()
    (folder / "cohort.json").write_text('{"format": 2}', encoding="utf-8")
    with pytest.raises(InputError, match="format 2"):
        source("dicom", folder).records()
    (folder / "cohort.json").unlink()
    with pytest.raises(InputError, match="no finished cohort"):
        source("dicom", folder).records()
    with pytest.raises(InputError, match="not found"):
        source("dicom", tmp_path / "absent").records()


def test_prepared_scans_that_are_missing_or_damaged(folder, source):
    cohort = source("dicom", folder)
    record = cohort.records()[0]
    (path,) = folder.glob(f"volumes/*/{record.scan_id}.npy")
    np.save(path, np.zeros((2, 3, 4), np.uint8))
    with pytest.raises(InputError, match=r"shape \(2, 3, 4\)"):
        cohort.prepared(record)
    path.write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match="damaged"):
        cohort.prepared(record)
    path.unlink()
    with pytest.raises(InputError, match="missing"):
        cohort.prepared(record)
