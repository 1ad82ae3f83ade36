"""Contract tests: does a kind do what its interface promises?

An author of a plugin inherits them in two lines of a test file::

    from crossdl.testing import contract_tests
    test_contract = contract_tests(slot="pooling", kind="mine")

Every check becomes one test with an id such as ``pooling-mine-permutation_of_voxels``. A failing
check raises an ``AssertionError`` whose message says what was promised.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdl.testing.checks import Check, Config, Subject, checks_of

if TYPE_CHECKING:
    import pytest

    from crossdl.anatomy import Anatomy

__all__ = ["Check", "Subject", "checks_of", "contract_tests"]


def contract_tests(
    slot: str | None = None,
    kind: str | None = None,
    *,
    config: Config | None = None,
    configs: Mapping[str, Config] | None = None,
    plugin_paths: Sequence[str | Path] = (),
    anatomy: str | Anatomy = "head_ct",
    marks: Mapping[str, pytest.MarkDecorator] | None = None,
) -> Callable[..., None]:
    """A pytest test function with one case per check and kind.

    Args:
        slot: Slot to test; None means all.
        kind: Kind to test; None means all kinds of the slot.
        config: Fields that differ from the kind's defaults, to make it small or to give it what
            has no default; or a function that makes them from an empty folder.
        configs: The same for several kinds, by ``"slot/kind"``.
        plugin_paths: Folders of kinds that are not installed, as in a registry file.
        anatomy: Anatomy, or its name.
        marks: Pytest marks by pattern of the case's id, e.g. ``{"segmenter-*": slow}``.

    Raises:
        CatalogError: There is no such slot or kind.
    """
    import pytest

    from crossdl.anatomy import load_anatomy
    from crossdl.catalog import SLOT_FOLDERS, Catalog

    catalog = Catalog([Path(p) for p in plugin_paths])
    table = load_anatomy(anatomy) if isinstance(anatomy, str) else anatomy
    for key in configs or {}:
        catalog.entry(*key.split("/", 1))  # a misspelt one would never be used
    cases: list[Any] = []
    for name in SLOT_FOLDERS if slot is None else [slot]:
        kinds = [e.kind for e in catalog.kinds(name)] if kind is None else [kind]
        for one in kinds:
            catalog.entry(name, one)
            given = (configs or {}).get(f"{name}/{one}", config if kind is not None else None)
            subject = Subject(catalog, name, one, table, given or {})
            for check in checks_of(name):
                label = f"{name}-{one}-{check.name}"
                chosen = [m for p, m in (marks or {}).items() if fnmatch.fnmatch(label, p)]
                cases.append(pytest.param(subject, check, id=label, marks=chosen))

    @pytest.mark.parametrize(("subject", "check"), cases)
    def test_contract(subject: Subject, check: Check) -> None:
        check.run(subject)

    return test_contract
