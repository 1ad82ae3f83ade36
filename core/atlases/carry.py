"""One scan carried to the reference by the registration that also carries an atlas to a scan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdl.atlas import Atlas
from crossdl.errors import RegistrationError
from crossdl.registration.judgement import doubts, resemblance
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

    from crossdl.registration.finish import displacement_image, measure
    from crossdl.registration.images import resample, to_image

    nothing = RegionMap(np.zeros(scan.grid.shape, dtype=np.uint8), scan.grid)
    prepared = segmenter.prepare(reference, Atlas(scan, nothing, fingerprint=""))
    displacement, metrics = segmenter.find_transform(prepared, scan.name)
    window = segmenter.anatomy.window
    measures = measure(prepared, displacement, (window.low, window.high))
    del measures["brain_similarity"]  # compares inside regions, and a scan has none
    problems = doubts(resemblance(measures, segmenter.config.limits, "scan and reference"))
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
