"""The page of ``crossdl discretize --html``: texts and matrices that point at each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.cli.discretize_explain import LONGEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossdl.labelled_rows import LabelledRow
    from crossdl.labels import LabelSet


def page(rows: list[dict[str, Any]], labels: LabelSet, name: str, total: int) -> str:
    """One self-contained page.

    Args:
        rows: From :func:`view`.
        labels: Rows and columns of the matrices.
        name: What was labelled.
        total: How many rows there are; those not given are mentioned.
    """
    from crossdl.display import COLOURS
    from crossdl.label_titles import region_titles, type_titles
    from crossdl.pages import render_page

    titles = type_titles(labels)
    return render_page(
        "discretize.html.j2",
        name=name,
        labels=labels.title,
        rows=rows,
        total=total,
        regions=region_titles(labels),
        types=titles,
        colours=[COLOURS[k % len(COLOURS)] for k in range(len(titles))],
    )


def view(one: LabelledRow, labels: LabelSet) -> dict[str, Any]:
    """What the page shows of a row."""
    from crossdl.label_titles import region_titles, type_titles

    regions, types = region_titles(labels), type_titles(labels)
    cells = {} if one.matrix is None else dict(one.matrix.evidence)
    return {
        "index": one.row.index,
        "id": one.row.id,
        "problem": one.row.problem,
        "whole": one.matrix is None,
        "pieces": list(_pieces(one, regions)),
        "cut": max(0, len(one.row.text) - LONGEST),
        "cells": {cell: [s + 1 for s in sentences] for cell, sentences in cells.items()},
        "stated": [
            [
                (titles[k], f"{values[k]:.2f}")
                for k in np.flatnonzero(stated.any(axis=0))
            ]
            for titles, values, stated in (
                (regions, one.regions, one.labels.stated_regions),
                (types, one.types, one.labels.stated_types),
            )
        ],
    }  # fmt: skip


def _pieces(one: LabelledRow, regions: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The text in order: sentences with number, types, regions and cells; the rest without."""
    from crossdl.splitting import visible

    plain, at = visible(one.row.text), 0
    for number, unit in enumerate(one.units, start=1):
        if unit.start >= LONGEST:
            break
        yield {"text": plain[at : unit.start], "number": 0}
        yield {
            "text": plain[unit.start : min(unit.end, LONGEST)],
            "number": number,
            "types": np.flatnonzero(one.labels.stated_types[number - 1]).tolist(),
            "regions": [regions[k] for k in np.flatnonzero(one.labels.stated_regions[number - 1])],
            "cells": [f"{r}-{t}" for r, t in np.argwhere(one.labels.cells[number - 1])],
        }
        at = unit.end
    yield {"text": plain[at:LONGEST], "number": 0}
