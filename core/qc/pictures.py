"""A small picture of a scan and its regions, to be judged in two seconds."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossdl.anatomy import Anatomy
from crossdl.display import body_box, part_colour
from crossdl.geometry import canonical
from crossdl.types import FloatArray, LabelArray, RegionMap, Volume

if TYPE_CHECKING:
    from PIL.Image import Image

Picture = npt.NDArray[np.uint8]

HEIGHTS = (0.08, 0.25, 0.42, 0.58, 0.75, 0.92)
"""Axial slices: fractions of the height from the lowest to the highest region."""
COLUMNS = 4
CELL = (248, 224)
"""Height and width of one view, pixels."""
MOST_BYTES = 60_000
"""A picture is compressed more until it needs no more than this, or looks too poor."""

_QUALITIES = (80, 70, 60, 50, 40)
_BESIDE_MM = 12.0  # the sagittal view lies beside the falx, where lobes are


@dataclass(frozen=True, eq=False)
class View:
    """One slice with its regions.

    Attributes:
        ct: ``(rows, columns)`` HU, radiological convention.
        labels: Of the same shape; 0 is none.
        mm: Height and width of a pixel.
        mark: Letter at the left edge: the patient's right, or anterior.
    """

    ct: FloatArray
    labels: LabelArray
    mm: tuple[float, float]
    mark: str


def views(volume: Volume, regions: RegionMap | None, anatomy: Anatomy) -> list[View]:
    """Axial slices from low to high, a coronal and a sagittal one, cut to the head.

    Args:
        volume: The scan, in any orientation.
        regions: Its regions on the same grid, or None.
        anatomy: Its ``tissue_threshold`` finds the head.
    """
    full, grid = canonical(volume.array, volume.grid)
    d_mm, h_mm, w_mm = grid.spacing
    box = body_box(full, anatomy.tissue_threshold, margin=round(6 / min(h_mm, w_mm)))
    ct = full[box]
    found = None if regions is None else canonical(regions.labels, regions.grid)[0][box]
    labels = np.zeros(ct.shape, np.uint8) if found is None else found
    spans = [_span(labels, axis) or (0, n - 1) for axis, n in enumerate(ct.shape)]
    (low, high), (front, back), (right, left) = spans
    made = [
        View(ct[d], labels[d], (h_mm, w_mm), "R")
        for d in (round(low + part * (high - low)) for part in HEIGHTS)
    ]
    h = (front + back) // 2
    w = min(max(round((right + left) / 2 - _BESIDE_MM / w_mm), 0), ct.shape[2] - 1)
    upward = slice(None, None, -1)
    made.append(View(ct[upward, h], labels[upward, h], (d_mm, w_mm), "R"))
    made.append(View(ct[upward, :, w], labels[upward, :, w], (d_mm, h_mm), "A"))
    return made


def draw(view: View, anatomy: Anatomy, cell: tuple[int, int] = CELL) -> Picture:
    """A view in the anatomy's window with coloured outlines, to scale, in the middle of a cell.

    Args:
        view: The slice.
        anatomy: Window and colours.
        cell: Height and width of the result, pixels.

    Returns:
        ``(height, width, 3)``.
    """
    from PIL import Image, ImageDraw
    from PIL.Image import Resampling

    window = anatomy.window
    grey = np.clip((view.ct - window.low) / (window.high - window.low), 0.0, 1.0) * 255
    rows, columns = (n * mm for n, mm in zip(view.ct.shape, view.mm, strict=True))
    scale = min(cell[0] / rows, cell[1] / columns)
    height, width = (max(1, min(round(n * scale), most)) for n, most in (
        (rows, cell[0]), (columns, cell[1])))  # fmt: skip
    small = Image.fromarray(grey.astype(np.uint8)).resize((width, height), Resampling.BILINEAR)
    picture = np.repeat(np.asarray(small)[..., None], 3, axis=2)
    labels = np.asarray(
        Image.fromarray(np.ascontiguousarray(view.labels)).resize(
            (width, height), Resampling.NEAREST
        )
    )
    edge = _edges(labels)
    picture[edge] = _colours(anatomy)[labels[edge]]
    drawn = Image.new("RGB", (cell[1], cell[0]))
    drawn.paste(Image.fromarray(picture), ((cell[1] - width) // 2, (cell[0] - height) // 2))
    ImageDraw.Draw(drawn).text((3, cell[0] // 2 - 6), view.mark, fill=(255, 255, 255))
    return np.asarray(drawn)


def picture(volume: Volume, regions: RegionMap | None, anatomy: Anatomy) -> bytes:
    """All views of a scan as one WebP image of at most about :data:`MOST_BYTES`.

    Args:
        volume: The scan.
        regions: Its regions, or None where there are none.
        anatomy: Window and colours.
    """
    from PIL import Image

    cells = [draw(view, anatomy) for view in views(volume, regions, anatomy)]
    rows = [cells[k : k + COLUMNS] for k in range(0, len(cells), COLUMNS)]
    image = Image.fromarray(np.vstack([np.hstack(row) for row in rows]))
    encoded = b""
    for encoded in _encodings(image):
        if len(encoded) <= MOST_BYTES:
            break
    return encoded


def _encodings(image: Image) -> Iterator[bytes]:
    for quality in _QUALITIES:
        stream = io.BytesIO()
        image.save(stream, "WEBP", quality=quality, method=4)
        yield stream.getvalue()


def _span(labels: LabelArray, axis: int) -> tuple[int, int] | None:
    """First and last index along an axis with any label."""
    others = tuple(k for k in range(3) if k != axis)
    drawn = np.flatnonzero(labels.any(axis=others))
    return (int(drawn[0]), int(drawn[-1])) if drawn.size else None


def _edges(labels: LabelArray) -> npt.NDArray[np.bool_]:
    """Labelled pixels with another label to the right or below, or none beside them."""
    edge = np.zeros(labels.shape, dtype=np.bool_)
    down, right = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    edge[:-1] |= down
    edge[:, :-1] |= right
    edge[1:] |= down & (labels[:-1] == 0)
    edge[:, 1:] |= right & (labels[:, :-1] == 0)
    return edge & (labels > 0)


@cache
def _colour_table(colours: tuple[str, ...]) -> Picture:
    from PIL.ImageColor import getrgb

    return np.array([(0, 0, 0), *map(getrgb, colours)], dtype=np.uint8)


def _colours(anatomy: Anatomy) -> Any:
    return _colour_table(tuple(part_colour(anatomy, k) for k in range(anatomy.n_regions)))
