"""Reports of phantoms: free text about a story, and what each sentence of it says.

The sentence labels are *silver*: they follow what is written by the definitions of Tables S4 and
S5 of Liu et al., so they repeat what a flawed sentence gets wrong. Without flaws they merge (E1)
to exactly the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from crossdl.anatomy import Anatomy
from crossdl.plugins.cohorts._phantom_findings import Story
from crossdl.plugins.cohorts._phantom_grammar import Dice
from crossdl.plugins.cohorts._phantom_language import language as grammar
from crossdl.plugins.cohorts._phantom_language import tables
from crossdl.plugins.cohorts._phantom_layout import Manner, compose, misspell, punctuate, tidy
from crossdl.plugins.cohorts._phantom_normal import Normal
from crossdl.plugins.cohorts._phantom_statements import FlawKind, Planner
from crossdl.plugins.cohorts._phantom_wording import Line, Wording
from crossdl.types import FloatArray

_JOINED = 0.4
"""Share of abnormal sentences that go on with the next where it begins with a side."""


class ReportStyle(BaseModel):
    """How reports are written, and how often they are wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error_rate: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="share of findings told wrongly (side, region, type)",
    )
    silent_rate: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="share of findings left out or without their density",
    )
    vague_rate: float = Field(
        default=0.03, ge=0, le=1, description="share of findings told with an unclear place"
    )
    typo_rate: float = Field(
        default=0.02, ge=0, le=1, description="share of sentences with a typing error"
    )
    hedge_rate: float = Field(
        default=0.25, ge=0, le=1, description="share of findings with a hedged diagnosis"
    )
    template_rate: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description="share of normal sentences repeated word by word",
    )

    @model_validator(mode="after")
    def _together(self) -> ReportStyle:
        if self.error_rate + self.silent_rate + self.vague_rate > 1:
            raise ValueError("error_rate, silent_rate and vague_rate: their sum must not exceed 1")
        return self


@dataclass(frozen=True, eq=False)
class ReportSentence:
    """One sentence and its silver labels.

    Attributes:
        text: As :func:`crossdl.reports.split_findings` finds it.
        regions: ``(N + 2,)`` 0/1, float32.
        types: ``(M,)`` 0/1, float32.
    """

    text: str
    regions: FloatArray
    types: FloatArray


@dataclass(frozen=True)
class Flaw:
    """What a report gets wrong.

    Attributes:
        kind: "silent", "wrong" or "vague".
        how: "omitted", "no density", "side", "neighbour", "missed type", "ischaemia" or "place".
        sentence: Index of the sentence, None where there is none.
        cells: Cells of the truth that it concerns.
    """

    kind: FlawKind
    how: str
    sentence: int | None
    cells: frozenset[tuple[int, int]]


@dataclass(frozen=True, eq=False)
class Report:
    """A report.

    Attributes:
        findings: The Findings section.
        impression: The Impression section.
        sentences: The sentences of the Findings, in order.
        flaws: What is wrong, vague or missing.
    """

    findings: str
    impression: str
    sentences: tuple[ReportSentence, ...]
    flaws: tuple[Flaw, ...]


def write_report(
    story: Story,
    truth: FloatArray,
    anatomy: Anatomy,
    language: Literal["zh", "en"] | str,
    rng: np.random.Generator,
    style: ReportStyle,
) -> Report:
    """Writes the report of one scan.

    Args:
        story: What is to be seen on it.
        truth: Gold ``(N + 2, M)``.
        anatomy: Regions, types and side words.
        language: Code of a grammar, "zh" or "en".
        rng: Decides everything.
        style: Shares of flaws, hedges and templates.

    Raises:
        FileNotFoundError: There is no grammar of that language.
        KeyError: The grammar has no words for the anatomy's parts or types.
    """
    words, data, common = grammar(language), tables("phantom"), tables("phantom_reports")
    dice = Dice(rng)
    layout = words.tables["layout"]
    manner = Manner.draw(layout, dice)
    rates: dict[FlawKind, float] = {
        "silent": style.silent_rate,
        "wrong": style.error_rate,
        "vague": style.vague_rate,
    }
    planner = Planner(anatomy, data, common)
    planned = [
        planner.flawed(one, rates, one.kind in words.silent, dice)
        for one in planner.statements(story, truth, dice)
    ]
    told = [one for one in planned if one.flaw is None or one.flaw[1] != "omitted"]
    normal = Normal(words, anatomy, data, story, told, style, dice)
    wording = Wording(words, anatomy, data, story, language, style.hedge_rate, normal.absent, dice)
    lines = wording.lines(told)
    dice.shuffle(lines)
    lines = normal.arranged(wording, lines)
    if manner.opening and lines:
        first = manner.opening + lines[0].text
        lines[0] = lines[0].with_text(first)
    sides = [w for side in wording.sides.values() for w in (side.lower(),) if len(w) > 1]
    texts = []
    for line in lines:
        text = punctuate(tidy(line.text), manner, layout)
        if dice.chance(style.typo_rate):
            text = tidy(misspell(text, words.typos, sides, dice))
        texts.append(text)
    before = tuple(layout["attach_before"])
    joined = [
        bool(line.regions) and text.startswith(before) and dice.chance(_JOINED)
        for line, text in zip(lines, [*texts[1:], ""], strict=True)
    ]
    flaws = [
        Flaw(*one.flaw, None, one.truth) for one in planned if one.flaw and one.flaw[1] == "omitted"
    ]
    flaws += [Flaw(*line.flaw, i, line.cells) for i, line in enumerate(lines) if line.flaw]
    return Report(
        compose(texts, joined, manner, layout, dice),
        normal.impression(wording, manner),
        tuple(_labelled(t, line, anatomy) for t, line in zip(texts, lines, strict=True)),
        tuple(flaws),
    )


def _labelled(text: str, line: Line, anatomy: Anatomy) -> ReportSentence:
    regions = np.zeros(len(anatomy.label_names), dtype=np.float32)
    types = np.zeros(anatomy.n_types, dtype=np.float32)
    for row in line.regions:
        regions[row] = 1.0
    for column in line.types:
        types[column] = 1.0
    return ReportSentence(text, regions, types)
