"""The worklist: does sorting by the abnormality score bring each disease to the reader earlier?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, model_validator

from crossdl.evaluation.cases import Estimate, Evaluation, EvaluationSet
from crossdl.evaluation.resampler import Resampler
from crossdl.evaluation.resampling import ResamplingConfig
from crossdl.evaluation.worklist_queue import Traffic
from crossdl.evaluation.worklist_rows import Row, disease_rows, joint_rows
from crossdl.interfaces import Evaluator

if TYPE_CHECKING:
    from crossdl.evaluation.worklist_queue import Waits
    from crossdl.statistics.bootstrap import Drawn

_BUSIEST = 0.98


class WorklistConfig(ResamplingConfig):
    """Which diseases are looked for, and how busy the reader is."""

    kind: Literal["worklist"] = "worklist"
    diseases: tuple[str, ...] = Field(
        (), description="reads of the cohort that are diseases; none named: all that there are"
    )
    fractions: tuple[float, ...] = Field(
        (0.25, 0.5, 0.75), description="parts of the list at whose end recall is measured"
    )
    arrivals_per_hour: float = Field(8.0, gt=0, description="scans that come in, on average")
    reading_minutes: float = Field(6.0, gt=0, description="that a scan takes, on average")
    reading_time: Literal["exponential", "fixed"] = Field(
        "exponential", description="distribution of the reading time"
    )
    replications: int = Field(20, ge=2, le=10_000, description="queues that are simulated")
    arrivals: int = Field(
        8000, ge=2000, description="scans of each simulated queue whose waits count"
    )

    @model_validator(mode="after")
    def _the_queue_ends(self) -> WorklistConfig:
        load = self.traffic.load
        if load > _BUSIEST:
            raise ValueError(
                f"arrivals_per_hour × reading_minutes keep the reader busy {load:.0%} of the time; "
                f"above {_BUSIEST:.0%} the queue does not end"
            )
        if not all(0 < fraction <= 1 for fraction in self.fractions):
            raise ValueError("fractions: must be above 0 and at most 1")
        return self

    @property
    def traffic(self) -> Traffic:
        """How scans arrive and are read."""
        return Traffic(self.arrivals_per_hour, self.reading_minutes, self.reading_time)


class WorklistEvaluator(Evaluator[WorklistConfig]):
    """Ranks of each disease's scans by the abnormality score, and the waiting it saves.

    Scans are sorted by the abnormality score, the highest of their types' scores; a scan's rank is
    between 0 (read first) and 1 (read last). Rows are the diseases that the cohort's ``reads``
    tell, or the abnormality types where it has no reads. Metrics of each, below
    ``worklist/disease/NAME/``, of scans with any of them below ``worklist/any_finding/``, and of
    scans that have none below ``worklist/no_finding/``:

    * ``lower_quartile``, ``median_rank``, ``upper_quartile`` of the ranks, and ``recall_top_75``:
      the share of them in the first 75 % of the list, and so on.
    * ``superiority``: the probability that a scan with the disease comes before one without; 0.5
      is chance. The table has the p value of the one-sided Wilcoxon rank-sum test, with Holm's
      correction over all rows and scores. The test takes scans for independent; the interval
      resamples patients. ``superiority/TYPE`` is the same for the list sorted by one type's score.
    * ``mean_wait``, ``median_wait``, ``p90_wait``: minutes until the scan is read, where the reader
      always takes the waiting scan with the highest score, and ``saved_...``: how many minutes less
      than in order of arrival (``worklist/in_order/...``); below 0 for those who pay for it. One
      reader, arrivals at random, no interruption of a reading
      (:mod:`crossdl.evaluation.worklist_queue`).

    The paper's Fig. 5 and S5; its p values are not corrected.
    """

    headline = ("worklist/any_finding/superiority", "*/recall_top_*", "*/saved_mean_wait")

    def evaluate(self, cases: EvaluationSet, seed: int) -> Evaluation:
        """Compares the order of the scan scores with the diseases.

        Raises:
            InputError: The cohort has no such disease.
        """
        from crossdl.evaluation import worklist_results as show
        from crossdl.evaluation.worklist_measures import (
            measure_rows,
            measures_in_order,
            rank_sum_p,
            superiority,
        )
        from crossdl.evaluation.worklist_queue import simulate

        config, patients = self.config, cases.patient_ids
        diseases = disease_rows(cases, self.anatomy, config.diseases)
        rows = [*joint_rows(diseases), *diseases]
        waits = simulate(
            config.traffic, seed=seed, replications=config.replications, arrivals=config.arrivals
        )
        highest = cases.scan_scores.max(axis=1, keepdims=True)
        scores = np.concatenate([highest, cases.scan_scores], axis=1)
        measured = measure_rows(
            highest[:, 0], rows, patients, config.fractions, waits, config, seed
        )
        lists = ["superiority", *(f"superiority/{name}" for name in self.anatomy.type_names)]
        drawn: dict[str, Drawn] = {}
        for row, found in zip(rows, superiority(scores, rows, patients, config, seed), strict=True):
            found_of = dict(zip(lists, found, strict=True)) | measured[row.name]
            drawn |= {f"{_place(row, diseases)}/{name}": one for name, one in found_of.items()}
        metrics = Resampler(config, patients, seed).estimates(drawn)
        no_finding = rows[1]
        tested = [row for row in rows if row is not no_finding]
        p = dict(zip(tested, rank_sum_p(scores, tested, patients), strict=True))
        results = show.in_order_of_ranks(
            show.Result(
                row,
                row not in diseases,
                {name: metrics[f"{_place(row, diseases)}/{name}"] for name in measured[row.name]},
                [metrics[f"{_place(row, diseases)}/{name}"] for name in lists],
                p.get(row, [None] * len(lists)),
                quartiles,
            )
            for row, quartiles in zip(rows, show.all_quartiles(scores, rows), strict=True)
        )
        in_order = measures_in_order(waits)
        titles = ["Highest of all types", *(t.title for t in self.anatomy.types)]
        ill = [result for result in results if result.row is not no_finding]
        return Evaluation(
            metrics | self._in_order(waits, in_order),
            tables={
                "diseases": show.disease_table(results, config.fractions),
                "scores": show.score_table(ill, titles),
                "waiting": show.waiting_table(results, in_order),
            },
            figures={
                **show.list_figures(ill, scores, titles),
                "waiting": show.waiting_picture(results, in_order, config.traffic.load),
            },
            drawn=drawn,
        )

    def _in_order(self, waits: Waits, in_order: Mapping[str, float]) -> dict[str, Estimate]:
        """Waits in order of arrival; the interval is that of the simulation."""
        n, found = self.config.replications * self.config.arrivals, {}
        for name, value in in_order.items():
            error = 1.96 * waits.error if name == "mean_wait" else None
            low, high = (None, None) if error is None else (value - error, value + error)
            found[f"worklist/in_order/{name}"] = Estimate(value, low, high, n)
        return found


def _place(row: Row, diseases: Sequence[Row]) -> str:
    """Under which name the metrics of a row are."""
    return f"worklist/{'disease/' if row in diseases else ''}{row.name}"
