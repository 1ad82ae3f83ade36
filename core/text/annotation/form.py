"""What a form shows: labels in groups with their definitions and keys, for any label set."""

from __future__ import annotations

from dataclasses import dataclass

from crossdl.anatomy import Anatomy
from crossdl.labels import LabelSet
from crossdl.text.annotation.answers import Answer

NOTHING, UNUSABLE, BACK, HELP = "0", "-", "<", "?"
"""Keys of both forms that are no labels."""
_TYPE_KEYS = "123456789"
_PAIR_KEYS = ("qwertyuiop", "asdfghjkl;")
_SINGLE_KEYS = "zxcvbnm,./"


@dataclass(frozen=True)
class Choice:
    """One label.

    Attributes:
        name: In files.
        title: For people: a side where the group names the part, else empty.
        key: That ticks it, or "".
    """

    name: str
    title: str
    key: str


@dataclass(frozen=True)
class Group:
    """Labels that stand together: the sides of a part, or one label alone."""

    title: str
    definition: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Form:
    """All labels of a label set as they are shown.

    Keys lie as the labels do: first sides in the top row of the keyboard and their partners right
    below, single ones in the bottom row, types on the digits.
    """

    title: str
    regions: tuple[Group, ...]
    types: tuple[Group, ...]
    keys: dict[str, str]
    titles: dict[str, str]

    def words(self, answer: Answer) -> str:
        """An answer in the titles of its labels."""
        if not answer.usable:
            return "not usable"
        chosen = answer.regions | answer.types
        return ", ".join(t for name, t in self.titles.items() if name in chosen) or (
            "nothing abnormal"
        )

    @property
    def sides(self) -> tuple[str, ...]:
        """Titles of the columns of paired labels."""
        pairs = [group.choices for group in self.regions if len(group.choices) > 1]
        return tuple(choice.title for choice in pairs[0]) if pairs else ()


def make_form(labels: LabelSet) -> Form:
    """Groups the labels of a label set."""
    parts = _parts(labels)
    keys = _region_keys(parts)
    definitions = labels.definitions
    regions = tuple(
        Group(
            title,
            definitions.get(members[0][0], ""),
            tuple(Choice(name, side, keys.get(name, "")) for name, side in members),
        )
        for title, members in parts
    )
    type_titles = dict(zip(labels.type_names, _type_titles(labels), strict=True))
    types = tuple(
        Group(
            type_titles[name],
            definitions.get(name, ""),
            (Choice(name, "", _TYPE_KEYS[i : i + 1]),),
        )
        for i, name in enumerate(labels.type_names)
    )
    titles = {
        choice.name: f"{choice.title} {group.title[:1].lower()}{group.title[1:]}"
        if choice.title
        else group.title
        for group in (*regions, *types)
        for choice in group.choices
    }
    by_key = {
        choice.key: choice.name
        for group in (*regions, *types)
        for choice in group.choices
        if choice.key
    }
    return Form(labels.title, regions, types, by_key, titles)


Part = tuple[str, list[tuple[str, str]]]
"""Title, and (label, side) of its members."""


def _parts(labels: LabelSet) -> list[Part]:
    if isinstance(labels, Anatomy):
        found: dict[str, Part] = {}
        for region in labels.regions:
            part = found.setdefault(region.part, (region.part_title, []))
            part[1].append((region.name, (region.side or "").capitalize()))
        singles = [(label.title, [(label.name, "")]) for label in (labels.other, labels.unclear)]
        return [*found.values(), *singles]
    return [(_words(name), [(name, "")]) for name in labels.label_names]


def _type_titles(labels: LabelSet) -> list[str]:
    if isinstance(labels, Anatomy):
        return [kind.title for kind in labels.types]
    return [_words(name) for name in labels.type_names]


def _region_keys(parts: list[Part]) -> dict[str, str]:
    keys: dict[str, str] = {}
    pairs = [members for _, members in parts if len(members) == len(_PAIR_KEYS)]
    for i, members in enumerate(pairs):
        for row, (name, _) in zip(_PAIR_KEYS, members, strict=True):
            keys[name] = row[i : i + 1]
    alone = [name for _, members in parts if len(members) != len(_PAIR_KEYS) for name, _ in members]
    if not pairs:
        rows = "".join((*_PAIR_KEYS, _SINGLE_KEYS))
        return {name: rows[i : i + 1] for i, name in enumerate(alone)}
    return keys | {name: _SINGLE_KEYS[i : i + 1] for i, name in enumerate(alone)}


def _words(name: str) -> str:
    return name.replace("_", " ").strip().capitalize() or name
