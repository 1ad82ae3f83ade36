"""Checks of :class:`crossdl.interfaces.RegionSegmenter`."""

from __future__ import annotations

import contextlib

import numpy as np

from crossdl.errors import InputError
from crossdl.testing.checks import Subject, as_json, check, ensure, ensure_raises
from crossdl.testing.heads import synthetic_head, with_values
from crossdl.types import RegionMap


@check("segmenter")
def labels_on_the_input_grid(subject: Subject) -> None:
    """Labels are uint8 on the grid of the input, 0 to N, with most regions found in a head."""
    regions = _segmented(subject)
    volume = synthetic_head()
    ensure(regions.grid.same_as(volume.grid), "the labels are on another grid")
    ensure(regions.labels.shape == volume.array.shape, "the labels have another shape")
    ensure(regions.labels.dtype == np.uint8, f"labels are {regions.labels.dtype}, not uint8")
    found = np.unique(regions.labels)
    n = subject.anatomy.n_regions
    ensure(int(found.max()) <= n, f"label {int(found.max())} is beyond the {n} regions")
    ensure(2 * len(found[found > 0]) > n, f"only {len(found[found > 0])} of {n} regions found")


@check("segmenter")
def quality_is_json(subject: Subject) -> None:
    """Quality values can be written as JSON; ``final_metric`` names each stage's metric."""
    quality = _segmented(subject).quality
    as_json(quality.as_dict(), "the quality")
    metric = quality.values.get("final_metric")
    stated = isinstance(metric, dict) and all(isinstance(v, float) for v in metric.values())
    ensure(stated, 'quality.values["final_metric"] must map each stage to its metric')


@check("segmenter")
def deterministic(subject: Subject) -> None:
    """The same scan gives the same labels, also from a new component."""
    same = np.array_equal(_segmented_again(subject).labels, _segmented(subject).labels)
    ensure(same, "the same scan got other labels the second time")


@check("segmenter")
def working_folder_stays_clean(subject: Subject) -> None:
    """Nothing is written into the folder the program was started in."""
    _segmented_again(subject)
    left = sorted(path.name for path in subject.folder("working").iterdir())
    ensure(not left, f"segmenting left {', '.join(left)} in the working folder")


@check("segmenter")
def refuses_unusable_volumes(subject: Subject) -> None:
    """A constant volume and one that is not finite are an InputError."""
    segmenter, head = subject.build(), synthetic_head()
    constant = with_values(head, np.full_like(head.array, -1000.0))
    broken = head.array.copy()
    broken[0, 0, 0] = np.nan
    for name, volume in (("constant", constant), ("non-finite", with_values(head, broken))):
        ensure_raises(
            InputError,
            lambda volume=volume: segmenter.segment(volume),  # type: ignore[misc]
            f"a {name} volume must be an InputError",
        )


def _segmented(subject: Subject) -> RegionMap:
    def segment() -> RegionMap:
        made: RegionMap = subject.build().segment(synthetic_head())
        return made

    return subject.once("segmented", segment)


def _segmented_again(subject: Subject) -> RegionMap:
    def segment() -> RegionMap:
        with contextlib.chdir(subject.folder("working")):
            made: RegionMap = subject.build().segment(synthetic_head())
        return made

    return subject.once("segmented again", segment)
