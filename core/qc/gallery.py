"""The gallery: one offline page on which a person keeps or drops scans, the worst first."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from crossdl import cache as stages
from crossdl.anatomy import Anatomy
from crossdl.display import part_colour
from crossdl.errors import CrossDLError
from crossdl.files import write_text
from crossdl.ingest.judge import LONGEST_NOTE
from crossdl.interfaces import CohortSource
from crossdl.pages import render_page
from crossdl.qc.assess import Assessed
from crossdl.qc.pictures import picture
from crossdl.region_files import read_regions
from crossdl.types import ScanRecord

PER_PAGE = 400
"""Scans of a page: about 30 MB, which browsers open within seconds."""

_CODE = 2
"""Raised whenever pictures of the same regions look different."""


def picture_of(
    one: Assessed, record: ScanRecord, source: CohortSource[Any], anatomy: Anatomy
) -> bytes | None:
    """The picture of a scan, from the cache if it was drawn before; None if it is unreadable.

    Args:
        one: Without regions it is drawn all the same.
        record: The scan in its cohort.
        source: The cohort.
        anatomy: Window and colours.
    """

    def make(folder: Path) -> None:
        regions = None if one.folder is None else read_regions(one.folder)
        (folder / "picture.webp").write_bytes(picture(source.volume(record), regions, anatomy))

    limits = (anatomy.window.low, anatomy.window.high, anatomy.tissue_threshold)
    look = [*limits, *(region.part for region in anatomy.regions)]
    try:
        scan = one.regions or source.fingerprint(record)
        folder = stages.stored("pictures", {"scan": scan, "look": look, "code": _CODE}, make)
        return (folder / "picture.webp").read_bytes()
    except CrossDLError:
        return None


def write_gallery(
    path: Path,
    scans: Sequence[Assessed],
    pictures: Iterable[bytes | None],
    anatomy: Anatomy,
    *,
    name: str,
    key: str,
    per_page: int = PER_PAGE,
) -> list[Path]:
    """Writes the page; of many scans several, which keep their verdicts together.

    Args:
        path: .html; it needs no other file and no network. Further pages get ``-2`` and so on
            before the ending; older ones are removed.
        scans: In the order of the pages.
        pictures: Of each scan, WebP.
        anatomy: Names and colours of regions.
        name: Of the cohort.
        key: What the browser keeps verdicts under: the same for the same cohort and segmenter.
        per_page: Most scans of a page.

    Returns:
        The pages.
    """
    colours = {r.part_title: part_colour(anatomy, k) for k, r in enumerate(anatomy.regions)}
    count = max(1, -(-len(scans) // per_page))
    pages = [path, *(path.with_stem(f"{path.stem}-{k}") for k in range(2, count + 1))]
    shown = iter(pictures)
    for number, page in enumerate(pages):
        part = scans[number * per_page : (number + 1) * per_page]
        html = render_page(
            "gallery.html.j2",
            name=name,
            cards=[_card(one, next(shown), anatomy) for one in part],
            pages=[one.name for one in pages],
            number=number,
            parts=colours,
            window=f"{anatomy.window.level:g}/{anatomy.window.width:g}",
            key=f"crossdl-qc-{hashlib.sha256(key.encode()).hexdigest()[:16]}",
            longest=LONGEST_NOTE,
        )
        write_text(page, html)
    for old in path.parent.glob(f"{path.stem}-[0-9]*{path.suffix}"):
        if old not in pages:
            old.unlink()
    return pages


def _card(one: Assessed, shown: bytes | None, anatomy: Anatomy) -> dict[str, Any]:
    """What the page shows of a scan."""
    picture = None
    if shown is not None:
        picture = "data:image/webp;base64," + base64.b64encode(shown).decode("ascii")
    return {
        "scan": one.scan,
        "score": "" if one.score is None else f"{one.score:.2f}",
        "doubts": [one.failure] if one.failure else list(one.flags),
        "failed": bool(one.failure),
        "flagged": bool(one.failure or one.flags),
        "attempts": _attempts(one.values.get("attempts")),
        "picture": picture,
        "volumes": _volumes(one.values.get("region_volumes_ml"), anatomy),
        "regions": one.regions,
        "verdict": one.verdict,
        "note": one.note,
    }


def _attempts(given: Any) -> list[str]:
    """What a chain of segmenters tried, one line each."""
    lines = []
    for item in given if isinstance(given, list | tuple) else ():
        score = item.get("score")
        said = [f"score {score:.2f}"] if isinstance(score, int | float) else []
        said += [item["error"]] if item.get("error") else list(item.get("flags", ()))
        lines.append(f"{item.get('step')}: {'; '.join(said) or 'no doubt'}")
    return lines


def _volumes(given: Any, anatomy: Anatomy) -> list[tuple[str, str]]:
    """Title and ml of each part; both sides of a pair in one line, right first as in the image."""
    if not isinstance(given, Mapping):
        return []
    lines: dict[str, list[str]] = {}
    for region in sorted(anatomy.regions, key=lambda r: r.side == "left"):
        if region.name in given:
            side = f"{region.side[0].upper()} " if region.side else ""
            lines.setdefault(region.part_title, []).append(f"{side}{given[region.name]:.0f}")
    return [(title, ", ".join(values)) for title, values in lines.items()]
