"""CQ500: the majority of three readers, what it says of cells, and which series is read."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from crossdl.anatomy import load_anatomy
from crossdl.errors import InputError

ANATOMY = load_anatomy("head_ct")
INTRA, EXTRA = (ANATOMY.type_names.index(name) for name in ("intra_hyper", "extra_hyper"))
LEFT, RIGHT = (
    [i for i, r in enumerate(ANATOMY.regions) if r.side == side] for side in ("left", "right")
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, cohort_writer):
    return cohort_writer.write_cq500(tmp_path_factory.mktemp("cq500"))


def reads_of(tmp_path, cohort_writer, source, *readers):
    text = cohort_writer.cq500_reads({"CQ500-CT-7": list(readers)})
    (tmp_path / "reads.csv").write_text(text, encoding="utf-8")
    (record,) = source("cq500", tmp_path).records()
    return record


def test_majority_of_readers(folder, source):
    records = {r.scan_id: r for r in source("cq500", folder).records()}
    assert list(records) == ["CQ500-CT-0", "CQ500-CT-10", "CQ500-CT-2"]  # as in the table
    positive = {n: {k for k, v in r.reads.items() if v == 1} for n, r in records.items()}
    assert positive == {
        "CQ500-CT-0": {"ICH", "SDH", "EPH", "left"},
        "CQ500-CT-10": set(),
        "CQ500-CT-2": {"ICH", "IPH", "IVH", "EPH", "right"},
    }
    kinds = {"ICH", "IPH", "IVH", "SDH", "EDH", "SAH", "EPH", "left", "right", "MidlineShift"}
    assert kinds <= set(records["CQ500-CT-0"].reads)
    assert {r.split for r in records.values()} == {"test"}


def test_bleeding_on_one_side_clears_the_other(folder, source):
    truth = {r.scan_id: r.truth for r in source("cq500", folder).records()}
    subdural = truth["CQ500-CT-0"]
    assert (subdural[:, INTRA] == 0).all()
    assert (subdural[RIGHT, EXTRA] == 0).all() and np.isnan(subdural[LEFT, EXTRA]).all()
    assert subdural[-1, EXTRA] == 1
    midline = [i for i, r in enumerate(ANATOMY.regions) if r.side is None]
    assert midline and np.isnan(subdural[midline, EXTRA]).all()
    both = truth["CQ500-CT-2"]
    for j in (INTRA, EXTRA):
        assert (both[LEFT, j] == 0).all() and np.isnan(both[RIGHT, j]).all()
    assert (truth["CQ500-CT-10"][:, [INTRA, EXTRA]] == 0).all()


def test_bleeding_on_both_sides_clears_none(tmp_path, cohort_writer, source):
    kinds = {"ICH", "IPH", "BleedLocation-Left", "BleedLocation-Right"}
    record = reads_of(tmp_path, cohort_writer, source, kinds, kinds, kinds)
    assert np.isnan(record.truth[:-1, INTRA]).all() and record.truth[-1, INTRA] == 1


def test_readers_who_disagree_on_the_kind_leave_it_unknown(tmp_path, cohort_writer, source):
    record = reads_of(tmp_path, cohort_writer, source, {"ICH", "SDH"}, {"ICH", "IPH"}, set())
    assert record.reads["ICH"] == 1 and record.reads["EPH"] == record.reads["IPH"] == 0
    assert np.isnan(record.truth).all()


def test_tie_of_two_readers_is_unknown(tmp_path, cohort_writer, source):
    text = cohort_writer.cq500_reads({"CQ500-CT-7": [{"ICH", "IPH"}, set(), set()]})
    lines = [line.rsplit(",", 14)[0] for line in text.splitlines()]  # without reader 3
    (tmp_path / "reads.csv").write_text("\n".join(lines), encoding="utf-8")
    (record,) = source("cq500", tmp_path).records()
    assert np.isnan(record.reads["IPH"]) and record.reads["SDH"] == 0
    assert np.isnan(record.truth[:, INTRA]).all() and (record.truth[:, EXTRA] == 0).all()


@pytest.mark.parametrize(("series", "slices", "gap"), [("thick", 18, 6.0), ("thin", 27, 4.0)])
def test_series_by_slices(folder, source, series, slices, gap):
    cohort = source("cq500", folder, series=series)
    for record in cohort.records():
        volume = cohort.volume(record)
        assert volume.array.shape[0] == slices
        assert volume.grid.spacing[0] == pytest.approx(gap)
        assert volume.name == record.scan_id


def test_fingerprints_tell_series_apart(folder, source):
    thick, thin = (source("cq500", folder, series=s) for s in ("thick", "thin"))
    record = thick.records()[0]
    assert thick.fingerprint(record) != thin.fingerprint(record)
    assert thick.fingerprint(record) == source("cq500", folder).fingerprint(record)


def test_unusable_and_missing_patients_are_reported_when_read(tmp_path, folder, source):
    shutil.copytree(folder, tmp_path / "copy")
    study = tmp_path / "copy" / "CQ500CT2 CQ500CT2" / "Unknown Study"
    for name in ("CT Plain", "CT PLAIN THIN"):
        shutil.rmtree(study / name)
    shutil.rmtree(tmp_path / "copy" / "CQ500CT10 CQ500CT10")
    (study / "notes.txt").write_text("no DICOM", encoding="utf-8")
    cohort = source("cq500", tmp_path / "copy")
    usable, missing, unusable = cohort.records()
    assert cohort.volume(usable).array.shape[0] == 18
    with pytest.raises(InputError, match=r"CQ500-CT-10: has no folder such as 'CQ500CT10"):
        cohort.volume(missing)
    with pytest.raises(InputError) as caught:
        cohort.fingerprint(unusable)
    for words in (
        "CQ500-CT-2: none of its 5 series", "bone kernel H70S", "excluded by its name",
        "covers 88 mm", "localizer",
    ):  # fmt: skip
        assert words in str(caught.value)


def test_patients_one_folder_deeper(tmp_path, folder, source):
    shutil.copytree(folder / "CQ500CT0 CQ500CT0", tmp_path / "qct01" / "CQ500CT0 CQ500CT0")
    shutil.copy(folder / "reads.csv", tmp_path)
    cohort = source("cq500", tmp_path)
    assert cohort.volume(cohort.records()[0]).array.shape[0] == 18


@pytest.mark.parametrize(
    ("name", "plain", "excluded"),
    [
        ("CT Plain", True, False), ("CT PLAIN THIN", True, False), ("CT 55mm Plain-2", True, False),
        ("CT PRE CONTRAST 5MM STD", True, False), ("CT 5 MM PRE CONTRAST", True, False),
        ("CT NON CONTRAST", True, False), ("CT 0.625mm", False, False), ("CT 5mm-3", False, False),
        ("CT 4cc sec 150cc D3D on-2", False, False), ("CT POST CONTRAST-3", False, True),
        ("CT C", False, True), ("CT C THIN-2", False, True), ("CT CECT THIN", False, True),
        ("CT ORAL IV", False, True), ("CT CONTRAST", False, True), ("CT BONE", False, True),
        ("CT 3D CT HEADORBIT", False, True), ("CT HRCT", False, True),
    ],
)  # fmt: skip
def test_names_of_series(source, folder, name, plain, excluded):
    rules = source("cq500", folder)._rules
    for text in (f"/ {name}", f"{name} / {name}", f"{name.removeprefix('CT ')} / {name}"):
        assert bool(rules.excluded.search(text)) is excluded, text
        assert bool(rules.plain.search(text)) is plain, text


def test_tables_that_are_not_it(tmp_path, cohort_writer, source):
    with pytest.raises(InputError, match=r"reads\.csv: not found"):
        source("cq500", tmp_path).records()
    path = tmp_path / "reads.csv"
    text = cohort_writer.cq500_reads({"CQ500-CT-7": [set()] * 3})
    path.write_text(text.replace("CQ500-CT-7", "7"), encoding="utf-8")
    with pytest.raises(InputError, match=r"row 2.*CQ500-CT-12"):
        source("cq500", tmp_path).records()
    path.write_text(text.replace("R2:SDH", "R2:SDHH"), encoding="utf-8")
    with pytest.raises(InputError, match="did you mean 'R2:SDHH'"):
        source("cq500", tmp_path).records()
