"""Clause-level linking of regions and types, for discretizers that label text as a whole.

"Haemorrhage in the left frontal lobe, infarct in the right" must not say that there is
haemorrhage on the right. E1 pairs all regions of a sentence with all its types; here only those
of a clause are paired, and what a clause leaves open is filled from its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.labels import LabelSet
from crossdl.lexicon import Lexicon, any_of
from crossdl.types import BoolArray, SentenceLabels

if TYPE_CHECKING:
    from crossdl.interfaces import ReportDiscretizer


def split_clauses(sentence: str, labels: LabelSet) -> list[str]:
    """The clauses of a sentence and their items, by the lexicon that knows its language."""
    lexicon = _lexicon_of(sentence, labels)
    if lexicon is None:
        return [sentence]
    pieces = any_of((*lexicon.clause_breaks, *lexicon.item_breaks)).split(sentence)
    found = [p.strip() for p in pieces if p and any(c.isalnum() for c in p)]
    return found or [sentence]


def _lexicon_of(sentence: str, labels: LabelSet) -> Lexicon | None:
    language = labels.language_of(sentence)
    return None if language is None else labels.lexicon[language]


def sides_in(clause: str, lexicon: Lexicon | None) -> frozenset[str]:
    """The sides that a clause names."""
    if lexicon is None:
        return frozenset()
    if any_of(lexicon.both).search(clause):
        return frozenset(lexicon.sides)
    named = lexicon.side_patterns.items()
    return frozenset(side for side, words in named if any(w.search(clause) for w in words))


def link_by_clause(discretizer: ReportDiscretizer[Any], labels: SentenceLabels) -> BoolArray:
    """Pairs regions and types that the same clause states, ``(n, R, T)``.

    Only labels that the whole sentence has are paired. A clause with types but no region takes
    the regions of the clause before it, or of the next one that has some; where it names another
    side than that one ("oedema in the right"), it takes their mirror images. Regions and types
    that no clause pairs are paired with everything the sentence states, as by E1.
    """
    regions, types = labels.stated_regions, labels.stated_types
    links = np.asarray(regions[:, :, None] & types[:, None, :], dtype=np.bool_)
    several = [
        (i, clauses)
        for i, sentence in enumerate(labels.sentences)
        if regions[i].sum() > 1 and types[i].sum() > 1
        for clauses in [split_clauses(sentence, discretizer.labels)]
        if len(clauses) > 1
    ]
    unique = list(dict.fromkeys(clause for _, clauses in several for clause in clauses))
    if not unique:
        return links
    said = replace(discretizer.label(unique), thresholds=labels.thresholds)
    at = {clause: k for k, clause in enumerate(unique)}
    for i, clauses in several:
        parts = said.take([at[clause] for clause in clauses])
        lexicon = _lexicon_of(labels.sentences[i], discretizer.labels)
        links[i] = _paired(
            np.asarray(parts.stated_regions & regions[i], dtype=np.bool_),
            np.asarray(parts.stated_types & types[i], dtype=np.bool_),
            np.asarray(links[i], dtype=np.bool_),
            [sides_in(clause, lexicon) for clause in clauses],
            discretizer.labels,
        )
    return links


def _paired(
    regions: BoolArray,
    types: BoolArray,
    every: BoolArray,
    sides: Sequence[frozenset[str]],
    labels: LabelSet,
) -> BoolArray:
    """Pairs of one sentence, ``(R, T)``, from its clauses' ``(c, R)`` and ``(c, T)``."""
    paired = np.zeros_like(every)
    named = [c for c in range(len(regions)) if regions[c].any()]
    for c in range(len(regions)):
        if not types[c].any():
            continue
        homes = [h for h in named if h <= c][-1:] or [h for h in named if h > c][:1]
        for home in homes:
            meant = regions[home]
            if home != c and sides[c] - sides[home]:
                mirrored = meant[labels.mirror_index] & every.any(axis=1)
                others = meant | mirrored if sides[home] <= sides[c] else mirrored
                meant = others if mirrored.any() else meant
            paired |= meant[:, None] & types[c][None, :]
    rows = every.any(axis=1, keepdims=True) & ~paired.any(axis=1, keepdims=True)
    columns = every.any(axis=0, keepdims=True) & ~paired.any(axis=0, keepdims=True)
    return paired | (every & (rows | columns))
