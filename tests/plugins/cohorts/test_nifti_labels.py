"""``labels.csv`` of the NIfTI cohort: both forms, what they mean, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossdl.anatomy import load_anatomy
from crossdl.errors import InputError

ANATOMY = load_anatomy("head_ct")
SHAPE = (ANATOMY.n_regions + 2, ANATOMY.n_types)
POSSIBLE = np.concatenate([ANATOMY.possible, np.ones((2, ANATOMY.n_types), dtype=bool)])


@pytest.fixture
def folder(tmp_path):
    for name in ("a.nii.gz", "b.nii", "c.nii.gz"):
        (tmp_path / name).touch()
    (tmp_path / "reports.csv").write_text("scan\na.nii.gz\nb.nii\nc.nii.gz\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def read(folder, source):
    """Records by scan, of a cohort with this table of labels."""

    def records(text, encoding="utf-8", **fields):
        (folder / "labels.csv").write_text(text, encoding=encoding)
        return {r.scan_id: r for r in source("nifti", folder, **fields).records()}

    return records


def cell(region, kind):
    return ANATOMY.label_names.index(region), ANATOMY.type_names.index(kind)


def test_without_a_table_there_are_no_labels(folder, source):
    for record in source("nifti", folder).records():
        assert record.labels is None and record.truth is None


def test_long_form(read):
    records = read(
        "scan,region,type\n"
        "a.nii.gz,left_frontal_lobe,intra_hyper\n"
        "a,unclear,extra_hypo\n"  # the ending may be left out
        "b,,\n"  # a normal scan
    )
    expected = np.zeros(SHAPE, np.float32)
    expected[cell("left_frontal_lobe", "intra_hyper")] = expected[-1, 3] = 1
    assert np.array_equal(records["a"].truth, expected)
    assert np.array_equal(records["a"].labels, expected)
    assert not records["b"].truth.any()
    assert records["c"].truth is None and records["c"].labels is None  # nobody labelled it


def test_long_form_with_values(read):
    rows = "a,brain_stem,intra_hypo,0\na,other,extra_hyper,1\n"
    truth = read("scan,region,type,value\n" + rows)["a"].truth
    assert truth[cell("brain_stem", "intra_hypo")] == 0
    assert truth.sum() == truth[cell("other", "extra_hyper")] == 1


def test_wide_form(read):
    records = read("scan,left_cerebellum/intra_hyper,unclear/intra_hypo\na,1,\nc.nii.gz,0,1\n")
    known = cell("left_cerebellum", "intra_hyper")
    truth, labels = records["a"].truth, records["a"].labels
    assert truth[known] == 1 and np.isnan(truth).sum() == truth.size - 1
    assert labels[known] == 1 and labels.sum() == 1  # what nobody assessed is no weak positive
    assert records["c"].truth[-1, 2] == 1 and records["c"].truth[known] == 0
    assert records["b"].truth is None


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.lists(st.booleans(), min_size=SHAPE[0] * SHAPE[1], max_size=SHAPE[0] * SHAPE[1]))
def test_both_forms_say_the_same(read, values):
    matrix = np.array(values).reshape(SHAPE) & POSSIBLE
    names = [(r, t) for r in ANATOMY.label_names for t in ANATOMY.type_names]
    long = [f"a,{r},{t}" for (r, t), value in zip(names, matrix.ravel(), strict=True) if value]
    wide = ["scan," + ",".join(f"{r}/{t}" for r, t in names)]
    wide.append("a," + ",".join(str(int(v)) for v in matrix.ravel()))
    for text in ("\n".join(["scan,region,type", "a,,", *long]), "\n".join(wide)):
        assert np.array_equal(read(text)["a"].truth, matrix.astype(np.float32))


def test_excel_and_gb18030(read, folder, source):
    import pandas as pd

    frame = pd.DataFrame({"scan": ["a"], "region": ["other"], "type": ["intra_hypo"]})
    frame.to_excel(folder / "labels.xlsx", index=False)
    records = source("nifti", folder, labels=str(folder / "labels.xlsx")).records()
    assert records[0].truth.sum() == 1
    assert read("scan,region,type,备注\na,other,intra_hypo,可疑\n", "gb18030")["a"].truth.sum() == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scan,region,type\na,left_frontal_lob,intra_hyper", "row 2.*mean 'left_frontal_lobe'"),
        ("scan,region,type\na,other,intra_hiper", "row 2.*did you mean 'intra_hyper'"),
        ("scan,region,type\nq,other,intra_hyper", "row 2 is of scan 'q'"),
        ("scan,region,kind\na,other,intra_hyper", "no column 'type'"),
        ("scan,region,type,value\na,other,intra_hyper,0.5", "'0.5'; it must be 0 or 1"),
        ("scan,region,type\na,other,intra_hyper\na,other,intra_hyper", "row 3.*second time"),
        ("scan,region,type\na,left_lateral_ventricle,intra_hyper", "row 2.*cannot occur"),
        ("scan,other/intra_hyper\na,2", r"row 2.*other/intra_hyper.*must be 0 or 1"),
        ("scan,other/intra_hiper\na,1", "column.*did you mean 'intra_hyper'"),
        ("scan,other/intra_hyper\na,1\na,0", "row 3.*second time"),
        ("scan,note\na,1", "'note'.*left_frontal_lobe/intra_hyper"),
        ("scan\na", "has no labels"),
        ("scans,region,type\na,other,intra_hyper", "did you mean 'scans'"),
        ("", "cannot be read"),
    ],
)
def test_mistakes(read, text, words):
    with pytest.raises(InputError, match=rf"labels\.csv.*{words}") as caught:
        read(text)
    assert "\n" not in str(caught.value)


def test_named_table_must_be_there(folder, source):
    with pytest.raises(InputError, match=r"none\.csv: no such table"):
        source("nifti", folder, labels=str(folder / "none.csv")).records()


def test_impossible_cells_may_be_negative(read):
    truth = read("scan,left_lateral_ventricle/intra_hyper\na,0\n")["a"].truth
    assert truth[cell("left_lateral_ventricle", "intra_hyper")] == 0
