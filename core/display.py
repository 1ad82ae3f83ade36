"""The parts of a scan's picture: which way up, which slices, and how they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from crossdl.anatomy import Anatomy
from crossdl.geometry import largest_piece
from crossdl.types import FloatArray, LabelArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ScalarT = TypeVar("ScalarT", bound=np.generic)
Extent = tuple[float, float, float, float]
Box = tuple[slice, slice]

COLOURS = ("#D55E00", "#CC79A7", "#56B4E9", "#009E73", "#E69F00", "#0072B2", "#F0E442")
"""Okabe and Ito's palette, distinct to colour-blind readers; one colour per type."""

PALE_COLOURS = (
    "#77AADD", "#EE8866", "#EEDD88", "#FFAABB", "#99DDFF", "#44BB99", "#BBCC33", "#AAAA00",
    "#DDDDDD",
)  # fmt: skip
"""Tol's light palette, distinct to colour-blind readers; one colour per region part."""


def choose_slices(
    height: FloatArray, extent: tuple[int, int], count: int, threshold: float
) -> list[int]:
    """Slices worth a look: each type's peak, further peaks up to half of them, then an even spread.

    Args:
        height: ``(M, D)``, the maximum of each type's map in each slice, in [0, 1].
        extent: First and last slice of interest.
        count: How many slices; fewer where the extent holds fewer.
        threshold: Peaks below it do not count.

    Returns:
        Distinct slice numbers, ascending.
    """
    first, last = extent
    height = height[:, first : last + 1]
    count = min(count, last - first + 1)
    gap = (last - first + 1) / (2 * count)
    chosen: list[int] = []
    by_type = [int(height[j].argmax()) for j in np.argsort(-height.max(axis=1), kind="stable")]
    by_height = np.argsort(-height.max(axis=0), kind="stable").tolist()
    for wanted, candidates in ((count, by_type), (count // 2, by_height)):
        for candidate in candidates:
            near = any(abs(candidate - other) < gap for other in chosen)
            if len(chosen) < wanted and not near and height[:, candidate].max() >= threshold:
                chosen.append(candidate)
    while len(chosen) < count:
        ends = [*chosen, -gap, last - first + gap]
        distance = np.abs(np.arange(last - first + 1)[:, None] - np.array(ends)).min(axis=1)
        distance[chosen] = -1
        chosen.append(int(distance.argmax()))
    return sorted(first + index for index in chosen)


def body_box(array: FloatArray, threshold: float, margin: int) -> tuple[slice, slice, slice]:
    """The box around the largest body in a scan, without head holder or pillow.

    Args:
        array: ``(D, H, W)`` HU.
        threshold: HU of the lightest tissue.
        margin: Voxels added within the slice on every side.

    Returns:
        One slice per axis; the whole array where nothing is above ``threshold``.
    """
    from scipy import ndimage

    step = 2  # in-plane thinning: four times faster, exact enough for a margin
    body = largest_piece(array[:, ::step, ::step] > threshold)
    if not body.any():
        return slice(0, array.shape[0]), slice(0, array.shape[1]), slice(0, array.shape[2])
    d, h, w = ndimage.find_objects(body.view(np.uint8))[0]
    rows, columns = (slice(max(0, s.start * step - margin), s.stop * step + margin) for s in (h, w))
    return d, rows, columns


def draw_ct(ax: Axes, ct: FloatArray, anatomy: Anatomy, mm: Extent) -> None:
    """Draws one slice in the anatomy's window with orientation marks.

    Args:
        ax: Where.
        ct: ``(H, W)`` HU, canonical.
        anatomy: Its window.
        mm: Left, right, bottom and top of the picture.
    """
    from matplotlib.patheffects import withStroke

    window = anatomy.window
    ax.imshow(
        ct, cmap="gray", vmin=window.low, vmax=window.high, extent=mm, interpolation="bilinear"
    )
    outline = [withStroke(linewidth=1.5, foreground="black")]
    marks = {"R": (0.035, 0.5), "L": (0.96, 0.5), "A": (0.5, 0.97), "P": (0.5, 0.03)}
    for letter, (x, y) in marks.items():
        ax.text(
            x, y, letter, transform=ax.transAxes, color="white", fontsize=9, fontweight="bold",
            ha="center", va="center", path_effects=outline, in_layout=False,
        )  # fmt: skip


def draw_findings(
    ax: Axes,
    labels: LabelArray,
    maps: FloatArray,
    anatomy: Anatomy,
    mm: Extent,
    threshold: float,
) -> None:
    """Draws region outlines and the heat maps over one slice.

    Args:
        ax: Where.
        labels: ``(H, W)`` region labels, 0 is none.
        maps: ``(M, H, W)`` in [0, 1].
        anatomy: Its parts give the outlines' colours.
        mm: Left, right, bottom and top of the picture.
        threshold: Probabilities below it stay uncoloured.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgb
    from scipy import ndimage

    (height, width), (_, right, bottom, _) = labels.shape, mm
    x = (np.arange(width) + 0.5) * right / width
    y = (np.arange(height) + 0.5) * bottom / height
    lines: list[npt.NDArray[Any]] = []
    styles: list[tuple[str, float]] = []  # colour and width of each

    def outline(place: Box, values: npt.NDArray[Any], level: float, *style: Any) -> None:
        found = _outlines(x[place[1]], y[place[0]], values[place], level)
        lines.extend(found)
        styles.extend([style] * len(found))

    for value, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is not None:
            outline(_wider(box), labels == value, 0.5, part_colour(anatomy, value - 1), 0.7)
    for kind, probability in enumerate(maps):
        boxes = ndimage.find_objects(probability >= threshold, max_label=1)
        if not boxes or boxes[0] is None:
            continue
        place = _wider(boxes[0])
        colour, part = COLOURS[kind % len(COLOURS)], probability[place]
        rgba = np.empty((*part.shape, 4), dtype=np.float32)
        rgba[..., :3] = to_rgb(colour)
        rgba[..., 3] = _opacity(part, threshold)
        across, down = _edges(x[place[1]], right / width), _edges(y[place[0]], bottom / height)
        ax.imshow(rgba, extent=(*across, *down[::-1]), interpolation="nearest")
        outline(place, probability, threshold, colour, 1.2)
    colours, widths = [style[0] for style in styles], [style[1] for style in styles]
    ax.add_collection(LineCollection(lines, colors=colours, linewidths=widths), autolim=False)
    ax.set(xlim=mm[:2], ylim=mm[2:])


def _wider(box: Box) -> Box:
    """A box with one voxel more on every side, where there is one."""
    rows, columns = (slice(max(0, side.start - 1), side.stop + 1) for side in box)
    return rows, columns


def _outlines(
    x: npt.NDArray[Any], y: npt.NDArray[Any], values: npt.NDArray[Any], level: float
) -> list[npt.NDArray[Any]]:
    """Lines ``(K, 2)`` along which ``(H, W)`` values cross a level."""
    from contourpy import contour_generator

    if min(values.shape) < 2:
        return []
    found: Any = contour_generator(x, y, values).lines(level)
    return list(found)


def _edges(centres: npt.NDArray[Any], step: float) -> tuple[float, float]:
    """Outer borders of the first and the last voxel of a row."""
    return float(centres[0] - step / 2), float(centres[-1] + step / 2)


def _opacity(probability: npt.NDArray[Any], threshold: float) -> npt.NDArray[Any]:
    """0 below the threshold, from there rising to 0.75 at probability 1; tissue stays visible."""
    rising = 0.15 + 0.6 * (probability - threshold) / (1 - threshold)
    return np.where(probability >= threshold, rising, 0.0)


def part_colour(anatomy: Anatomy, region: int) -> str:
    """Colour of the part that a region (from 0) belongs to; both sides share it."""
    part = anatomy.parts.index(anatomy.regions[region].part)
    return PALE_COLOURS[part % len(PALE_COLOURS)]


def draw_legend(
    figure: Any,
    anatomy: Anatomy,
    scores: Sequence[float],
    threshold: float,
    shown: npt.NDArray[np.uint8],
) -> None:
    """A colour bar with the scan score per type, the region colours, and the warning."""
    from matplotlib.colors import to_rgb
    from matplotlib.lines import Line2D

    bars = figure.subplots(1, anatomy.n_types, squeeze=False)[0]
    ramp = np.linspace(0, 1, 201)
    alpha = _opacity(ramp, threshold)[:, None]
    for kind, ax, score, index in zip(
        anatomy.types, bars, scores, range(anatomy.n_types), strict=True
    ):
        colour = np.array(to_rgb(COLOURS[index % len(COLOURS)]))
        shade = alpha * colour + (1 - alpha) * 0.35  # as over grey tissue
        ax.imshow(shade[None], extent=(0, 1, 0, 1), aspect=0.07)
        ax.set_yticks([])
        ax.set_xticks([0, threshold, 1], ["0", f"{threshold:g}", "1"], fontsize=8)
        ax.set_title(f"{kind.title}\nscan score {score:.2f}", fontsize=9)
    parts: dict[str, Any] = {}
    for value in shown[shown > 0]:
        region = anatomy.regions[int(value) - 1]
        line = Line2D([], [], color=part_colour(anatomy, int(value) - 1), linewidth=3)
        parts.setdefault(region.part_title, line)
    if parts:
        figure.legend(
            parts.values(), parts.keys(), loc="outside lower center", ncols=min(9, len(parts)),
            fontsize=8, frameon=False, columnspacing=1.2, handlelength=1.2,
            title="Regions (outlines). Colours start at the marked probability; R = the "
            "patient's right. Not for clinical use.", title_fontsize=8,
        )  # fmt: skip
    else:
        figure.supxlabel("R = the patient's right. Not for clinical use.", fontsize=8)
