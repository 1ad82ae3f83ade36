"""F1, precision and recall of the discretizer on single sentences (Fig. 2B of Liu et al.)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from crossdl.evaluation.cases import Estimate, Evaluation, EvaluationSet, IndexArray
from crossdl.evaluation.resampler import mean_of_defined
from crossdl.evaluation.resampling import ResamplingConfig
from crossdl.interfaces import Evaluator
from crossdl.label_titles import region_titles, type_titles
from crossdl.statistics.bootstrap import Drawn, Statistic, jackknife, resample_weights
from crossdl.text.scores import Counts
from crossdl.types import BoolArray, Float64Array

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Of = Callable[[Counts], Float64Array]

MEASURES: Mapping[str, tuple[Of, Of]] = {
    "f1": (lambda c: c.f1, lambda c: c.true + c.stated),
    "precision": (lambda c: c.precision, lambda c: c.stated),
    "recall": (lambda c: c.recall, lambda c: c.true),
}
"""Name → what is measured, and the number of cells that it is a share of."""


class DiscretizerF1Config(ResamplingConfig):
    """Options of the sentence-level F1."""

    kind: Literal["discretizer_f1"] = "discretizer_f1"
    threshold: Annotated[float, Field(gt=0, lt=1)] | Literal["own"] = Field(
        0.5,
        description="labels with a higher probability count, the paper's is 0.5; "
        '"own": by the thresholds that the discretizer labels reports with',
    )


class DiscretizerF1(Evaluator[DiscretizerF1Config]):
    """How well each label is read from single sentences, with intervals from resampled patients.

    Sentences come from the reports of the evaluated scans, where the cohort knows their labels.
    Metrics, each for ``f1``, ``precision`` and ``recall``:

    * ``f1/region/LABEL`` and ``f1/type/LABEL``: one label over all sentences; *other* and
      *unclear* are region labels here.
    * ``f1/regions/macro`` and ``f1/types/macro``: mean over the labels that are defined, the
      paper's figure; in a resample over those that are defined there.
    * ``f1/regions/micro``, ``f1/types/micro`` and ``f1/micro``: all cells of sentence and label
      pooled.

    ``exact_match`` is the share of sentences of which every label is right. F1 is undefined where
    nothing is true and nothing stated, precision where nothing is stated, recall where nothing is
    true. Where fewer than two patients have such cells there is no interval.
    """

    wants_reports = True
    headline = ("f1/regions/*", "f1/types/*", "exact_match")

    def evaluate(self, cases: EvaluationSet, seed: int) -> Evaluation:
        """Compares what was read of each sentence with its labels; without sentences all is None.

        Estimates count cells of sentence and label, ``exact_match`` counts sentences.
        """
        n_labels = len(self.anatomy.label_names) + self.anatomy.n_types
        truth = stated = np.zeros((0, n_labels), dtype=np.bool_)
        scans = np.zeros(0, dtype=np.int64)
        if cases.sentences is not None:
            scans, truth = cases.sentences.owner, cases.sentences.truth >= 0.5
            stated = cases.sentences.stated
            if self.config.threshold != "own":
                stated = cases.sentences.scores > np.float32(self.config.threshold)
        owner, weights = resample_weights(cases.patient_ids, self.config.n_resamples, seed)
        drawn = self._drawn(truth, stated, owner[scans], weights)
        metrics = {
            name: one.estimate(self.config.confidence, self.config.interval)
            for name, one in drawn.items()
        }
        if not len(truth):
            return Evaluation(metrics)
        return Evaluation(
            metrics,
            {"labels": self._table(metrics)},
            {"labels": self._dots(metrics)},
            drawn=drawn,
        )

    def _drawn(
        self, truth: BoolArray, stated: BoolArray, owner: IndexArray, weights: Float64Array
    ) -> dict[str, Drawn]:
        """Every measure of every label and group of labels, in all resamples."""
        n_regions = len(self.anatomy.label_names)
        counts = Counts.by_group(truth, stated, owner, len(weights))

        def draw(statistic: Statistic, whole: Float64Array, n: int, positives: int) -> Drawn:
            left_out = None
            if self.config.interval == "bca":
                left_out = jackknife(statistic, len(weights))
            telling = int(np.count_nonzero(whole)) > 1
            return Drawn(statistic(weights), left_out, len(weights), n, positives, telling)

        def of(measure: str, labels: slice, *, macro: bool = False) -> Drawn:
            chosen, (score, whole) = counts.take(labels), MEASURES[measure]

            def statistic(weights: Float64Array) -> Float64Array:
                found = chosen.weighted(weights)
                if macro:
                    return mean_of_defined(list(score(found)), weights)
                return score(found.pooled)

            entered = whole(chosen).sum(axis=1)
            return draw(statistic, entered, truth[:, labels].size, int(truth[:, labels].sum()))

        groups = {"regions": slice(0, n_regions), "types": slice(n_regions, None)}
        drawn = {}
        for measure in MEASURES:
            for group, labels in groups.items():
                drawn[f"{measure}/{group}/macro"] = of(measure, labels, macro=True)
                drawn[f"{measure}/{group}/micro"] = of(measure, labels)
            drawn[f"{measure}/micro"] = of(measure, slice(None))
        right = (truth == stated).all(axis=1)
        exact = Counts.by_group(right[:, None], np.ones_like(right)[:, None], owner, len(weights))
        drawn["exact_match"] = draw(
            lambda w: exact.weighted(w).precision[0],
            exact.stated[:, 0],
            right.size,
            int(right.sum()),
        )
        names = [end for labels in self._rows().values() for end in labels.values()]
        for measure in MEASURES:
            for j, name in enumerate(names):
                drawn[f"{measure}/{name}"] = of(measure, slice(j, j + 1))
        return drawn

    def _rows(self) -> dict[str, dict[str, str]]:
        """Group → title of each of its labels → end of the label's metric."""
        anatomy = self.anatomy
        regions = zip(region_titles(anatomy), anatomy.label_names, strict=True)
        types = zip(type_titles(anatomy), anatomy.type_names, strict=True)
        return {
            "regions": {title: f"region/{name}" for title, name in regions},
            "types": {title: f"type/{name}" for title, name in types},
        }

    def _table(self, metrics: Mapping[str, Estimate]) -> pd.DataFrame:
        """A row per label and group, "value (low, high)"."""
        import pandas as pd

        from crossdl.figures import estimate_text

        rows: dict[str, str] = {}
        for group, labels in self._rows().items():
            rows |= labels
            rows[f"Mean of {group}"] = f"{group}/macro"
            rows[f"All {group} pooled"] = f"{group}/micro"
        cells = [
            [str(metrics[f"f1/{end}"].positives)]
            + [estimate_text(metrics[f"{measure}/{end}"]) for measure in MEASURES]
            for end in rows.values()
        ]
        columns = ["Positives", "F1", "Precision", "Recall"]
        return pd.DataFrame(cells, index=pd.Index(list(rows), name="Label"), columns=columns)

    def _dots(self, metrics: Mapping[str, Estimate]) -> Figure:
        """F1 of every label; the lines are the means over regions and types."""
        from crossdl.evaluation.dots import dot_plot

        groups = {
            f"mean of {group}": {title: metrics[f"f1/{end}"] for title, end in labels.items()}
            for group, labels in self._rows().items()
        }
        return dot_plot(
            groups,
            title="F1 of each label, sentence level",
            label="F1",
            summaries={f"mean of {group}": metrics[f"f1/{group}/macro"] for group in self._rows()},
        )
