"""The page that describes a cohort: Table 1 and the flow, in one file without links."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from crossdl.files import write_text
from crossdl.ingest.describe import GROUPS, Description, characteristics, rate_rows
from crossdl.ingest.flow_figure import flow_figure, quiet_fonts
from crossdl.pages import render_page


def write_page(path: Path, description: Description, name: str) -> None:
    """Writes the HTML page; equal cohorts give equal bytes.

    Args:
        path: File to write.
        description: Of :func:`crossdl.ingest.describe.describe`.
        name: What the page calls the cohort.
    """
    anatomy = description.anatomy
    page = render_page(
        "cohort.html.j2",
        name=name,
        anatomy=anatomy.title,
        groups=GROUPS,
        characteristics=characteristics(description),
        types=[*(kind.title for kind in anatomy.types), "Any"],
        rates={group: rate_rows(description, group) for group in GROUPS},
        flow=_picture(description),
    )
    write_text(path, page)


def _picture(description: Description) -> str:
    """The flow as SVG whose words stay words: the browser has fonts for them."""
    import matplotlib

    stream = io.BytesIO()
    with (
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "crossdl"}),
        quiet_fonts(),
    ):
        flow_figure(description.flow, drawn=False).savefig(
            stream, format="svg", metadata={"Date": None}
        )
    return "data:image/svg+xml;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
