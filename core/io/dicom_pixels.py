"""Pixels of one DICOM slice, in Hounsfield units."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.errors import InputError
from crossdl.io.dicom_files import Source
from crossdl.types import BoolArray, FloatArray

if TYPE_CHECKING:
    from pydicom import Dataset

AIR = -1024.0
"""HU of air. Lower values, which scanners write outside their field of view, become this."""
HU_TYPES = ("", "HU", "HU_MOD", "US")
"""Values of RescaleType that mean HU, or do not contradict it."""
BY_GDCM = tuple(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70))
"""JPEG transfer syntaxes, lossy and lossless, which pydicom has no free decoder for."""
BELOW_TISSUE = -500.0
"""Padding below this HU is padding wherever it is; above, only at the border of the image."""


def read_pixels(source: Source, modality: str) -> FloatArray:
    """Reads and rescales the pixels of one slice.

    Padding (PixelPaddingValue) and everything below air becomes air.

    Args:
        source: A single-frame DICOM file, compressed or not.
        modality: "CT" asks for HU; of other modalities the values are rescaled as the file says.

    Returns:
        ``(H, W)`` float32.

    Raises:
        InputError: The file is truncated, its compression is unreadable, or it holds no HU.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _read(source, modality)
        except InputError:
            raise
        except Exception as error:  # pydicom and decoders raise many kinds for damaged files
            raise InputError(_reason(source, error)) from error


def _read(source: Source, modality: str) -> FloatArray:
    import pydicom

    dataset = pydicom.dcmread(source.path)
    if "PixelData" not in dataset:
        raise InputError(
            f"{source.place}: ends before its pixels, the file is truncated; copy or export it again"
        )
    if modality == "CT":
        _check_hounsfield(source, dataset)
    slope = np.float32(1 if dataset.get("RescaleSlope") is None else dataset.RescaleSlope)
    intercept = np.float32(dataset.get("RescaleIntercept") or 0)
    if dataset.file_meta.TransferSyntaxUID in BY_GDCM:
        image = _by_gdcm(source)
        stored = np.rint((image - intercept) / slope)
    else:
        stored = dataset.pixel_array
        image = stored.astype(np.float32) * slope + intercept
    if not np.isfinite(image).all():
        raise InputError(f"{source.place}: has pixels that are not finite; export it again")
    if modality == "CT":
        image[_padding(dataset, stored, image)] = AIR
        np.maximum(image, np.float32(AIR), out=image)
    return image


def _by_gdcm(source: Source) -> FloatArray:
    """Rescaled pixels, decoded by the GDCM in SimpleITK."""
    import SimpleITK as sitk

    image = sitk.ReadImage(str(source.path), sitk.sitkFloat32, imageIO="GDCMImageIO")
    return np.asarray(sitk.GetArrayFromImage(image)[0], dtype=np.float32)


def _check_hounsfield(source: Source, dataset: Dataset) -> None:
    if dataset.get("RescaleSlope") is None or dataset.get("RescaleIntercept") is None:
        raise InputError(
            f"{source.place}: has no RescaleSlope and RescaleIntercept, so its HU are unknown; export the "
            "original series"
        )
    kind = str(dataset.get("RescaleType") or "")
    if kind.upper() not in HU_TYPES:
        raise InputError(
            f"{source.place}: RescaleType says {kind}, not HU; give the CT series itself"
        )


def _padding(dataset: Dataset, stored: Any, image: FloatArray) -> BoolArray:
    """Where the pixels are padding ``(H, W)``.

    Some files pad with a value that tissue has too (0 in HU); there only what touches the border
    of the image is padding.
    """
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return np.zeros(image.shape, dtype=np.bool_)
    limit = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((int(value), int(value if limit is None else limit)))
    padding: BoolArray = (stored >= low) & (stored <= high)
    if not padding.any() or image[padding].max() < BELOW_TISSUE:
        return padding
    from scipy import ndimage

    parts, _ = ndimage.label(padding)
    border = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    return np.asarray(np.isin(parts, border[border > 0]), dtype=np.bool_)


def _reason(source: Source, error: Exception) -> str:
    """The sentence for pixels that cannot be decoded."""
    syntax = _unreadable_syntax(source)
    if syntax is not None:
        return f"{source.place}: is compressed as {syntax}, which cannot be read; export it uncompressed"
    return (
        f"{source.place}: its pixels cannot be read, the file is truncated or damaged; copy or export it "
        f"again ({type(error).__name__})"
    )


def _unreadable_syntax(source: Source) -> str | None:
    """Name of the file's transfer syntax if no decoder knows it."""
    import pydicom
    from pydicom.pixels.decoders.base import get_decoder

    meta = pydicom.filereader.read_file_meta_info(source.path)
    syntax = meta.get("TransferSyntaxUID")
    if not isinstance(syntax, pydicom.uid.UID) or not syntax.is_transfer_syntax:
        return None
    if syntax in BY_GDCM:
        return None
    try:
        known = bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        known = False
    return None if known else str(syntax.name)
