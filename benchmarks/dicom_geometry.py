"""Where three readers put a tilted series and variants of it: ours, SimpleITK and dcm2niix.

``python benchmarks/dicom_geometry.py FOLDER`` prints, for each variant made of the series in
FOLDER, how far each reader's volume lies from the truth. Truth is the standard's own equation: the
centre of each pixel of the given files lies where its ImagePositionPatient says (DICOM PS3.3
C.7.6.2.1.1).

* worst: for a copy of the variant whose pixels say where they are, the largest distance in mm
  between a place and where the volume's value at that place comes from.
* HU: median |difference| in brain (0 to 80 HU) between the slices and the volume at their pixels.
* seen: part of the imaged pixels that lie within the volume.
"""

from __future__ import annotations

import copy
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from crossdl.errors import InputError
from crossdl.io.dicom import read_series
from crossdl.types import Grid, Volume

Points = npt.NDArray[np.float64]
Change = Callable[[list[Any]], list[Any]]
CODE = 5.0
"""HU per mm in pixels that say where they are; so places are known to 0.1 mm."""
MARGIN = 30
"""Pixels at the border of a slice that are not asked, because neighbours do not reach there."""


def slices_of(folder: Path) -> list[Any]:
    """The data sets of a folder, by name."""
    import pydicom

    return [pydicom.dcmread(path) for path in sorted(folder.iterdir())]


def places(data: Any) -> Points:
    """World positions of all pixels ``(H, W, 3)``."""
    row, column = np.reshape([float(x) for x in data.ImageOrientationPatient], (2, 3))
    right, down = row * float(data.PixelSpacing[1]), column * float(data.PixelSpacing[0])
    h, w = np.mgrid[0 : data.Rows, 0 : data.Columns][..., None]
    origin: Points = np.array([float(x) for x in data.ImagePositionPatient])
    return origin + w * right + h * down


def coded(slices: list[Any], axis: int, centre: Points) -> list[Any]:
    """Slices whose pixels say where they are along a world axis."""
    for data in slices:
        hu = CODE * (places(data)[..., axis] - centre[axis])
        stored = np.rint((hu - float(data.RescaleIntercept)) / float(data.RescaleSlope))
        data.PixelData = stored.astype("<i2").tobytes()
    return slices


def sample(volume: Volume, world: Points) -> Points:
    """HU at positions by trilinear interpolation, NaN outside."""
    index = volume.grid.world_to_index(world)
    inside = np.clip(index, 0, np.array(volume.grid.shape) - 1)
    index = np.moveaxis(np.where(np.abs(index - inside) < 0.01, inside, index), -1, 0)
    return np.asarray(map_coordinates(volume.array, index, order=1, cval=np.nan))


def in_brain(volume: Volume, slices: Sequence[Any]) -> str:
    """Median error of HU, and the part of pixels within the volume."""
    errors, seen = [], []
    for data in slices:
        hu = data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
        found = sample(volume, places(data)[::2, ::2])
        seen.append(np.isfinite(found).mean())
        error = np.abs(found - hu[::2, ::2])[(hu[::2, ::2] > 0) & (hu[::2, ::2] < 80)]
        errors.append(error[np.isfinite(error)])
    return f"{np.median(np.concatenate(errors)):6.1f} {100 * np.mean(seen):5.0f} %"


def worst(volumes: Sequence[Volume], slices: Sequence[Any], centre: Points) -> float:
    """Largest distance in mm between a place and what three coded volumes say it is."""
    largest = 0.0
    for data in slices:
        world = places(data)[MARGIN:-MARGIN:9, MARGIN:-MARGIN:9]
        said = np.stack([sample(volume, world) for volume in volumes], axis=-1) / CODE + centre
        distance = np.linalg.norm(said - world, axis=-1)
        largest = max(largest, float(np.nanmax(distance, initial=0.0)))
    return largest


def by_simpleitk(folder: Path) -> tuple[Volume, str]:
    """SimpleITK's series reader as its documentation shows it."""
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageSeriesReader()
    names = reader.GetGDCMSeriesFileNames(str(folder))
    if not names:
        raise ValueError("finds no series")
    reader.SetFileNames(names)
    image = reader.Execute()
    array = sitk.GetArrayFromImage(image).astype(np.float32)
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return Volume(array, Grid(array.shape, affine)), f"{len(names)} slices"


def by_dcm2niix(folder: Path) -> tuple[Volume, str]:
    """The image with most voxels that dcm2niix writes, tilt-corrected if it wrote such a one."""
    import dcm2niix
    import nibabel

    with tempfile.TemporaryDirectory() as out:
        command = [dcm2niix.bin, "-z", "n", "-b", "n", "-f", "out", "-o", out, str(folder)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        paths = sorted(Path(out).glob("*.nii"))
        if not paths:
            lines = [line for line in done.stdout.splitlines() if "rror" in line]
            raise ValueError(lines[0] if lines else "writes nothing")
        tilted = [path for path in paths if "Tilt" in path.name and "Eq" in path.name]
        tilted = tilted or [path for path in paths if "Tilt" in path.name]
        chosen = max(tilted or paths, key=lambda path: path.stat().st_size)
        image = nibabel.load(chosen)
        array = np.ascontiguousarray(np.asarray(image.dataobj, dtype=np.float32).T)
        affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
        text = f"{len(paths)} files, {chosen.name.removeprefix('out').removesuffix('.nii')}"
        return Volume(array, Grid(array.shape, affine)), text


def ours(folder: Path) -> tuple[Volume, str]:
    """Our reader; where it refuses, the reason."""
    volume = read_series(folder, "CT")
    notes = volume.meta["warnings"]
    return volume, "; ".join(notes) or ("resampled" if volume.meta["resampled"] else "as it is")


READERS: dict[str, Callable[[Path], tuple[Volume, str]]] = {
    "ours": ours,
    "SimpleITK": by_simpleitk,
    "dcm2niix": by_dcm2niix,
}


def as_is(slices: list[Any]) -> list[Any]:
    """No change."""
    return slices


def shuffled(slices: list[Any]) -> list[Any]:
    """InstanceNumber says nothing about the order."""
    numbers = np.random.default_rng(0).permutation(len(slices))
    for data, number in zip(slices, numbers, strict=True):
        data.InstanceNumber = int(number) + 1
    return slices


def removed(slices: list[Any]) -> list[Any]:
    """The ninth slice is lost."""
    return slices[:8] + slices[9:]


def reversed_numbers(slices: list[Any]) -> list[Any]:
    """Numbered and named from top to bottom."""
    for number, data in enumerate(slices[::-1], 1):
        data.InstanceNumber = number
    return slices[::-1]


def straight(slices: list[Any]) -> list[Any]:
    """The lower part as if the gantry had not been tilted."""
    for k, data in enumerate(slices[:14]):
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.ImagePositionPatient = [-125, -125, 4.0 * k]
        data.GantryDetectorTilt = 0
    return slices[:14]


def tilted_even(slices: list[Any]) -> list[Any]:
    """The lower part: 14 slices of 4 mm."""
    return slices[:14]


def doubled(slices: list[Any]) -> list[Any]:
    """Three slices are there twice, under other SOPInstanceUIDs."""
    from pydicom.uid import generate_uid

    more = [copy.deepcopy(slices[k]) for k in (3, 10, 20)]
    for data in more:
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    return slices + more


def sloped(slices: list[Any]) -> list[Any]:
    """Every second slice is stored as half its value with a slope of 2 (odd HU lose 1)."""
    for data in slices[::2]:
        data.PixelData = (data.pixel_array // 2).astype("<i2").tobytes()
        data.RescaleSlope = 2
    return slices


def compressed(syntax: str) -> Change:
    """Compression by a transfer syntax."""

    def change(slices: list[Any]) -> list[Any]:
        for data in slices:
            data.compress(syntax, generate_instance_uid=False)
        return slices

    return change


VARIANTS: dict[str, tuple[Change, Change]] = {
    "as it is": (as_is, as_is),
    "InstanceNumber shuffled": (shuffled, as_is),
    "reversed": (reversed_numbers, as_is),
    "JPEG 2000": (as_is, compressed("1.2.840.10008.1.2.4.90")),
    "JPEG-LS": (as_is, compressed("1.2.840.10008.1.2.4.80")),
    "RLE": (as_is, compressed("1.2.840.10008.1.2.5")),
    "three slices twice": (as_is, doubled),
    "slope 2 in every second slice": (as_is, sloped),
    "a slice removed": (removed, as_is),
    "lower half: tilted, even": (tilted_even, as_is),
    "lower half, tilt removed": (straight, as_is),
}
"""For each variant what changes places and numbers, and what changes how pixels are stored."""


def _save(slices: Sequence[Any], folder: Path) -> None:
    folder.mkdir(parents=True)
    for k, data in enumerate(slices):
        data.save_as(folder / f"{k:03d}.dcm")


def main() -> None:
    """Prints a line per variant and reader."""
    given = Path(sys.argv[1])
    centre = np.mean([places(data).mean(axis=(0, 1)) for data in slices_of(given)], axis=0)
    print(f"{'variant':31}{'reader':10}{'worst':>8}{'HU':>7}{'seen':>8}   what it did")
    for title, (arrange, store) in VARIANTS.items():
        with tempfile.TemporaryDirectory() as made:
            folders = [Path(made) / name for name in ("real", "x", "y", "z")]
            _save(store(arrange(slices_of(given))), folders[0])
            for axis, folder in enumerate(folders[1:]):
                middle = centre if arrange is not straight else np.array([0.0, 0.0, 26.0])
                _save(store(coded(arrange(slices_of(given)), axis, middle)), folder)
            real = slices_of(folders[0])
            for name, reader in READERS.items():
                start = f"{title if name == 'ours' else '':31}{name:10}"
                try:
                    volume, what = reader(folders[0])
                    distance = worst([reader(f)[0] for f in folders[1:]], real, middle)
                    print(f"{start}{distance:8.2f}{in_brain(volume, real)}   {what}", flush=True)
                except (InputError, ValueError, RuntimeError) as error:
                    reason = str(error).removeprefix(f"{folders[0]}: ").splitlines()[0]
                    print(f"{start}{'refused':>23}   {reason[:110]}", flush=True)


if __name__ == "__main__":
    main()
