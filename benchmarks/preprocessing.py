"""From a folder of DICOM slices to the network's input: ours beside SimpleITK, scipy and MONAI.

``python benchmarks/preprocessing.py [FOLDER]`` prints, for a synthetic head of 40 slices of 512 x
512 or for the series in FOLDER, the fastest and the median of some rounds in which the ways take
turns, so that a busy machine slows them alike. The others are spared the search for the head: they
get our box. Their results are compared with ours, which averages over the voxels it drops, and
with plain trilinear interpolation, which does not.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdl.anatomy import load_anatomy
from crossdl.geometry import canonical
from crossdl.io.dicom import read_series
from crossdl.preprocessing import head_box, preprocess

ROUNDS = 9
ANATOMY = load_anatomy("head_ct")
SHAPE = ANATOMY.volume_shape
WINDOW = ANATOMY.window
Image = npt.NDArray[Any]
Box = tuple[slice, ...]


def synthetic(folder: Path) -> Path:
    """Writes a head of skull and brain with noise, in 12-bit unsigned pixels as scanners do."""
    path = Path(__file__).resolve().parents[1] / "tests" / "dicom_writer.py"
    spec = importlib.util.spec_from_file_location("dicom_writer", path)
    assert spec is not None and spec.loader is not None
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    noise = np.random.default_rng(0)

    def head(world: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        radius = ((world / (75.0, 95.0, 80.0)) ** 2).sum(axis=-1)
        hu = np.where(radius < 0.85, 35.0, np.where(radius < 1, 900.0, -1000.0))
        return hu + noise.normal(0, 5, hu.shape)

    def unsigned(_: int, data: Any) -> None:
        hu = np.frombuffer(data.PixelData, "<i2") * 0.1 - 100
        data.PixelData = np.rint(hu + 1024).clip(0, 4095).astype("<u2").tobytes()
        data.PixelRepresentation, data.BitsStored, data.HighBit = 0, 12, 11
        data.RescaleSlope, data.RescaleIntercept = 1, -1024

    positions = np.array([-115.0, -115.0, -80.0]) + np.outer(np.arange(40) * 4.0, [0, 0, 1])
    writer.write_series(
        folder, positions, shape=(512, 512), pixel=(0.45, 0.45), field=head, change=unsigned
    )
    return folder


def to_bytes(hu: Image) -> Image:
    """E3 on an image of HU."""
    clipped = np.clip(hu, WINDOW.low, WINDOW.high)
    return np.rint((clipped - WINDOW.low) * (255 / WINDOW.width)).astype(np.uint8)


def ours(folder: Path, _: Box) -> Image:
    """As every command does it; includes finding the head."""
    return preprocess(read_series(folder, "CT"), ANATOMY, SHAPE).image


def plain(folder: Path, box: Box) -> Image:
    """Our reader, then torch's trilinear interpolation, which does not average."""
    import torch

    volume = read_series(folder, "CT")
    crop = np.clip(canonical(volume.array, volume.grid)[0][box], WINDOW.low, WINDOW.high)
    given = torch.from_numpy(crop)[None, None]
    resized = torch.nn.functional.interpolate(given, SHAPE, mode="trilinear")[0, 0]
    return to_bytes(resized.numpy())


def by_scipy(folder: Path, box: Box) -> Image:
    """Arrays of pydicom, then scipy's linear zoom."""
    import pydicom
    from scipy import ndimage

    slices = [pydicom.dcmread(path) for path in folder.iterdir()]
    slices.sort(key=lambda data: float(data.ImagePositionPatient[2]))
    hu = np.stack(
        [s.pixel_array * float(s.RescaleSlope) + float(s.RescaleIntercept) for s in slices]
    ).astype(np.float32)
    crop = np.clip(hu[box], WINDOW.low, WINDOW.high)
    factor = [n / m for n, m in zip(SHAPE, crop.shape, strict=True)]
    return to_bytes(ndimage.zoom(crop, factor, order=1, mode="nearest", grid_mode=True))


def by_simpleitk(folder: Path, box: Box) -> Image:
    """SimpleITK's series reader, then its linear resampling."""
    import SimpleITK as sitk

    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    d, h, w = box
    image = sitk.Clamp(image[w, h, d], sitk.sitkFloat32, WINDOW.low, WINDOW.high)
    size, step = np.array(image.GetSize()), np.array(image.GetSpacing())
    wanted = np.array(SHAPE[::-1])
    spacing = step * size / wanted
    direction = np.reshape(image.GetDirection(), (3, 3))
    origin = np.array(image.GetOrigin()) + direction @ ((spacing - step) / 2)
    resampled = sitk.Resample(
        image,
        [int(n) for n in wanted],
        sitk.Transform(),
        sitk.sitkLinear,
        origin.tolist(),
        spacing.tolist(),
        image.GetDirection(),
        0.0,
        sitk.sitkFloat32,
        True,
    )
    return to_bytes(sitk.GetArrayFromImage(resampled))


def by_monai(folder: Path, box: Box) -> Image:
    """MONAI's transforms with its pydicom reader."""
    from monai.transforms import Compose, LoadImage, Resize, ScaleIntensityRange, SpatialCrop

    d, h, w = box
    chain = Compose(
        [
            LoadImage(reader="PydicomReader", image_only=True, ensure_channel_first=True),
            SpatialCrop(roi_slices=[w, h, d]),
            ScaleIntensityRange(WINDOW.low, WINDOW.high, 0.0, 255.0, clip=True),
            Resize(SHAPE[::-1], mode="trilinear"),
        ]
    )
    result = chain(str(folder)).numpy()[0]
    return np.rint(result).astype(np.uint8).transpose(2, 1, 0)


WAYS: dict[str, Callable[[Path, Box], Image]] = {
    "ours": ours,
    "ours, plain trilinear": plain,
    "SimpleITK": by_simpleitk,
    "pydicom + scipy": by_scipy,
    "MONAI": by_monai,
}


def main() -> None:
    """Prints one line per way."""
    with tempfile.TemporaryDirectory() as made:
        given = Path(sys.argv[1]) if len(sys.argv) > 1 else synthetic(Path(made) / "head")
        volume = read_series(given, "CT")
        low, high = head_box(*canonical(volume.array, volume.grid), ANATOMY)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        ways = dict(WAYS)
        if volume.meta["resampled"]:
            print("tilted or uneven slices: only ours puts them where they are")
            ways = {name: way for name, way in ways.items() if name.startswith("ours")}
        results = {name: way(given, box) for name, way in ways.items()}  # imports, warm files
        wall: dict[str, list[float]] = {name: [] for name in ways}
        work: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                start, begun = time.perf_counter(), time.process_time()
                way(given, box)
                wall[name].append(1000 * (time.perf_counter() - start))
                work[name].append(1000 * (time.process_time() - begun))
    print(f"{volume.meta['n_files']} slices to {SHAPE}, ms; |difference| in levels of 255")
    print(f"{'':24}{'fastest':>8}{'median':>8}{'cpu':>8}{'from ours':>18}{'from plain':>18}")
    for name, result in results.items():
        text = "".join(
            f"{f'max {np.abs(found).max()} mean {np.abs(found).mean():.2f}':>18}"
            for found in (
                result.astype(int) - results[other] for other in ("ours", "ours, plain trilinear")
            )
        )
        print(
            f"{name:24}{min(wall[name]):8.0f}{statistics.median(wall[name]):8.0f}"
            f"{min(work[name]):8.0f}{text}"
        )


if __name__ == "__main__":
    main()
