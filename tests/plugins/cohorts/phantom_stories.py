"""Random stories of phantoms, as the tests of reports need them."""

from __future__ import annotations

from typing import get_args

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.plugins.cohorts._phantom_findings import Acuity, Confounder, Finding, Kind, Story
from crossdl.types import FloatArray

TYPES: dict[Kind, list[tuple[str, ...]]] = {
    "haematoma": [("intra_hyper",), ("intra_hyper", "intra_hypo")],
    "contusion": [("intra_hyper",), ("intra_hyper", "intra_hypo")],
    "epidural": [("extra_hyper",), ("extra_hyper", "extra_hypo")],
    "subdural": [("extra_hyper",), ("extra_hypo",), ("extra_hyper", "extra_hypo")],
    "subarachnoid": [("extra_hyper",)],
    "intraventricular": [("extra_hyper",)],
    "infarct": [("intra_hypo",), ("intra_hypo",), ("intra_hyper", "intra_hypo")],
    "encephalomalacia": [("intra_hypo",)],
    "oedema": [("intra_hypo",)],
    "hygroma": [("extra_hypo",)],
    "arachnoid_cyst": [("extra_hypo",)],
    "tumour": [("intra_hypo",), ("intra_hyper",), ("intra_hyper", "intra_hypo")],
}
LOBES = ("frontal_lobe", "temporal_lobe", "parietal_lobe", "occipital_lobe", "cerebellum")
DEEP = ("centrum_ovale", "basal_ganglia", "brain_stem")
ACUITY: dict[tuple[str, ...], Acuity] = {
    ("extra_hyper",): "acute",
    ("extra_hypo",): "chronic",
    ("extra_hyper", "extra_hypo"): "mixed",
}


def random_story(rng: np.random.Generator, anatomy: Anatomy) -> tuple[Story, FloatArray]:
    """A story and its truth ``(N + 2, M)``: none to three lesions anywhere they can be."""
    n = anatomy.n_regions
    truth = np.zeros((n + 2, anatomy.n_types), dtype=np.float32)
    findings = []
    for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.3, 0.35, 0.25, 0.1]))):
        kind: Kind = get_args(Kind)[rng.integers(len(get_args(Kind)))]
        types = TYPES[kind][rng.integers(len(TYPES[kind]))]
        columns = [anatomy.type_names.index(name) for name in types]
        solid = types[0].startswith("intra")
        parts = LOBES + DEEP if solid else LOBES
        parts = ("lateral_ventricle",) if kind == "intraventricular" else parts
        if rng.random() < 0.05 and not solid:
            parts = ("brain_stem", "lateral_ventricle")
        side = rng.choice(["left", "right"])
        pool = [
            i for i, r in enumerate(anatomy.regions) if r.part in parts and r.side in (side, None)
        ]
        rows = {int(r) for r in rng.permutation(pool)[: rng.integers(1, 4)]}
        if rng.random() < 0.15:
            rows |= {int(anatomy.mirror_index[row]) for row in rows}
        if rng.random() < 0.2:
            rows.add(n)
        cells = {(r, c) for r in rows for c in columns}
        if len(columns) > 1 and len(cells) > 2 and rng.random() < 0.3:
            cells.discard(max(cells))
        acuity = ACUITY.get(types) if kind in ("subdural", "epidural") else None
        acuity = "acute" if kind in ("haematoma", "infarct") else acuity
        findings.append(Finding(kind, frozenset(cells), float(rng.uniform(5, 80)), acuity))
        for cell in cells:
            truth[cell] = 1.0
    if rng.random() < 0.1:  # a cell that no finding explains
        truth[rng.integers(n), rng.integers(anatomy.n_types)] = 1.0
        truth[:n] *= anatomy.possible
    elsewhere = tuple(
        (int(c), int(rng.integers(-1, 3)), [None, "left", "right"][rng.integers(3)])
        for c in np.flatnonzero(truth[n])
    )
    harmless: list[Confounder] = list(get_args(Confounder))
    count = rng.choice([0, 1, 2], p=[0.6, 0.3, 0.1])
    confounders = tuple(harmless[i] for i in rng.permutation(len(harmless))[:count])
    shift = float(rng.uniform(-9, 9)) if findings and rng.random() < 0.3 else 0.0
    return Story(tuple(findings), confounders, shift, elsewhere), truth


def mirrored(story: Story, truth: FloatArray, anatomy: Anatomy) -> tuple[Story, FloatArray]:
    """The story of the mirrored scan."""
    index = anatomy.mirror_index
    swap = {"left": "right", "right": "left", None: None}
    findings = tuple(
        Finding(f.kind, frozenset((int(index[r]), c) for r, c in f.cells), f.size_mm, f.acuity)
        for f in story.findings
    )
    places = tuple((c, place, swap[side]) for c, place, side in story.other_places)
    return Story(findings, story.confounders, -story.midline_shift_mm, places), truth[index]
