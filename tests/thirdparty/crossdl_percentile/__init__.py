"""Tells crossdl what this package adds."""

from collections.abc import Mapping

from crossdl.hookspecs import hookimpl


@hookimpl
def crossdl_components() -> Mapping[str, Mapping[str, str]]:
    """Strings only, so that listing imports nothing."""
    return {"pooling": {"percentile": "crossdl_percentile.percentile:Percentile"}}
