from __future__ import annotations

import sys
from pathlib import Path

import pytest

from crossdl.anatomy import load_anatomy
from crossdl.catalog import SLOT_FOLDERS, Catalog, Entry
from crossdl.errors import CatalogError
from crossdl.interfaces import build

POOLING = "analyzers/pooling"


def folder_with(root: Path, name: str, text: str, place: str = POOLING) -> Path:
    (root / place).mkdir(parents=True, exist_ok=True)
    (root / place / f"{name}.py").write_text(text, encoding="utf-8")
    return root


def fake(fakes: Path, kind: str) -> str:
    """Source of a working pooling of that kind."""
    source = (fakes / POOLING / "largest.py").read_text(encoding="utf-8")
    return source.replace("largest", kind).replace("Largest", "Mine")


def test_kinds_are_file_names_and_underscores_are_private(fakes: Path, tmp_path: Path) -> None:
    folder_with(tmp_path, "mine", fake(fakes, "mine"))
    folder_with(tmp_path, "_shared", "raise RuntimeError")
    kinds = {entry.kind: entry for entry in Catalog([tmp_path]).kinds("pooling")}
    assert kinds["mine"].owner == f"folder {tmp_path}"
    assert "_shared" not in kinds


def test_every_slot_has_its_folder_in_the_package() -> None:
    import crossdl

    plugins = Path(crossdl.__file__).parent / "plugins"
    for folder in SLOT_FOLDERS.values():
        assert (plugins / folder / "__init__.py").is_file()


def test_a_component_is_built_from_its_config(fakes: Path) -> None:
    catalog = Catalog([fakes])
    config = catalog.parse("pooling", {"kind": "best", "k": 3})
    made = catalog.create("pooling", config, load_anatomy("head_ct"))
    assert type(made).__name__ == "Best"
    assert made.config.k == 3
    assert catalog.parse("pooling", config) is config


def test_listing_imports_nothing(tmp_path: Path) -> None:
    folder_with(tmp_path, "loud", '"""A loud one."""\nraise RuntimeError("imported")\n')
    catalog = Catalog([tmp_path])
    (entry,) = [e for e in catalog.kinds("pooling") if e.kind == "loud"]
    assert catalog.summary(entry) == "A loud one."


def test_summaries_are_read_from_the_named_class_or_the_module() -> None:
    catalog = Catalog()
    assert catalog.summary(Entry("pooling", "x", "o", "crossdl.hints")).startswith("Suggestions")
    reference = "crossdl.catalog:Catalog"
    assert catalog.summary(Entry("pooling", "x", "o", reference)).startswith("All kinds")
    assert catalog.summary(Entry("pooling", "x", "o", "no_such_package.module:Class")) == ""


def test_unknown_names_get_a_suggestion(fakes: Path) -> None:
    catalog = Catalog([fakes])
    with pytest.raises(CatalogError, match="no slot 'poling'; did you mean 'pooling'"):
        catalog.kinds("poling")
    with pytest.raises(CatalogError, match="kind 'bset'; did you mean 'best'"):
        catalog.entry("pooling", "bset")
    with pytest.raises(CatalogError, match="table with a kind"):
        catalog.parse("pooling", {"k": 3})
    with pytest.raises(CatalogError, match="table with a kind"):
        catalog.parse("pooling", 3)
    with pytest.raises(CatalogError, match=r"no evaluator of kind 'best'"):
        catalog.parse("evaluator", catalog.parse("pooling", "best"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("raise RuntimeError('boom')", "cannot be imported: RuntimeError: boom"),
        ("import no_such_package", "cannot be imported: ModuleNotFoundError"),
        ("raise SystemExit(3)", "cannot be imported: SystemExit: 3"),
        ("def (", "cannot be imported: SyntaxError"),
        ("x = 1", "expected one complete pooling class with its config in square brackets"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, text: str, expected: str) -> None:
    catalog = Catalog([folder_with(tmp_path, "broken", text)])
    with pytest.raises(CatalogError) as caught:
        catalog.component("pooling", "broken")
    assert expected in str(caught.value) and str(tmp_path) in str(caught.value)
    left = [name for name in sys.modules if name.endswith("_broken")]
    assert not left or "cannot be imported" not in expected
    for name in left:
        del sys.modules[name]


def test_file_name_and_kind_must_agree(fakes: Path, tmp_path: Path) -> None:
    catalog = Catalog([folder_with(tmp_path, "other", fake(fakes, "mine"))])
    with pytest.raises(CatalogError, match="its config says kind = 'mine'"):
        catalog.component("pooling", "other")


def test_an_incomplete_class_does_not_count(fakes: Path, tmp_path: Path) -> None:
    text = fake(fakes, "mine").replace("def bags(", "def bag(")
    catalog = Catalog([folder_with(tmp_path, "mine", text)])
    with pytest.raises(CatalogError, match="found none"):
        catalog.component("pooling", "mine")


def test_two_owners_of_a_kind_are_both_named(fakes: Path, tmp_path: Path) -> None:
    folder_with(tmp_path, "best", fake(fakes, "best"))
    with pytest.raises(CatalogError) as caught:
        Catalog([fakes, tmp_path])
    assert str(fakes) in str(caught.value) and str(tmp_path) in str(caught.value)


def test_a_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="is not a folder"):
        Catalog([tmp_path / "nowhere"])


def test_a_config_class_belongs_to_one_component(tmp_path: Path) -> None:
    text = (
        "from crossdl.interfaces import MILPooling\n"
        "from crossdl.plugins.analyzers.pooling.max import MaxConfig\n"
        "class Mine(MILPooling[MaxConfig]): ...\n"
    )
    catalog = Catalog([folder_with(tmp_path, "mine", text)])
    with pytest.raises(CatalogError, match=r"Mine has the config class of \S+\.max\.Max; give it"):
        catalog.component("pooling", "mine")
    made = build(catalog.parse("pooling", "max"), load_anatomy("head_ct"))
    assert type(made).__name__ == "Max"
