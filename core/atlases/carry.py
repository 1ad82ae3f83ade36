"""One scan carried to the reference by the registration that also carries an atlas to a scan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdl.atlas import Atlas
from crossdl.errors import RegistrationError
from crossdl.registration.judgement import Limits
from crossdl.registration.segmenter import RegistrationSegmenter
from crossdl.types import Grid, RegionMap, Volume

HUArray = npt.NDArray[np.int16]

UNSEEN = np.iinfo(np.int16).max
"""Value of voxels that the scan does not show."""


@dataclass(frozen=True, eq=False)
class Carried:
    """A scan on the template's grid.

    Attributes:
        hu: ``(D, H, W)`` int16, HU; :data:`UNSEEN` outside the scan and far from the head.
        measures: ``similarity``, ``head_dice``, ``folded_fraction``, ``displacement_mm`` and
            ``final_metric``, see :func:`crossdl.registration.finish.measure`.
    """

    hu: HUArray
    measures: Mapping[str, Any]


def carry(
    scan: Volume, reference: Volume, segmenter: RegistrationSegmenter[Any], grid: Grid
) -> Carried:
    """Registers a scan to the reference and resamples it once.

    As in a segmentation, but the scan takes the template's place and the reference the patient's.

    Args:
        scan: HU on any grid.
        reference: HU on any grid.
        segmenter: Whose tool, window and limits are used; its atlas is not.
        grid: Of the template, in the world of the reference.

    Raises:
        InputError: One of them shows no head.
        RegistrationError: The tool failed, or its result is doubted.
    """
    import SimpleITK as sitk
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    from crossdl.registration.finish import displacement_image, measure
    from crossdl.registration.images import resample, to_image
    from crossdl.registration.prepare import make_template, prepare

    config, anatomy = segmenter.config, segmenter.anatomy
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(config.threads)
    nothing = RegionMap(np.zeros(scan.grid.shape, dtype=np.uint8), scan.grid)
    with threadpool_limits(config.threads, user_api="blas"):
        moving = make_template(
            Atlas(scan, nothing, fingerprint=""),
            window=(config.window_low, config.window_high),
            tissue_threshold=anatomy.tissue_threshold,
        )
        shape = config.working_shape or segmenter.default_shape
        prepared = prepare(
            reference, moving, working_shape=shape, prealignment=config.prealignment,
            seed=config.seed,
        )  # fmt: skip
    displacement, metrics = segmenter.find_transform(prepared, scan.name)
    window = anatomy.window
    measures = measure(prepared, displacement, (window.low, window.high))
    del measures["brain_similarity"]  # compares inside regions, and a scan has none
    problems = _doubts(measures, config.limits)
    if problems:
        raise RegistrationError(f"{scan.name}: {'; '.join(problems)}")

    back = np.linalg.inv(prepared.pose.matrix)
    pose = sitk.AffineTransform(3)
    pose.SetMatrix(back[:3, :3].ravel().tolist())
    pose.SetTranslation(back[:3, 3].tolist())
    bend = sitk.DisplacementFieldTransform(displacement_image(prepared, displacement))
    both = sitk.CompositeTransform([pose, bend])  # the last one first
    image = to_image(scan.array, scan.grid)
    hu = resample(image, grid, float(UNSEEN), transform=both)
    near = resample(prepared.fixed_mask, grid, 0, nearest=True)  # no table, no head holder
    values = sitk.GetArrayFromImage(sitk.Mask(hu, near, float(UNSEEN)))
    rounded = np.rint(values.clip(np.iinfo(np.int16).min, UNSEEN)).astype(np.int16)
    return Carried(rounded, {**measures, "final_metric": metrics})


def _doubts(measures: Mapping[str, float], limits: Limits) -> list[str]:
    """What is beyond the segmenter's own limits, of the measures that need no regions."""
    similarity, heads = measures["similarity"], measures["head_dice"]
    folded = measures["folded_fraction"]
    found = []
    if similarity < limits.similarity:
        found.append(
            f"scan and reference correlate by only {similarity:.2f} in the head (at least "
            f"{limits.similarity:g} expected)"
        )
    if heads < limits.head_dice:
        found.append(
            f"the heads overlap by only {heads:.2f} (Dice; at least {limits.head_dice:g} expected)"
        )
    if folded > limits.folded:
        found.append(f"the deformation folds in {folded:.1%} of the head")
    return found
