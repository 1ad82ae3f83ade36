"""What predicts scans: a trained analyzer, its mean with the mirrored scan, or several models.

Means are taken of probabilities, voxel by voxel, and scores are read from the mean maps as from
those of one model (E6), so that every score has its place on a map. A mean of logits would let
one model that is certain and wrong outvote all others. Where a model's scores do not come from its
maps, as those of classifiers, the mean is that of the scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.catalog import Catalog
from crossdl.errors import InputError
from crossdl.geometry import canonical_axes
from crossdl.models import load_model, shipped_model
from crossdl.types import FloatArray, Grid, Prediction, Quality, RegionMap, Volume


class Predictor(Protocol):
    """Anything that predicts like an :class:`crossdl.interfaces.AbnormalityAnalyzer`."""

    @property
    def anatomy(self) -> Anatomy:
        """What the regions and types are."""

    @property
    def scores_from_maps(self) -> bool:
        """Whether scores are maxima of the maps."""

    @property
    def needs_regions(self) -> bool:
        """Whether :meth:`predict` needs the scan's coarse atlas regions."""

    def predict(self, volume: Volume, regions: RegionMap | None = None) -> Prediction:
        """Predicts one scan in any geometry; the maps' grid says where they are.

        Args:
            volume: The scan.
            regions: What a segmenter makes of it, where :attr:`needs_regions`.

        Raises:
            InputError: No head is found in the volume, or regions are needed and not given.
        """


class Mirrored:
    """Test-time augmentation: the mean of a scan's maps and those of its mirror image."""

    def __init__(self, member: Predictor) -> None:
        """Keeps what predicts both.

        Args:
            member: An analyzer.
        """
        self._member = member
        self.anatomy = member.anatomy
        self.scores_from_maps = member.scores_from_maps
        self.needs_regions = member.needs_regions

    def predict(self, volume: Volume, regions: RegionMap | None = None) -> Prediction:
        """As the member, twice."""
        anatomy = self.anatomy
        found = self._member.predict(volume, regions)
        turned = None if regions is None else _mirrored_labels(regions, volume.grid, anatomy)
        other = self._member.predict(_mirror_image(volume), turned)
        back = _mirrored_back(other, volume.grid, anatomy)
        return mean([found, back], scores_from_maps=self.scores_from_maps)


class Ensemble:
    """The mean of the maps of several models, on the grid of the first one's maps."""

    def __init__(self, members: Sequence[Predictor]) -> None:
        """Keeps the members.

        Args:
            members: At least one; all with the same regions and types.
        """
        self._members = tuple(members)
        self.anatomy = members[0].anatomy
        self.scores_from_maps = all(member.scores_from_maps for member in members)
        self.needs_regions = any(member.needs_regions for member in members)

    def predict(self, volume: Volume, regions: RegionMap | None = None) -> Prediction:
        """As every member."""
        found = [member.predict(volume, regions) for member in self._members]
        return mean(found, scores_from_maps=self.scores_from_maps)


def load_predictor(
    folders: Sequence[Path] = (), *, flip: bool = False, catalog: Catalog | None = None
) -> Predictor:
    """Loads one model or an ensemble.

    Args:
        folders: Model folders; none means the shipped demonstrator.
        flip: Whether every model also looks at the mirror image.
        catalog: Kinds the models may name; None means built-in and installed ones.

    Raises:
        InputError: A folder holds no readable model, or the models differ in regions or types.
        CatalogError: A model is of a kind that is not installed here.
    """
    members: list[Predictor] = []
    places = list(folders) or [shipped_model()]
    for folder in places:
        loaded: Predictor = load_model(folder, catalog)
        first = members[0].anatomy if members else loaded.anatomy
        check_same_labels(f"{folder}: the model", loaded.anatomy, f"{places[0]}", first)
        members.append(Mirrored(loaded) if flip else loaded)
    return members[0] if len(members) == 1 else Ensemble(members)


def check_same_labels(name: str, anatomy: Anatomy, other_name: str, other: Anatomy) -> None:
    """Checks that two anatomies have the same regions and types in the same order.

    Raises:
        InputError: They have not.
    """
    for what, mine, theirs in (
        ("regions", anatomy.region_names, other.region_names),
        ("types", anatomy.type_names, other.type_names),
    ):
        if mine != theirs:
            raise InputError(
                f"{name} was trained with other {what} (anatomy {anatomy.name}) than "
                f"{other_name} has (anatomy {other.name}); use models of one anatomy"
            )


def mean(predictions: Sequence[Prediction], *, scores_from_maps: bool) -> Prediction:
    """The mean of the maps on the first one's grid, with the scores that belong to it.

    Args:
        predictions: Of the same scan and labels; maps on other grids are carried over by
            trilinear interpolation. A region that one has no scores for (NaN), because it was not
            trained, is the mean of the others.
        scores_from_maps: Whether the scores are E6 and the maximum of the mean maps, or the mean
            of the scores.

    Returns:
        Quality has the values of the first, and the flags of all, each once.
    """
    first = predictions[0]
    knows = [~np.isnan(one.region_scores).any(axis=1) for one in predictions]
    many = np.sum(knows, axis=0)  # (N,)
    share = 1 / np.maximum(many, 1).astype(np.float32)
    regions, abnormality = np.zeros_like(first.region_maps), np.zeros_like(first.abnormality_maps)
    scores, scan = np.zeros_like(first.region_scores), np.zeros_like(first.scan_scores)
    for one, known in zip(predictions, knows, strict=True):
        regions[known] += _on(one.region_maps, one.grid, first.grid)[known]
        abnormality += _on(one.abnormality_maps, one.grid, first.grid)
        scores[known] += one.region_scores[known]
        scan += one.scan_scores
    regions *= share[:, None, None, None]
    abnormality /= len(predictions)
    for maps in (regions, abnormality):
        np.clip(maps, 0, 1, out=maps)
    if scores_from_maps:
        scores = _region_scores(regions, abnormality)
        scan = abnormality.max(axis=(1, 2, 3))
    else:
        scores, scan = scores * share[:, None], scan / np.float32(len(predictions))
    scores[many == 0] = np.nan
    flags = dict.fromkeys(flag for one in predictions for flag in one.quality.flags)
    return Prediction(
        region_maps=regions,
        abnormality_maps=abnormality,
        grid=first.grid,
        region_scores=scores,
        scan_scores=scan,
        quality=Quality(first.quality.values, tuple(flags)),
    )


def _on(maps: FloatArray, source: Grid, target: Grid) -> FloatArray:
    from crossdl.preprocessing import maps_on

    return maps if source.same_as(target) else maps_on(maps, source, target)


def _region_scores(regions: FloatArray, abnormality: FloatArray) -> FloatArray:
    """E6, ``(N, M)``: the largest product of both maps over all voxels."""
    flat = abnormality.reshape(len(abnormality), -1)
    return np.stack([(region.ravel() * flat).max(axis=1) for region in regions])


def _left_axis(grid: Grid) -> int:
    """The array axis ``(D, H, W)`` that runs along the patient's left and right."""
    return canonical_axes(grid)[0][2]


def _mirror_image(volume: Volume) -> Volume:
    """The same grid with left and right swapped about its middle."""
    return replace(volume, array=np.flip(volume.array, _left_axis(volume.grid)))


def _mirrored_labels(regions: RegionMap, grid: Grid, anatomy: Anatomy) -> RegionMap:
    """Regions of the mirror image of a scan on ``grid``, on which they are, too."""
    values = np.arange(256, dtype=np.uint8)
    values[1 : anatomy.n_regions + 1] = 1 + anatomy.mirror_index[: anatomy.n_regions]
    return replace(regions, labels=values[np.flip(regions.labels, _left_axis(grid))])


def _mirrored_back(prediction: Prediction, grid: Grid, anatomy: Anatomy) -> Prediction:
    """What was said of the mirror image, said of the scan itself.

    Args:
        prediction: Of the mirror image.
        grid: Of the scan.
        anatomy: Says which regions change places.
    """
    axis = _left_axis(grid)
    reverse = np.eye(4)
    reverse[2 - axis, 2 - axis], reverse[2 - axis, 3] = -1, grid.shape[axis] - 1
    reflection = grid.affine @ reverse @ np.linalg.inv(grid.affine)  # world to world
    maps_axis = _left_axis(prediction.grid)
    turn = np.eye(4)  # keeps the maps' axes running as before
    turn[2 - maps_axis, 2 - maps_axis] = -1
    turn[2 - maps_axis, 3] = prediction.grid.shape[maps_axis] - 1
    place = Grid(prediction.grid.shape, reflection @ prediction.grid.affine @ turn)
    order = anatomy.mirror_index[: anatomy.n_regions]
    return replace(
        prediction,
        region_maps=np.flip(prediction.region_maps, maps_axis + 1)[order],
        abnormality_maps=np.flip(prediction.abnormality_maps, maps_axis + 1),
        region_scores=prediction.region_scores[order],
        grid=place,
    )
