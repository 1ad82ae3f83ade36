"""The NIfTI cohort: a folder of scans and a table of reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from crossdl.anatomy import load_anatomy
from crossdl.catalog import default_catalog
from crossdl.errors import InputError
from crossdl.interfaces import CohortSource
from crossdl.io.volumes import write_volume
from crossdl.types import SPLITS, Grid


def scan(path: Path, value: float = 40.0) -> None:
    array = np.full((3, 4, 5), -1000.0, dtype=np.float32)
    array[1] = value
    write_volume(path, array, Grid(array.shape, np.diag([1.0, 1.0, 5.0, 1.0])))


def cohort(folder: Path, **fields) -> CohortSource:
    catalog = default_catalog()
    config = catalog.parse("cohort", {"kind": "nifti", "folder": str(folder), **fields})
    return catalog.create("cohort", config, load_anatomy("head_ct"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three scans of two patients."""
    for k, name in enumerate(("a.nii.gz", "b.nii", "c.nii.gz")):
        scan(tmp_path / name, 40.0 + k)
    (tmp_path / "reports.csv").write_text(
        "scan,patient,split,findings\n"
        "c.nii.gz,P2,test,Left frontal hematoma.\n"
        "a.nii.gz,P1,train,\n"
        'b.nii,P1,train,"Normal, clear."\n',
        encoding="utf-8",
    )
    return tmp_path


def table(folder: Path, text: str, encoding: str = "utf-8") -> None:
    (folder / "reports.csv").write_text(text, encoding=encoding)


def refused(folder: Path, *words: str, **fields) -> None:
    with pytest.raises(InputError) as caught:
        cohort(folder, **fields).records()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


def test_records_and_volumes(folder):
    source = cohort(folder)
    records = source.records()
    assert [(r.scan_id, r.patient_id, r.split, r.findings) for r in records] == [
        ("c", "P2", "test", "Left frontal hematoma."),
        ("a", "P1", "train", None),
        ("b", "P1", "train", "Normal, clear."),
    ]
    assert [source.volume(r).array.max() for r in records] == [42.0, 40.0, 41.0]
    assert source.volume(records[0]).grid.spacing == (5.0, 1.0, 1.0)


def test_fingerprint_follows_the_voxels(folder):
    source = cohort(folder)
    first, second, _ = source.records()
    before = source.fingerprint(first)
    assert before == cohort(folder).fingerprint(first) != source.fingerprint(second)
    scan(folder / "c.nii.gz", 43.0)
    assert source.fingerprint(first) != before


def test_other_columns_and_place_of_the_table(folder, tmp_path):
    place = tmp_path / "elsewhere" / "list.csv"
    place.parent.mkdir()
    place.write_text("file,who,Befund,set\na.nii.gz,P9,Blutung,valid\n", encoding="utf-8-sig")
    (record,) = cohort(
        folder,
        table=str(place),
        scan_column="file",
        patient_column="who",
        findings_column="Befund",
        split_column="set",
    ).records()
    assert (record.patient_id, record.findings, record.split) == ("P9", "Blutung", "valid")


def test_excel_table(folder):
    import pandas as pd

    frame = pd.DataFrame({"scan": ["a.nii.gz"], "patient": [17], "findings": ["左侧额叶血肿。"]})
    frame.to_excel(folder / "reports.xlsx", index=False)
    (record,) = cohort(folder, table=str(folder / "reports.xlsx")).records()
    assert (record.patient_id, record.findings) == ("17", "左侧额叶血肿。")


def _many(folder: Path, patients: int) -> None:
    rows = ["scan,patient"]
    for k in range(2 * patients):
        (folder / f"s{k}.nii.gz").touch()
        rows.append(f"s{k}.nii.gz,P{k // 2}")
    table(folder, "\n".join(rows))


@pytest.mark.parametrize("patients", [3, 4, 20, 33])
def test_drawn_splits_keep_patients_together(tmp_path, patients):
    _many(tmp_path, patients)
    records = cohort(tmp_path, split_seed=5).records()
    by_patient: dict[str, set[str]] = {}
    for record in records:
        by_patient.setdefault(record.patient_id, set()).add(record.split)
    assert all(len(found) == 1 for found in by_patient.values())
    counts = [sum(found == {split} for found in by_patient.values()) for split in SPLITS]
    assert min(counts) >= 1 and counts[1:] == [max(1, round(0.15 * patients))] * 2
    assert [r.split for r in cohort(tmp_path, split_seed=5).records()] == [r.split for r in records]


def test_another_seed_draws_other_patients(tmp_path):
    _many(tmp_path, 30)
    drawn = {tuple(r.split for r in cohort(tmp_path, split_seed=s).records()) for s in range(3)}
    assert len(drawn) == 3


def test_row_order_does_not_change_the_drawing(tmp_path):
    _many(tmp_path, 12)
    before = {r.scan_id: r.split for r in cohort(tmp_path).records()}
    head, *rows = (tmp_path / "reports.csv").read_text(encoding="utf-8").splitlines()
    table(tmp_path, "\n".join([head, *rows[::-1]]))
    assert {r.scan_id: r.split for r in cohort(tmp_path).records()} == before


def test_without_patients_every_scan_is_one(folder):
    table(folder, "scan\na.nii.gz\nb.nii\nc.nii.gz\n")
    assert {r.patient_id for r in cohort(folder).records()} == {"a", "b", "c"}
    assert {r.split for r in cohort(folder).records()} == set(SPLITS)


def test_no_folder(tmp_path):
    refused(tmp_path / "absent", "absent", "no such folder")


def test_no_table(folder):
    (folder / "reports.csv").unlink()
    refused(folder, "reports.csv", "no such table")


def test_empty_tables(folder):
    table(folder, "")
    refused(folder, "reports.csv", "cannot be read")
    table(folder, "scan,patient\n")
    refused(folder, "no rows")


def test_ragged_table(folder):
    table(folder, "scan,patient\na.nii.gz,P1\nb.nii,P1,more,cells\n")
    refused(folder, "cannot be read")


def test_gb18030_table(folder):
    table(folder, "scan,findings\na.nii.gz,左侧额叶血肿。\n", "gb18030")
    assert cohort(folder).records()[0].findings == "左侧额叶血肿。"
    assert cohort(folder, encoding="gb18030").records()[0].findings == "左侧额叶血肿。"
    refused(folder, "reports.csv", "not utf-8", encoding="utf-8")


def test_table_in_no_known_encoding(folder):
    (folder / "reports.csv").write_bytes(b"scan,findings\na.nii.gz,\xff\xff\n")
    refused(folder, "reports.csv", "neither UTF-8 nor GB18030")
    refused(folder, "'gbk18030'", "is not known", encoding="gbk18030")


def test_excel_table_with_a_column_twice(folder):
    import pandas as pd

    frame = pd.DataFrame([["a.nii.gz", "P1", "P2"]], columns=["scan", "patient", "patient"])
    frame.to_excel(folder / "reports.xlsx", index=False)
    refused(folder, "two columns 'patient'", table=str(folder / "reports.xlsx"))


def test_table_that_is_no_excel_file(folder):
    (folder / "reports.xlsx").write_text("text", encoding="utf-8")
    refused(folder, "reports.xlsx", "cannot be read", table=str(folder / "reports.xlsx"))


def test_no_scan_column(folder):
    table(folder, "scans,patient\na.nii.gz,P1\n")
    refused(folder, "'scan'", "did you mean 'scans'")


def test_a_named_column_must_be_there(folder):
    refused(folder, "'report'", "findings_column", findings_column="report")


def test_scan_not_in_the_folder(folder):
    table(folder, "scan\na.nii.gz\nnone.nii.gz\n")
    refused(folder, "1 of 2 scans", "none.nii.gz")


def test_scan_named_twice(folder):
    table(folder, "scan\na.nii.gz\na.nii.gz\n")
    refused(folder, "2 rows", "'a'")


def test_empty_cells(folder):
    table(folder, "scan,patient\na.nii.gz,P1\nb.nii,\n")
    refused(folder, "row 3", "patient")


def test_unknown_split(folder):
    table(folder, "scan,split\na.nii.gz,training\n")
    refused(folder, "row 2", "'training'", "train, valid or test")


def test_patient_in_two_splits(folder):
    table(folder, "scan,patient,split\na.nii.gz,P1,train\nb.nii,P1,test\n")
    refused(folder, "'P1'", "train and test")


def test_unreadable_scan_is_reported_when_read(folder):
    (folder / "c.nii.gz").write_bytes(b"no scan")
    source = cohort(folder)
    with pytest.raises(InputError, match=r"c\.nii\.gz"):
        source.volume(source.records()[0])


def test_fractions_are_checked(folder):
    with pytest.raises(ValidationError):
        cohort(folder, valid_fraction=0.9)
