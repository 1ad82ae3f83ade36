"""The rules by which scans and reports become a cohort: a TOML file that a hospital edits."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.config import ComponentConfig, Slot, flatten_errors
from crossdl.errors import ConfigError
from crossdl.hints import suggest
from crossdl.lexicon import Patterns, any_of

Column = Literal[
    "patient", "time", "exam_class", "exam_sub_class", "parameters", "findings", "impression",
    "age", "sex",
]  # fmt: skip
COLUMNS: tuple[Column, ...] = get_args(Column)
"""What a table of reports may say."""
NEEDED: tuple[Column, ...] = ("patient", "time", "findings")
"""Columns without which there is no cohort."""
Fraction = Annotated[float, Field(ge=0, lt=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SeriesRules(_Frozen):
    """Which DICOM series are scans."""

    modality: str = Field(default="CT", description="DICOM Modality")
    descriptions: tuple[str, ...] = Field(default=(), description="accepted SeriesDescriptions")
    description_patterns: Patterns = Field(default=(), description="or patterns of accepted ones")
    exclude_description_patterns: Patterns = Field(
        default=(), description="patterns of refused ones"
    )
    drop_image_types: tuple[str, ...] = Field(
        default=(), description="values of ImageType of no slice"
    )
    allow_missing_slices: bool = Field(
        default=False, description="interpolate over missing slices instead of refusing"
    )
    min_slices: int = Field(default=10, ge=2, description="fewer slices are no scan")
    bone_kernels: Patterns = Field(default=(), description="patterns of ConvolutionKernel for bone")
    bone_window_width: float = Field(default=1500.0, gt=0, description="HU, least width for bone")
    bone_window_center: float = Field(default=200.0, description="HU, least centre for bone")
    choose: Literal["all", "thickest", "most_slices"] = Field(
        default="all", description="of several series of a study that share a report"
    )

    def accepts(self, description: str) -> bool:
        """Whether a SeriesDescription is one of the accepted ones."""
        text = description.strip()
        if not self.descriptions and not self.description_patterns:
            return True
        return text in self._exact or self._patterns.search(text) is not None

    def refuses(self, description: str) -> bool:
        """Whether a SeriesDescription is excluded although accepted."""
        return self._excluded.search(description.strip()) is not None

    def public(self, description: str) -> str | None:
        """The description if it is one of the exact ones, which name no patient; else None."""
        text = description.strip()
        return text if text in self._exact else None

    def is_bone_kernel(self, kernel: str) -> bool:
        """Whether a ConvolutionKernel is one for bone."""
        return self._bone.search(kernel.strip()) is not None

    def is_bone_window(self, center: float | None, width: float | None) -> bool:
        """Whether a display window (HU) is one for bone."""
        if center is None or width is None:
            return False
        return width >= self.bone_window_width and center >= self.bone_window_center

    @cached_property
    def _exact(self) -> frozenset[str]:
        return frozenset(d.strip() for d in self.descriptions)

    @cached_property
    def _patterns(self) -> re.Pattern[str]:
        return any_of(self.description_patterns)

    @cached_property
    def _excluded(self) -> re.Pattern[str]:
        return any_of(self.exclude_description_patterns)

    @cached_property
    def _bone(self) -> re.Pattern[str]:
        return any_of(self.bone_kernels)


class ReportRules(_Frozen):
    """How the table of reports is read, and which of them are used."""

    encoding: str = Field(default="auto", description="of text files; auto: UTF-8, else GB18030")
    time_formats: tuple[str, ...] = Field(
        default=(), description="strptime formats beside ISO 8601"
    )
    columns: Mapping[Column, tuple[str, ...]] = Field(description="accepted names per column")
    require: Mapping[Column, tuple[str, ...]] = Field(default={}, description="accepted values")
    exclude: Mapping[Column, tuple[str, ...]] = Field(
        default={}, description="words that refuse a report"
    )

    @model_validator(mode="after")
    def _named(self) -> ReportRules:
        for column in (*NEEDED, *self.require, *self.exclude):
            if not self.columns.get(column):
                raise ValueError(f"columns.{column}: give at least one name of this column")
        return self


class PairingRules(_Frozen):
    """Which report belongs to which scan."""

    max_hours: float = Field(
        default=24.0, gt=0, description="hours between scan and report, at most"
    )
    patient_digits: int = Field(
        default=0, ge=0, le=64, description="fill numeric PatientIDs with zeros to this length"
    )

    def patient_key(self, patient_id: str) -> str:
        """PatientID in the form in which scans and reports are compared."""
        text = patient_id.strip()
        return text.zfill(self.patient_digits) if text.isdecimal() else text


class ExclusionRules(_Frozen):
    """Which pairs are left out for what the report says."""

    ischaemia: Patterns = Field(default=(), description="words for ischaemia")
    with_types: tuple[str, ...] = Field(
        default=(), description="types that must not stand beside it"
    )


class SplitRules(_Frozen):
    """How patients are divided."""

    valid: Fraction = Field(default=0.05, description="fraction of the patients for validation")
    test: Fraction = Field(default=0.05, description="fraction of the patients for testing")
    seed: int = Field(default=0, ge=0, description="decides who goes where")

    @model_validator(mode="after")
    def _room(self) -> SplitRules:
        if self.valid + self.test >= 1:
            raise ValueError("valid + test must be less than 1")
        return self


class PrivacyRules(_Frozen):
    """Which text of reports the cohort keeps."""

    keep_findings: bool = Field(default=False, description="keep the Findings section")
    keep_impression: bool = Field(default=False, description="keep the Impression section")


class Rules(_Frozen):
    """All rules of one cohort; see ``rules_head_ct.toml``."""

    anatomy: str = Field(default="head_ct", description="name or path of the anatomy")
    series: SeriesRules
    reports: ReportRules
    pairing: PairingRules = Field(default_factory=PairingRules)
    exclusions: ExclusionRules = Field(default_factory=ExclusionRules)
    discretizer: Annotated[SerializeAsAny[ComponentConfig], Slot("discretizer")] = Field(
        description="labels the reports"
    )
    split: SplitRules = Field(default_factory=SplitRules)
    privacy: PrivacyRules = Field(default_factory=PrivacyRules)

    @field_validator("anatomy")
    @classmethod
    def _readable(cls, value: str) -> str:
        try:
            load_anatomy(value)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return value

    @field_validator("exclusions")
    @classmethod
    def _known_types(cls, value: ExclusionRules, info: ValidationInfo) -> ExclusionRules:
        if "anatomy" in info.data:
            known = load_anatomy(info.data["anatomy"]).type_names
            for name in value.with_types:
                if name not in known:
                    raise ValueError(
                        f"with_types: no type is called {name!r}{suggest(name, known)}"
                    )
        return value

    def load_anatomy(self) -> Anatomy:
        """The anatomy that the rules name."""
        return load_anatomy(self.anatomy)


def default_rules() -> str:
    """Text of the shipped rules."""
    return (files("crossdl") / "ingest" / "rules_head_ct.toml").read_text(encoding="utf-8")


def load_rules(path: Path | None) -> tuple[Rules, str]:
    """Reads a file of rules, or the shipped one.

    Returns:
        The rules and the text they came from.

    Raises:
        ConfigError: The file cannot be read, is not TOML, or fields are wrong; every mistake is
            named with its field.
    """
    name = "the shipped rules" if path is None else str(path)
    try:
        text = default_rules() if path is None else path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigError(
            f"{name}: cannot be read as rules ({reason}); start from `crossdl cohort rules`"
        ) from error
    return parse_rules(text, name), text


def parse_rules(text: str, name: str) -> Rules:
    """Reads rules from their text.

    Raises:
        ConfigError: As :func:`load_rules`.
    """
    try:
        raw: dict[str, Any] = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name}: not valid TOML: {error}") from error
    try:
        return Rules.model_validate(raw)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, where)) or 'the file'}: {message}"
            for where, message, _ in flatten_errors(error, Rules)
        ]
        raise ConfigError(f"{name}: the rules are not valid", problems) from error
