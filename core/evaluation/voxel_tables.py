"""Tables of voxel-level results: a row per type and their mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from crossdl.anatomy import Anatomy
from crossdl.evaluation.cases import Estimate
from crossdl.evaluation.voxels import N_STEPS

if TYPE_CHECKING:
    import pandas as pd

    from crossdl.evaluation.voxel_scans import TypeScans

_COLUMNS = {
    "dice": "Dice",
    "jaccard": "IoU",
    "pointing_game": "Pointing game",
    "volume_error_ml": "Volume error (ml)",
    "false_volume_ml": "Volume where there is none (ml)",
}


def overlap_table(
    metrics: Mapping[str, Estimate],
    scans: Sequence[TypeScans],
    steps: Sequence[int | None],
    anatomy: Anatomy,
) -> pd.DataFrame:
    """What is measured of whole maps.

    *Best Dice* is what the best threshold for the test scans themselves would give, which nobody
    knows beforehand. *Bias* is the mean of predicted less true volume.

    Args:
        metrics: ``NAME/TYPE`` and ``NAME/mean`` → what was measured.
        scans: Of each type.
        steps: Threshold of each type, or None.
        anatomy: Names and titles of the types.
    """
    import numpy as np
    import pandas as pd

    from crossdl.figures import estimate_text

    rows: dict[str, dict[str, str]] = {}
    for kind, one, step in zip(anatomy.types, scans, steps, strict=True):
        best = one.mean_dice
        errors, entered = one.volume_bias_ml_at(step)
        rows[kind.title] = {
            "Scans": str(int(one.has.sum())),
            "Threshold": "-" if step is None else f"{step / (N_STEPS - 1):.2f}",
            "Best Dice": "-" if best is None else f"{best[1:].max():.3f}",
            "Bias (ml)": f"{errors.sum() / entered.sum():+.1f}" if entered.any() else "-",
        }
    n = int(np.any([one.has for one in scans], axis=0).sum())
    rows["Mean of types"] = {"Scans": str(n), "Threshold": "", "Best Dice": "", "Bias (ml)": ""}
    for row, name in zip(rows.values(), (*anatomy.type_names, "mean"), strict=True):
        for key, title in _COLUMNS.items():
            row[title] = estimate_text(metrics[f"{key}/{name}"])
    made = pd.DataFrame.from_dict(rows, orient="index")
    order = ["Scans", "Threshold", "Dice", "Best Dice", "IoU", "Pointing game",
             "Volume error (ml)", "Bias (ml)", "Volume where there is none (ml)"]  # fmt: skip
    return made[order].rename_axis("Type")


def lesion_table(
    sensitivities: Mapping[str, Mapping[str, Estimate]],
    scans: Sequence[TypeScans],
    anatomy: Anatomy,
) -> pd.DataFrame:
    """Share of lesions found at each rate of false alarms.

    Args:
        sensitivities: Name of each type and ``"mean"`` → false alarms per scan → share of
            lesions found; last their mean.
        scans: Of each type.
        anatomy: Names and titles of the types.
    """
    import pandas as pd

    from crossdl.figures import estimate_text

    found = [one.detections.found for one in scans]
    counts = [(f.size, int((f > 0).sum())) for f in found]
    counts.append((sum(n for n, _ in counts), sum(hit for _, hit in counts)))
    rows = {}
    titles = (*(t.title for t in anatomy.types), "Mean of types")
    for title, name, (n, hit) in zip(titles, (*anatomy.type_names, "mean"), counts, strict=True):
        rows[title] = {"Lesions": str(n), "Found at any rate": str(hit)}
        for rate, estimate in sensitivities[name].items():
            column = "Mean" if rate == "mean" else f"At {rate} false alarms per scan"
            rows[title][column] = estimate_text(estimate)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("Type")
