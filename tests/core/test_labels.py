from __future__ import annotations

from pathlib import Path

import pytest

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.errors import ConfigError
from crossdl.labels import ReportLabels, load_labels, parse_labels

FILE = """
name = "chest"
title = "Chest film"
region_labels = ["left_lung", "right_lung", "heart"]
type_labels = ["effusion"]
mirror = [["left_lung", "right_lung"]]
"""


def test_a_file_of_labels(tmp_path: Path) -> None:
    path = tmp_path / "chest.toml"
    path.write_text(FILE, encoding="utf-8")
    labels = load_labels(str(path))
    assert labels.label_names == ("left_lung", "right_lung", "heart")
    assert labels.mirror_index.tolist() == [1, 0, 2]
    assert labels.n_types == 1
    assert parse_labels(labels.model_dump(mode="json")) == labels


def test_an_anatomy_is_a_label_set(tmp_path: Path) -> None:
    anatomy = load_labels("head_ct")
    assert isinstance(anatomy, Anatomy) and anatomy is load_anatomy("head_ct")
    assert ("left", "right") in anatomy.side_partners
    assert parse_labels(anatomy.model_dump(mode="json")) == anatomy


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"heart"]', '"left_lung"]', "region_labels: names must be unique"),
        ('mirror = [["left_lung", "right_lung"]]', 'mirror = [["lung", "heart"]]', "mirror: must"),
        ("type_labels", "types_labels", "types_labels: unknown field; did you mean 'type_labels'"),
        ("name =", "name", "cannot be read as a label set"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "labels.toml"
    path.write_text(FILE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_labels(str(path))
    assert complaint in str(caught.value)


def test_no_such_file() -> None:
    with pytest.raises(ConfigError, match="no such anatomy file"):
        load_labels("nowhere.toml")


def test_lexicon_needs_an_anatomy() -> None:
    from crossdl.plugins.discretizers.lexicon import LexiconConfig, LexiconDiscretizer

    labels = ReportLabels(name="x", title="X", region_labels=("a",), type_labels=("t",))
    with pytest.raises(ConfigError, match="needs an anatomy"):
        LexiconDiscretizer(LexiconConfig(), labels).label(["word"])
