"""Pixels of DICOM slices in Hounsfield units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdl.errors import InputError
from crossdl.io.dicom_decoding import LOSSY, NATIVE, Stored, stored_pixels
from crossdl.io.dicom_headers import SliceHeader, optional_number
from crossdl.types import BoolArray, FloatArray

AIR = -1024.0
"""HU of air. Lower values, which scanners write outside their field of view, become this."""
HU_TYPES = ("", "HU", "HU_MOD", "US")
"""Values of RescaleType that mean HU, or do not contradict it."""
_LARGEST = float(np.finfo(np.float32).max)
BELOW_TISSUE = -500.0
"""Padding below this HU is padding wherever it is; above, only at the border of the image."""


def read_pixels(headers: Sequence[SliceHeader], modality: str) -> FloatArray:
    """Decodes and rescales slices of one size, each by its own slope and intercept.

    Padding (PixelPaddingValue) and everything below air becomes air.

    Args:
        headers: K slices.
        modality: "CT" asks for HU; of other modalities the values are rescaled as the file says.

    Returns:
        ``(K, H, W)`` float32.

    Raises:
        InputError: A file is truncated, its compression is unreadable, or it holds no HU.
    """
    if modality == "CT":
        for header in headers:
            _check_hounsfield(header)
    images = np.empty((len(headers), *headers[0].shape), dtype=np.float32)
    several: dict[int, Stored] = {}
    for header, out in zip(headers, images, strict=True):
        key = id(header.image)
        stored = several[key] if key in several else stored_pixels(header.image)
        if len(stored) > 1:
            several[key] = stored
        _rescale(header, stored[header.frame], out, modality)
    return images


def compression_notes(headers: Sequence[SliceHeader]) -> list[str]:
    """Warns of pixels that were compressed with loss at any time."""
    lossy = [
        header.image.syntax in LOSSY or header.fields["LossyImageCompression"] == "01"
        for header in headers
    ]
    return [f"{sum(lossy)} slices were compressed with loss"] if any(lossy) else []


def _rescale(header: SliceHeader, raw: Stored, out: FloatArray, modality: str) -> None:
    """Writes the rescaled values ``(H, W)`` of one slice into ``out``."""
    stored = _used_bits(header, raw)
    slope, intercept = (
        _number(header, "RescaleSlope", 1.0),
        _number(header, "RescaleIntercept", 0.0),
    )
    if slope == 0 or abs(slope) * 2**32 + abs(intercept) > _LARGEST:
        raise InputError(
            f"{header.place}: RescaleSlope or RescaleIntercept is not usable; export it again"
        )
    out[...] = stored
    if slope != 1:
        out *= np.float32(slope)
    out += np.float32(intercept)
    if modality == "CT":
        padding = _padding(header, raw, stored, out)
        if padding is not None:
            out[padding] = AIR
        if stored.dtype.kind != "u" or slope < 0 or intercept < AIR:
            np.maximum(out, np.float32(AIR), out=out)


def _number(header: SliceHeader, tag: str, default: float) -> float:
    """The value of a tag, or the default where the file does not have it."""
    if header.fields[tag] in (None, ""):
        return default
    value = optional_number(header.fields, tag)
    if value is None:
        raise InputError(f"{header.place}: its {tag} is no number; export it again")
    return value


def _used_bits(header: SliceHeader, raw: Stored) -> Stored:
    """Uncompressed values without what lies in the bits that are not theirs."""
    if header.image.syntax not in NATIVE:
        return raw  # decoders have done this
    size = raw.dtype.itemsize * 8
    stored = int(_number(header, "BitsStored", size))
    top = int(_number(header, "HighBit", stored - 1))
    if not 0 < stored <= top + 1 <= size:
        raise InputError(
            f"{header.place}: BitsStored {stored} and HighBit {top} do not fit {size} bits; "
            "export it again"
        )
    if stored == size:
        return raw
    shifted: Stored = np.left_shift(raw, size - 1 - top)
    return np.right_shift(shifted, size - stored, out=shifted)


def _check_hounsfield(header: SliceHeader) -> None:
    fields = header.fields
    if fields["RescaleSlope"] is None or fields["RescaleIntercept"] is None:
        raise InputError(
            f"{header.place}: has no RescaleSlope and RescaleIntercept, so its HU are unknown; "
            "export the original series"
        )
    kind = str(fields["RescaleType"] or "")
    if kind.upper() not in HU_TYPES:
        raise InputError(
            f"{header.place}: RescaleType says {kind}, not HU; give the CT series itself"
        )
    bits = optional_number(fields, "BitsStored")
    if bits is not None and bits <= 8:
        raise InputError(
            f"{header.place}: stores {bits:.0f} bits a pixel, which are a picture for display and "
            "no HU; export the original series"
        )


def _padding(
    header: SliceHeader, raw: Stored, stored: Stored, image: FloatArray
) -> BoolArray | None:
    """Where the pixels are padding ``(H, W)``, None where nothing is.

    Some files pad with a value that tissue has too (0 in HU); there only what touches the border
    of the image is padding.
    """
    value = optional_number(header.fields, "PixelPaddingValue")
    if value is None:
        return None
    limit = optional_number(header.fields, "PixelPaddingRangeLimit")
    low, high = sorted(_as_stored(v, raw.dtype) for v in (value, value if limit is None else limit))
    padding = _between(stored, low, high)
    if stored is not raw:
        padding |= _between(raw, low, high)
    if not padding.any():
        return None
    if image[padding].max() < BELOW_TISSUE:
        return padding
    from scipy import ndimage

    parts, _ = ndimage.label(padding)
    border = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
    return np.asarray(np.isin(parts, border[border > 0]), dtype=np.bool_)


def _as_stored(value: float, kind: np.dtype[Any]) -> int:
    """A padding value in the range of the pixels; some files write it with the other sign."""
    whole, info = int(value), np.iinfo(kind)
    if whole > info.max:
        return whole - (1 << info.bits)
    return whole + (1 << info.bits) if whole < info.min else whole


def _between(values: Stored, low: int, high: int) -> npt.NDArray[np.bool_]:
    if low == high:
        return np.asarray(values == low, dtype=np.bool_)
    return np.asarray((values >= low) & (values <= high), dtype=np.bool_)
