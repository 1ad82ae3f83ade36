"""Checks of :class:`crossdl.interfaces.CohortSource`."""

from __future__ import annotations

import numpy as np

from crossdl.interfaces import CohortSource
from crossdl.testing.checks import Subject, check, ensure
from crossdl.types import SPLITS, FloatArray, ScanRecord


@check("cohort")
def records_are_stable(subject: Subject) -> None:
    """Records come in the same order every time, with unique ids fit for file names."""
    first, second = _records(subject), subject.build().records()
    ensure(len(first) > 0, "the cohort has no scan")
    same = [r.scan_id for r in first] == [r.scan_id for r in second]
    ensure(same, "the order of the scans changes")
    ensure(len({r.scan_id for r in first}) == len(first), "scan ids are not unique")
    for record in first:
        fit = record.scan_id and not set(record.scan_id) & set('/\\\0:*?"<>|')
        ensure(bool(fit) and record.scan_id[0] != ".", f"{record.scan_id!r} is no file name")
        findings = record.findings
        ensure(findings is None or isinstance(findings, str), "findings must be text or None")


@check("cohort")
def patients_stay_in_one_split(subject: Subject) -> None:
    """No patient is in two splits."""
    splits: dict[str, str] = {}
    for record in _records(subject):
        ensure(record.split in SPLITS, f"{record.split!r} is not a split")
        known = splits.setdefault(record.patient_id, record.split)
        ensure(known == record.split, f"{record.patient_id} is in {known} and {record.split}")


@check("cohort")
def truth_is_a_matrix(subject: Subject) -> None:
    """Gold truth is ``(N + 2, M)`` float32 of 0, 1 and NaN, and none in impossible cells."""
    anatomy = subject.anatomy
    for record in _records(subject):
        if record.truth is not None:
            _check_matrix(record.truth, subject, "truth")
            known = record.truth[~np.isnan(record.truth)]
            ensure(bool(np.isin(known, (0, 1)).all()), "truth is not 0, 1 or NaN")
            impossible = record.truth[:-2][~anatomy.possible]
            ensure(not (impossible == 1).any(), f"{record.scan_id}: an impossible cell is positive")


@check("cohort")
def labels_are_a_matrix(subject: Subject) -> None:
    """Weak labels, where a cohort brings them, are ``(N + 2, M)`` float32 in [0, 1]."""
    for record in _records(subject):
        if record.labels is not None:
            _check_matrix(record.labels, subject, "labels")
            fits = bool(((record.labels >= 0) & (record.labels <= 1)).all())
            ensure(fits, f"{record.scan_id}: labels are not in [0, 1]")


@check("cohort")
def silver_labels_fit_the_text(subject: Subject) -> None:
    """Silver labels, where a cohort has them, are 0/1 and belong to the sentences of the text."""
    from crossdl.reports import split_findings

    cohort, anatomy = subject.build(), subject.anatomy
    for record in _records(subject):
        silver = cohort.silver(record)
        if silver is not None:
            expected = split_findings(record.findings or "", anatomy)
            ensure(list(silver.sentences) == expected, f"{record.scan_id}: other sentences")
            n = len(expected)
            fits = silver.regions.shape == (n, anatomy.n_regions + 2)
            ensure(fits and silver.types.shape == (n, anatomy.n_types), "silver of another shape")
            both = np.concatenate([silver.regions.ravel(), silver.types.ravel()])
            ensure(bool(np.isin(both, (0, 1)).all()), "silver is not 0 or 1")


@check("cohort")
def prepared_scans_fit(subject: Subject) -> None:
    """Prepared scans, where a cohort keeps them, are uint8 at the anatomy's shape."""
    cohort, anatomy = subject.build(), subject.anatomy
    for record in _some(subject):
        ready = cohort.prepared(record)
        if ready is not None:
            shape = anatomy.volume_shape
            ensure(ready.image.shape == shape == ready.grid.shape, f"not of shape {shape}")
            ensure(ready.image.dtype == np.uint8, f"prepared image is {ready.image.dtype}")


def _check_matrix(matrix: FloatArray, subject: Subject, name: str) -> None:
    expected = (subject.anatomy.n_regions + 2, subject.anatomy.n_types)
    ensure(matrix.shape == expected, f"{name} of shape {matrix.shape}")
    ensure(matrix.dtype == np.float32, f"{name} is {matrix.dtype}")


@check("cohort")
def volumes_are_sound(subject: Subject) -> None:
    """Volumes are finite float32 HU on a regular grid, and the same when read again."""
    cohort = subject.build()
    for record in _some(subject):
        volume = cohort.volume(record)
        array = volume.array
        ensure(array.ndim == 3 and array.dtype == np.float32, "a volume is (D, H, W) float32")
        ensure(bool(np.isfinite(array).all()), f"{record.scan_id}: voxels that are not finite")
        ensure(min(volume.grid.spacing) > 0.05, f"{record.scan_id}: spacing below 0.05 mm")
        again = subject.build().volume(record)
        same = np.array_equal(array, again.array) and volume.grid.same_as(again.grid)
        ensure(same, f"{record.scan_id} is another volume the second time")


@check("cohort")
def fingerprints(subject: Subject) -> None:
    """Fingerprints stay, and differ between scans."""
    one, two = subject.build(), subject.build()
    records = _records(subject)
    found = [one.fingerprint(record) for record in records]
    ensure(found == [two.fingerprint(record) for record in records], "a fingerprint changes")
    ensure(len(set(found)) == len(found), "two scans have the same fingerprint")


@check("cohort")
def voxel_truth_fits(subject: Subject) -> None:
    """Masks and true regions, where there are any, lie on the volume's grid."""
    cohort, anatomy = subject.build(), subject.anatomy
    for record in _some(subject):
        shape = cohort.volume(record).grid.shape
        masks, regions = cohort.voxel_truth(record), cohort.region_truth(record)
        if masks is not None:
            ensure(masks.shape == (anatomy.n_types, *shape), f"masks of shape {masks.shape}")
            ensure(masks.dtype == np.bool_, f"masks are {masks.dtype}, not bool")
        if regions is not None:
            fits = regions.grid.same_as(cohort.volume(record).grid)
            ensure(fits and regions.labels.shape == shape, "true regions are on another grid")
            ensure(int(regions.labels.max()) <= anatomy.n_regions, "a label beyond the regions")


def _records(subject: Subject) -> list[ScanRecord]:
    def read() -> list[ScanRecord]:
        cohort: CohortSource = subject.build()  # type: ignore[type-arg]
        return list(cohort.records())

    return subject.once("records", read)


def _some(subject: Subject, n: int = 2) -> list[ScanRecord]:
    return _records(subject)[:n]
