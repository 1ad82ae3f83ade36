"""One scan carried to the reference by the registration that also carries an atlas to a scan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdl.atlas import Atlas
from crossdl.errors import RegistrationError
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
        prepared = prepare(reference, moving, working_shape=shape)
    displacement, metrics = segmenter.find_transform(prepared, scan.name)
    window = anatomy.window
    measures = measure(prepared, displacement, (window.low, window.high))
    del measures["brain_similarity"]  # compares inside regions, and a scan has none
    problems = _doubts(measures, segmenter)
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
    known = to_image(np.ones(prepared.working_grid.shape, dtype=np.uint8), prepared.working_grid)
    near = resample(known, grid, 0, nearest=True)
    values = sitk.GetArrayFromImage(sitk.Mask(hu, near, float(UNSEEN)))
    rounded = np.rint(values.clip(np.iinfo(np.int16).min, UNSEEN)).astype(np.int16)
    return Carried(rounded, {**measures, "final_metric": metrics})


def _doubts(
    measures: Mapping[str, float], segmenter: RegistrationSegmenter[Any]
) -> tuple[str, ...]:
    """What the segmenter's own limits say of measures that need no regions."""
    from crossdl.registration.judgement import Limits, doubts, judge

    limits = Limits(**{f.name: getattr(segmenter.config, f"{f.name}_gate") for f in fields(Limits)})
    without_regions: dict[str, Any] = {
        "brain_similarity": 1.0, "coverage": 1.0, "region_volumes_ml": {}, "left_right_ratio": {},
    }  # fmt: skip
    return doubts(judge({**measures, **without_regions}, {}, segmenter.anatomy, limits, False))
