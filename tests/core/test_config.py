from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, SerializeAsAny, ValidationError

from crossdl.catalog import Catalog
from crossdl.config import ComponentConfig, Slot, flatten_errors, slot_of


class Inner(BaseModel, extra="forbid"):
    width: int = 1


class Outer(ComponentConfig):
    kind: Literal["outer"] = "outer"
    pooling: Annotated[SerializeAsAny[ComponentConfig], Slot("pooling")]
    spare: Annotated[SerializeAsAny[ComponentConfig] | None, Slot("pooling")] = None
    several: tuple[Annotated[SerializeAsAny[ComponentConfig], Slot("pooling")], ...] = ()
    inner: Inner = Inner()
    limit: float = Field(float("inf"), description="none by default")


@pytest.fixture
def context(fakes: Path) -> dict[str, Any]:
    return {"catalog": Catalog([fakes])}


def test_nested_components_round_trip(context: dict[str, Any]) -> None:
    raw = {"pooling": {"kind": "best", "k": 3}, "several": ["largest", {"kind": "best"}]}
    made = Outer.model_validate(raw, context=context)
    assert made.pooling.model_dump() == {"kind": "best", "k": 3, "floor": 0.0}
    assert made.spare is None and made.limit == float("inf")
    assert Outer.model_validate(made.model_dump(), context=context) == made


def test_errors_keep_their_path_and_suggest(context: dict[str, Any]) -> None:
    raw = {
        "pooling": {"kind": "best", "k": 0, "flor": 1},
        "several": ["largst"],
        "inner": {"widt": 3},
        "poling": 1,
    }
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(raw, context=context)
    found = {".".join(map(str, p)): m for p, m, _ in flatten_errors(caught.value, Outer)}
    assert found.keys() == {"pooling.k", "pooling.flor", "several.0", "inner.widt", "poling"}
    assert "did you mean 'floor'" in found["pooling.flor"]
    assert "did you mean 'largest'" in found["several.0"]
    assert "did you mean 'width'" in found["inner.widt"]
    assert "did you mean 'pooling'" in found["poling"]


def test_none_is_refused_where_it_is_not_allowed(context: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="must be a table with a kind"):
        Outer.model_validate({"pooling": None}, context=context)


def test_configs_are_frozen_and_strict(context: dict[str, Any]) -> None:
    made = Outer.model_validate({"pooling": "largest"}, context=context)
    with pytest.raises(ValidationError):
        made.limit = 1.0  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Outer.model_validate({"pooling": "largest", "x": 1}, context=context)


def test_slot_of() -> None:
    fields = Outer.model_fields
    assert [slot_of(fields[n]) for n in ("pooling", "spare", "several")] == ["pooling"] * 3
    assert slot_of(fields["limit"]) is None
