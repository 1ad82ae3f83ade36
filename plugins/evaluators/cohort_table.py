"""Who was studied: the cohort's descriptive table, split by split (the paper's Table 1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from crossdl.evaluation.cases import Estimate, Evaluation, EvaluationSet
from crossdl.evaluation.cohort_features import (
    Feature,
    fact_features,
    label_features,
    label_matrices,
    report_features,
    scans_of,
    with_margins,
)
from crossdl.evaluation.resampling import ResamplingConfig
from crossdl.interfaces import Evaluator
from crossdl.types import SPLITS, BoolArray, FloatArray

if TYPE_CHECKING:
    import pandas as pd

Groups = Mapping[str, BoolArray]
"""Split → which scans are in it; the first is what the others are compared with."""


class CohortTableConfig(ResamplingConfig):
    """Which labels are counted."""

    kind: Literal["cohort_table"] = "cohort_table"
    labels: Literal["weak", "gold"] = Field(
        "weak",
        description="what counts where a scan has both: weak labels, which are the same in all "
        "splits, or gold labels",
    )


class CohortTable(Evaluator[CohortTableConfig]):
    """Scans, patients, labels and facts of every split, and how far the splits differ.

    Splits are compared with the first (training, where there is any) by the standardised mean
    difference d: the difference of means or shares in pooled standard deviations. It does not
    depend on how many scans there are, as a p value does; below 0.1 it is commonly called
    negligible.

    Metrics: ``cohort/scans/SPLIT``, ``cohort/patients/SPLIT``; ``cohort/abnormal/SPLIT``, the share
    of scans with any type, and ``cohort/TYPE/SPLIT``, with intervals over patients;
    ``cohort/difference/SPLIT``, d of the abnormal share, and ``cohort/largest_difference/SPLIT``,
    the one farthest from 0 of all rows of the table, without its sign. Table ``cohort`` has what is
    known of scans, reports and patients, and a table per split the share of positive scans of every
    cell. Age and sex are of patients, all else of scans. Where the cohort is not given, the
    evaluated scans are counted.
    """

    wants_reports = True
    headline = ("cohort/scans/*", "cohort/abnormal/*", "cohort/largest_difference/*")

    def evaluate(self, cases: EvaluationSet, seed: int) -> Evaluation:
        """Counts the cohort's scans; predictions do not enter."""
        from crossdl.evaluation.cohort_splits import (
            difference,
            difference_figure,
            drawn_difference,
            drawn_mean,
        )

        config = self.config
        scans = scans_of(cases)
        patients = [scan.record.patient_id for scan in scans]
        inside: Groups = {
            split: np.array([scan.record.split == split for scan in scans], dtype=np.bool_)
            for split in SPLITS
        }
        groups: Groups = {split: chosen for split, chosen in inside.items() if chosen.any()}
        base, *others = groups
        labels = with_margins(label_matrices(scans, self.anatomy, gold=config.labels == "gold"))
        ours = label_features(labels, self.anatomy)
        features = [*ours, *report_features(scans, self.anatomy), *fact_features(scans)]
        features = [feature for feature in features if not np.isnan(feature.values).all()]
        far: dict[str, list[float | None]] = {
            split: [
                difference(x, groups[split], groups[base]) if x.compared else None for x in features
            ]
            for split in others
        }
        counts = {
            split: (int(chosen.sum()), len({patients[k] for k in np.flatnonzero(chosen)}))
            for split, chosen in groups.items()
        }
        names = ["abnormal", *self.anatomy.type_names]
        drawn = {
            f"cohort/{name}/{split}": drawn_mean(feature, chosen, patients, config, seed + k)
            for name, feature in zip(names, ours, strict=True)
            for k, (split, chosen) in enumerate(groups.items())
        } | {
            f"cohort/difference/{split}": drawn_difference(
                ours[0], groups[split], groups[base], patients, config, seed
            )
            for split in others
        }
        metrics: dict[str, Estimate] = {}
        for split, (n_scans, n_patients) in counts.items():
            metrics[f"cohort/scans/{split}"] = Estimate(float(n_scans), n=n_scans)
            metrics[f"cohort/patients/{split}"] = Estimate(float(n_patients), n=n_patients)
        metrics |= {n: d.estimate(config.confidence, config.interval) for n, d in drawn.items()}
        for split, values in far.items():
            known = [abs(value) for value in values if value is not None]
            metrics[f"cohort/largest_difference/{split}"] = Estimate(
                max(known) if known else None, n=len(known)
            )
        shown = {
            s: [d for d, x in zip(v, features, strict=True) if x.compared] for s, v in far.items()
        }
        titles = [feature.title for feature in features if feature.compared]
        return Evaluation(
            metrics,
            tables={
                "cohort": _table(features, groups, counts, far),
                **{f"labels_{split}": self._cells(labels, groups, split, base) for split in groups},
            },
            figures={"differences": difference_figure(titles, shown, base=base)} if far else {},
        )

    def _cells(self, labels: FloatArray, groups: Groups, split: str, base: str) -> pd.DataFrame:
        """Positive scans of every cell as ``"12 (4.2 %)"``; d where it is not the base."""
        import pandas as pd

        from crossdl.evaluation.cohort_splits import difference

        anatomy = self.anatomy
        titles = [*(r.title for r in anatomy.regions), anatomy.other.title, anatomy.unclear.title]

        def cell(i: int, j: int) -> str:
            if i < anatomy.n_regions and j < anatomy.n_types and not anatomy.possible[i, j]:
                return "-"
            feature = Feature("", labels[:, i, j].astype(np.float64), True)
            text = _summary(feature, groups[split], int(groups[split].sum()))
            far = None if split == base else difference(feature, groups[split], groups[base])
            return text if far is None else f"{text}, d {far:+.2f}"

        rows = [[cell(i, j) for j in range(labels.shape[2])] for i in range(labels.shape[1])]
        return pd.DataFrame(
            rows,
            index=pd.Index([*titles, "Any"], name="Region"),
            columns=[*(t.title for t in anatomy.types), "Any type"],
        )


def _table(
    features: Sequence[Feature],
    groups: Groups,
    counts: Mapping[str, tuple[int, int]],
    far: Mapping[str, Sequence[float | None]],
) -> pd.DataFrame:
    """A row per feature: each split's value, and d of those that are not the base."""
    import pandas as pd

    splits = [split.capitalize() for split in groups]
    distances = [f"d, {split}" for split in far]
    rows = [
        [title, *(f"{pair[k]:,}" for pair in counts.values()), *("" for _ in far)]
        for k, title in enumerate(("Scans", "Patients"))
    ]
    for number, feature in enumerate(features):
        values = [
            _summary(feature, chosen, counts[split][int(feature.of_patients)])
            for split, chosen in groups.items()
        ]
        apart = [column[number] for column in far.values()]
        rows.append([feature.title, *values, *("-" if d is None else f"{d:+.2f}" for d in apart)])
    return pd.DataFrame(rows, columns=["Feature", *splits, *distances]).set_index("Feature")


def _summary(feature: Feature, chosen: BoolArray, n: int) -> str:
    """``"12 (4.2 %)"`` of a share, ``"54.3 (41.0, 69.0)"``, mean and quartiles, of a number.

    Followed by "of N" where N scans or patients, not all n, are known.
    """
    values = feature.values[chosen]
    known = values[~np.isnan(values)]
    if not known.size:
        return "-"
    if feature.share:
        text = f"{int(known.sum())} ({100 * known.mean():.1f} %)"
    else:
        low, high = np.quantile(known, (0.25, 0.75))
        digits = 3 if abs(known.mean()) < 1 else 1
        text = f"{known.mean():.{digits}f} ({low:.{digits}f}, {high:.{digits}f})"
    return text if known.size == n else f"{text} of {known.size}"
