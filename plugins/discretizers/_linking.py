"""Links the findings of a sentence to its places."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from crossdl.anatomy import Anatomy
from crossdl.plugins.discretizers._reader import Reader
from crossdl.plugins.discretizers._tokens import Item, Mention, Seen

Cells = set[tuple[int, int]]

CHAIN = 12
"""Words for places, one right after the other, that are read as one expression at most."""


@dataclass
class Run:
    """Findings with nothing but words between them, and the places they share.

    Attributes:
        item: Where they stand.
        findings: In order of the text.
        places: What they share.
        compartments: Types admitted by compartment words, per finding.
        led: Whether a place was named before them.
        followed: Whether a place was named after them.
    """

    item: Item
    findings: list[Seen]
    places: list[Mention] = field(default_factory=list)
    compartments: dict[Seen, frozenset[int]] = field(default_factory=dict)
    led: bool = False
    followed: bool = False

    @property
    def positive(self) -> bool:
        """Whether any finding states a type."""
        return any(f.positive for f in self.findings)

    @property
    def onward(self) -> bool:
        """Whether only places after it are meant."""
        return self.findings[0].onward

    def lead(self, mention: Mention) -> None:
        """Adds a place named before the findings."""
        self.places.append(mention)
        self.led = True

    def follow(self, mention: Mention) -> None:
        """Adds a place named after the findings; behind another place, only the last is meant."""
        if not self.led or self.findings[-1].positive:
            self.places.append(mention)
            self.followed = True

    def admit(self, finding: Seen, types: frozenset[int]) -> None:
        """Adds a compartment word of one finding."""
        self.compartments[finding] = self.compartments.get(finding, frozenset()) | types

    @property
    def words(self) -> frozenset[int]:
        """Types admitted by compartment words of findings that leave a choice."""
        chosen = [t for f, t in self.compartments.items() if f.positive and f.open]
        return frozenset().union(*chosen)

    @property
    def named(self) -> frozenset[int]:
        """Types that findings of the item leave no choice about."""
        groups = [g for f in self.item.findings if f.positive for g in f.types]
        return frozenset(group[0] for group in groups if len(group) == 1)


def cells(sentence: str, reader: Reader, anatomy: Anatomy) -> Cells:
    """The (region label, type) pairs that a sentence states."""
    found: Cells = set()
    last: list[Mention] = []
    context: frozenset[int] = frozenset()
    before: frozenset[int] = frozenset()
    implied: Cells = set()
    for items in reader.clauses(sentence):
        for run in _runs(items):
            if isinstance(run, list):
                last, context = run or last, frozenset()
                continue
            places, around = run.places, run.words
            if not places and not run.onward and reader.inherits(run.item):
                places, around = last, around or context
            meant = [reader.moved(p, m.sides) for m in places if m.sides for p in last]
            stated: Cells = set()
            implied |= {
                (f.row, group[0])
                for f in run.findings
                if f.positive and f.settled and f.row is not None
                for group in f.types
            }
            if run.positive:
                stated = _resolve(run, meant or places, around, reader, anatomy)
                if meant and not reader.together({t for _, t in stated}, before):
                    places, meant = [], []
                    stated = _resolve(run, places, around, reader, anatomy)
            places = meant or places
            found |= stated
            vague = not run.positive and all(m.unclear for m in run.places)
            if run.places and not (vague and last):
                before = frozenset(t for _, t in stated)
                last, context = places, around | run.named
            elif run.positive:
                context = around | run.named
    said = {t for _, t in found}
    return found | {cell for cell in implied if cell[1] not in said}


def _runs(items: Sequence[Item]) -> list[Run | list[Mention]]:
    """Runs of a clause in order; a list stands for places that a denial used up."""
    done: list[Run | list[Mention]] = []
    pending: list[Mention] = []
    for number, item in enumerate(items):
        if not item.findings:
            previous = done[-1] if done and isinstance(done[-1], Run) else None
            if previous is not None and _belongs_back(item, previous, items[number + 1 :]):
                for run in _open_runs(done):
                    placed = any(m.rows for m in run.places)
                    for mention in item.mentions:
                        if not (mention.compartment and run.compartments) and not (
                            mention.outside and placed
                        ):
                            _add_after(run, run.findings[-1], mention)
            else:
                pending += item.mentions
            continue
        made = _runs_of(item)
        if not any(f.types and not f.denied for f in item.findings) and not item.mentions:
            denied = any(f.denied for f in item.findings)
            if denied:
                done.append([m for m in pending if not m.compartment])
                pending = []
                continue
        for mention in pending:
            _add_before(made[0], made[0].findings[0], mention)
        pending = []
        done += made
    return done


def _runs_of(item: Item) -> list[Run]:
    """Groups an item's findings into runs and gives each its mentions."""
    findings = item.findings
    places = [m for m in item.mentions if not m.compartment]
    named = [m.start for m in places]
    runs = [Run(item, [findings[0]])]
    for left, right in pairwise(findings):
        if right.onward or bisect_left(named, left.end) < bisect_left(named, right.start):
            runs.append(Run(item, []))
        runs[-1].findings.append(right)
    owner = {id(f): run for run in runs for f in run.findings}
    backward: list[tuple[Seen, Mention]] = []
    starts, ends = [f.start for f in findings], [f.end for f in findings]
    for number, mention in enumerate(item.mentions):
        passed = bisect_right(ends, mention.start)
        before = findings[passed - 1] if passed else None
        after = findings[passed] if passed < len(findings) else None
        if after is not None and (
            before is None
            or starts[passed] <= mention.start
            or not _linked_back(item, number, before, after)
        ):
            if not after.onward or starts[passed] <= mention.start:
                _add_before(owner[id(after)], after, mention)
        elif before is not None:
            backward.append((before, mention))
    for finding, mention in backward:
        run = owner[id(finding)]
        if not (mention.compartment or run.followed) and finding.positive:
            if not (run.findings[0].types or run.findings[0].denied):
                run.places = []  # those before are of the finding without a type
        _add_after(run, finding, mention)
    for run in runs:
        if not run.places and not run.onward:
            run.places = places
    return runs


def _linked_back(item: Item, number: int, before: Seen, after: Seen) -> bool:
    """Whether a mention between two findings belongs to the one before it."""
    mention = item.mentions[number]
    if after.onward or (after.cue and before.positive):
        return True
    at = mention.end
    for following in item.mentions[number + 1 : number + CHAIN]:
        if following.start >= after.start or not _touch(item, at, following.start):
            break
        at = max(at, following.end)
    if _touch(item, at, after.start):
        return False
    if _touch(item, before.end, mention.start):
        return True
    return any(before.end <= w.start < mention.start for w in item.locatives)


def _touch(item: Item, start: int, end: int) -> bool:
    """Whether there are only blanks, hyphens and side words between two places in an item."""
    for side, _ in item.sides:
        if start <= side.start and side.end <= end:
            if item.text[start - item.start : side.start - item.start].strip(" -"):
                return False
            start = side.end
    return not item.text[start - item.start : end - item.start].strip(" -")


def _add_before(run: Run, finding: Seen, mention: Mention) -> None:
    if mention.compartment:
        run.admit(finding, mention.admits)
    else:
        run.lead(mention)


def _add_after(run: Run, finding: Seen, mention: Mention) -> None:
    if mention.compartment:
        run.admit(finding, mention.admits)
    else:
        run.follow(mention)


def _open_runs(done: Sequence[Run | list[Mention]]) -> list[Run]:
    """The last run and, if it has no place, all runs without place right before it."""
    open_runs: list[Run] = []
    for run in reversed(done):
        if not isinstance(run, Run) or (open_runs and run.places):
            break
        open_runs.append(run)
        if run.places:
            break
    return open_runs


def _belongs_back(item: Item, previous: Run, rest: Sequence[Item]) -> bool:
    """Whether an item of places only goes with the findings before it."""
    if item.bracket or previous.followed:
        return True
    coming = next((i for i in rest if any(not f.denied for f in i.findings)), None)
    if coming is None:
        return True
    if previous.places:
        return False
    first = min((m.start for m in coming.mentions), default=None)
    return first is None or first > coming.findings[0].start


def _resolve(
    run: Run,
    places: Sequence[Mention],
    around: frozenset[int],
    reader: Reader,
    anatomy: Anatomy,
) -> Cells:
    """Types of each place of a run."""
    if any(m.outside for m in places) and not run.compartments:
        return set()
    known = [m for m in places if m.rows]
    known = [m for m in known if not m.weak] or known
    if any(m.bag for m in known):
        known = [m for m in known if not m.unclear]
    unclear, other = anatomy.n_regions + 1, anatomy.n_regions
    found: Cells = set()
    described = around | run.named
    kinds = {
        (f.types, f.row, f.settled, f.describes, run.compartments.get(f)): f
        for f in run.findings
        if f.positive
    }
    for finding in kinds.values():
        own = run.compartments.get(finding, frozenset())
        context = described if finding.describes else around
        if finding.describes and len(finding.types) > 1:
            context = reader.alongside(context)
        for group in finding.types:
            if finding.row is not None and not finding.settled:
                found.add((finding.row, group[0]))
                continue
            carried = {
                (row, t)
                for mention in known
                for row in mention.rows
                for t in _types(group, own, mention.admits, context, _possible(row, anatomy))
            }
            if not carried and not finding.settled:
                every = frozenset(range(anatomy.n_types))
                fallback = _types(group, own, frozenset(), context, every)
                near = any(m.admits or not m.bag for m in known)
                carried = {(other if near else unclear, t) for t in fallback}
            found |= carried
    return found


def _types(
    group: tuple[int, ...],
    own: frozenset[int],
    place: frozenset[int],
    context: frozenset[int],
    possible: frozenset[int],
) -> tuple[int, ...]:
    """Which of a finding's alternatives a place carries.

    Decided by the finding's own compartment words, else by the place, else by the words around,
    else the first alternative that is possible.
    """
    if own:
        options = tuple(t for t in group if t in own) or group[:1]
        return tuple(t for t in options if t in possible)
    if place:
        return tuple(t for t in group if t in place and t in possible)[:1]
    options = tuple(t for t in group if t in possible)
    return tuple(t for t in options if t in context) or options[:1]


def _possible(row: int, anatomy: Anatomy) -> frozenset[int]:
    """Types that a region label can have."""
    if row >= anatomy.n_regions:
        return frozenset(range(anatomy.n_types))
    return frozenset(t for t in range(anatomy.n_types) if anatomy.possible[row, t])
