"""Label sets: which labels a text can have.

An anatomy is a label set with images behind it. For texts alone, such as a corpus whose reports
carry labels of their own, a short file (:class:`ReportLabels`) is enough.
"""

from __future__ import annotations

import tomllib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from crossdl.errors import ConfigError
from crossdl.lexicon import Lexicon, any_of

_FIELD = "region_labels"
"""Tells the two kinds of label sets apart."""

Partner = tuple[str, str]
"""A side key and the one it becomes in the mirror."""


class LabelSet(BaseModel, ABC):
    """Region and type labels in order, and how texts name sides.

    R and T are the numbers of region and type labels; an anatomy has R = N + 2 and T = M.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    lexicon: Mapping[str, Lexicon] = Field(
        default_factory=dict, description="terms, one table per language code"
    )

    @property
    @abstractmethod
    def label_names(self) -> tuple[str, ...]:
        """The R region labels in order."""

    @property
    @abstractmethod
    def type_names(self) -> tuple[str, ...]:
        """The T type labels in order."""

    @property
    @abstractmethod
    def mirror_index(self) -> npt.NDArray[np.int64]:
        """``(R,)``: ``labels[mirror_index]`` are the labels of the mirrored text or scan."""

    @property
    @abstractmethod
    def side_partners(self) -> frozenset[Partner]:
        """Which sides of the lexicons become which when left and right are swapped."""

    @property
    @abstractmethod
    def definitions(self) -> Mapping[str, str]:
        """Region or type label → what annotators count as it, for labels that have one."""

    @property
    def n_types(self) -> int:
        """T, the number of type labels."""
        return len(self.type_names)

    def language_of(self, text: str) -> str | None:
        """Code of the first lexicon that knows a text's language, or None."""
        known = (x for x, lexicon in self.lexicon.items() if any_of([lexicon.detect]).search(text))
        return next(known, None)


class ReportLabels(LabelSet):
    """Labels of whole reports or sentences without any anatomy, as a file.

    Example:
        >>> labels = ReportLabels(
        ...     name="chest",
        ...     title="Chest film",
        ...     region_labels=("left_lung", "right_lung"),
        ...     type_labels=("effusion",),
        ...     mirror=(("left_lung", "right_lung"),),
        ... )
        >>> labels.mirror_index.tolist()
        [1, 0]
    """

    region_labels: tuple[str, ...] = Field(min_length=1, description="in order")
    type_labels: tuple[str, ...] = Field(min_length=1, description="in order")
    mirror: tuple[tuple[str, str], ...] = Field(
        (), description="pairs of region labels that swap with left and right"
    )
    sides: tuple[Partner, ...] = Field(
        (("left", "right"),), description="pairs of side keys of the lexicons that swap"
    )

    definition: Mapping[str, str] = Field(
        default_factory=dict, description="what annotators count as a label, by name"
    )

    @model_validator(mode="after")
    def _consistent(self) -> ReportLabels:
        for field in ("region_labels", "type_labels"):
            names = getattr(self, field)
            if len(set(names)) != len(names) or not all(names):
                raise ValueError(f"{field}: names must be unique and not empty")
        swapped = [name for pair in self.mirror for name in pair]
        if len(set(swapped)) != len(swapped) or not set(swapped) <= set(self.region_labels):
            raise ValueError("mirror: must be pairs of region labels, each label once")
        strangers = sorted(set(self.definition) - {*self.region_labels, *self.type_labels})
        if strangers:
            raise ValueError(f"definition: {strangers[0]!r} is no label")
        return self

    @property
    def label_names(self) -> tuple[str, ...]:
        """The region labels."""
        return self.region_labels

    @property
    def type_names(self) -> tuple[str, ...]:
        """The type labels."""
        return self.type_labels

    @property
    def mirror_index(self) -> npt.NDArray[np.int64]:
        """``(R,)``."""
        partner = {a: b for pair in self.mirror for a, b in (pair, pair[::-1])}
        names = self.region_labels
        return np.array([names.index(partner.get(name, name)) for name in names], dtype=np.int64)

    @property
    def definitions(self) -> Mapping[str, str]:
        """The field :attr:`definition`."""
        return self.definition

    @property
    def side_partners(self) -> frozenset[Partner]:
        """Both directions of every pair."""
        return frozenset((a, b) for pair in self.sides for a, b in (pair, pair[::-1]))


def load_labels(name: str) -> LabelSet:
    """Reads a label set: an anatomy by name or file, or a file of :class:`ReportLabels`.

    Raises:
        ConfigError: No such file, not TOML, or fields missing, misspelt or inconsistent.
    """
    from crossdl.anatomy import load_anatomy
    from crossdl.config import flatten_errors

    path = Path(name)
    if not name.endswith(".toml") or not path.is_file():
        return load_anatomy(name)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return ReportLabels.model_validate(data) if _FIELD in data else load_anatomy(name)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, path)) or 'the file'}: {message}"
            for path, message, _ in flatten_errors(error, ReportLabels)
        ]
        raise ConfigError(f"{name}: the label set is not valid", problems) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{name}: cannot be read as a label set: {error}") from error


def parse_labels(data: Mapping[str, Any]) -> LabelSet:
    """The label set that ``model_dump(mode="json")`` gave.

    Raises:
        ValueError: Fields do not fit.
    """
    from crossdl.anatomy import Anatomy

    return (ReportLabels if _FIELD in data else Anatomy).model_validate(data)


Level = Literal["sentence", "report"]
"""What is labelled: single sentences, whose labels E1 merges, or whole reports."""
