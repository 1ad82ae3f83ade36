"""The shipped demonstrator on real patients: ``python benchmarks/real_transfer.py CT_ICH_FOLDER``.

CT-ICH (Hssayeni 2019, CC BY 4.0): head CTs after trauma, two radiologists' haemorrhage labels of
every slice, masks of some. No image of it was ever trained on. Printed are AUROCs with intervals of
resampled patients: any haemorrhage by the larger of the two hyper scores, IPH by intra-hyper,
extra-axial (EDH, SDH, SAH, IVH) by extra-hyper; the same of slices by the maximum of the map in the
slice; Dice and pointing accuracy on the slices that have a mask. ``--out`` also draws the five
scans it gets most right and the five it gets most wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.catalog import default_catalog
from crossdl.figures import estimate_text
from crossdl.models import load_model
from crossdl.plugins.cohorts._reads import EXTRAPARENCHYMAL, HAEMORRHAGES
from crossdl.plugins.cohorts.ct_ich import CtIch
from crossdl.predictors import Mirrored, Predictor
from crossdl.preprocessing import maps_on
from crossdl.progress import track
from crossdl.statistics.auroc import bootstrap_auroc
from crossdl.types import BoolArray, FloatArray, Prediction, ScanRecord, Volume

HYPER = ("intra_hyper", "extra_hyper")
QUESTIONS = ("any haemorrhage", "IPH", "extra-axial")


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model says of one scan.

    Attributes:
        record: The scan.
        prediction: Maps and scores.
        scores: ``(3,)``, one per question.
        slice_scores: ``(D, 3)``.
        slice_truth: ``(D, 3)`` 0/1, NaN where the table has no row.
        overlap: Dice at each threshold and whether the highest voxel is in the mask, by slice
            that has one; empty without a mask.
    """

    record: ScanRecord
    prediction: Prediction
    scores: FloatArray
    slice_scores: FloatArray
    slice_truth: FloatArray
    overlap: Sequence[tuple[FloatArray, bool]]


THRESHOLDS = np.linspace(0.05, 0.95, 19, dtype=np.float32)


def questions(haemorrhages: FloatArray) -> FloatArray:
    """``(..., 5)`` haemorrhages in the order of the data set → ``(..., 3)`` answers."""
    outside = [HAEMORRHAGES.index(name) for name in EXTRAPARENCHYMAL]
    inside = haemorrhages[..., HAEMORRHAGES.index("IPH")]
    return np.stack(
        [haemorrhages.max(axis=-1), inside, haemorrhages[..., outside].max(axis=-1)], axis=-1
    )


def scan_scores(by_type: FloatArray, anatomy: Anatomy) -> FloatArray:
    """``(..., M)`` scores of types → ``(..., 3)`` scores of the questions."""
    inner, outer = (by_type[..., anatomy.type_names.index(name)] for name in HYPER)
    return np.stack([np.maximum(inner, outer), inner, outer], axis=-1)


def answer(predictor: Predictor, cohort: CtIch, record: ScanRecord) -> Answer:
    """Predicts one scan and compares its slices."""
    from crossdl.io.volumes import read_labels

    anatomy = predictor.anatomy
    volume = cohort.volume(record)
    found = predictor.predict(volume)
    heat = maps_on(found.abnormality_maps, found.grid, volume.grid)
    numbers, values = cohort._slices[record.scan_id]
    truth = np.full((len(volume.array), len(HAEMORRHAGES)), np.nan, dtype=np.float32)
    for number, row in zip(numbers, values, strict=True):
        if 1 <= number <= len(truth):
            truth[number - 1] = row
    path = cohort._file("masks", record.scan_id)
    overlap = []
    if path is not None:
        masks = read_labels(path)[0] > 0
        hyper = highest(heat, anatomy)
        overlap = [
            compare(plane, mask) for plane, mask in zip(hyper, masks, strict=True) if mask.any()
        ]
    return Answer(
        record,
        found,
        scan_scores(found.scan_scores, anatomy),
        scan_scores(np.moveaxis(heat.max(axis=(2, 3)), 0, 1), anatomy),
        questions(truth),
        overlap,
    )


def highest(heat: FloatArray, anatomy: Anatomy) -> FloatArray:
    """``(M, ...)`` maps of types → the larger of the hyper types."""
    found: FloatArray = heat[[anatomy.type_names.index(name) for name in HYPER]].max(axis=0)
    return found


def compare(plane: FloatArray, mask: BoolArray) -> tuple[FloatArray, bool]:
    """Dice of a slice's map at each threshold, and whether its highest voxel is in the mask."""
    over = plane[None] > THRESHOLDS[:, None, None]
    shared = (over & mask).sum(axis=(1, 2))
    dice = 2 * shared / (over.sum(axis=(1, 2)) + mask.sum())
    return dice.astype(np.float32), bool(mask.flat[int(plane.argmax())])


def report(answers: Sequence[Answer]) -> list[str]:
    """The table, a line each."""
    lines = []
    reads = np.array([[float(a.record.reads[n]) for n in HAEMORRHAGES] for a in answers])
    patients = [a.record.patient_id for a in answers]
    sets = {name: [k] for k, name in enumerate(QUESTIONS)}
    scans = bootstrap_auroc(questions(reads), np.stack([a.scores for a in answers]), patients, sets)
    slices = bootstrap_auroc(
        np.concatenate([a.slice_truth for a in answers]),
        np.concatenate([a.slice_scores for a in answers]),
        np.repeat(patients, [len(a.slice_truth) for a in answers]),
        sets,
    )
    for title, found in (("scan", scans), ("slice", slices)):
        for name in QUESTIONS:
            e = found[name]
            lines.append(f"{title:6} {name:16} {estimate_text(e)}  ({e.positives} of {e.n})")
    drawn = [pair for a in answers for pair in a.overlap]
    if drawn:
        dice = np.stack([d for d, _ in drawn]).mean(axis=0)
        best = int(dice.argmax())
        lines.append(
            f"masked slices ({len(drawn)}): mean Dice {dice[len(dice) // 2]:.3f} at 0.5, at best "
            f"{dice[best]:.3f} at {THRESHOLDS[best]:.2f}; highest voxel in the mask "
            f"{np.mean([hit for _, hit in drawn]):.3f}"
        )
    return lines


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="CT-ICH as it was downloaded")
    parser.add_argument("--model", type=Path, help="model folder; the shipped one by default")
    parser.add_argument("--flip", action="store_true", help="mean with the mirror image")
    parser.add_argument("--out", type=Path, help="PNG of the five best and the five worst scans")
    arguments = parser.parse_args()
    predictor: Predictor = load_model(arguments.model)
    if arguments.flip:
        predictor = Mirrored(predictor)
    config = default_catalog().parse("cohort", {"kind": "ct_ich", "folder": arguments.folder})
    cohort = default_catalog().create("cohort", config, predictor.anatomy)
    answers = [answer(predictor, cohort, r) for r in track(cohort.records(), "predicting")]
    print("\n".join(report(answers)))
    if arguments.out is not None:
        draw(arguments.out, predictor.anatomy, cohort, answers)


def draw(path: Path, anatomy: Anatomy, cohort: CtIch, answers: Sequence[Answer]) -> None:
    """Five scans whose score fits their label best, and five it fits worst, by their rank."""
    import matplotlib.pyplot as plt

    order = np.argsort(np.argsort([a.scores[0] for a in answers])) / (len(answers) - 1)
    sick = np.array([float(a.record.reads["ICH"]) for a in answers])
    fit = np.where(sick == 1, order, 1 - order)
    rows = [*np.argsort(-fit, kind="stable")[:5], *np.argsort(fit, kind="stable")[:5]]
    figure, axes = plt.subplots(10, 6, figsize=(13, 22), facecolor="black")
    for line, index in zip(axes, rows, strict=True):
        one = answers[int(index)]
        volume = cohort.volume(one.record)
        picture(line, anatomy, volume, one)
    figure.tight_layout(pad=0.4)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=70, facecolor="black")


def picture(axes: Sequence[object], anatomy: Anatomy, volume: Volume, one: Answer) -> None:
    """Six slices of a scan, those with the highest scores in the middle, and its hyper maps."""
    found = one.prediction
    hyper = highest(maps_on(found.abnormality_maps, found.grid, volume.grid), anatomy)
    peak = int(np.clip(one.slice_scores[:, 0].argmax(), 3, len(volume.array) - 3))
    named = [n for n in HAEMORRHAGES if one.record.reads[n] == 1]
    for axis, d in zip(axes, range(peak - 3, peak + 3), strict=True):
        axis.imshow(volume.array[d], cmap="gray", vmin=anatomy.window.low, vmax=anatomy.window.high)  # type: ignore[attr-defined]
        shown = np.ma.masked_less(hyper[d], 0.1)
        axis.imshow(shown, cmap="autumn", alpha=0.45, vmin=0, vmax=1)  # type: ignore[attr-defined]
        truth = "+" if one.slice_truth[d, 0] == 1 else "-"
        axis.set_title(  # type: ignore[attr-defined]
            f"{volume.name} slice {d + 1} {truth} {one.slice_scores[d, 0]:.2f}",
            fontsize=8,
            color="w",
        )
        axis.axis("off")  # type: ignore[attr-defined]
    said = ", ".join(named) or "no haemorrhage"
    axes[0].set_title(f"{volume.name}: {said}; score {one.scores[0]:.2f}", fontsize=8, color="c")  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
