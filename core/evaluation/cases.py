"""Truth and predictions, as evaluators get them, and the numbers they return."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossdl.types import BoolArray, FloatArray, Prediction, ScanRecord, Volume

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from crossdl.statistics.auroc import RocCurve
    from crossdl.statistics.bootstrap import Drawn

IndexArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ScanCase:
    """One predicted scan, while its maps are at hand.

    Attributes:
        record: The scan.
        volume: Its voxels.
        prediction: Of the analyzer; its maps have a grid of their own.
        read_masks: Reads the manual masks; use :attr:`masks`.
    """

    record: ScanRecord
    volume: Volume
    prediction: Prediction
    read_masks: Callable[[], BoolArray | None]

    @cached_property
    def masks(self) -> BoolArray | None:
        """Manual masks ``(M, D, H, W)`` on the grid of the volume, or None."""
        return self.read_masks()


@dataclass(frozen=True, eq=False)
class SentenceScores:
    """S sentences of the evaluated scans' reports whose labels are known, and what was read.

    K is N + 2 + M: region labels, then types.

    Attributes:
        owner: ``(S,)`` index of the scan.
        truth: ``(S, K)`` float32, at least 0.5 is true.
        scores: ``(S, K)`` float32 probabilities of the discretizer.
        stated: ``(S, K)`` labels that count by the discretizer's thresholds.
    """

    owner: IndexArray
    truth: FloatArray
    scores: FloatArray
    stated: BoolArray


@dataclass(frozen=True, eq=False)
class CohortScan:
    """One scan of the whole cohort, for tables of who was studied.

    Attributes:
        record: The scan.
        labels: ``(N + 2, M)`` weak labels that training uses, or None; of reports only where an
            evaluator wants them.
    """

    record: ScanRecord
    labels: FloatArray | None


@dataclass(frozen=True, eq=False)
class EvaluationSet:
    """Truth and predictions of n scans.

    Attributes:
        scan_ids: n scan names.
        patient_ids: n patient names; intervals resample patients.
        truth: ``(n, N + 2, M)`` float32 0/1, NaN where nobody assessed the cell.
        region_scores: ``(n, N, M)`` float32, NaN of regions that have no scores.
        scan_scores: ``(n, M)`` float32.
        quality_ok: ``(n,)`` False where a prediction carries a flag.
        gold: ``(n,)`` False where truth is only what the scan's report was read to say; None
            where all truth is gold.
        reads: Other labels of whole scans (external readers' findings, diseases) by name,
            ``(n,)`` float32, NaN where not assessed.
        measured: Kind of evaluator → what its :meth:`Evaluator.measure` said of each scan.
        report_scores: ``(n, N + 2, M)`` float32, E1 of the discretizer's probabilities; NaN of
            scans without a report. None where no evaluator wants them or no scan has a report.
        sentences: Sentences with known labels; None where no evaluator wants them or there are
            none.
        valid: The validation scans, where an evaluator wants them.
        cohort: Every scan of the cohort, whatever its split.
    """

    scan_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    truth: FloatArray
    region_scores: FloatArray
    scan_scores: FloatArray
    quality_ok: BoolArray
    gold: BoolArray | None = None
    reads: Mapping[str, FloatArray] = field(default_factory=dict)
    measured: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    report_scores: FloatArray | None = None
    sentences: SentenceScores | None = None
    valid: EvaluationSet | None = None
    cohort: tuple[CohortScan, ...] = ()

    def take(self, index: Sequence[int] | IndexArray) -> EvaluationSet:
        """Some of the scans, in the order of ``index``, each at most once.

        The validation scans and the cohort stay as they are.

        Raises:
            ValueError: A scan is named twice.
        """
        at = np.asarray(index, dtype=np.int64)
        place = np.full(len(self.scan_ids), -1, dtype=np.int64)
        place[at] = np.arange(len(at))
        if np.count_nonzero(place >= 0) != len(at):
            raise ValueError("a scan is named twice")
        return EvaluationSet(
            tuple(self.scan_ids[i] for i in at),
            tuple(self.patient_ids[i] for i in at),
            self.truth[at],
            self.region_scores[at],
            self.scan_scores[at],
            self.quality_ok[at],
            None if self.gold is None else self.gold[at],
            {name: values[at] for name, values in self.reads.items()},
            {kind: tuple(found[i] for i in at) for kind, found in self.measured.items()},
            None if self.report_scores is None else self.report_scores[at],
            None if self.sentences is None else _sentences_of(self.sentences, place),
            self.valid,
            self.cohort,
        )


@dataclass(frozen=True)
class Estimate:
    """A measured number with its interval.

    Attributes:
        value: None where the metric is undefined (one class only); printed as "-".
        low: Lower end of the confidence interval, or None.
        high: Upper end, or None.
        n: Number of items that entered.
        positives: How many of them are positive.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    positives: int = 0


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What one evaluator found.

    Attributes:
        metrics: By name; names are unique within one evaluator.
        tables: By name, ready to print.
        figures: By name.
        drawn: Name of a metric → its resamples: such metrics can be compared between methods
            that predicted the same scans (:mod:`crossdl.results.paired`).
        curves: Name of a metric → the ROC curve that it is the area under.
    """

    metrics: Mapping[str, Estimate]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    drawn: Mapping[str, Drawn] = field(default_factory=dict)
    curves: Mapping[str, RocCurve] = field(default_factory=dict)


def _sentences_of(sentences: SentenceScores, place: IndexArray) -> SentenceScores:
    """The sentences whose scan has a place, in the order of the places."""
    owner = place[sentences.owner]
    kept = np.flatnonzero(owner >= 0)
    kept = kept[np.argsort(owner[kept], kind="stable")]
    return SentenceScores(
        owner[kept],
        sentences.truth[kept],
        sentences.scores[kept],
        sentences.stated[kept],
    )
