"""The rules read the sentences of ``readings.txt`` as they are labelled there, and their mirror."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossdl.anatomy import load_anatomy
from crossdl.plugins.discretizers.lexicon import LexiconConfig, LexiconDiscretizer
from crossdl.reports import mirror_text

ANATOMY = load_anatomy("head_ct")
RULES = LexiconDiscretizer(LexiconConfig(), ANATOMY)
PARTS = {
    "F": "frontal_lobe",
    "T": "temporal_lobe",
    "P": "parietal_lobe",
    "O": "occipital_lobe",
    "CO": "centrum_ovale",
    "BG": "basal_ganglia",
    "LV": "lateral_ventricle",
    "CB": "cerebellum",
}
SIDES = {"L": ["left"], "R": ["right"], "B": ["left", "right"]}
OTHERS = {"BS": "brain_stem", "OT": "other", "UN": "unclear"}
TYPES = {"IH": "intra_hyper", "EH": "extra_hyper", "IL": "intra_hypo", "EL": "extra_hypo"}


def places(short: str) -> set[str]:
    """The region labels of an abbreviation."""
    if short in OTHERS:
        return {OTHERS[short]}
    return {f"{side}_{PARTS[short[1:]]}" for side in SIDES[short[0]]}


def table() -> list[tuple[str, set[str], set[str]]]:
    """Sentence, region labels and types of every line."""
    rows = []
    text = Path(__file__).with_name("readings.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        sentence, named, types = (part.strip() for part in line.rsplit("|", 2))
        regions = {r for place in named.replace("-", "").split() for r in places(place)}
        rows.append((sentence, regions, {TYPES[t] for t in types.replace("-", "").split()}))
    return rows


@pytest.mark.parametrize(("sentence", "regions", "types"), table())
def test_reading(sentence: str, regions: set[str], types: set[str]) -> None:
    labels = RULES.label([sentence, mirror_text(sentence, ANATOMY)])
    names = ANATOMY.label_names
    assert {n for n, p in zip(names, labels.regions[0], strict=True) if p} == regions
    assert {n for n, p in zip(ANATOMY.type_names, labels.types[0], strict=True) if p} == types
    np.testing.assert_array_equal(labels.regions[1], labels.regions[0][ANATOMY.mirror_index])
    links = RULES.link(labels)
    np.testing.assert_array_equal(links[1], links[0][ANATOMY.mirror_index])
