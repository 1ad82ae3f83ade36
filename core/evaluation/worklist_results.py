"""What a worklist does for each disease, as metrics, tables and figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crossdl.evaluation.cases import Estimate
from crossdl.evaluation.worklist_figures import Strip, strip_figure, waiting_figure
from crossdl.evaluation.worklist_measures import QUARTILES, WAITS, recall_name
from crossdl.evaluation.worklist_ranks import Worklist
from crossdl.evaluation.worklist_rows import Row
from crossdl.types import FloatArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Quartiles = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Result:
    """What was found of one row.

    Attributes:
        row: The disease, or a sum of all.
        apart: Whether it is a sum.
        measures: Of the list by the highest score, see :mod:`crossdl.evaluation.worklist_measures`.
        superiority: For the list by each of S scores, the highest first.
        p: ``(S,)`` of the one-sided Wilcoxon rank-sum tests, corrected; None where undefined.
        quartiles: ``(S,)`` of the ranks, None without scans.
    """

    row: Row
    apart: bool
    measures: dict[str, Estimate]
    superiority: Sequence[Estimate]
    p: Sequence[float | None]
    quartiles: Sequence[Quartiles | None]


def in_order_of_ranks(results: Iterable[Result]) -> list[Result]:
    """By median rank, what is undefined and then the sums last."""

    def place(result: Result) -> tuple[bool, float]:
        median = result.measures["median_rank"].value
        if result.apart:
            return True, 0.0
        return False, 2.0 if median is None else median

    return sorted(results, key=place)


def all_quartiles(scores: FloatArray, rows: Sequence[Row]) -> list[list[Quartiles | None]]:
    """Quartiles of the ranks of each row's scans in the list by each score, rows × S."""
    lists = [Worklist(column, np.ones((len(column), 1))) for column in scores.T]
    shares = tuple(QUARTILES.values())

    def of(worklist: Worklist, row: Row) -> Quartiles | None:
        if not row.positive.any():
            return None
        low, middle, high = worklist.curve(row.positive).quantiles(shares)[:, 0].tolist()
        return low, middle, high

    return [[of(worklist, row) for worklist in lists] for row in rows]


def disease_table(results: Sequence[Result], fractions: Sequence[float]) -> pd.DataFrame:
    """A row per disease: how many have it, where they are in the list, and the test."""
    import pandas as pd

    from crossdl.figures import estimate_text

    def cells(result: Result) -> dict[str, str]:
        found = result.measures
        median = found["median_rank"]
        low, middle, high = (found[name].value for name in QUARTILES)
        quartiles = "-" if middle is None else f"{low:.3f}, {middle:.3f}, {high:.3f}"
        return {
            "Positive": share_text(median),
            "Quartiles of ranks": quartiles,
            "Median rank": estimate_text(median),
            **{
                f"Recall in first {100 * f:g} %": estimate_text(found[recall_name(f)])
                for f in fractions
            },
            "Comes before a scan without": estimate_text(result.superiority[0]),
            "p (Wilcoxon, Holm)": p_text(result.p[0]),
        }

    return pd.DataFrame([cells(r) for r in results], index=_titles(results))


def score_table(results: Sequence[Result], scores: Sequence[str]) -> pd.DataFrame:
    """How probably a scan comes before one without the disease, and p, by the list's score."""
    import pandas as pd

    from crossdl.figures import estimate_text

    def cell(result: Result, s: int) -> str:
        estimate, p = result.superiority[s], result.p[s]
        return estimate_text(estimate) + ("" if p is None else f", p {_relation(p)}")

    cells = [[cell(result, s) for s in range(len(scores))] for result in results]
    return pd.DataFrame(cells, index=_titles(results), columns=list(scores))


def waiting_table(results: Sequence[Result], in_order: dict[str, float]) -> pd.DataFrame:
    """Minutes until scans are read, by priority, and how many that saves; a row per disease."""
    import pandas as pd

    titles = dict(zip(WAITS, ("Mean", "Median", "90th percentile"), strict=True))
    first = {f"{title} (min)": f"{in_order[name]:.1f}" for name, title in titles.items()}
    first |= {f"{title} saved (min)": "0" for title in titles.values()}
    lines = [first]
    for result in results:
        waits = {f"{t} (min)": _minutes(result.measures[name]) for name, t in titles.items()}
        saved = {
            f"{t} saved (min)": _minutes(result.measures[f"saved_{name}"])
            for name, t in titles.items()
        }
        lines.append(waits | saved)
    index = pd.Index(["Everyone, in order of arrival", *_titles(results)], name="Disease")
    return pd.DataFrame(lines, index=index)


def strips_of(results: Sequence[Result], scores: FloatArray, s: int) -> list[Strip]:
    """Rows of the strip figure for the list by score ``s`` of ``(n, S)``."""
    from scipy.stats import rankdata

    ranks = (rankdata(-scores[:, s].astype(np.float64)) - 0.5) / len(scores)
    return [
        Strip(
            f"{result.row.title} ({_percent(result.measures['median_rank'])})",
            "-" if (p := result.p[s]) is None else f"p {_relation(p)}",
            ranks[result.row.positive],
            result.quartiles[s],
            result.apart,
        )
        for result in results
    ]


def list_figures(
    results: Sequence[Result], scores: FloatArray, titles: Sequence[str]
) -> dict[str, Figure]:
    """Fig. 5A for the highest score, S5 for the types' scores, and Fig. 5B."""
    from crossdl.figures import heat_map

    panels = [
        (f"Sorted by: {title[:1].lower()}{title[1:]}", strips_of(results, scores, s))
        for s, title in enumerate(titles)
    ]
    medians = np.array([[np.nan if q is None else q[1] for q in r.quartiles] for r in results])
    return {
        "strips": strip_figure(panels[:1], note="Wilcoxon, Holm"),
        "strips_by_type": strip_figure(panels[1:], note="Wilcoxon, Holm", columns=2),
        "median_ranks": heat_map(
            np.roll(medians, -1, axis=1),
            [result.row.title for result in results],
            [*titles[1:], titles[0]],
            title="Median rank of the scans with the disease",
            label="median rank (0 is read first)",
            limits=(0.0, 0.8),
        ),
    }


def waiting_picture(results: Sequence[Result], in_order: dict[str, float], load: float) -> Figure:
    """Mean and 90th percentile of the waiting time."""
    measures = {"mean_wait": "mean", "p90_wait": "90th percentile"}
    return waiting_figure(
        [(r.row.title, [r.measures[name] for name in measures]) for r in results],
        [in_order[name] for name in measures],
        list(measures.values()),
        title=f"Waiting by priority, reader busy {load:.0%} of the time",
    )


def share_text(estimate: Estimate) -> str:
    """``"12 of 300 (4.0 %)"``."""
    return f"{estimate.positives} of {estimate.n} ({_percent(estimate)})"


def p_text(p: float | None) -> str:
    """``"< 0.001"`` or ``"0.012"``; "-" where undefined."""
    return "-" if p is None else _relation(p).removeprefix("= ")


def _relation(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _percent(estimate: Estimate) -> str:
    return f"{100 * estimate.positives / estimate.n:.1f} %" if estimate.n else "-"


def _minutes(estimate: Estimate) -> str:
    if estimate.value is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.1f}"
    return f"{estimate.value:.1f} ({estimate.low:.1f}, {estimate.high:.1f})"


def _titles(results: Sequence[Result]) -> pd.Index[str]:
    import pandas as pd

    return pd.Index([result.row.title for result in results], name="Disease")
