"""Base of every component's configuration, and the field type that holds a nested component."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from crossdl.errors import CatalogError


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

        def parse(value: Any, info: core_schema.ValidationInfo) -> ComponentConfig:
            from crossdl.catalog import Catalog, default_catalog

            context = info.context or {}
            catalog = context.get("catalog")
            if not isinstance(catalog, Catalog):
                catalog = default_catalog()
            try:
                return catalog.parse(self.name, value)
            except ValidationError as error:
                raise PydanticCustomError(
                    "nested_component",
                    "invalid component",
                    {"errors": error.errors(include_url=False)},
                ) from error
            except CatalogError as error:
                raise PydanticCustomError(
                    "unknown_component", "{reason}", {"reason": str(error)}
                ) from error

        return core_schema.with_info_plain_validator_function(
            parse,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: value.model_dump(mode="json"), return_schema=core_schema.dict_schema()
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """One reference per kind; :mod:`crossdl.schema` fills in the definitions."""
        return {"$ref": f"#/$defs/slot:{self.name}"}


def flatten_errors(error: ValidationError) -> list[tuple[tuple[int | str, ...], str, str]]:
    """All mistakes of a validation as ``(path, message, type)``, nested components included."""
    flat: list[tuple[tuple[int | str, ...], str, str]] = []

    def walk(items: list[Any], prefix: tuple[int | str, ...]) -> None:
        for item in items:
            path = (*prefix, *item["loc"])
            if item["type"] == "nested_component":
                walk(item["ctx"]["errors"], path)
            else:
                flat.append((path, item["msg"], item["type"]))

    walk(list(error.errors(include_url=False)), ())
    return flat
