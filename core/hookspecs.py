"""The hook a third-party package implements to add kinds."""

from __future__ import annotations

from collections.abc import Mapping

import pluggy

hookspec = pluggy.HookspecMarker("crossdl")
hookimpl = pluggy.HookimplMarker("crossdl")


@hookspec
def crossdl_components() -> Mapping[str, Mapping[str, str]]:  # type: ignore[empty-body]
    """Returns ``{slot: {kind: "module:Class"}}``; strings only, so that listing imports nothing."""
