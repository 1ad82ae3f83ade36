"""JSON schema of registry files (draft 2020-12), for completion and checking in editors."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from crossdl.catalog import SLOT_FOLDERS, Catalog, Entry
from crossdl.errors import CatalogError

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def registry_schema(catalog: Catalog) -> dict[str, Any]:
    """The schema of a ``registry.toml`` that may name the kinds of ``catalog``.

    ``$defs`` holds one definition per kind, named ``slot.kind``, and one per slot, named by the
    slot: one of its kinds as a table, one of its kinds as a bare name, or a table without a kind
    (fields changed in a composition that extends another). Because of ``extends`` no definition
    but ``Study`` and its axes requires a field; ``crossdl check`` knows what is missing.

    A kind that cannot be imported is left out and added to ``catalog.problems``.

    Example:
        >>> from crossdl.catalog import Catalog
        >>> sorted(registry_schema(Catalog())["properties"])
        ['compositions', 'plugin_paths', 'scales', 'studies']
    """
    from crossdl.registry import Composition
    from crossdl.study.definition import Scale, Study

    definitions: dict[str, Any] = {}
    for slot in SLOT_FOLDERS:
        entries = []
        for entry in catalog.kinds(slot):
            try:
                model = catalog.component(slot, entry.kind).Config
            except CatalogError as error:
                catalog.problems.append(str(error))
                continue
            made = _hoisted(model, f"{slot}.{entry.kind}", definitions)
            made["required"] = ["kind"]
            made["properties"]["kind"] = {"const": entry.kind, "description": entry.owner}
            made["description"] = catalog.summary(entry)
            definitions[f"{slot}.{entry.kind}"] = made
            entries.append(entry)
        definitions[slot] = _one_of(entries)
    composition = _hoisted(Composition, "Composition", definitions)
    composition.pop("required")
    composition["properties"]["extends"] = {
        "type": "string",
        "description": "composition whose fields this one starts from",
    }
    definitions["Composition"] = composition
    definitions["Study"] = _hoisted(Study, "Study", definitions)
    scale = _hoisted(Scale, "Scale", definitions)
    for slot in ("cohort", "discretizer", "segmenter", "analyzer"):
        tables = scale["properties"][slot]
        table = {"type": "object", "description": tables["description"]}
        scale["properties"][slot] = {"anyOf": [table, {"type": "array", "items": table}]}
    definitions["Scale"] = scale
    return {
        "$schema": _DIALECT,
        "title": "crossdl registry.toml",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "plugin_paths": {
                "type": "array",
                "items": {"type": "string"},
                "description": "folders laid out like the package's plugins/, relative to the file",
            },
            "compositions": _named("Composition"),
            "studies": _named("Study"),
            "scales": _named("Scale"),
        },
        "$defs": definitions,
    }


def _one_of(entries: list[Entry]) -> dict[str, Any]:
    return {
        "oneOf": [
            *({"$ref": f"#/$defs/{entry.slot}.{entry.kind}"} for entry in entries),
            {"enum": [entry.kind for entry in entries]},
            {"type": "object", "not": {"required": ["kind"]}},
        ]
    }


def _named(definition: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": {"$ref": f"#/$defs/{definition}"}}


def _hoisted(model: type[BaseModel], prefix: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Schema of a model whose own definitions went to the top; slots point to theirs."""
    schema = model.model_json_schema(ref_template=f"#/$defs/{prefix}.{{model}}")
    for name, inner in schema.pop("$defs", {}).items():
        definitions[f"{prefix}.{name}"] = _with_slots(inner)
    made: dict[str, Any] = _with_slots(schema)
    return made


def _with_slots(node: Any) -> Any:
    if isinstance(node, dict):
        changed = {key: _with_slots(value) for key, value in node.items()}
        slot = changed.pop("x-crossdl-slot", None)
        return changed if slot is None else {**changed, "$ref": f"#/$defs/{slot}"}
    return [_with_slots(value) for value in node] if isinstance(node, list) else node
