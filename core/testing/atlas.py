"""Checks of :class:`crossdl.interfaces.AtlasSource`."""

from __future__ import annotations

import numpy as np

from crossdl.atlas import Atlas
from crossdl.testing.checks import Subject, as_json, check, ensure


@check("atlas")
def one_grid(subject: Subject) -> None:
    """Template and labels share a grid; the template is float32 HU and finite."""
    atlas = _atlas(subject)
    ensure(atlas.template.grid.same_as(atlas.regions.grid), "template and labels differ in grid")
    ensure(atlas.regions.labels.shape == atlas.template.array.shape, "labels of another shape")
    ensure(atlas.regions.labels.dtype == np.uint8, "labels are not uint8")
    array = atlas.template.array
    ensure(array.dtype == np.float32 and bool(np.isfinite(array).all()), "template not finite")
    air = float(array.min()) < -500 < subject.anatomy.tissue_threshold < float(array.max())
    ensure(air, "the template is not in HU with air around it")


@check("atlas")
def every_region(subject: Subject) -> None:
    """Every region of the anatomy is there, and no other label."""
    found = set(np.unique(_atlas(subject).regions.labels).tolist()) - {0}
    expected = set(range(1, subject.anatomy.n_regions + 1))
    names = [subject.anatomy.region_names[i - 1] for i in sorted(expected - found)]
    ensure(not names, f"the atlas lacks {', '.join(names)}")
    ensure(found <= expected, f"labels {sorted(found - expected)} are not regions")


@check("atlas")
def mirror_partners(subject: Subject) -> None:
    """Paired regions have volumes within 20 % and lie opposite each other."""
    atlas, anatomy = _atlas(subject), subject.anatomy
    labels = atlas.regions.labels
    places = [
        atlas.regions.grid.index_to_world(np.argwhere(labels == i + 1))
        for i in range(anatomy.n_regions)
    ]
    middle = float(np.mean([place[:, 0].mean() for place in places]))
    for i, partner in enumerate(anatomy.mirror_index[:-2]):
        if i >= partner:
            continue
        names = f"{anatomy.region_names[i]} and {anatomy.region_names[partner]}"
        ratio = len(places[i]) / len(places[partner])
        ensure(1 / 1.2 <= ratio <= 1.2, f"the volumes of {names} differ ({ratio:.2f} : 1)")
        a, b = places[i].mean(axis=0), places[partner].mean(axis=0)
        ensure((a[0] - middle) * (b[0] - middle) < 0, f"{names} lie on the same side")
        ensure(bool((np.abs(a[1:] - b[1:]) < 10).all()), f"{names} do not lie opposite")


@check("atlas")
def same_every_time(subject: Subject) -> None:
    """Loading twice gives the same atlas and fingerprint; the provenance is JSON."""
    first, second = _atlas(subject), subject.build().load()
    ensure(first.fingerprint == second.fingerprint, "the fingerprint changes without a cause")
    same = np.array_equal(first.template.array, second.template.array)
    same = same and np.array_equal(first.regions.labels, second.regions.labels)
    ensure(same, "loading twice gives different atlases")
    ensure(bool(first.provenance), "the provenance is empty: state sources and licences")
    as_json(dict(first.provenance), "the provenance")


def _atlas(subject: Subject) -> Atlas:
    def load() -> Atlas:
        made: Atlas = subject.build().load()
        return made

    return subject.once("atlas", load)
