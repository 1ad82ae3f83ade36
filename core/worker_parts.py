"""What a worker process makes for itself from configs: cohorts and other components, each once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from crossdl.anatomy import load_anatomy
from crossdl.catalog import Catalog
from crossdl.errors import CrossDLError
from crossdl.interfaces import CohortSource
from crossdl.types import ScanRecord


@dataclass(frozen=True)
class Origin:
    """Where components come from; hashable.

    Attributes:
        plugin_paths: Of the catalog.
        anatomy: Name or path.
    """

    plugin_paths: tuple[str, ...]
    anatomy: str

    @classmethod
    def of(cls, catalog: Catalog, anatomy: str) -> Origin:
        """That of this process."""
        return cls(tuple(map(str, catalog.plugin_paths)), anatomy)


@cache
def component(origin: Origin, slot: str, config: str) -> Any:
    """A component by its config as JSON; made once per process."""
    catalog = Catalog([Path(p) for p in origin.plugin_paths])
    chosen = catalog.parse(slot, json.loads(config))
    return catalog.create(slot, chosen, load_anatomy(origin.anatomy))


@cache
def cohort_of(origin: Origin, config: str) -> tuple[CohortSource[Any], Mapping[str, ScanRecord]]:
    """A cohort by its config as JSON, and its records by name; made once per process."""
    cohort: CohortSource[Any] = component(origin, "cohort", config)
    return cohort, {r.scan_id: r for r in cohort.records()}


def reason_of_failure(work: Callable[[], object]) -> str | None:
    """Does some work and says why it failed, or None; plugins may raise anything."""
    try:
        work()
    except CrossDLError as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None
