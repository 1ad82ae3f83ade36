"""The report grammar of one language, read from ``phantom_reports_LANGUAGE.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from crossdl.plugins.cohorts._phantom_grammar import Rules, Text, parse

Key = tuple[str, str, tuple[str, ...]]
"""Kind, chapter and type names."""


@dataclass
class Ways:
    """Ways of writing one kind of statement.

    Attributes:
        forms: For one lesion.
        many: For several; empty where ``forms`` serve.
        dx: Names of the diagnosis.
    """

    forms: list[Text] = field(default_factory=list)
    many: list[Text] = field(default_factory=list)
    dx: list[Text] = field(default_factory=list)

    def choice(self, plural: bool, adjectives: bool) -> list[Text]:
        """Forms to choose from; those with ``{adj}`` only where there are adjectives."""
        chosen = self.many if plural and self.many else self.forms
        return chosen if adjectives else [f for f in chosen if "{adj}" not in f.uses]


@dataclass(frozen=True)
class Topic:
    """A kind of sentence without finding.

    Attributes:
        name: Which.
        unless: It is not said where the report says one of these.
        needs: It is only said where the report says all of these.
        template: Sentences repeated word by word.
        template_unless: As ``unless``, for the templates alone.
        forms: Sentences put together.
        share: Weight among the topics.
    """

    name: str
    unless: frozenset[str]
    needs: frozenset[str]
    template: tuple[Text, ...]
    template_unless: frozenset[str]
    forms: tuple[Text, ...]
    share: float


class Language:
    """Parsed tables.

    Args:
        tables: The file's content.

    Attributes:
        tables: The same, for what is no text with choices.
        rules: Named rules.
        topics: Sentences without finding.
        absent: ``(unless, words)`` of denials.
    """

    def __init__(self, tables: Mapping[str, Any]) -> None:
        """Parses every text.

        Raises:
            ValueError: A text cannot be parsed or names an unknown rule.
        """
        self.tables = tables
        self.rules = Rules(tables["rules"])
        self.age = {name: self._texts(texts) for name, texts in tables["age"].items()}
        self.silent = self._table("silent")
        self.confounders = self._table("confounders")
        self.overcalled = self._table("overcalled")
        self.effect = self._table("effect")
        self.impression = self._table("impression")
        vague = tables["vague"]
        self.vague = {name: self._texts(vague[name]) for name in vague if name != "says"}
        self._vague_says = {
            tuple(name.split()): Ways(self._texts(texts)) for name, texts in vague["says"].items()
        }
        self.topics = tuple(self._topic(t) for t in tables["normal"])
        self.absent = tuple((frozenset(a["unless"]), tuple(a["words"])) for a in tables["absent"])
        self.typos = tuple((right, tuple(wrong)) for right, wrong in tables["typos"].items())
        self._says: dict[Key, Ways] = {}
        for entry in tables["says"]:
            for kind in entry["kinds"]:
                ways = self._says.setdefault(
                    (kind, entry["chapter"], tuple(entry["types"])), Ways()
                )
                ways.forms += self._texts(entry["forms"])
                ways.many += self._texts(entry.get("many", ()))
                ways.dx += self._texts(entry["dx"])

    def ways(self, kind: str, chapter: str, types: Sequence[str]) -> Ways:
        """How to write a statement.

        Raises:
            KeyError: Nobody wrote a form for these types in this chapter.
        """
        own = self._says.get((kind, chapter, tuple(types)))
        return own or self._says["any", chapter, tuple(types)]

    @property
    def keys(self) -> tuple[Key, ...]:
        """Everything that has ways of its own."""
        return tuple(self._says)

    def vaguely(self, chapter: str, types: Sequence[str]) -> Ways:
        """How to write a statement without its place.

        Raises:
            KeyError: Nobody wrote a form for these types.
        """
        own = self._vague_says.get((chapter, *types))
        return own or self._vague_says[tuple(types)]

    def _texts(self, texts: Sequence[str]) -> list[Text]:
        parsed = [parse(text) for text in texts]
        for text, source in zip(parsed, texts, strict=True):
            self.rules.check(text, source)
        return parsed

    def _table(self, name: str) -> dict[str, Ways]:
        return {key: Ways(self._texts(texts)) for key, texts in self.tables[name].items()}

    def _topic(self, table: Mapping[str, Any]) -> Topic:
        return Topic(
            table["topic"],
            frozenset(table["unless"]),
            frozenset(table.get("needs", ())),
            tuple(self._texts(table["template"])),
            frozenset(table.get("template_unless", ())),
            tuple(self._texts(table["forms"])),
            float(table.get("share", 1.0)),
        )


@cache
def tables(name: str) -> dict[str, Any]:
    """A TOML file of this folder, by name without ending."""
    path = files("crossdl") / "plugins" / "cohorts" / f"{name}.toml"
    return tomllib.loads(path.read_text("utf-8"))


@cache
def language(code: str) -> Language:
    """The grammar of a language.

    Raises:
        FileNotFoundError: There is none for this code.
    """
    return Language(tables(f"phantom_reports_{code}"))
