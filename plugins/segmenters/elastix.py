"""``elastix``: affine, then B-spline registration of an atlas to the patient (the paper's way)."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import time
from functools import cached_property
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, SerializeAsAny, model_validator

from crossdl.config import ComponentConfig, Slot
from crossdl.errors import ConfigError, RegistrationError
from crossdl.interfaces import AtlasSource, RegionSegmenter, build
from crossdl.types import Quality, RegionMap, Volume

if TYPE_CHECKING:
    import numpy.typing as npt

    from crossdl.atlas import Atlas
    from crossdl.registration.prepare import Prepared, Template

_CODE = 1
"""Raised whenever this code gives other labels for the same config; part of cache keys."""

_WORKING_SHAPES = {"fast": (40, 80, 80), "paper": (48, 96, 96)}
_NAMES = {"AffineTransform": "affine", "BSplineTransform": "bspline"}


class ElastixConfig(ComponentConfig):
    """Options of the elastix segmenter."""

    kind: Literal["elastix"] = "elastix"
    atlas: Annotated[SerializeAsAny[ComponentConfig] | None, Slot("atlas")] = Field(
        None, description="template and regions; none means the anatomy's own"
    )
    preset: Literal["fast", "paper"] = Field(
        "paper", description="shipped parameter maps: fast for many scans, paper for accuracy"
    )
    parameter_files: tuple[Path, ...] | None = Field(
        None, min_length=1, description="elastix parameter files used instead of the preset's"
    )
    working_shape: tuple[int, int, int] | None = Field(
        None,
        description="voxels (D, H, W) of the box around the head to register on; none means "
        "40 x 80 x 80 for fast and 48 x 96 x 96 for paper",
    )
    window_low: float = Field(-50.0, description="HU below count as this before registration")
    window_high: float = Field(150.0, description="HU above count as this before registration")
    template_blur_mm: float = Field(
        4.0, ge=0, le=10, description="Gaussian blur of the template (standard deviation, mm)"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="of elastix's random samples")
    threads: int = Field(
        1, ge=1, le=256, description="threads of one registration; results are fixed per number"
    )
    metric_gate: float | None = Field(
        -0.8,
        description="a final metric of the last map above this is flagged, the paper's gate for a "
        "manual look. Mutual information depends on window, histogram bins and samples, so the "
        "number does not carry over to other maps; similarity_gate is the steadier measure",
    )
    similarity_gate: float = Field(
        0.75,
        ge=-1,
        le=1,
        description="lowest correlation of warped template and patient inside the head; sound "
        "registrations of the built-in atlas to real scans gave 0.77 to 0.88",
    )
    head_dice_gate: float = Field(0.9, ge=0, le=1, description="lowest overlap of the heads")
    folded_gate: float = Field(
        0.01, ge=0, le=1, description="largest part of the head with a folded deformation"
    )
    region_ml_gate: float = Field(2.0, ge=0, description="smallest believable region, ml")
    side_ratio_gate: float = Field(
        2.5, gt=1, description="largest believable volume ratio of a region and its mirror partner"
    )

    @model_validator(mode="after")
    def _ordered(self) -> ElastixConfig:
        if self.window_low >= self.window_high:
            raise ValueError("window_low must be below window_high")
        if self.working_shape is not None and min(self.working_shape) < 16:
            raise ValueError("working_shape must be at least 16 along every axis")
        return self


class Elastix(RegionSegmenter[ElastixConfig]):
    """Registers the atlas to the patient with elastix and carries its regions over.

    Fixed image: the patient, windowed, on a reduced grid cut to the head. Moving image: the
    template, first aligned by :mod:`crossdl.registration.initial`.
    """

    def fingerprint(self) -> str:
        """Changes whenever the labels of a scan may change: config, maps, atlas, versions."""
        parts = {
            "config": self.config.model_dump(mode="json", exclude={"parameter_files"}),
            "shape": self._working_shape,
            "maps": [text for _, text in self._maps],
            "atlas": self._atlas.fingerprint,
            "anatomy": [self.anatomy.region_names, self.anatomy.tissue_threshold],
            "code": _CODE,
            "elastix": version("itk-elastix"),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def register(self, volume: Volume) -> RegionMap:
        """Registers; see :meth:`crossdl.interfaces.RegionSegmenter.segment`.

        Quality values: ``final_metric`` by map, ``similarity``, ``head_dice``,
        ``folded_fraction``, ``displacement_mm``, ``region_volumes_ml``, ``left_right_ratio``,
        ``atlas``, ``seconds``.

        Raises:
            InputError: No head is found.
            RegistrationError: elastix failed; the message has its reason.
        """
        import SimpleITK as sitk
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        from crossdl.registration.finish import (
            Limits,
            carry_labels,
            doubts,
            measure,
            region_volumes,
            side_ratios,
        )
        from crossdl.registration.prepare import prepare

        started = time.perf_counter()
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(self.config.threads)
        with threadpool_limits(self.config.threads, user_api="blas"):
            prepared = prepare(volume, self._template, working_shape=self._working_shape)
        displacement, metrics = self._run(prepared, volume.name)
        labels = carry_labels(prepared, displacement, volume)
        volumes = region_volumes(labels, volume.grid, self.anatomy)
        values: dict[str, Any] = {
            "final_metric": metrics,
            **measure(prepared, displacement),
            "region_volumes_ml": volumes,
            "left_right_ratio": side_ratios(volumes, self.anatomy),
            "atlas": self._atlas.fingerprint,
            "seconds": time.perf_counter() - started,
        }
        c = self.config
        limits = Limits(
            c.similarity_gate, c.head_dice_gate, c.folded_gate, c.region_ml_gate, c.side_ratio_gate
        )
        flags = doubts(values, self.anatomy, limits)
        last = list(metrics.values())[-1]
        if c.metric_gate is not None and last > c.metric_gate:
            gate = (
                f"elastix's final metric {last:.3f} is worse than {c.metric_gate:g}, the gate for "
                "a manual look"
            )
            flags = (gate, *flags)
        return RegionMap(labels, volume.grid, Quality(values, flags))

    @property
    def _working_shape(self) -> tuple[int, int, int]:
        return self.config.working_shape or _WORKING_SHAPES[self.config.preset]

    @cached_property
    def _atlas(self) -> Atlas:
        from crossdl.catalog import default_catalog

        config = self.config.atlas
        if config is None:
            config = default_catalog().parse("atlas", dict(self.anatomy.atlas))
        source: AtlasSource[Any] = build(config, self.anatomy)
        return source.load()

    @cached_property
    def _template(self) -> Template:
        from crossdl.registration.prepare import make_template

        return make_template(
            self._atlas,
            window=(self.config.window_low, self.config.window_high),
            tissue_threshold=self.anatomy.tissue_threshold,
            blur_mm=self.config.template_blur_mm,
        )

    @cached_property
    def _maps(self) -> tuple[tuple[str, str], ...]:
        """File name and text of every parameter map."""
        if self.config.parameter_files is None:
            folder = files("crossdl.plugins.segmenters") / "elastix_maps" / self.config.preset
            names = ("affine.txt", "bspline.txt")
            return tuple((name, (folder / name).read_text(encoding="utf-8")) for name in names)
        for path in self.config.parameter_files:
            if not path.is_file():
                raise ConfigError(f"{path}: no such elastix parameter file; see parameter_files")
        return tuple((p.name, p.read_text(encoding="utf-8")) for p in self.config.parameter_files)

    def _run(
        self, prepared: Prepared, name: str
    ) -> tuple[npt.NDArray[np.float32], dict[str, float]]:
        """Displacement ``(D, H, W, 3)`` on the working grid, LPS mm, and the metric by map."""
        import itk

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
                    fixed_mask=_to_itk(prepared.fixed_mask),
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
