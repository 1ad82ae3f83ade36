"""The paper's template: scans registered to a reference and averaged, regions drawn later."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.atlases.average import average
from crossdl.atlases.canvas import canvas
from crossdl.atlases.folder import (
    DESCRIPTION,
    OVERVIEW,
    PROVENANCE,
    TEMPLATE,
    Description,
    write_description,
)
from crossdl.atlases.registering import Job, Source, carry_all
from crossdl.atlases.scans import LEAST_SCANS
from crossdl.catalog import Catalog
from crossdl.config import ComponentConfig
from crossdl.errors import ConfigError, CrossDLError, InputError
from crossdl.files import filling, write_json
from crossdl.interfaces import AtlasSource
from crossdl.io.volumes import read_volume, write_volume
from crossdl.qc.pictures import picture
from crossdl.registration.segmenter import RegistrationSegmenter
from crossdl.registration.upright import upright
from crossdl.rundir import versions
from crossdl.types import Volume
from crossdl.worker_parts import Origin


@dataclass(frozen=True)
class Recipe:
    """What an atlas is built from, besides the scans.

    Attributes:
        anatomy: Name or path of the anatomy.
        segmenter: Config of the segmenter whose registration is used.
        reference: Folder of a DICOM series or NIfTI file; None is the anatomy's own template.
        shape: ``(D, H, W)`` of the template.
        rounds: How often the scans are registered; from the second time on to the last average.
        symmetric: Average the scans and their mirror images.
        seed: Of the search for the reference's mid-plane.
        name: What outputs call the atlas.
        source: Where the scans come from.
        licence: Under which the atlas may be used.
    """

    anatomy: str
    segmenter: ComponentConfig
    reference: Path | None
    shape: tuple[int, int, int]
    rounds: int
    symmetric: bool
    seed: int
    name: str
    source: str
    licence: str


@dataclass(frozen=True)
class Built:
    """What became of the scans.

    Attributes:
        measures: Scan → measures of its last registration, see :mod:`crossdl.atlases.carry`.
        failures: Scan → one sentence why it is not in the average.
    """

    measures: Mapping[str, Mapping[str, Any]]
    failures: Mapping[str, str]


def build_atlas(
    scans: Sequence[Source],
    out: Path,
    recipe: Recipe,
    catalog: Catalog,
    *,
    workers: int | None = None,
    timeout_s: float = 900.0,
    say: Callable[[str], None] = lambda _: None,
) -> Built:
    """Averages scans and writes an atlas folder that has no regions yet.

    A scan that cannot be read or registered is left out and reported. Finished registrations are
    cached, so a build that was stopped goes on.

    Args:
        scans: At least two.
        out: Folder to write; must not exist.
        recipe: The rest.
        catalog: Where the kinds come from.
        workers: Processes; None is one per core.
        timeout_s: Seconds after which a scan is given up.
        say: Called with what is being done.

    Raises:
        InputError: ``out`` exists, the reference shows no head, or fewer than two scans are left.
        ConfigError: The segmenter registers nothing.
    """
    if out.exists():
        raise InputError(f"{out}: exists already; give a folder that does not")
    anatomy = load_anatomy(recipe.anatomy)
    segmenter = catalog.create("segmenter", recipe.segmenter, anatomy)
    if not isinstance(segmenter, RegistrationSegmenter):
        raise ConfigError(
            f"segmenter {recipe.segmenter.kind} registers no images itself; give a "
            "composition whose segmenter is elastix or ants"
        )
    say("reading the reference and putting it upright")
    threshold = anatomy.tissue_threshold
    given = _reference(recipe, anatomy, catalog)
    window = (segmenter.config.window_low, segmenter.config.window_high)
    reference, _ = upright(
        given, window=window, tissue_threshold=threshold, method="annealing", seed=recipe.seed
    )
    grid = canvas(reference, recipe.shape, threshold)
    job = Job(Origin.of(catalog, recipe.anatomy), recipe.segmenter.model_dump_json())
    left, fingerprint = list(scans), _digest(given)
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="crossdl-atlas-") as scratch:
        for number in range(1, recipe.rounds + 1):
            say(f"round {number} of {recipe.rounds}: registering {len(left)} scans")
            target = Path(scratch, f"reference{number}.npz")
            np.savez(target, array=reference.array, affine=reference.grid.affine)
            done = carry_all(
                left, replace(job, reference=str(target), target=_digest(reference)), grid,
                segmenter.tool_key(), workers=workers, timeout_s=timeout_s,
            )  # fmt: skip
            failures |= done.failures
            left = [scan for scan in left if scan.name not in failures]
            if len(left) < LEAST_SCANS:
                reasons = "\n".join(f"  {name}: {why}" for name, why in failures.items())
                raise InputError(
                    f"{out}: {len(left)} of {len(scans)} scans could be registered, and an average "
                    f"needs at least {LEAST_SCANS}; give other scans or another reference:\n"
                    f"{reasons}"
                )
            files = [done.files[scan.name] for scan in left]
            template = average(files, symmetric=recipe.symmetric)
            reference = Volume(template.astype(np.float32), grid, recipe.name)
    with filling(out) as folder:
        write_volume(folder / TEMPLATE, template, grid)
        numbers = {name: i for i, name in enumerate(anatomy.region_names, start=1)}
        write_description(
            folder / DESCRIPTION,
            Description(
                name=recipe.name, source=recipe.source, licence=recipe.licence, regions=numbers
            ),
        )
        record = {
            "made_by": "crossdl atlas build",
            "scans": {s.name: done.fingerprints[s.name] for s in left},
            "left_out": failures,
            "measures": done.measures,
            "reference": {"name": given.name, "fingerprint": fingerprint},
            "segmenter": recipe.segmenter.model_dump(mode="json"),
            "shape": list(recipe.shape),
            "rounds": recipe.rounds,
            "symmetric": recipe.symmetric,
            "seed": recipe.seed,
            "versions": versions(),
        }
        write_json(folder / PROVENANCE, record)
        (folder / OVERVIEW).write_bytes(picture(reference, None, anatomy))
    return Built(done.measures, failures)


def _reference(recipe: Recipe, anatomy: Anatomy, catalog: Catalog) -> Volume:
    if recipe.reference is None:
        config = catalog.parse("atlas", dict(anatomy.atlas))
        atlas: AtlasSource[Any] = catalog.create("atlas", config, anatomy)
        return atlas.load().template
    try:
        return read_volume(recipe.reference, anatomy.modality)
    except CrossDLError as error:
        raise InputError(f"--reference {error}") from error


def _digest(volume: Volume) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(volume.array).tobytes())
    digest.update(volume.grid.affine.tobytes())
    return digest.hexdigest()
