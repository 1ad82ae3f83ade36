"""CT-ICH: both releases, what its labels say of the anatomy's cells, and its masks."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from crossdl.anatomy import load_anatomy
from crossdl.errors import InputError
from crossdl.io.volumes import read_labels, write_volume

ANATOMY = load_anatomy("head_ct")
INTRA, EXTRA = (ANATOMY.type_names.index(name) for name in ("intra_hyper", "extra_hyper"))
HYPO = [ANATOMY.type_names.index(name) for name in ("intra_hypo", "extra_hypo")]


@pytest.fixture(params=[False, True], ids=["1.0.0", "1.3.1"])
def folder(request, tmp_path, cohort_writer):
    return cohort_writer.write_ct_ich(tmp_path, raw=request.param)


def test_reads_of_a_scan_are_those_of_its_slices(folder, source):
    records = {r.scan_id: r for r in source("ct_ich", folder).records()}
    assert list(records) == ["049", "050", "051", "052"]
    reads = {name: r.reads for name, r in records.items()}
    positive = {n: {k for k, v in r.items() if v == 1} - {"Fracture"} for n, r in reads.items()}
    assert positive == {
        "049": set(),
        "050": {"ICH", "IPH", "IVH", "SAH", "EPH"},
        "051": {"ICH", "IPH", "SAH", "EPH"},
        "052": {"ICH", "EDH", "EPH"},
    }
    assert reads["049"]["Fracture"] == 1 and reads["050"]["Fracture"] == 0
    assert {r.patient_id for r in records.values()} == set(records)


def test_fracture_is_unknown_where_no_table_says_it(tmp_path, cohort_writer, source):
    folder = cohort_writer.write_ct_ich(tmp_path, raw=True)
    (folder / "Patient_demographics.csv").unlink()
    assert all(np.isnan(r.reads["Fracture"]) for r in source("ct_ich", folder).records())


def test_truth_of_each_kind_of_scan(folder, source):
    truth = {r.scan_id: r.truth for r in source("ct_ich", folder).records()}
    for matrix in truth.values():
        assert np.isnan(matrix[:, HYPO]).all()  # nobody looked for hypodensity
    assert (truth["049"][:, [INTRA, EXTRA]] == 0).all()
    for j in (INTRA, EXTRA):
        assert np.isnan(truth["050"][:-1, j]).all() and truth["050"][-1, j] == 1
    assert (truth["052"][:, INTRA] == 0).all() and truth["052"][-1, EXTRA] == 1
    assert np.isnan(truth["052"][:-1, EXTRA]).all()


def test_the_mapping_of_types_is_config(folder, source):
    types = {"IPH": "extra_hypo", "SDH": "intra_hypo"}
    truth = {r.scan_id: r.truth for r in source("ct_ich", folder, types=types).records()}
    assert truth["050"][-1, ANATOMY.type_names.index("extra_hypo")] == 1
    assert (truth["050"][:, ANATOMY.type_names.index("intra_hypo")] == 0).all()
    assert np.isnan(truth["050"][:, [INTRA, EXTRA]]).all()
    with pytest.raises(InputError, match="did you mean 'intra_hyper'"):
        source("ct_ich", folder, types={"IPH": "intra_hyperr"}).records()
    with pytest.raises(ValidationError, match="IPH"):
        source("ct_ich", folder, types={"IPHH": "intra_hyper"})


def test_everything_is_for_testing_unless_fractions_say_so(folder, source):
    assert {r.split for r in source("ct_ich", folder).records()} == {"test"}
    drawn = source("ct_ich", folder, test_fraction=0.5, valid_fraction=0.25).records()
    splits = [r.split for r in drawn]
    assert sorted(splits) == ["test", "test", "train", "valid"]
    again = source("ct_ich", folder, test_fraction=0.5, valid_fraction=0.25).records()
    assert [r.split for r in again] == splits
    with pytest.raises(ValidationError, match="exceed 1"):
        source("ct_ich", folder, test_fraction=0.9, valid_fraction=0.2)


def test_only_complete_masks_of_known_type_are_voxel_truth(folder, source):
    cohort = source("ct_ich", folder)
    found = {r.scan_id: cohort.voxel_truth(r) for r in cohort.records()}
    assert found["049"] is None  # no mask
    assert found["051"] is None  # two types on one slice
    assert found["052"] is None  # a haemorrhagic slice is not drawn
    masks = found["050"]
    assert masks.dtype == np.bool_ and masks.shape[0] == ANATOMY.n_types
    path = next((folder / "masks").glob("050*"))
    drawn = read_labels(path)[0] > 0
    assert np.array_equal(masks.any(axis=0), drawn)
    assert np.flatnonzero(masks[EXTRA].any(axis=(1, 2))).tolist() == [1]  # IVH and SAH
    assert np.flatnonzero(masks[INTRA].any(axis=(1, 2))).tolist() == [2]
    assert not masks[HYPO].any()


def test_mask_on_another_grid(folder, source):
    cohort = source("ct_ich", folder)
    path = next((folder / "masks").glob("050*"))
    labels, grid = read_labels(path)
    write_volume(path, labels[:-1], type(grid)(labels[:-1].shape, grid.affine))
    with pytest.raises(InputError, match=r"050.*grid"):
        cohort.voxel_truth(cohort.records()[1])


def test_a_missing_scan_is_reported_when_it_is_read(folder, source):
    next((folder / "ct_scans").glob("050*")).unlink()
    cohort = source("ct_ich", folder)
    record = cohort.records()[1]
    for read in (cohort.volume, cohort.fingerprint):
        with pytest.raises(InputError, match="050"):
            read(record)


def test_folders_that_are_not_it(tmp_path, source):
    with pytest.raises(InputError, match="no such folder"):
        source("ct_ich", tmp_path / "absent").records()
    with pytest.raises(InputError, match=r"hemorrhage_diagnosis\.csv"):
        source("ct_ich", tmp_path).records()


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [("SliceNumber", "SliceNo", "did you mean 'SliceNo'"), ("49,2,0", "49,2,x", "row 3"),
     ("49,2,0", "49,two,0", "'two'")],
)  # fmt: skip
def test_damaged_tables(tmp_path, cohort_writer, source, before, after, words):
    path = cohort_writer.write_ct_ich(tmp_path) / "hemorrhage_diagnosis.csv"
    text = path.read_text(encoding="utf-8-sig").replace(before, after, 1)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        source("ct_ich", tmp_path).records()


def test_real_scans(data_dir, source):
    cohort = source("ct_ich", data_dir / "ct_ich")
    records = {r.scan_id: r for r in cohort.records()}
    assert len(records) == 41
    assert sum(r.reads["ICH"] for r in records.values()) == 18
    assert sum(r.reads["Fracture"] for r in records.values()) == 10
    complete = {n: cohort.voxel_truth(records[n]) for n in ("077", "079", "080")}
    assert complete["077"] is None and complete["080"] is None
    masks = complete["079"]
    assert masks[INTRA].any() and not np.delete(masks, INTRA, axis=0).any()
    assert cohort.volume(records["079"]).array.shape == masks.shape[1:]
