"""``registry.toml``: compositions (one component per slot), studies and scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from crossdl.anatomy import load_anatomy
from crossdl.catalog import Catalog
from crossdl.config import ComponentConfig, Loc, Slot, flatten_errors
from crossdl.errors import ConfigError
from crossdl.hints import suggest
from crossdl.inheritance import assign
from crossdl.study.definition import Scale, Seed, Study
from crossdl.study.expansion import BadCell, CellPlan, expand

ModelT = TypeVar("ModelT", bound=BaseModel)
Mistake = tuple[Loc, str]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Composition(_Model):
    """One component per slot: everything that decides the result of a run."""

    description: str = Field("", description="one sentence for `crossdl list`")
    anatomy: str = Field(
        "head_ct", description="built-in anatomy, or a .toml file, relative to the registry file"
    )
    seed: Seed = Field(0, description="everything random derives from it")
    train_share: float = Field(
        1.0, gt=0, le=1, description="share of the usable training scans that is learnt from"
    )
    train_labels: Literal["discretizer", "silver"] = Field(
        "discretizer",
        description="weak labels: what the discretizer reads in the reports, or only those that "
        "people gave the sentences (silver)",
    )
    cohort: Annotated[SerializeAsAny[ComponentConfig], Slot("cohort")]
    discretizer: Annotated[SerializeAsAny[ComponentConfig], Slot("discretizer")]
    segmenter: Annotated[SerializeAsAny[ComponentConfig], Slot("segmenter")]
    analyzer: Annotated[SerializeAsAny[ComponentConfig], Slot("analyzer")]
    evaluators: tuple[Annotated[SerializeAsAny[ComponentConfig], Slot("evaluator")], ...] = Field(
        min_length=1
    )

    @field_validator("evaluators")
    @classmethod
    def _different_kinds(
        cls, evaluators: tuple[ComponentConfig, ...]
    ) -> tuple[ComponentConfig, ...]:
        kinds = [config.kind for config in evaluators]
        twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
        if twice:
            raise ValueError(
                f"{', '.join(twice)} is there twice; results are kept by kind, so name each once"
            )
        return evaluators

    @field_validator("anatomy")
    @classmethod
    def _anatomy_loads(cls, name: str, info: ValidationInfo) -> str:
        folder = (info.context or {}).get("folder")
        if name.endswith(".toml") and folder is not None:
            name = str(folder / name)
        try:
            load_anatomy(name)
        except ConfigError as error:
            raise ValueError("; ".join([error.headline, *error.problems])) from error
        return name


@dataclass(frozen=True)
class Registry:
    """A validated registry file.

    Attributes:
        path: The file.
        catalog: All kinds it can name, its ``plugin_paths`` included.
        compositions: By name, inheritance resolved; the shipped ones are there as well.
        own: Names of the compositions that stand in the file itself.
        studies: By name; every cell has been validated.
        scales: By name; those of the file have been validated with its studies, the shipped ones
            are there as well.
    """

    path: Path
    catalog: Catalog
    compositions: Mapping[str, Composition]
    own: tuple[str, ...]
    studies: Mapping[str, Study]
    scales: Mapping[str, Scale]

    def composition(self, name: str, changes: Mapping[str, Any] | None = None) -> Composition:
        """A composition, optionally with fields changed.

        Args:
            name: Name in the file.
            changes: Dotted path → new value, e.g. ``{"analyzer.epochs": 2}``, applied in order.
                A table is merged into the old one unless it names another kind.

        Raises:
            ConfigError: No such composition, or a change does not fit.
        """
        if name not in self.compositions:
            raise ConfigError(
                f"{self.path}: there is no composition {name!r}{suggest(name, self.compositions)}"
            )
        made = self.compositions[name]
        problems: list[str] = []
        for dotted, value in (changes or {}).items():
            try:
                raw = assign(made.model_dump(), dotted, value)
            except ConfigError as error:
                problems.append(f"{dotted}: {error}")
                continue
            changed, mistakes = validated(Composition, raw, {"catalog": self.catalog})
            problems += [f"{'.'.join(map(str, path))}: {message}" for path, message in mistakes]
            made = changed or made
        if problems:
            raise ConfigError(f"composition {name!r} with changes is not valid", problems)
        return made

    def cells(
        self,
        name: str,
        scale: str | None = None,
        changes: Mapping[str, Any] | None = None,
        seeds: Sequence[int] = (),
    ) -> list[CellPlan]:
        """All cells of a study, validated.

        Args:
            name: Of the study.
            scale: Of the scale, None for the base as it is.
            changes: Of the base, as in :meth:`composition`; scales do not touch these fields.
            seeds: Instead of the study's.

        Raises:
            ConfigError: No such study or scale, or a cell is not valid.
        """
        study, size = self.study(name, scale, seeds), self.scales.get(scale or "")
        base = self.composition(study.base, changes)
        context = {"catalog": self.catalog}
        try:
            return expand(study, base, context, size, changes or {})
        except BadCell as error:
            owners = {"study": f"studies.{name}", "scale": f"scales.{scale}"}
            raise ConfigError(
                f"study {name!r}{f' at scale {scale!r}' if scale else ''} is not valid",
                [f"{owners[w]}.{'.'.join(map(str, path))}: {r}" for w, path, r in error.mistakes],
            ) from error

    def study(self, name: str, scale: str | None = None, seeds: Sequence[int] = ()) -> Study:
        """A study as it is at a scale, with other seeds if any are given.

        Raises:
            ConfigError: There is no such study or scale.
        """
        if name not in self.studies:
            raise ConfigError(
                f"{self.path}: there is no study {name!r}{suggest(name, self.studies)}"
            )
        if scale is not None and scale not in self.scales:
            raise ConfigError(
                f"{self.path}: there is no scale {scale!r}{suggest(scale, self.scales)}"
            )
        made = self.studies[name].at_scale(scale, self.scales.get(scale or ""))
        return made.model_copy(update={"seeds": tuple(dict.fromkeys(seeds)) or made.seeds})


def default_registry_text() -> str:
    """The registry shipped with the package."""
    return (files("crossdl") / "registry.toml").read_text(encoding="utf-8")


def load_registry(path: Path | None = None) -> Registry:
    """Reads and validates a registry file.

    Args:
        path: The file; None means the one shipped with the package.

    Raises:
        ConfigError: With every mistake of the file at once, each with its dotted path and line.
        CatalogError: Plugins collide.
    """
    from crossdl.registry_reader import read

    if path is not None:
        return read(path)
    with as_file(files("crossdl") / "registry.toml") as shipped:
        return read(shipped)


def validated(
    model: type[ModelT], raw: Any, context: Mapping[str, Any]
) -> tuple[ModelT | None, list[Mistake]]:
    """A model of ``raw``, or None and what is wrong with it."""
    try:
        return model.model_validate(raw, context=dict(context)), []
    except ValidationError as error:
        return None, [(path, message) for path, message, _ in flatten_errors(error, model)]
