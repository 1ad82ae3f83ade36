from __future__ import annotations

from crossdl.anatomy import load_anatomy
from crossdl.labels import ReportLabels
from crossdl.text.substitution import substituted

ANATOMY = load_anatomy("head_ct")
TEXTS = ["左侧额叶见片状低密度影，边界清", "There is a hemorrhage in the left frontal lobe", "mm"]


def test_new_sentences_with_known_terms() -> None:
    made = substituted(TEXTS, ANATOMY, 200, seed=0)
    assert len(made) == len(set(made)) == 200
    assert not set(made) & set(TEXTS)
    assert all("边界清" in text or "There is a" in text for text in made)
    assert all(text.isprintable() for text in made)
    assert any("右" in text for text in made) and any("cerebell" in text for text in made)


def test_the_same_seed_gives_the_same_sentences() -> None:
    assert substituted(TEXTS, ANATOMY, 50, 1) == substituted(TEXTS, ANATOMY, 50, 1)
    assert substituted(TEXTS, ANATOMY, 50, 1) != substituted(TEXTS, ANATOMY, 50, 2)


def test_nothing_to_exchange() -> None:
    labels = ReportLabels(name="x", title="X", region_labels=("a",), type_labels=("t",))
    assert substituted(TEXTS, labels, 10, 0) == []
    assert substituted([], ANATOMY, 10, 0) == []
    assert substituted(["mm"], ANATOMY, 10, 0) == []
