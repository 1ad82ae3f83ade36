"""Whether scores are probabilities: calibration errors, Brier score, reliability curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from crossdl.evaluation.cases import Evaluation, EvaluationSet
from crossdl.evaluation.resampling import ResamplingConfig
from crossdl.interfaces import Evaluator

if TYPE_CHECKING:
    from crossdl.statistics.bootstrap import Drawn


class CalibrationConfig(ResamplingConfig):
    """Options of the calibration measures."""

    kind: Literal["calibration"] = "calibration"
    n_bins: int = Field(15, ge=2, le=100, description="bins of the scores")


class Calibration(Evaluator[CalibrationConfig]):
    """Calibration errors and Brier score of scan scores and of possible cells.

    Metrics at both levels, ``scan`` and ``region``, of all types pooled; those of one type have
    its name behind them:

    * ``LEVEL/ece``, ``LEVEL/ece/TYPE``: expected calibration error with bins of equal width (Guo
      et al. 2017), ``LEVEL/ece_equal_mass`` with as many items in each bin (Nixon et al. 2019).
    * ``LEVEL/max_calibration_error``: the largest gap of a bin of equal width.
    * ``LEVEL/brier``, ``LEVEL/brier/TYPE``: mean squared difference of score and truth.
    * ``LEVEL/ece_scaled``, ``LEVEL/brier_scaled``: the same after every type's scores were scaled
      by the temperature that suits the validation scans best; undefined without them.

    Intervals resample patients; bins and temperatures stay as they are. Calibration errors are
    sums of absolute values, so the noise of small bins raises them, and that of a resample once
    more: where an interval lies above its value, most of the value is noise. The tables tell how
    much is to be expected by chance.
    """

    wants_valid = True
    headline = ("*/ece", "*/brier")

    def evaluate(self, cases: EvaluationSet, seed: int) -> Evaluation:
        """Compares scores with truth at both levels."""
        from crossdl.evaluation.calibration_items import MEASURES, levels_of, measured, pooled
        from crossdl.evaluation.calibration_results import (
            calibration_table,
            reliability_curve,
            reliability_figure,
        )
        from crossdl.evaluation.resampler import Resampler

        kinds, n_bins = self.anatomy.types, self.config.n_bins
        resampler = Resampler(self.config, cases.patient_ids, seed)
        valid = None if cases.valid is None else levels_of(cases.valid, self.anatomy)
        drawn: dict[str, Drawn] = {}
        tables, curves = {}, {}
        for level, items in levels_of(cases, self.anatomy).items():
            if valid is not None:
                pairs = zip(items, valid[level], strict=True)
                items = [one.with_temperature_of(other) for one, other in pairs]
            together = pooled(items)
            each = [measured(one, resampler, n_bins) for one in items]
            both = measured(together, resampler, n_bins)
            for name in MEASURES:
                drawn[f"{level}/{name}"] = both[name]
                if name in ("ece", "brier"):
                    for kind, found in zip(kinds, each, strict=True):
                        drawn[f"{level}/{name}/{kind.name}"] = found[name]
            titles = [*(kind.title for kind in kinds), "All types"]
            estimates = [resampler.estimates(found) for found in (*each, both)]
            rows = zip((*items, together), estimates, strict=True)
            tables[level] = calibration_table(
                dict(zip(titles, rows, strict=True)), resampler, n_bins
            )
            curves[f"{level.capitalize()} level"] = {
                kind.title: reliability_curve(one, resampler, n_bins)
                for kind, one in zip(kinds, items, strict=True)
            }
        figures = {"reliability": reliability_figure(curves)}
        return Evaluation(resampler.estimates(drawn), tables, figures, drawn)
