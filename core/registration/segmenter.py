"""Base of segmenters that register an atlas: everything but the tool that finds the transform."""

from __future__ import annotations

import hashlib
import json
import time
from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from crossdl.interfaces import AtlasSource, RegionSegmenter, build
from crossdl.registration.config import RegistrationConfig
from crossdl.types import FloatArray, Quality, RegionMap, Volume

if TYPE_CHECKING:
    from crossdl.atlas import Atlas
    from crossdl.registration.prepare import Prepared, Template

_CODE = 5
"""Raised whenever the shared code gives other labels for the same config; part of cache keys."""


RegistrationConfigT = TypeVar("RegistrationConfigT", bound=RegistrationConfig)


class RegistrationSegmenter(RegionSegmenter[RegistrationConfigT]):
    """Registers the atlas to the patient and carries its regions over.

    Fixed image: the patient, windowed, on a reduced grid cut to the head. Moving image: the
    template, first aligned by :mod:`crossdl.registration.prepare`. A subclass finds the transform
    between the two; the labels are resampled once, with all transforms composed.

    Attributes:
        not_in_key: Fields of the config that :meth:`fingerprint` leaves to :meth:`tool_key`.
    """

    not_in_key: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def find_transform(self, prepared: Prepared, name: str) -> tuple[FloatArray, dict[str, float]]:
        """Finds where every point of the patient lies in the moved template.

        Args:
            prepared: The two images and masks.
            name: What messages call the scan.

        Returns:
            ``(D, H, W, 3)`` displacement on ``prepared.working_grid``, LPS mm, from a point of
            the patient to its point in the moved template; and the final metric by stage.

        Raises:
            RegistrationError: The tool failed; the message has its reason.
        """

    @abstractmethod
    def tool_key(self) -> Mapping[str, Any]:
        """What else the transform depends on: files, versions, a number for the plugin's code."""

    @property
    @abstractmethod
    def default_shape(self) -> tuple[int, int, int]:
        """``(D, H, W)`` of the working grid where the config names none."""

    def tool_doubts(self, metrics: Mapping[str, float]) -> tuple[str, ...]:
        """Sentences about final metrics that a person should look at; none by default."""
        return ()

    def fingerprint(self) -> str:
        """Changes whenever the labels of a scan may change: config, tool, atlas, versions."""
        parts = {
            "config": self.config.model_dump(mode="json", exclude=set(self.not_in_key)),
            "shape": self._working_shape,
            "tool": dict(self.tool_key()),
            "atlas": self._atlas.fingerprint,
            "anatomy": [self.anatomy.region_names, self.anatomy.tissue_threshold],
            "code": _CODE,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def register(self, volume: Volume) -> RegionMap:
        """Registers; see :meth:`crossdl.interfaces.RegionSegmenter.segment`.

        Quality values: ``score`` (0 to 1, see :mod:`crossdl.registration.judgement`),
        ``final_metric`` by stage, ``similarity``, ``brain_similarity``,
        ``alignment_similarity``, ``head_dice``, ``folded_fraction``, ``displacement_mm``,
        ``soft_tissue_fraction``, ``coverage``, ``region_volumes_ml``, ``left_right_ratio``,
        ``atlas``, ``seconds``.

        Raises:
            InputError: No head is found.
            RegistrationError: The tool failed; the message has its reason.
        """
        from crossdl.registration import finish, judgement

        started = time.perf_counter()
        prepared = self.prepare(volume)
        displacement, metrics = self.find_transform(prepared, volume.name)
        labels = finish.carry_labels(prepared, displacement, volume)
        volumes = finish.region_volumes(labels, volume.grid, self.anatomy)
        window = self.anatomy.window
        values: dict[str, Any] = {
            "final_metric": metrics,
            **finish.measure(prepared, displacement, (window.low, window.high)),
            "soft_tissue_fraction": finish.soft_tissue_fraction(labels, volume),
            "coverage": finish.coverage(prepared, volume.grid),
            "region_volumes_ml": volumes,
            "left_right_ratio": finish.side_ratios(volumes, self.anatomy),
        }
        findings = judgement.judge(
            values, self._shares, self.anatomy, self.config.limits, finish.reaches_border(labels)
        )
        values |= {
            "score": judgement.score(findings),
            "atlas": self._atlas.fingerprint,
            "seconds": time.perf_counter() - started,
        }
        flags = (*self.tool_doubts(metrics), *judgement.doubts(findings))
        return RegionMap(labels, volume.grid, Quality(values, flags))

    def prepare(self, volume: Volume, atlas: Atlas | None = None) -> Prepared:
        """Brings patient and template close together, see :mod:`crossdl.registration.prepare`.

        Args:
            volume: The patient.
            atlas: Takes the place of the segmenter's own, without ``template_blur_mm``.

        Raises:
            InputError: No head is found.
        """
        import SimpleITK as sitk
        from threadpoolctl import threadpool_limits

        from crossdl.registration.prepare import prepare

        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(self.config.threads)
        with threadpool_limits(self.config.threads, user_api="blas"):
            return prepare(
                volume,
                self._template if atlas is None else self._made_ready(atlas, blur_mm=0.0),
                working_shape=self._working_shape,
                prealignment=self.config.prealignment,
                seed=self.config.seed,
            )

    @cached_property
    def _shares(self) -> dict[str, float]:
        import SimpleITK as sitk

        from crossdl.registration.finish import region_shares

        return region_shares(sitk.GetArrayViewFromImage(self._template.labels), self.anatomy)

    @property
    def _working_shape(self) -> tuple[int, int, int]:
        return self.config.working_shape or self.default_shape

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
        return self._made_ready(self._atlas, blur_mm=self.config.template_blur_mm)

    def _made_ready(self, atlas: Atlas, *, blur_mm: float) -> Template:
        from crossdl.registration.prepare import make_template

        return make_template(
            atlas,
            window=(self.config.window_low, self.config.window_high),
            tissue_threshold=self.anatomy.tissue_threshold,
            blur_mm=blur_mm,
        )
