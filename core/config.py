"""Base of every component's configuration, and the field type that holds a nested component."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from crossdl.errors import CatalogError
from crossdl.hints import suggest

Loc = tuple[int | str, ...]

Precision = Literal["auto", "32", "bf16"]
"""Of a network's arithmetic: auto is bfloat16 where the processor has instructions for it."""


class ComponentConfig(BaseModel):
    """Configuration of one component: immutable, and a misspelt field is an error.

    Subclasses give ``kind`` a ``Literal`` type with the plugin's file name as default, and a
    ``Field(description=...)`` with unit and bounds for everything else.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    kind: str


@dataclass(frozen=True)
class Slot:
    """Marks a config field as holding a component of slot ``name``.

    The raw table ``{kind = "...", ...}`` is validated by the config class of that kind, which
    the catalog imports on demand. Errors inside the nested table keep their dotted path.

    Example:
        ``pooling: Annotated[SerializeAsAny[ComponentConfig], Slot("pooling")]``
    """

    name: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Replaces the field's schema by a look-up in the catalog."""
        optional = type(None) in get_args(source)

        def parse(value: Any, info: core_schema.ValidationInfo) -> ComponentConfig | None:
            from crossdl.catalog import Catalog, default_catalog

            if value is None and optional:
                return None
            context = info.context or {}
            catalog = context.get("catalog")
            if not isinstance(catalog, Catalog):
                catalog = default_catalog()
            try:
                return catalog.parse(self.name, value, context)
            except ValidationError as error:
                model = catalog.component(self.name, _kind(value)).Config
                raise PydanticCustomError(
                    "nested_component",
                    "invalid component",
                    {"errors": flatten_errors(error, model)},
                ) from error
            except CatalogError as error:
                raise PydanticCustomError(
                    "unknown_component", "{reason}", {"reason": str(error)}
                ) from error

        return core_schema.with_info_plain_validator_function(
            parse,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value, info: None if value is None else value.model_dump(mode=info.mode),
                info_arg=True,
                return_schema=core_schema.nullable_schema(core_schema.dict_schema()),
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Marks the place; :mod:`crossdl.schema` puts the kinds of the slot there."""
        return {"x-crossdl-slot": self.name}


def slot_of(field: FieldInfo) -> str | None:
    """Name of the slot that a config field, or each item of it, holds a component of."""
    for marker in (*field.metadata, *_markers(field.annotation)):
        if isinstance(marker, Slot):
            return marker.name
    return None


def flatten_errors(
    error: ValidationError, model: type[BaseModel] | None = None
) -> list[tuple[Loc, str, str]]:
    """All mistakes of a validation as ``(path, message, type)``, nested components included.

    Args:
        error: What validation raised.
        model: The class that was validated; with it, unknown fields get a suggestion.
    """
    flat: list[tuple[Loc, str, str]] = []
    for item in error.errors(include_url=False):
        path, message, kind = item["loc"], item["msg"], item["type"]
        if kind == "nested_component":
            flat += [((*path, *inner), *rest) for inner, *rest in item["ctx"]["errors"]]
            continue
        if kind == "extra_forbidden":
            message = "unknown field"
            if model is not None:
                message += suggest(str(path[-1]), _fields_at(model, path[:-1]))
        elif kind == "missing":
            message = "is missing"
        elif kind == "value_error":
            message = message.removeprefix("Value error, ")
        flat.append((path, message, kind))
    broken = [path for path, _, _ in flat]
    return [
        (path, message, kind)
        for path, message, kind in flat
        if kind != "too_short" or not any(p != path and p[: len(path)] == path for p in broken)
    ]  # items that are wrong do not count, but the list need not be longer


def value_label(value: Any) -> str:
    """Short text for a value of a study or a component: ``top_k(k=5)`` for a table."""
    if not isinstance(value, dict):
        return str(value)
    fields = ", ".join(f"{key}={value_label(v)}" for key, v in value.items() if key != "kind")
    kind = str(value.get("kind", ""))
    return f"{kind}({fields})" if fields else kind


def _kind(raw: Any) -> str:
    """The kind that a table which reached its config class names."""
    if isinstance(raw, ComponentConfig):
        return raw.kind
    return str(raw["kind"] if isinstance(raw, dict) else raw)


def _markers(annotation: Any) -> Iterator[Any]:
    """Everything inside the brackets of an annotation, at any depth."""
    for inner in get_args(annotation):
        yield inner
        yield from _markers(inner)


def _fields_at(model: type[BaseModel], path: Loc) -> list[str]:
    """Names of the fields allowed at a path inside a model, through models it contains."""
    for key in path:
        if isinstance(key, int) or key not in model.model_fields:
            continue
        annotation = model.model_fields[key].annotation
        for inner in (annotation, *_markers(annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                model = inner
                break
    return list(model.model_fields)
