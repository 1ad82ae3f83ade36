from __future__ import annotations

import copy
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.errors import ConfigError


@pytest.fixture(scope="module")
def raw() -> dict[str, Any]:
    text = (files("crossdl") / "anatomies" / "head_ct.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@pytest.fixture(scope="module")
def head() -> Anatomy:
    return load_anatomy("head_ct")


def test_sizes_are_those_of_the_paper(head: Anatomy) -> None:
    assert (head.n_regions, head.n_types) == (17, 4)
    assert head.label_names[-2:] == (head.other.name, head.unclear.name)
    assert head.volume_shape == (80, 160, 160)
    assert (head.window.low, head.window.high) == (-10.0, 80.0)
    assert len(head.parts) == 9
    assert int((~head.possible).sum()) == len(head.impossible)


def test_mirroring_twice_changes_nothing(head: Anatomy) -> None:
    labels = np.arange(head.n_regions + 2)
    swapped = labels[head.mirror_index]
    np.testing.assert_array_equal(swapped[head.mirror_index], labels)
    assert swapped[-2:].tolist() == labels[-2:].tolist()
    paired = [r for r in head.regions if r.mirror != r.name]
    assert int((swapped != labels).sum()) == len(paired) == 16


def test_mirrored_cells_are_possible_alike(head: Anatomy) -> None:
    np.testing.assert_array_equal(head.possible[head.mirror_index[:-2]], head.possible)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda r: r["regions"].append(r["regions"][0]), "unique"),
        (lambda r: r["types"].append(r["types"][0]), "unique"),
        (lambda r: r["regions"][0].update(mirror="nobody"), "mirror of"),
        (lambda r: r["regions"][0].update(mirror=r["regions"][0]["name"]), "mirror of|own mirror"),
        (lambda r: r["regions"][0].update(part="another"), "mirror of"),
        (lambda r: r["regions"][0].pop("side"), "side"),
        (lambda r: r["regions"][0].update(side=r["regions"][1]["side"]), "side"),
        (lambda r: r["regions"][-1].update(side=r["regions"][0]["side"]), "side"),
        (lambda r: r["impossible"].append(["nowhere", r["types"][0]["name"]]), "impossible cell"),
        (lambda r: r["window"].update(width=0), "greater than 0"),
        (lambda r: r.update(volume_shape=[0, 1, 1]), "volume_shape.0"),
        (lambda r: r.update(atlas={}), "kind"),
        (lambda r: r.update(regions=[]), "at least 1"),
        (lambda r: r.update(modaliti="CT"), "Extra inputs"),
    ],
)
def test_inconsistent_tables_are_refused(raw: dict[str, Any], change: Any, expected: str) -> None:
    changed = copy.deepcopy(raw)
    change(changed)
    with pytest.raises(ValidationError, match=expected):
        Anatomy.model_validate(changed)


def test_it_is_frozen(head: Anatomy) -> None:
    with pytest.raises(ValidationError):
        head.name = "other"  # type: ignore[misc]


def test_messages_of_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'head_ct'"):
        load_anatomy("head_c")
    with pytest.raises(ConfigError, match="no such anatomy file"):
        load_anatomy(str(tmp_path / "a.toml"))
    with pytest.raises(ConfigError):
        load_anatomy("a\0.toml")
    path = tmp_path / "b.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_anatomy(str(path))
    for name, text, expected in (
        ("c", "a = ", "not valid TOML"),
        ("d", "a = " + "[" * 20000, "nested too deeply"),
    ):
        path = tmp_path / f"{name}.toml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=expected):
            load_anatomy(str(path))


def test_all_mistakes_of_a_file_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    text = (files("crossdl") / "anatomies" / "head_ct.toml").read_text(encoding="utf-8")
    text = text.replace('title = "Head CT"', 'titel = "Head CT"').replace("width = 90.0", "")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_anatomy(str(path))
    assert [p.split(":")[0] for p in caught.value.problems] == ["title", "window.width", "titel"]
    assert "did you mean 'title'" in caught.value.problems[-1]


def test_definitions_are_shared_by_the_sides_of_a_part() -> None:
    head = load_anatomy("head_ct")
    assert set(head.definitions) == {*head.label_names, *head.type_names}
    for region in head.regions:
        assert head.definitions[region.name] == head.definitions[region.mirror]
    raw = head.model_dump()
    for entry in (*raw["regions"], *raw["types"], raw["other"], raw["unclear"]):
        del entry["definition"]
    assert Anatomy.model_validate(raw).definitions == {}
