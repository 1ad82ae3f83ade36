"""What ``crossdl discretize --explain`` prints of a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rich.text import Text

    from crossdl.labelled_rows import LabelledRow
    from crossdl.labels import LabelSet

LONGEST = 20_000
"""Characters of a text that are shown."""


def print_row(one: LabelledRow, labels: LabelSet) -> None:
    """Prints the text with coloured sentences, and the positive cells with their sentences."""
    from rich.console import Console
    from rich.rule import Rule

    console = Console(highlight=False)
    name = f"row {one.row.index}" + (f", {one.row.id}" if one.row.id else "")
    console.print(Rule(name, align="left", style="dim"))
    console.print(explained(one, labels), soft_wrap=True)


def explained(one: LabelledRow, labels: LabelSet) -> Text:
    """The text of :func:`print_row`."""
    from rich.text import Text

    if one.row.problem is not None:
        return Text(f"no labels: {one.row.problem}\n", style="red")
    found = Text()
    at = 0
    plain = _plain(one)
    for number, unit in enumerate(one.units, start=1):
        if unit.start > LONGEST:
            break
        found.append(plain[at : unit.start], style="dim")
        _append_sentence(found, one, number, plain, labels)
        at = unit.end
    found.append(plain[at:LONGEST], style="dim")
    if len(plain) > LONGEST:
        found.append(f" ... {len(plain) - LONGEST} more characters", style="dim italic")
    found.append("\n" if plain else "(empty)\n", style="dim")
    _append_labels(found, one, labels)
    return found


def _plain(one: LabelledRow) -> str:
    """The text without anything that a terminal would obey."""
    from crossdl.splitting import visible

    return visible(one.row.text)


def _append_sentence(
    found: Text, one: LabelledRow, number: int, plain: str, labels: LabelSet
) -> None:
    from crossdl.label_titles import region_titles

    unit = one.units[number - 1]
    types = np.flatnonzero(one.labels.stated_types[number - 1])
    regions = np.flatnonzero(one.labels.stated_regions[number - 1])
    if one.matrix is not None:
        found.append(f"[{number}]", style="dim")
    colour = _colour(int(types[0])) if len(types) else ""
    several = " underline" if len(types) > 1 else ""
    found.append(plain[unit.start : min(unit.end, LONGEST)], style=f"{colour}{several}")
    if len(regions) and one.matrix is not None:
        titles = region_titles(labels)
        found.append(f" ({', '.join(titles[r] for r in regions)})", style="italic dim")


def _append_labels(found: Text, one: LabelledRow, labels: LabelSet) -> None:
    from crossdl.label_titles import region_titles, type_titles

    regions, types = region_titles(labels), type_titles(labels)
    if one.matrix is None:
        for k in np.flatnonzero(one.labels.stated_regions.any(axis=0)):
            found.append(f"  {regions[k]}: {one.regions[k]:.2f}\n")
        for k in np.flatnonzero(one.labels.stated_types.any(axis=0)):
            found.append(f"  {types[k]}: {one.types[k]:.2f}\n", style=_colour(int(k)))
        return
    width, broad = (max(len(title) for title in titles) for titles in (regions, types))
    for (r, t), sentences in sorted(one.matrix.evidence.items()):
        found.append(f"  {regions[r]:<{width}}  ")
        found.append(f"{types[t]:<{broad}}", style=_colour(t))
        found.append(f"  {', '.join(f'[{s + 1}]' for s in sentences)}\n", style="dim")
    if not one.matrix.evidence:
        found.append("  no positive cell\n", style="dim")


def _colour(kind: int) -> str:
    from crossdl.display import COLOURS

    return f"bold {COLOURS[kind % len(COLOURS)]}"
