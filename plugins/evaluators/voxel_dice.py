"""Abnormality maps against manual masks: Dice, IoU, pointing game, FROC and volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from crossdl.anatomy import Anatomy
from crossdl.errors import ConfigError
from crossdl.evaluation.cases import Estimate, Evaluation, EvaluationSet, ScanCase
from crossdl.evaluation.resampling import ResamplingConfig
from crossdl.hints import suggest
from crossdl.interfaces import Evaluator

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from crossdl.evaluation.froc import Froc
    from crossdl.evaluation.resampler import Ratio, Resampler
    from crossdl.evaluation.voxel_scans import TypeScans
    from crossdl.statistics.bootstrap import Drawn

Positive = Annotated[float, Field(gt=0)]


class VoxelDiceConfig(ResamplingConfig):
    """Options of the voxel-level measures."""

    kind: Literal["voxel_dice"] = "voxel_dice"
    thresholds: Mapping[str, Annotated[float, Field(gt=0, le=1)]] = Field(
        {},
        description="probability from which a voxel counts, by name of the type; of the others it "
        "is the one with the best mean Dice on the validation scans",
    )
    tolerance_mm: float = Field(
        0.0, ge=0, description="distance from the mask at which the map's maximum still hits, mm"
    )
    candidate_threshold: float = Field(
        0.1, gt=0, lt=1, description="maxima of a map below it are no candidates"
    )
    candidate_extent: float = Field(
        0.4, gt=0, le=1, description="share of its peak down to which a candidate reaches"
    )
    max_candidates: int = Field(30, ge=1, le=255, description="most candidates of a map")
    hit_share: float = Field(
        0.1,
        ge=0,
        le=1,
        description="share of a candidate's voxels that must lie in the mask for it to hit the "
        "lesions it touches; 0: touching is enough",
    )
    false_alarm_rates: tuple[Positive, ...] = Field(
        (0.5, 1.0, 2.0, 4.0, 8.0),
        min_length=1,
        description="false alarms per scan at which the share of found lesions is measured",
    )


class VoxelDice(Evaluator[VoxelDiceConfig]):
    """Dice, IoU, pointing game, lesions found and volumes of maps against manual masks.

    Only scans with masks enter. Each type's threshold is the one with the highest mean Dice on
    the validation scans that have the type, unless the config fixes it; without either, what needs
    a threshold is undefined. Overlap is measured on the scan's own grid, on the maps as ``crossdl
    predict`` writes them: trilinear, in 256 steps.

    Metrics, each as ``NAME/TYPE`` and their mean over types ``NAME/mean``:

    * ``dice``, ``jaccard``: mean over the test scans that have the type (the paper's measure).
    * ``pointing_game``: share of the scans that have the type whose map has its maximum in the
      mask. The default tolerance is 0 as in Saporta et al. 2022; the 15 pixels of Zhang et al.
      2016 were meant for photographs, where masks are boxes, and have no meaning in millimetres.
    * ``lesion_sensitivity``: share of lesions found, mean over ``false_alarm_rates`` (FROC), from
      all scans with masks, those without lesions included. A lesion is a connected piece of the
      mask. Touching alone would make one blob over the whole head a perfect detector; so a tenth
      of a candidate must be lesion, the least of the overlaps by which Wang et al. 2017
      (ChestX-ray8) judge weakly supervised boxes (intersection over detected area).
    * ``volume_error_ml``: mean absolute error of the volume above the threshold, scans that have
      the type.
    * ``false_volume_ml``: mean volume above the threshold in scans that do not have it.

    Intervals resample the patients of the test scans; thresholds stay as they are.
    """

    wants_valid = True
    headline = ("dice/*", "pointing_game/mean", "lesion_sensitivity/mean")

    def __init__(self, config: VoxelDiceConfig, anatomy: Anatomy) -> None:
        """Keeps both.

        Raises:
            ConfigError: A threshold names a type that the anatomy does not have.
        """
        super().__init__(config, anatomy)
        unknown = [
            f"thresholds.{name}: no such type{suggest(name, anatomy.type_names)}"
            for name in config.thresholds
            if name not in anatomy.type_names
        ]
        if unknown:
            raise ConfigError(f"voxel_dice does not fit anatomy {anatomy.name!r}", unknown)

    def measure(self, case: ScanCase) -> Any:
        """Overlap at every threshold, candidates and lesions; see there for the form."""
        from crossdl.evaluation.voxel_scans import CandidateRule, measure_maps

        config = self.config
        rule = CandidateRule(
            config.candidate_threshold, config.candidate_extent, config.max_candidates
        )
        return measure_maps(case, rule, config.tolerance_mm)

    def evaluate(self, cases: EvaluationSet, seed: int) -> Evaluation:
        """Chooses thresholds on the validation scans and measures the test scans."""
        from crossdl.evaluation.froc import Froc
        from crossdl.evaluation.resampler import Resampler
        from crossdl.evaluation.voxel_tables import lesion_table, overlap_table

        scans, patients = self._scans(cases)
        valid = None if cases.valid is None else self._scans(cases.valid)[0]
        steps = [self._step(j, valid) for j in range(self.anatomy.n_types)]
        resampler = Resampler(self.config, patients, seed)
        frocs = [Froc(one.detections, patients) for one in scans]
        drawn: dict[str, Drawn] = {}
        for name, ratios in _ratios(scans, steps).items():
            positives = 0 if name == "false_volume_ml" else None
            drawn[f"{name}/mean"] = resampler.mean_ratio(ratios, positives)
            for kind, ratio in zip(self.anatomy.type_names, ratios, strict=True):
                drawn[f"{name}/{kind}"] = resampler.ratio(ratio, positives)
        found = self._lesions(scans, frocs, resampler)
        for name, at_rates in found.items():
            drawn[f"lesion_sensitivity/{name}"] = at_rates["mean"]
        metrics = resampler.estimates(drawn)
        sensitivities = {name: resampler.estimates(one) for name, one in found.items()}
        return Evaluation(
            metrics,
            tables={
                "types": overlap_table(metrics, scans, steps, self.anatomy),
                "lesions": lesion_table(sensitivities, scans, self.anatomy),
            },
            figures=self._figures(metrics, scans, valid, steps, frocs, resampler),
            drawn=drawn,
        )

    def _scans(self, cases: EvaluationSet) -> tuple[list[TypeScans], list[str]]:
        """What was measured of each type in the scans with masks, and their patients."""
        from crossdl.evaluation.voxel_scans import type_scans

        said = cases.measured.get(self.config.kind, ())
        known = [(m, p) for m, p in zip(said, cases.patient_ids, strict=False) if m is not None]
        measured, share = [m for m, _ in known], self.config.hit_share
        kinds = range(self.anatomy.n_types)
        return [type_scans(measured, j, share) for j in kinds], [p for _, p in known]

    def _step(self, index: int, valid: Sequence[TypeScans] | None) -> int | None:
        """The threshold of a type as a step of the maps: fixed, or best on validation."""
        from crossdl.evaluation.voxels import step_of

        fixed = self.config.thresholds.get(self.anatomy.type_names[index])
        if fixed is not None:
            return step_of(fixed)
        return None if valid is None else valid[index].best_step

    def _lesions(
        self, scans: Sequence[TypeScans], frocs: Sequence[Froc], resampler: Resampler
    ) -> dict[str, dict[str, Drawn]]:
        """The mean of types and each type → share of lesions found by rate, and its mean."""
        from crossdl.evaluation.resampler import mean_of_defined

        rates = self.config.false_alarm_rates
        chosen = {f"{rate:g}": (rate,) for rate in rates} | {"mean": rates}
        anywhere = int(np.any([one.has for one in scans], axis=0).sum())
        groups = {"mean": (list(frocs), anywhere)}
        for name, froc, one in zip(self.anatomy.type_names, frocs, scans, strict=True):
            groups[name] = ([froc], int(one.has.sum()))

        def found(of: Sequence[Froc], at: Sequence[float], positives: int) -> Drawn:
            return resampler.statistic(
                lambda weights: mean_of_defined([f.mean_at(at, weights) for f in of], weights),
                min((f.n_carriers for f in of if f.n_carriers), default=0),
                positives=positives,
            )

        return {
            name: {rate: found(of, at, positives) for rate, at in chosen.items()}
            for name, (of, positives) in groups.items()
        }

    def _figures(
        self,
        metrics: Mapping[str, Estimate],
        scans: Sequence[TypeScans],
        valid: Sequence[TypeScans] | None,
        steps: Sequence[int | None],
        frocs: Sequence[Froc],
        resampler: Resampler,
    ) -> dict[str, Figure]:
        """Dice of every scan, Dice by threshold, FROC."""
        from crossdl.evaluation.froc import froc_curve
        from crossdl.evaluation.voxel_figures import (
            ThresholdCurve,
            dice_figure,
            froc_figure,
            threshold_figure,
        )

        rates = self.config.false_alarm_rates
        grid = np.geomspace(min(rates) / 4, 2 * max(rates), 100)
        dice, thresholds, found = {}, {}, {}
        for j, (kind, one, step) in enumerate(zip(self.anatomy.types, scans, steps, strict=True)):
            values = np.zeros(0) if step is None else one.dice[one.has, step]
            dice[kind.title] = (values, metrics[f"dice/{kind.name}"])
            known = None if valid is None else valid[j].mean_dice
            thresholds[kind.title] = ThresholdCurve(one.mean_dice, known, step)
            curve = froc_curve(frocs[j], resampler, grid)
            found[kind.title] = (curve, metrics[f"lesion_sensitivity/{kind.name}"])
        return {
            "dice": dice_figure(dice),
            "thresholds": threshold_figure(thresholds),
            "froc": froc_figure(found, rates),
        }


def _ratios(scans: Sequence[TypeScans], steps: Sequence[int | None]) -> dict[str, list[Ratio]]:
    """Name of a measure → for each type the numerators and denominators of its mean."""
    both = list(zip(scans, steps, strict=True))
    return {
        "dice": [one.dice_at(step) for one, step in both],
        "jaccard": [one.jaccard_at(step) for one, step in both],
        "pointing_game": [one.pointing_hits() for one in scans],
        "volume_error_ml": [one.volume_error_ml_at(step) for one, step in both],
        "false_volume_ml": [one.false_volume_ml_at(step) for one, step in both],
    }
