"""A cohort that was really built, read by the cohort kind ``dicom`` and described."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from crossdl.anatomy import load_anatomy
from crossdl.catalog import default_catalog
from crossdl.ingest.describe import characteristics, describe
from crossdl.preprocessing import preprocess
from crossdl.testing import Check, Subject, checks_of


@pytest.fixture(scope="module")
def cohort(built: SimpleNamespace):
    catalog = default_catalog()
    config = catalog.parse("cohort", {"kind": "dicom", "folder": str(built.out)})
    return catalog.create("cohort", config, load_anatomy("head_ct"))


def test_source_scans_prepared_again_are_the_prepared_ones(cohort):
    records = cohort.records()
    assert len(records) == 2
    for record in records:
        ready = cohort.prepared(record)
        again = preprocess(cohort.volume(record), cohort.anatomy, cohort.anatomy.volume_shape)
        assert np.array_equal(ready.image, again.image) and ready.image.any()
        assert ready.grid.same_as(again.grid)


def test_labels_are_those_of_the_reports(cohort):
    anatomy = cohort.anatomy
    cell = anatomy.label_names.index("left_frontal_lobe"), anatomy.type_names.index("intra_hyper")
    labels = [record.labels for record in cohort.records()]
    assert sorted(matrix.sum() for matrix in labels) == [0, 1]
    assert max(matrix[cell] for matrix in labels) == 1


def test_description(built: SimpleNamespace):
    found = describe(built.out)
    texts = dict(characteristics(found))
    assert texts["Scans"]["all"] == texts["Patients"]["all"] == "2"
    assert texts["Age (years)"]["all"] == "88.0 (88.0, 88.0)"
    assert texts["Sex (%): F"]["all"] == "100.0"
    assert found.rates("all").loc["any", "any"] == 0.5
    assert found.flow == tuple(built.published.rows)


@pytest.mark.parametrize("check", checks_of("cohort"), ids=lambda check: check.name)
def test_contract(built: SimpleNamespace, check: Check):
    config = {"folder": built.out}
    check.run(Subject(default_catalog(), "cohort", "dicom", load_anatomy("head_ct"), config))
