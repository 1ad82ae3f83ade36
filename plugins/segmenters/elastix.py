"""``elastix``: affine, then B-spline registration of an atlas to the patient (the paper's way)."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from crossdl.errors import ConfigError, RegistrationError
from crossdl.registration.config import RegistrationConfig
from crossdl.registration.segmenter import RegistrationSegmenter
from crossdl.types import FloatArray

if TYPE_CHECKING:
    from crossdl.registration.prepare import Prepared

_CODE = 1
"""Raised whenever this file gives other labels for the same config; part of cache keys."""

_WORKING_SHAPES = {"fast": (40, 80, 80), "paper": (48, 96, 96), "affine": (48, 96, 96)}
_NAMES = {"AffineTransform": "affine", "BSplineTransform": "bspline"}


class ElastixConfig(RegistrationConfig):
    """Options of the elastix segmenter."""

    kind: Literal["elastix"] = "elastix"
    preset: Literal["fast", "paper", "affine"] = Field(
        "paper",
        description="shipped parameter maps: fast for many scans, paper for accuracy, affine "
        "without any bending",
    )
    parameter_files: tuple[Path, ...] | None = Field(
        None, min_length=1, description="elastix parameter files used instead of the preset's"
    )
    metric_gate: float | None = Field(
        -0.8,
        description="a final metric of the last map above this is flagged, the paper's gate for a "
        "manual look. Mutual information depends on window, histogram bins and samples, so the "
        "number does not carry over to other maps; similarity_gate is the steadier measure",
    )


class Elastix(RegistrationSegmenter[ElastixConfig]):
    """Finds the transform with elastix: affine, then B-spline, or the maps of the config."""

    not_in_key = frozenset({"parameter_files"})

    @property
    def default_shape(self) -> tuple[int, int, int]:
        """By preset."""
        return _WORKING_SHAPES[self.config.preset]

    def tool_key(self) -> Mapping[str, Any]:
        """Parameter maps and elastix's version."""
        return {
            "maps": [text for _, text in self._maps],
            "code": _CODE,
            "elastix": version("itk-elastix"),
        }

    def tool_doubts(self, metrics: Mapping[str, float]) -> tuple[str, ...]:
        """The paper's gate on the last map's final metric."""
        last, gate = list(metrics.values())[-1], self.config.metric_gate
        if gate is None or last <= gate:
            return ()
        return (
            f"elastix's final metric {last:.3f} is worse than {gate:g}, the gate for a manual look",
        )

    @cached_property
    def _maps(self) -> tuple[tuple[str, str], ...]:
        """File name and text of every parameter map."""
        if self.config.parameter_files is None:
            folder = files("crossdl.plugins.segmenters") / "elastix_maps" / self.config.preset
            shipped = sorted(folder.iterdir(), key=lambda f: f.name)
            return tuple((f.name, f.read_text(encoding="utf-8")) for f in shipped)
        for path in self.config.parameter_files:
            if not path.is_file():
                raise ConfigError(f"{path}: no such elastix parameter file; see parameter_files")
        return tuple((p.name, p.read_text(encoding="utf-8")) for p in self.config.parameter_files)

    def find_transform(self, prepared: Prepared, name: str) -> tuple[FloatArray, dict[str, float]]:
        """Runs the maps one after the other; the final metric is by map."""
        import itk
        from itk.support.lazy import ITKLazyLoadLock

        # Its lock between processes guards nothing here, and Python warns of it at the end.
        ITKLazyLoadLock.mp_lock = None
        # elastix's own number_of_threads setting crashes with B-splines; this one does not.
        itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(self.config.threads)
        with tempfile.TemporaryDirectory(prefix="crossdl-elastix-") as folder:
            parameters = itk.ParameterObject.New()
            names = []
            for file_name, text in self._maps:
                path = Path(folder, file_name)
                path.write_text(text, encoding="utf-8")
                try:
                    parameters.AddParameterFile(os.fspath(path))
                except RuntimeError as error:
                    raise ConfigError(
                        f"{file_name}: not an elastix parameter file: {_reason(str(error))}"
                    ) from error
                index = parameters.GetNumberOfParameterMaps() - 1
                parameters.SetParameter(index, "RandomSeed", str(self.config.seed))
                transform = parameters.GetParameterMap(index)["Transform"][0]
                names.append(_NAMES.get(transform, transform))
            log = Path(folder, "elastix.log")
            try:
                _, transform = itk.elastix_registration_method(
                    _to_itk(prepared.fixed),
                    _to_itk(prepared.moving),
                    fixed_mask=_to_itk(prepared.fixed_mask) if self.config.mask else None,
                    parameter_object=parameters,
                    log_to_console=False,
                    log_to_file=True,
                    log_file_name=log.name,
                    output_directory=folder,
                )
            except RuntimeError as error:
                said = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
                raise RegistrationError(
                    f"{name}: elastix failed: {_reason(said + str(error))}"
                ) from error
            field = itk.transformix_deformation_field(
                _to_itk(prepared.moving),
                transform,
                log_to_console=False,
                output_directory=folder,  # it always writes its field to disk as well
            )
            found = re.findall(
                r"^Final metric value\s*=\s*(\S+)", log.read_text(encoding="utf-8"), re.MULTILINE
            )
        displacement = np.array(itk.array_view_from_image(field), dtype=np.float32)
        if len(found) != len(names) or not np.isfinite(displacement).all():
            raise RegistrationError(f"{name}: elastix ended without a usable transform")
        keys = [n if names.count(n) == 1 else f"{n}_{i}" for i, n in enumerate(names)]
        return displacement, dict(zip(keys, map(float, found), strict=True))


def _reason(text: str) -> str:
    """What elastix says in its ``Description:`` lines, else the last line it wrote."""
    found = re.findall(r"Description:\s*(.+(?:\n(?!\s*$|Error|Location).+)*)", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    chosen = found[-1] if found else (lines[-1] if lines else "no reason given")
    return " ".join(chosen.split())


def _to_itk(image: Any) -> Any:
    """A SimpleITK image as an itk image."""
    import itk
    import SimpleITK as sitk

    converted = itk.image_from_array(sitk.GetArrayFromImage(image))
    converted.SetOrigin(image.GetOrigin())
    converted.SetSpacing(image.GetSpacing())
    direction = np.array(image.GetDirection(), dtype=np.float64).reshape(3, 3)
    converted.SetDirection(itk.matrix_from_array(direction))
    return converted
