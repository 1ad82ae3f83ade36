"""HTML pages: one self-contained file each, from the package's templates."""

from __future__ import annotations

from typing import Any


def render_page(template: str, **values: Any) -> str:
    """The page of a template in ``crossdl/templates``; text is escaped.

    Args:
        template: File name.
        values: What the template names; a name it is not given is an error.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        loader=PackageLoader("crossdl"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template(template).render(**values)
