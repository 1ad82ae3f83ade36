from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crossdl.catalog import SLOT_FOLDERS, Catalog
from crossdl.registry import default_registry_text, load_registry
from crossdl.schema import registry_schema

jsonschema = pytest.importorskip("jsonschema")
Write = Callable[..., Path]


def validator(schema: dict[str, Any]) -> Any:
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [r for value in node.values() for r in references(value)]
    return [r for value in node for r in references(value)] if isinstance(node, list) else []


@pytest.fixture(scope="module")
def shipped() -> dict[str, Any]:
    return registry_schema(Catalog())


def test_the_shipped_registry_fits(shipped: dict[str, Any]) -> None:
    validator(shipped).validate(tomllib.loads(default_registry_text()))


def test_every_kind_has_a_definition_and_every_reference_a_target(shipped: dict[str, Any]) -> None:
    catalog = Catalog()
    for slot in SLOT_FOLDERS:
        for entry in catalog.kinds(slot):
            definition = shipped["$defs"][f"{slot}.{entry.kind}"]
            assert definition["properties"]["kind"]["const"] == entry.kind
    targets = {f"#/$defs/{name}" for name in shipped["$defs"]}
    assert set(references(shipped)) <= targets


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("", True),
        ("[compositions.x]\nextends='base'\nanalyzer={pooling='largest'}\n", True),
        ("[compositions.x]\nextends='base'\nanalyzer={kind='net', epochs=2}\n", True),
        ("[compositions.x.analyzer]\nkind='net'\npooling={kind='best', k=2}\n", True),
        ("[compositions.x.analyzer]\nkind='net'\noptimizer={rate=2.0}\n", True),
        ("[studies.x]\nbase='base'\naxes=[{field='analyzer.epochs', values=[1]}]\n", True),
        ("[scales.x]\nseeds=[1]\nanalyzer={epochs=2}\ncohort=[{kind='few'}]\n", True),
        ("[scales.x]\nanalyser={epochs=2}\n", False),
        ("[compositions.x.analyzer]\nkind='net'\npooling={kind='best', k=0}\n", False),
        ("[compositions.x.analyzer]\nkind='net'\npooling={kind='best', kk=2}\n", False),
        ("[compositions.x.analyzer]\nkind='net'\npooling={kind='bset'}\n", False),
        ("[compositions.x.analyzer]\nkind='net'\npooling='bset'\n", False),
        ("[compositions.x.analyzer]\nkind='net'\noptimizer={rat=2.0}\n", False),
        ("[compositions.x]\nanalyzer='few'\n", False),
        ("[compositions.x]\nevaluators='count'\n", False),
        ("[compositions.x]\nsed=1\n", False),
        ("[studies.x]\nbase='base'\naxes=[{field='analyzer'}]\n", False),
        ("[compositons.x]\n", False),
    ],
)
def test_what_fits(registry_file: Write, fakes: Path, text: str, fits: bool) -> None:
    raw = tomllib.loads(registry_file(text).read_text(encoding="utf-8"))
    errors = list(validator(registry_schema(Catalog([fakes]))).iter_errors(raw))
    assert (not errors) == fits, errors


def test_kinds_that_cannot_be_imported_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "plugins" / "evaluators"
    folder.mkdir(parents=True)
    (folder / "broken.py").write_text("import no_such_package\n", encoding="utf-8")
    catalog = Catalog([tmp_path / "plugins"])
    assert "evaluator.broken" not in registry_schema(catalog)["$defs"]
    assert "no_such_package" in catalog.problems[-1]


def test_what_the_registry_accepts_fits_when_resolved(registry_file: Write) -> None:
    registry = load_registry(registry_file(""))
    resolved = registry.composition("base").model_dump(mode="json")
    resolved["segmenter"].pop("atlas")  # None: TOML has no such value
    schema = registry_schema(registry.catalog)
    validator(schema).validate({"compositions": {"base": resolved}})
