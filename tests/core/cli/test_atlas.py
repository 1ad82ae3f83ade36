"""``crossdl atlas``: from scans to a folder that segmenters use."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossdl.anatomy import load_anatomy
from crossdl.cli.atlas import build, regions
from crossdl.errors import ConfigError, InputError
from crossdl.io.volumes import read_labels, read_volume, write_volume
from crossdl.plugins.atlases.folder import Folder, FolderConfig
from crossdl.plugins.cohorts.phantom import Phantom, PhantomConfig
from crossdl.registry import load_registry
from crossdl.types import Grid, Volume

ANATOMY = load_anatomy("head_ct")
NAMES = ANATOMY.region_names
SHAPE = (24, 64, 64)
Bytes = dict[str, bytes]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A composition whose registration is coarse and fast."""
    path = tmp_path_factory.mktemp("registry") / "registry.toml"
    path.write_text(
        """
[compositions.quick]
extends = "crossdl"
segmenter = { kind = "elastix", preset = "fast", working_shape = [24, 48, 48] }
""",
        encoding="utf-8",
    )
    return path


@pytest.fixture(scope="module")
def scans(
    tmp_path_factory: pytest.TempPathFactory, cache_with_heads: Callable[[Path], Path]
) -> Path:
    """A folder of three phantoms."""
    folder = tmp_path_factory.mktemp("scans")
    cohort = Phantom(
        PhantomConfig.model_validate(
            {
                "patients": {"train": 3, "valid": 1, "test": 1},
                "matrix": 96,
                "field_of_view_mm": (220.0, 240.0),
                "model_mm": 2.0,
                "thickness_mm": (5.0, 6.0),
                "slices": (28, 32),
                "positive_rate": 0.0,
                "repeat_rate": 0.0,
            }
        ),
        ANATOMY,
    )
    for record in cohort.records()[:3]:
        volume = cohort.volume(record)
        hu = np.rint(volume.array).astype(np.int16)
        write_volume(folder / f"{record.scan_id}.nii.gz", hu, volume.grid)
    return folder


def built(scans: list[Path], out: Path, registry: Path, **options: Any) -> Path:
    chosen = {"shape": SHAPE, "workers": 1, "composition": "quick", "registry": registry}
    build(scans, out, **{**chosen, **options})
    return out


@pytest.fixture(scope="module")
def made(scans: Path, registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A symmetric atlas of the three; nobody may change it."""
    folder = tmp_path_factory.mktemp("made") / "mine"
    return built([scans], folder, registry, symmetric=True, licence="CC0")


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    for path in made.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def contents(folder: Path) -> Bytes:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def drawn(folder: Path, change: Callable[[Any], None] | None = None, shift: float = 0.0) -> Path:
    """A label map on the template: slice i is region i."""
    grid = read_volume(folder / "template.nii.gz").grid
    labels = np.zeros(grid.shape, dtype=np.uint8)
    for i in range(len(NAMES)):
        labels[i] = i + 1
    if change is not None:
        change(labels)
    affine = grid.affine.copy()
    affine[0, 3] += shift
    path = folder / "drawn.nii.gz"
    write_volume(path, labels, Grid(grid.shape, affine))
    return path


def test_template_is_a_head(made: Path) -> None:
    template = read_volume(made / "template.nii.gz")
    hu, spacing = template.array, template.grid.spacing
    assert hu.shape == SHAPE
    assert spacing[1] == pytest.approx(spacing[2])
    assert template.grid.index_to_world((0, 0, (SHAPE[2] - 1) / 2))[0] == pytest.approx(0, abs=1e-3)
    litre = float(np.prod(spacing)) * 1e-6
    assert 2.5 < (hu > -200).sum() * litre < 6.5
    assert 0.3 < (hu > 300).sum() * litre < 1.6
    middle = hu[SHAPE[0] // 2, SHAPE[1] // 2 - 8 : SHAPE[1] // 2 + 8, 24:40]
    assert 10 < np.median(middle) < 45
    np.testing.assert_array_equal(hu, hu[:, :, ::-1])  # --symmetric


def test_provenance_says_what_it_was_made_of(made: Path, scans: Path) -> None:
    record = json.loads((made / "provenance.json").read_text(encoding="utf-8"))
    assert sorted(record["scans"]) == sorted(p.name.split(".")[0] for p in scans.iterdir())
    assert all(len(digest) == 64 for digest in record["scans"].values())
    assert record["segmenter"]["preset"] == "fast"
    assert record["left_out"] == {} and record["seed"] == 0 and "crossdl" in record["versions"]
    assert {m["similarity"] > 0.75 for m in record["measures"].values()} == {True}


@pytest.mark.slow
def test_the_same_again_gives_the_same_bytes(
    made: Path, scans: Path, registry: Path, tmp_path: Path, cache_with_heads: Callable[..., Path]
) -> None:
    with pytest.MonkeyPatch.context() as patch:  # nothing may come from the cache
        patch.setenv("CROSSDL_CACHE", str(cache_with_heads(tmp_path / "cache")))
        again = built([scans], tmp_path / "mine", registry, symmetric=True, licence="CC0")
    one, two = contents(again), contents(made)
    records = [json.loads(files.pop("provenance.json")) for files in (one, two)]
    for record in records:
        record["versions"].pop("git")  # somebody may commit between the two
    assert one == two and records[0] == records[1]


def test_without_regions_it_says_what_to_do(made: Path) -> None:
    with pytest.raises(InputError, match=r"labels.nii.gz: is missing.*crossdl atlas regions"):
        Folder(FolderConfig(path=made), ANATOMY).load()


def test_a_draft_lies_where_the_regions_are(copied: Path, made: Path, registry: Path) -> None:
    regions(copied, composition="quick", registry=registry)
    atlas = Folder(FolderConfig(path=copied), ANATOMY).load()
    index = np.argwhere(atlas.regions.labels == NAMES.index("left_frontal_lobe") + 1)
    left, back, _ = atlas.template.grid.index_to_world(index).mean(axis=0)
    assert left > 10 and back < -20
    record = json.loads((copied / "provenance.json").read_text(encoding="utf-8"))
    assert record["regions"]["draft_of"]["kind"] == "elastix"
    assert (copied / "overview.webp").read_bytes() != (made / "overview.webp").read_bytes()


def test_drawn_regions_are_attached(copied: Path) -> None:
    regions(copied, labels=drawn(copied))
    atlas = Folder(FolderConfig(path=copied), ANATOMY).load()
    for i in range(len(NAMES)):
        assert (atlas.regions.labels[i] == i + 1).all()
    assert atlas.provenance["licence"] == "CC0"


def test_numbers_may_come_from_a_table(copied: Path) -> None:
    table = copied / "numbers.toml"
    lines = [f"{name} = {len(NAMES) - i}" for i, name in enumerate(NAMES)]
    table.write_text("[regions]\n" + "\n".join(lines) + "\n", encoding="utf-8")
    regions(copied, labels=drawn(copied), table=table)
    atlas = Folder(FolderConfig(path=copied), ANATOMY).load()
    assert (atlas.regions.labels[0] == len(NAMES)).all()
    with pytest.raises(ConfigError, match="goes with --labels"):
        regions(copied, table=table)


@pytest.mark.parametrize(
    ("change", "shift", "said"),
    [
        (None, 3.0, "is not on the grid of"),
        (lambda labels: labels.__setitem__(20, 99), 0.0, "has voxels with 99, which .*no region"),
        (lambda labels: labels.__setitem__(16, 0), 0.0, "no voxel with 17, the number of brain"),
    ],
    ids=["another grid", "unknown number", "no voxel"],
)
def test_wrong_label_maps_are_refused(copied: Path, change: Any, shift: float, said: str) -> None:
    before = (copied / "atlas.toml").read_bytes()
    with pytest.raises(InputError, match=said):
        regions(copied, labels=drawn(copied, change, shift))
    assert not (copied / "labels.nii.gz").exists()
    assert (copied / "atlas.toml").read_bytes() == before


def test_two_regions_cannot_share_a_number(copied: Path) -> None:
    table = copied / "numbers.toml"
    table.write_text("[regions]\n" + "\n".join(f"{n} = 1" for n in NAMES), encoding="utf-8")
    with pytest.raises(InputError, match=r"right_frontal_lobe: 1 is also the number of left_front"):
        regions(copied, labels=drawn(copied), table=table)


def test_one_scan_is_too_few(scans: Path, registry: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1 scan\(s\) found; an average needs at least 2"):
        built([sorted(scans.iterdir())[0]], tmp_path / "x", registry)
    with pytest.raises(InputError, match="2 scans are called"):
        built([sorted(scans.iterdir())[0]] * 2, tmp_path / "x", registry)
    with pytest.raises(InputError, match=r"at least 5; give more"):
        built([scans], tmp_path / "x", registry, count=5)
    assert not (tmp_path / "x").exists()


def test_an_existing_folder_is_left_alone(scans: Path, registry: Path, made: Path) -> None:
    before = contents(made)
    with pytest.raises(InputError, match="exists already"):
        built([scans], made, registry)
    assert contents(made) == before


def test_bad_scans_are_reported_and_the_rest_goes_on(
    scans: Path, registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = sorted(scans.iterdir())[:2]
    broken, air = tmp_path / "broken.nii.gz", tmp_path / "air.nii.gz"
    broken.write_bytes(good[0].read_bytes()[:3000])
    grid = Grid((20, 40, 40), np.diag([5.0, 5.0, 6.0, 1.0]))
    noise = np.random.default_rng(0).normal(-990, 5, grid.shape)
    write_volume(air, noise.astype(np.int16), grid)
    out = built([*good, broken, air], tmp_path / "mine", registry)
    said = capsys.readouterr().err
    assert "left out: broken: " in said and "left out: air: " in said
    record = json.loads((out / "provenance.json").read_text(encoding="utf-8"))
    assert len(record["scans"]) == 2 and set(record["left_out"]) == {"broken", "air"}
    with pytest.raises(InputError, match=r"1 of 3 scans could be registered"):
        built([good[0], broken, air], tmp_path / "none", registry)
    assert not (tmp_path / "none").exists()


def test_a_bad_reference_is_named(scans: Path, registry: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--reference .*missing.nii.gz"):
        built([scans], tmp_path / "x", registry, reference=tmp_path / "missing.nii.gz")


@pytest.mark.slow
def test_rounds_and_a_reference_of_ones_own(scans: Path, registry: Path, tmp_path: Path) -> None:
    reference = sorted(scans.iterdir())[0]
    out = built([scans], tmp_path / "mine", registry, reference=reference, iterations=2, count=2)
    record = json.loads((out / "provenance.json").read_text(encoding="utf-8"))
    assert record["reference"]["name"] == reference.name.split(".")[0] and record["rounds"] == 2
    template: Volume = read_volume(out / "template.nii.gz")
    assert not np.array_equal(template.array, template.array[:, :, ::-1])
    assert 2.0 < (template.array > -200).sum() * np.prod(template.grid.spacing) * 1e-6 < 6.5


def test_the_result_is_an_atlas_of_a_composition(copied: Path, registry: Path) -> None:
    regions(copied, labels=drawn(copied))
    catalog = load_registry(registry).catalog
    config = catalog.parse(
        "segmenter", {"kind": "elastix", "atlas": {"kind": "folder", "path": str(copied)}}
    )
    assert catalog.create("segmenter", config, ANATOMY).fingerprint()
    assert read_labels(copied / "labels.nii.gz")[1].same_as(
        read_volume(copied / "template.nii.gz").grid
    )
