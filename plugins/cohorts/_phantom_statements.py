"""From a story to what its report is to state, true or flawed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.plugins.cohorts._phantom_findings import Acuity, Story
from crossdl.plugins.cohorts._phantom_grammar import Dice
from crossdl.types import FloatArray

Chapter = Literal["parts", "plate", "sulci", "ventricle", "fluid"]
FlawKind = Literal["silent", "wrong", "vague"]
Cells = frozenset[tuple[int, int]]


@dataclass(frozen=True)
class Statement:
    """One thing to be said.

    Attributes:
        kind: Kind of lesion, or "any" where its kind does not explain its types.
        chapter: Where such things lie, so how places are named.
        columns: Types, in order.
        rows: Regions; N is *other*.
        size_mm: Longest extent of the largest lesion.
        count: Number of lesions.
        acuity: Age of blood.
        flaw: ``(kind, how)`` of what is wrong with it.
        truth: The cells it stands for, before any flaw.
    """

    kind: str
    chapter: Chapter
    columns: tuple[int, ...]
    rows: frozenset[int]
    size_mm: float
    count: int
    acuity: Acuity | None
    flaw: tuple[FlawKind, str] | None = None
    truth: Cells = frozenset()


@dataclass(frozen=True)
class Planner:
    """Decides what to state.

    Attributes:
        anatomy: Regions and types.
        data: Tables of ``phantom.toml``.
        common: Tables of ``phantom_reports.toml``.
    """

    anatomy: Anatomy
    data: Mapping[str, Any]
    common: Mapping[str, Any]

    def statements(self, story: Story, truth: FloatArray, dice: Dice) -> list[Statement]:
        """True statements that together say every cell of the truth, and none beside.

        Args:
            story: Findings, in any order.
            truth: Gold ``(N + 2, M)``; what no finding explains is told as kind "any".
            dice: Decides what shares a statement.
        """
        left = {(int(r), int(c)) for r, c in np.argwhere(np.asarray(truth) > 0)}
        left -= {cell for cell in left if cell[0] > self.anatomy.n_regions}
        every = frozenset(left)
        groups: dict[tuple[str, Acuity | None, Chapter, tuple[int, ...]], list[Statement]] = {}

        def add(kind: str, acuity: Acuity | None, cells: Cells, mm: float) -> None:
            for one in self._of_cells(kind, acuity, cells & every, mm):
                groups.setdefault((one.kind, acuity, one.chapter, one.columns), []).append(one)

        for finding in story.findings:
            add(finding.kind, finding.acuity, finding.cells, finding.size_mm)
            left -= finding.cells
        add("any", None, frozenset(left), 15.0)
        out: list[Statement] = []
        for group in groups.values():
            if len(group) > 1 and dice.chance(0.75):
                rows = frozenset[int]().union(*(s.rows for s in group))
                size = max(s.size_mm for s in group)
                group = [replace(group[0], rows=rows, size_mm=size, count=len(group))]
            for one in group:
                out += self._portions(one, dice)
        return [replace(s, truth=frozenset((r, c) for r in s.rows for c in s.columns)) for s in out]

    def _of_cells(
        self, kind: str, acuity: Acuity | None, cells: Cells, mm: float
    ) -> list[Statement]:
        """One statement for each chapter and set of types."""
        by_row: dict[int, list[int]] = {}
        for row, column in sorted(cells):
            by_row.setdefault(row, []).append(column)
        groups: dict[tuple[str, Chapter, tuple[int, ...]], set[int]] = {}
        for row, columns in by_row.items():
            for solid in (True, False):
                chosen = tuple(c for c in columns if self._is_solid(c) == solid)
                if chosen:
                    called = kind if (kind in self.common["parenchyma"]) == solid else "any"
                    called, chapter = self._chapter(called, row, solid)
                    groups.setdefault((called, chapter, chosen), set()).add(row)
        return [
            Statement(called, chapter, columns, frozenset(rows), mm, 1, acuity)
            for (called, chapter, columns), rows in sorted(groups.items(), key=lambda g: g[0])
        ]

    def _is_solid(self, column: int) -> bool:
        kind = self.data["types"][self.anatomy.type_names[column]]
        return bool(kind["compartment"] == "parenchyma")

    def _chapter(self, kind: str, row: int, solid: bool) -> tuple[str, Chapter]:
        if solid:
            return kind, "parts"
        part = self.anatomy.regions[row].part if row < self.anatomy.n_regions else None
        flooded = kind in self.common["ventricular"]
        if part in self.data["ventricle"]:
            return (kind if flooded else "any"), "ventricle"
        if flooded and part is None:
            return kind, "ventricle"
        kind = "any" if flooded else kind
        if kind in self.common["sulci"]:
            return kind, "sulci"
        return kind, "plate" if part in self.data["plate"] else "fluid"

    def _portions(self, one: Statement, dice: Dice) -> list[Statement]:
        """Sometimes a statement for each side."""
        n = self.anatomy.n_regions
        sides: dict[str | None, set[int]] = {}
        for part in (*self.anatomy.parts, None):
            for row in sorted(one.rows):
                if part == (self.anatomy.regions[row].part if row < n else None):
                    sides.setdefault(
                        self.anatomy.regions[row].side if row < n else None, set()
                    ).add(row)
        paired = len(sides.keys() - {None}) > 1
        if paired and one.chapter in ("parts", "plate") and dice.chance(0.3):
            main = max(len(rows) for rows in sides.values())
            ordered = sorted(sides.values(), key=lambda rows: (len(rows) < main, self._parts(rows)))
            if len({tuple(self._parts(rows)) for rows in ordered}) == len(ordered):
                return [replace(one, rows=frozenset(rows), count=1) for rows in ordered]
        return [replace(one, count=2) if paired and one.count == 1 else one]

    def _parts(self, rows: set[int]) -> list[str]:
        names = [r.part for r in self.anatomy.regions]
        return sorted(names[row] if row < len(names) else "" for row in rows)

    def flawed(
        self, one: Statement, rates: Mapping[FlawKind, float], may_be_quiet: bool, dice: Dice
    ) -> Statement:
        """The statement, by chance with a flaw.

        Args:
            one: A true statement.
            rates: Share of each kind of flaw.
            may_be_quiet: Whether the language can name this kind without its density.
            dice: Decides.
        """
        u = dice.random()
        if u < rates["silent"]:
            quiet = may_be_quiet and dice.chance(0.4)
            return replace(one, flaw=("silent", "no density" if quiet else "omitted"))
        if u < rates["silent"] + rates["wrong"]:
            ways = [
                w
                for w in (self._other_side(one), self._neighbour(one, dice), _fewer(one, dice))
                if w
            ]
            return dice.pick(ways) if ways else one
        if u < rates["silent"] + rates["wrong"] + rates["vague"]:
            vague = frozenset({self.anatomy.n_regions + 1})
            return replace(one, rows=vague, flaw=("vague", "place"))
        return one

    def _other_side(self, one: Statement) -> Statement | None:
        rows = frozenset(int(self.anatomy.mirror_index[row]) for row in one.rows)
        return None if rows == one.rows else replace(one, rows=rows, flaw=("wrong", "side"))

    def _neighbour(self, one: Statement, dice: Dice) -> Statement | None:
        """The first region that has a neighbour on its side gives way to it."""
        if one.chapter not in ("parts", "plate"):
            return None
        regions = self.anatomy.regions
        for row in sorted(
            one.rows, key=lambda r: (regions[r].part if r < len(regions) else "~", r)
        ):
            if row >= len(regions) or self.anatomy.mirror_index[row] in one.rows:
                continue
            near = [
                i
                for part in self.common["neighbours"].get(regions[row].part, ())
                for i, region in enumerate(regions)
                if (region.part, region.side) == (part, regions[row].side)
                and i not in one.rows
                and self.anatomy.possible[i, list(one.columns)].all()
            ]
            if near:
                rows = one.rows - {row} | {dice.pick(near)}
                return replace(one, rows=rows, flaw=("wrong", "neighbour"))
        return None


def _fewer(one: Statement, dice: Dice) -> Statement | None:
    if len(one.columns) < 2:
        return None
    missed = dice.pick(one.columns)
    columns: Sequence[int] = [c for c in one.columns if c != missed]
    return replace(one, columns=tuple(columns), flaw=("wrong", "missed type"))


def main_side(story: Story, anatomy: Anatomy, keys: Mapping[str, str]) -> str | None:
    """The side with more disease; None where there is none.

    Args:
        story: Gives the lesions, else the midline shift, which is away from them.
        anatomy: Sides of the regions.
        keys: Table ``sides`` of ``phantom.toml``.
    """
    score = 0.0
    for finding in story.findings:
        for row in {row for row, _ in finding.cells if row < anatomy.n_regions}:
            side = anatomy.regions[row].side
            score += finding.size_mm * ((side == keys["positive"]) - (side == keys["negative"]))
    score = score or -story.midline_shift_mm
    return keys["positive" if score > 0 else "negative"] if score else None
