"""The rules link types to places as ``links.txt`` says, and so in the mirror."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossdl.anatomy import load_anatomy
from crossdl.plugins.discretizers.lexicon import LexiconConfig, LexiconDiscretizer
from crossdl.reports import label_sentences, mirror_text

from .test_readings import TYPES, places

ANATOMY = load_anatomy("head_ct")
RULES = LexiconDiscretizer(LexiconConfig(linking="clause"), ANATOMY)


def table() -> list[tuple[str, set[tuple[str, str]]]]:
    """Sentence and cells of every line."""
    rows = []
    text = Path(__file__).with_name("links.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        sentence, stated = (part.strip() for part in line.rsplit("|", 1))
        pairs = [entry.split(":") for entry in stated.split()]
        cells = {(r, TYPES[t]) for place, ts in pairs for r in places(place) for t in ts.split("+")}
        rows.append((sentence, cells))
    return rows


@pytest.mark.parametrize(("sentence", "cells"), table())
def test_links(sentence: str, cells: set[tuple[str, str]]) -> None:
    linked = label_sentences(RULES, [sentence, mirror_text(sentence, ANATOMY)]).cells
    found = np.argwhere(linked[0])
    assert {(ANATOMY.label_names[r], ANATOMY.type_names[t]) for r, t in found} == cells
    np.testing.assert_array_equal(linked[1], linked[0][ANATOMY.mirror_index])
