"""The interfaces of crossdl: what each slot of a composition must do.

Symbols (Liu et al. 2023): N regions, M types, Ŝ region maps, D̂ abnormality maps, A the
abnormality matrix, ŷ the bag probabilities. Equations E1 to E9 are stated here once.

(E1) A = max over sentences s of r_s t_sᵀ
(E2) discretizer loss = BCE(r, r̂) + BCE(t, t̂)
(E3) y = (clip(HU, low, high) - low) / width · 255, 8 bit
(E4) segmentation loss = mean over the N regions of the Dice loss of Ŝ_i against S_i
(E5) static max pooling: ŷ_ij = max over v in R_i of D̂_jv
(E6) dynamic max pooling: ŷ_ij = max over v of Ŝ_iv D̂_jv
(E7) DaMIL, scale l > 1: ŷ_l,ij = mean TOP_k(Ŝ_i D̂_j^l), k = Σ_v 1(Ŝ_iv D̂_jv^(l-1) > t)
(E8) region loss = -1/(NM) Σ_ij [w_ij y_ij ln ŷ_ij + (1 - y_ij) ln(1 - ŷ_ij)],
     w_ij = sqrt((1 - f_ij + ε)/(f_ij + ε)), averaged over the output scales
(E9) scan loss = BCE over M of max over v of D̂_jv against the union of the N + 2 rows of A;
     total = λ·E4 + E8 + α·E9

A component is built as ``Component(config, anatomy)``. Modules of components import torch, itk
and other heavy packages inside the functions that use them, so that listing and checking stay
fast.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar, get_args, get_origin

import numpy as np
from pydantic import Field

from crossdl.anatomy import Anatomy
from crossdl.config import ComponentConfig
from crossdl.errors import RegistrationError
from crossdl.labels import LabelSet, Level
from crossdl.types import (
    BoolArray,
    FloatArray,
    Prediction,
    Quality,
    RegionMap,
    ScanRecord,
    SentenceLabels,
    Volume,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

    from crossdl.atlas import Atlas
    from crossdl.evaluation.cases import Evaluation, EvaluationSet, ScanCase
    from crossdl.networks.bags import Bags, VoxelMaps
    from crossdl.preprocessing import Preprocessed
    from crossdl.training.samples import TrainingSet

ConfigT = TypeVar("ConfigT", bound=ComponentConfig)


_COMPONENT_OF: dict[type[ComponentConfig], type[Component[Any]]] = {}


class Component(ABC, Generic[ConfigT]):
    """Base of everything a composition names.

    ``class Mine(MILPooling[MineConfig])`` ties a component to its config class.

    Attributes:
        slot: Name of the slot, set by each interface below.
        Config: The config class, taken from the square brackets.
    """

    slot: ClassVar[str]
    Config: ClassVar[type[ComponentConfig]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Reads the config class from the base's type argument.

        Raises:
            TypeError: Another component has this config class.
        """
        super().__init_subclass__(**kwargs)
        for base in getattr(cls, "__orig_bases__", ()):
            origin = get_origin(base)
            if isinstance(origin, type) and issubclass(origin, Component):
                for argument in get_args(base):
                    if isinstance(argument, type) and issubclass(argument, ComponentConfig):
                        cls.Config = argument
                        _claim(argument, cls)

    def __init__(self, config: ConfigT, anatomy: Anatomy) -> None:
        """Keeps both; heavy set-up belongs into the first use, not here."""
        self.config = config
        self.anatomy = anatomy


def _claim(config: type[ComponentConfig], component: type[Component[Any]]) -> None:
    """Notes whose config it is; a module that is imported again replaces its own."""
    other = _COMPONENT_OF.get(config, component)
    names = [(c.__module__, c.__qualname__) for c in (other, component)]
    if names[0] != names[1]:
        raise TypeError(
            f"{component.__qualname__} has the config class of {'.'.join(names[0])}; give it one "
            f"of its own, such as a subclass of {config.__qualname__}"
        )
    _COMPONENT_OF[config] = component


def build(config: ComponentConfig, anatomy: LabelSet) -> Any:
    """The component that belongs to a config, such as the pooling inside an analyzer's config.

    A config's class is imported together with its component's, from wherever the kind lives.
    """
    made: Any = _COMPONENT_OF[type(config)]
    return made(config, anatomy)


class DiscretizerConfig(ComponentConfig):
    """Settings that every discretizer has."""

    linking: Literal["sentence", "clause"] = Field(
        "sentence",
        description="sentence: all regions of a sentence share all its types (E1, the paper); "
        "clause: only those of the same clause do",
    )


DiscretizerT = TypeVar("DiscretizerT", bound=DiscretizerConfig)


class ReportDiscretizer(Component[DiscretizerT]):
    """Sentences of a Findings section → probabilities of region and type labels.

    Core does the rest: splitting reports into sentences, labelling equal ones once, linking
    regions and types, and merging by E1 (:mod:`crossdl.reports`).

    Attributes:
        labels: The label set, in most cases an anatomy.
    """

    slot = "discretizer"

    def __init__(self, config: DiscretizerT, anatomy: LabelSet) -> None:
        """Keeps both; an anatomy is a label set with images behind it."""
        self.config = config
        self.labels = anatomy

    @property
    def level(self) -> Level:
        """What :meth:`label` takes: sentences, or whole reports, which are then not split."""
        return "sentence"

    @property
    def thresholds(self) -> tuple[FloatArray, FloatArray]:
        """``(N + 2,)`` and ``(M,)``: probabilities above them count as stated."""
        return (
            np.full(len(self.labels.label_names), 0.5, dtype=np.float32),
            np.full(self.labels.n_types, 0.5, dtype=np.float32),
        )

    @property
    def trained(self) -> bool:
        """Whether :meth:`label` works without :meth:`fit` or :meth:`load`."""
        return True

    @abstractmethod
    def label(self, sentences: Sequence[str]) -> SentenceLabels:
        """Labels n sentences.

        Returns:
            ``regions`` ``(n, N + 2)`` and ``types`` ``(n, M)``, float32 in [0, 1]. A sentence's
            labels must not depend on its neighbours; an empty sentence gives zeros.
        """

    def link(self, labels: SentenceLabels) -> BoolArray:
        """Which types each sentence states of which region, ``(n, N + 2, M)``.

        Asked only where ``config.linking`` is ``"clause"``. This default labels every clause by
        itself; discretizers that know better override it.

        Args:
            labels: What :meth:`label` says of whole sentences, with thresholds.
        """
        from crossdl.clauses import link_by_clause

        return link_by_clause(self, labels)

    def fit(
        self,
        train: SentenceLabels,
        valid: SentenceLabels,
        *,
        unlabelled: Sequence[str] = (),
        seed: int,
        folder: Path,
    ) -> None:
        """Learns from labelled sentences (E2). Rule-based discretizers do nothing.

        Args:
            train: Silver sentences; labels may be probabilities.
            valid: The same, for stopping and calibration.
            unlabelled: More texts of the same kind, for pre-training.
            seed: Everything random derives from it; equal seeds give equal bytes on CPU.
            folder: Checkpoints and logs go here; a killed training continues from it.
        """

    def save(self, folder: Path) -> None:
        """Writes a trained discretizer into an existing folder; rule-based ones write nothing."""

    def load(self, folder: Path) -> None:
        """Reads what :meth:`save` wrote.

        Raises:
            InputError: Files are missing, damaged, or made for other labels.
        """


class AtlasSource(Component[ConfigT]):
    """Where a template with its drawn regions comes from."""

    slot = "atlas"

    @abstractmethod
    def load(self) -> Atlas:
        """The atlas: a template volume in HU and a label map on the same grid.

        Raises:
            CrossDLError: A file is missing or does not fit the anatomy.
        """


@dataclass(frozen=True)
class Attempt:
    """What became of one step of a segmenter on one scan.

    Attributes:
        step: What reports call the step.
        quality: Of its regions, or None where it failed.
        error: One sentence why it failed, or empty.
    """

    step: str
    quality: Quality | None
    error: str = ""


class RegionSegmenter(Component[ConfigT]):
    """CT → coarse region map S, with a measure of its own success."""

    slot = "segmenter"

    def segment(self, volume: Volume) -> RegionMap:
        """Segments one scan.

        Args:
            volume: ``(D, H, W)`` HU.

        Returns:
            Labels on the grid of ``volume``; ``quality.values["final_metric"]`` maps each stage
            of the registration to its final metric.

        Raises:
            InputError: The volume cannot be the anatomy's, see
                :func:`crossdl.registration.input_checks.check_scan`.
            RegistrationError: The tool failed; the message has its reason.
        """
        from crossdl.registration.input_checks import check_scan

        check_scan(volume, self.anatomy)
        regions = self.register(volume)
        if not regions.grid.same_as(volume.grid):
            raise AssertionError(f"{type(self).__name__} returned labels on another grid")
        return regions

    def fingerprint(self) -> str:
        """Changes whenever the labels of a scan may change; part of the cache's key."""
        return json.dumps([self.config.model_dump(mode="json"), self.anatomy.region_names])

    @abstractmethod
    def register(self, volume: Volume) -> RegionMap:
        """Does the work of :meth:`segment` on a volume that has passed its checks."""

    @property
    def steps(self) -> Sequence[RegionSegmenter[Any]]:
        """What is tried one after the other, by default only the segmenter itself.

        A cohort runs every step as a task of its own, so that a step on which the process dies
        or hangs is one failed attempt, and the next step still has its turn.
        """
        return (self,)

    @property
    def title(self) -> str:
        """What lists of attempts call it: the kind and the fields that are not the default."""
        from crossdl.config import value_label

        return value_label(
            {**self.config.model_dump(exclude_defaults=True), "kind": self.config.kind}
        )

    def pick(self, name: str, attempts: Sequence[Attempt]) -> tuple[int, Quality] | None:
        """Decides by the attempts on a scan so far, which are those of the first steps.

        Args:
            name: What messages call the scan.
            attempts: What became of the steps that were tried.

        Returns:
            Index of the attempt whose regions are the result, with the quality to give them; or
            None if the next step should be tried.

        Raises:
            RegistrationError: No step has a usable result; the message has the reasons.
        """
        if not attempts:
            return None
        if attempts[0].quality is None:
            raise RegistrationError(attempts[0].error)
        return 0, attempts[0].quality


class MILPooling(Component[ConfigT]):
    """Voxel maps → bag probabilities ŷ (E5 to E7).

    Contract (checked for every kind by :mod:`crossdl.testing`): probabilities in [0, 1] and
    finite logarithms of them; finite gradients; a permutation of voxels changes nothing; a scan's
    bags do not depend on the other scans of the batch; an empty region gives a finite value;
    monotone in the abnormality map, unless the kind says that it is not.

    Attributes:
        monotone: Whether raising D̂ anywhere never lowers ŷ; a kind for which this is not so sets
            it to False and gives the reason in its docstring.
    """

    slot = "pooling"
    monotone: ClassVar[bool] = True

    def __call__(self, regions: Tensor, abnormality: Tensor, coarser: Tensor | None) -> Tensor:
        """Pools probabilities at one output scale.

        Args:
            regions: Ŝ (dynamic) or the 0/1 atlas regions (static), ``(B, N, D, H, W)`` in [0, 1].
            abnormality: D̂ of this scale, ``(B, M, D, H, W)`` in [0, 1].
            coarser: D̂ of the next coarser scale resampled to this scale's size,
                ``(B, M, D, H, W)``, or None at the coarsest scale.

        Returns:
            ŷ, ``(B, N, M)`` float32 in [0, 1].
        """
        from crossdl.networks.bags import VoxelMaps

        return self.bags(VoxelMaps.from_probabilities(regions, abnormality, coarser)).probability

    @abstractmethod
    def bags(self, maps: VoxelMaps) -> Bags:
        """Pools the logits of one output scale, as training does.

        Args:
            maps: Logits of N regions and M types at V voxels, float32.

        Returns:
            ŷ and both its logarithms, ``(B, N, M)`` float32.
        """

    def formula(self, s: Tensor, d: Tensor, coarser: Tensor | None) -> Bags | None:
        """The definition for one bag, as plain as it can be; the contract's reference.

        Args:
            s: Ŝ_i, ``(V,)`` float64.
            d: D̂_j, ``(V,)`` float64.
            coarser: D̂_j of the next coarser scale at the same voxels, ``(V,)`` float64, or None.

        Returns:
            ŷ and both its logarithms, of no dimension; None if the kind has no other form than
            :meth:`bags`.
        """
        return None

    def learned(self) -> nn.Module | None:
        """Parameters the analyzer must train along, for poolings that have any."""
        return None


@dataclass(frozen=True)
class FitResult:
    """What training left behind.

    Attributes:
        best_epoch: 0-based epoch whose weights were kept.
        best_value: The validation loss that chose it: the region MIL loss (E8), or the scan loss
            (E9) where E8 has no weight.
        history: One mapping of named losses per epoch.
    """

    best_epoch: int
    best_value: float
    history: tuple[Mapping[str, float], ...]


class AbnormalityAnalyzer(Component[ConfigT]):
    """CT → Ŝ, D̂, region matrix and scan scores.

    Attributes:
        scores_from_maps: Whether scores are maxima of the maps, E5 or E6 and the maximum of each
            D̂; of classifiers they are not.
    """

    slot = "analyzer"
    scores_from_maps: ClassVar[bool] = True

    @property
    @abstractmethod
    def input_shape(self) -> tuple[int, int, int]:
        """Voxels ``(D, H, W)`` that training samples must have."""

    @abstractmethod
    def fit(self, train: TrainingSet, valid: TrainingSet, *, seed: int, folder: Path) -> FitResult:
        """Learns from weak labels and coarse regions (E4 to E9).

        Args:
            train: Preprocessed scans with pseudo labels A and coarse regions S.
            valid: The same for choosing the best epoch.
            seed: Everything random derives from it; equal seeds give equal bytes on CPU.
            folder: Checkpoints and logs go here; a run killed in the middle continues from it
                and ends with the same weights.
        """

    @property
    def needs_regions(self) -> bool:
        """Whether :meth:`predict` needs the scan's coarse atlas regions."""
        return False

    @abstractmethod
    def predict(self, volume: Volume, regions: RegionMap | None = None) -> Prediction:
        """Predicts one scan in any geometry; the maps' grid says where they are.

        Args:
            volume: The scan.
            regions: What a segmenter makes of it, where :attr:`needs_regions`.

        Raises:
            InputError: No head is found in the volume, or regions are needed and not given.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes ``model.safetensors`` and ``model.json`` into an existing folder."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Reads what :meth:`save` wrote.

        Raises:
            InputError: Files are missing, damaged, or made for another anatomy.
        """


class Evaluator(Component[ConfigT]):
    """Truth and predictions → named metrics with intervals, tables, figures.

    Attributes:
        wants_valid: Whether :meth:`evaluate` needs the validation scans too, for example to
            choose a threshold; they are then predicted and measured as the test scans are.
        wants_reports: Whether it needs what the discretizer makes of the evaluated scans' reports.
        headline: Patterns (``fnmatch``) of the metrics that the terminal shows, where not all that
            speak of all regions should be.
    """

    slot = "evaluator"
    headline: ClassVar[tuple[str, ...]] = ("*",)
    wants_valid: ClassVar[bool] = False
    wants_reports: ClassVar[bool] = False

    def measure(self, case: ScanCase) -> Any:
        """Says of one scan what needs its maps, which are gone when :meth:`evaluate` is called.

        Returns:
            Something JSON-able and small; it becomes an item of ``cases.measured[kind]``. None,
            the default, where there is nothing to say.
        """
        return None

    @abstractmethod
    def evaluate(self, cases: EvaluationSet, seed: int) -> Evaluation:
        """Measures; undefined metrics are None, never 0.5 or NaN."""


class CohortSource(Component[ConfigT]):
    """Scans with their reports."""

    slot = "cohort"

    @abstractmethod
    def records(self) -> Sequence[ScanRecord]:
        """All scans in a stable order, without reading voxels.

        Raises:
            InputError: The source is missing or malformed.
        """

    @abstractmethod
    def volume(self, record: ScanRecord) -> Volume:
        """The voxels of one scan.

        Raises:
            InputError: The scan cannot be read; a batch reports it and goes on.
        """

    @abstractmethod
    def fingerprint(self, record: ScanRecord) -> str:
        """A string that changes whenever the scan's voxels would; keys of cached stages."""

    def silver(self, record: ScanRecord) -> SentenceLabels | None:
        """Labels of the sentences of the Findings by the text alone, 0/1, or None if unknown.

        The sentences are those that :func:`crossdl.reports.split_findings` finds.
        """
        return None

    def prepared(self, record: ScanRecord) -> Preprocessed | None:
        """The scan at the anatomy's shape as :func:`crossdl.preprocessing.preprocess` makes it.

        None, the default, where the cohort keeps no such copy; otherwise its image is
        memory-mapped, and training needs no source volume.
        """
        return None

    def voxel_truth(self, record: ScanRecord) -> BoolArray | None:
        """Manual masks ``(M, D, H, W)`` on the grid of the volume, or None."""
        return None

    def region_truth(self, record: ScanRecord) -> RegionMap | None:
        """True regions on the grid of the volume, where they are known (phantoms)."""
        return None
