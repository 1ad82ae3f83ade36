"""``ants``: affine, then symmetric normalization (SyN) of an atlas to the patient by ANTs."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from crossdl.errors import RegistrationError
from crossdl.registration.config import RegistrationConfig
from crossdl.registration.finish import displacement_image
from crossdl.registration.segmenter import RegistrationSegmenter
from crossdl.types import FloatArray

if TYPE_CHECKING:
    from crossdl.registration.prepare import Prepared

_CODE = 1
"""Raised whenever this file gives other labels for the same config; part of cache keys."""

_THREADS = "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"

Recipe = Literal[
    "antsRegistrationSyNQuick[s]",
    "antsRegistrationSyNQuick[b]",
    "antsRegistrationSyNQuick[a]",
    "antsRegistrationSyN[s]",
    "antsRegistrationSyN[b]",
    "antsRegistrationSyN[a]",
    "SyN",
    "SyNCC",
    "Affine",
]


class AntsConfig(RegistrationConfig):
    """Options of the ANTs segmenter."""

    kind: Literal["ants"] = "ants"
    type_of_transform: Recipe = Field(
        "antsRegistrationSyNQuick[s]",
        description="ANTs' name for stages and iterations: s is affine and SyN, b is affine and "
        "B-spline SyN, a is affine only",
    )
    threads: int = Field(
        1,
        ge=1,
        le=256,
        description="threads of one registration, fixed by the first one of a process; only one "
        "thread gives the same labels every time",
    )


class Ants(RegistrationSegmenter[AntsConfig]):
    """Finds the transform with ANTs: rigid, affine, then SyN, or another recipe of ANTs."""

    @property
    def default_shape(self) -> tuple[int, int, int]:
        """``(D, H, W)`` of the working grid; quick recipes stop at half of its resolution."""
        return 64, 128, 128

    def tool_key(self) -> Mapping[str, Any]:
        """ANTs' version."""
        return {"code": _CODE, "antspyx": version("antspyx")}

    def find_transform(self, prepared: Prepared, name: str) -> tuple[FloatArray, dict[str, float]]:
        """Runs ANTs; the final metric is Mattes mutual information, lower is better, by stage."""
        import SimpleITK as sitk

        with (
            _repeatable(self.config.seed, self.config.threads),
            tempfile.TemporaryDirectory(prefix="crossdl-ants-") as folder,
        ):
            try:
                displacement, affine, bends = self._run(prepared, folder)
            except (RuntimeError, ValueError) as error:
                raise RegistrationError(f"{name}: ANTs failed: {error}") from error
        if not np.isfinite(displacement).all():
            raise RegistrationError(f"{name}: ANTs ended without a usable transform")
        metrics = {"affine": _metric(prepared, affine)}
        if bends:
            field = sitk.DisplacementFieldTransform(displacement_image(prepared, displacement))
            metrics["syn"] = _metric(prepared, field)
        return displacement, metrics

    def _run(self, prepared: Prepared, folder: str) -> tuple[FloatArray, Any, bool]:
        """Displacement, the affine transform, and whether more than that was found."""
        import ants
        import SimpleITK as sitk

        fixed, moving = _to_ants(prepared.fixed), _to_ants(prepared.moving)
        found = ants.registration(
            fixed,
            moving,
            type_of_transform=self.config.type_of_transform,
            initial_transform="Identity",
            mask=_to_ants(prepared.fixed_mask) if self.config.mask else None,
            mask_all_stages=True,
            outprefix=str(Path(folder, "stage_")),
        )
        steps = found["fwdtransforms"]  # the affine last
        composed = ants.apply_transforms(fixed, moving, steps, compose=str(Path(folder, "all_")))
        displacement = ants.image_read(composed).numpy().transpose(2, 1, 0, 3)
        return (
            np.ascontiguousarray(displacement, dtype=np.float32),
            sitk.ReadTransform(steps[-1]),
            len(steps) > 1,
        )


def _metric(prepared: Prepared, transform: Any) -> float:
    """Mattes mutual information of patient and template inside the mask, lower is better."""
    import SimpleITK as sitk

    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricFixedMask(prepared.fixed_mask)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetInitialTransform(transform)
    return float(method.MetricEvaluate(prepared.fixed, prepared.moving))


@contextmanager
def _repeatable(seed: int, threads: int) -> Iterator[None]:
    """ANTs' deterministic mode, which is global; everything it changes is put back."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = str(threads)  # ITK reads it once, at its first work in the process
    import ants

    try:
        ants.config.set_ants_deterministic(True, seed_value=seed + 1)  # 0 would be the clock
        os.environ[_THREADS] = str(threads)
        yield
    finally:
        ants.config.set_ants_deterministic(False, seed_value=None)
        if before is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = before
        np.random.set_state(numpy_state)
        random.setstate(python_state)


def _to_ants(image: Any) -> Any:
    """A SimpleITK image as an ANTs image."""
    import ants
    import SimpleITK as sitk

    return ants.from_numpy(
        sitk.GetArrayFromImage(image).transpose(2, 1, 0),
        origin=image.GetOrigin(),
        spacing=image.GetSpacing(),
        direction=np.array(image.GetDirection()).reshape(3, 3),
    )
