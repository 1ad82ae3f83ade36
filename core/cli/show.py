"""``crossdl show``: a composition with all its defaults, or the fields of a kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from crossdl.cli.options import RegistryFile

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from crossdl.catalog import Catalog, Entry
    from crossdl.registry import Registry


def show(
    name: Annotated[
        str, typer.Argument(help="Composition, study, kind, or slot/kind such as pooling/max.")
    ],
    registry: RegistryFile = None,
    scale: Annotated[
        str | None, typer.Option(help="Show a study's cells as they are at this scale.")
    ] = None,
) -> None:
    """Show a composition with every default filled in, a study's cells, or a kind's fields."""
    from crossdl.cli.list import warn
    from crossdl.registry import load_registry

    book = load_registry(registry)
    warn(book.catalog.problems)
    if name in book.compositions:
        import json

        print(
            json.dumps(
                book.compositions[name].model_dump(mode="json"), ensure_ascii=False, indent=1
            )
        )
    elif name in book.studies:
        _show_study(book, name, scale)
    else:
        for entry in _entries(book, name):
            _show_kind(book.catalog, entry)


def _entries(book: Registry, name: str) -> list[Entry]:
    """Entries that ``kind`` or ``slot/kind`` names."""
    from crossdl.catalog import SLOT_FOLDERS
    from crossdl.errors import CatalogError
    from crossdl.hints import did_you_mean

    slot, slash, kind = name.partition("/")
    if slash:
        return [book.catalog.entry(slot, kind)]
    everything = [entry for slot in SLOT_FOLDERS for entry in book.catalog.kinds(slot)]
    found = [entry for entry in everything if entry.kind == name]
    if not found:
        known = [*book.compositions, *book.studies, *(entry.kind for entry in everything)]
        hint = did_you_mean(name, known) or "; `crossdl list` names them"
        raise CatalogError(f"there is no composition, study or kind {name!r}{hint}")
    return found


def _show_study(book: Registry, name: str, scale: str | None) -> None:
    study = book.study(name, scale)
    if study.description:
        print(study.description)
    print(f"base = {study.base}")
    for axis in study.axes:
        print(f"{axis.title or axis.name}: {', '.join(axis.value_titles)}")
    for cell in book.cells(name, scale):
        print(f"  {cell.slug}: {cell.label}")


def _show_kind(catalog: Catalog, entry: Entry) -> None:
    from rich.table import Table

    from crossdl.cli.list import table_console

    component = catalog.component(entry.slot, entry.kind)
    console = table_console()
    console.print(f"{entry.slot}/{entry.kind} of {entry.owner}: {catalog.summary(entry)}")
    table = Table("field", "type", "default", "description", box=None, pad_edge=False)
    for field, info in component.Config.model_fields.items():
        if field != "kind":
            table.add_row(
                field,
                _type_name(info),
                "required"
                if info.is_required()
                else _default(info.get_default(call_default_factory=True, validated_data={})),
                info.description or "",
            )
    console.print(table if table.row_count else "It has no fields besides its kind.")


def _type_name(info: FieldInfo) -> str:
    """``int``, ``list[float]``, or the slot of a nested component."""
    from crossdl.config import slot_of

    slot = slot_of(info)
    if slot is not None:
        return f"component of slot {slot}"
    kind: Any = info.annotation
    text = kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)
    return re.sub(r"\b(?:[a-z_]+\.)+(?=\w)", "", text)


def _default(value: Any) -> str:
    from pydantic import BaseModel

    if isinstance(value, BaseModel):
        return str(value.model_dump(mode="json"))
    return repr(value) if isinstance(value, str) else str(value)
