"""Checks of :class:`crossdl.interfaces.AbnormalityAnalyzer`.

They train: give a config that makes the network and the training tiny.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.errors import InputError
from crossdl.interfaces import AbnormalityAnalyzer, FitResult
from crossdl.testing.checks import Subject, check, ensure, ensure_raises
from crossdl.testing.heads import stored_backwards, synthetic_head, with_values
from crossdl.training.samples import Sample, TrainingSet
from crossdl.types import LabelArray, Prediction, RegionMap, Volume

TOLERANCE = 1e-5


@dataclass(frozen=True)
class _Fitted:
    analyzer: AbnormalityAnalyzer  # type: ignore[type-arg]
    result: FitResult
    model: Path


@check("analyzer")
def fit_reports_its_training(subject: Subject) -> None:
    """Fitting returns one entry of finite losses per epoch, and which epoch was kept."""
    result = _fitted(subject).result
    ensure(0 <= result.best_epoch < len(result.history), "best_epoch is not one of the epochs")
    ensure(bool(np.isfinite(result.best_value)), f"best_value is {result.best_value}")
    for epoch in result.history:
        broken = [name for name, value in epoch.items() if not np.isfinite(value)]
        ensure(not broken, f"losses that are not finite: {', '.join(broken)}")


@check("analyzer")
def prediction_is_sound(subject: Subject) -> None:
    """Maps and scores have their shapes and lie in [0, 1]; regions without scores have NaN."""
    prediction, anatomy = _predicted(subject), subject.anatomy
    n, m, shape = anatomy.n_regions, anatomy.n_types, prediction.grid.shape
    for name, values, expected in (
        ("region_maps", prediction.region_maps, (n, *shape)),
        ("abnormality_maps", prediction.abnormality_maps, (m, *shape)),
        ("region_scores", prediction.region_scores, (n, m)),
        ("scan_scores", prediction.scan_scores, (m,)),
    ):
        ensure(values.shape == expected, f"{name} has shape {values.shape}, not {expected}")
        ensure(values.dtype == np.float32, f"{name} is {values.dtype}, not float32")
        if name == "region_scores":
            values = values[~np.isnan(values).all(axis=1)]
            ensure(len(values) > 0, "no region has scores")
        inside = np.isfinite(values).all() and (values >= 0).all() and (values <= 1).all()
        ensure(bool(inside), f"{name} has a value outside [0, 1]")


@check("analyzer")
def scores_are_those_of_the_maps(subject: Subject) -> None:
    """Scores are the maxima of maps and products (E5, E6), unless the analyzer says otherwise."""
    if not _fitted(subject).analyzer.scores_from_maps:
        return
    found = _predicted(subject)
    s, d = (m.reshape(len(m), -1) for m in (found.region_maps, found.abnormality_maps))
    excess = float(np.abs(d.max(axis=1) - found.scan_scores).max())
    ensure(excess <= TOLERANCE, f"a scan score is off its map's maximum by {excess:.2g}")
    largest = np.stack([(row * d).max(axis=1) for row in s])
    excess = float(np.nanmax(np.abs(largest - found.region_scores)))
    ensure(excess <= TOLERANCE, f"a region score is off its largest product by {excess:.2g}")


@check("analyzer")
def regions_are_asked_for(subject: Subject) -> None:
    """An analyzer that needs a scan's regions refuses to predict without them."""
    analyzer = _fitted(subject).analyzer
    if analyzer.needs_regions:
        message = "predicting without regions must be refused"
        ensure_raises(InputError, lambda: analyzer.predict(synthetic_head()), message)


@check("analyzer")
def prediction_covers_the_head(subject: Subject) -> None:
    """The maps' grid lies where the head is."""
    volume, grid = synthetic_head(), _predicted(subject).grid
    middles = [g.index_to_world((np.array(g.shape) - 1) / 2) for g in (grid, volume.grid)]
    distance = float(np.linalg.norm(middles[0] - middles[1]))
    ensure(distance < 30, f"the maps' centre is {distance:.0f} mm from the head's centre")


@check("analyzer")
def storage_order_is_irrelevant(subject: Subject) -> None:
    """The same head stored in another direction gets the same scores."""
    prediction = _predicted(subject)
    other = _predict(subject, _fitted(subject).analyzer, stored_backwards(synthetic_head()))
    difference = float(np.nanmax(np.abs(other.region_scores - prediction.region_scores)))
    ensure(difference < 0.02, f"flipping the stored W axis changed a score by {difference:.2g}")


@check("analyzer")
def save_and_load(subject: Subject) -> None:
    """A loaded analyzer predicts what the saved one did."""
    loaded: AbnormalityAnalyzer = subject.build()  # type: ignore[type-arg]
    loaded.load(_fitted(subject).model)
    again, before = _predict(subject, loaded, synthetic_head()), _predicted(subject)
    for name in ("region_maps", "abnormality_maps", "region_scores", "scan_scores"):
        a, b = getattr(again, name), getattr(before, name)
        ensure(
            np.allclose(a, b, atol=TOLERANCE, equal_nan=True),
            f"{name} changed by saving and loading",
        )


@check("analyzer")
def same_seed_same_bytes(subject: Subject) -> None:
    """Training twice by one seed gives the same files; another seed gives other weights."""
    again, other = (_train(subject, f"seed{seed}", seed) for seed in (0, 1))
    first = _fitted(subject).model / "model.safetensors"
    name = first.name
    ensure(first.is_file(), "save() wrote no model.safetensors")
    ensure((first.parent / "model.json").is_file(), "save() wrote no model.json")
    same = (again.model / name).read_bytes() == first.read_bytes()
    ensure(same, "the same seed gave other weights")
    ensure((other.model / name).read_bytes() != first.read_bytes(), "the seed changes nothing")


@check("analyzer")
def load_refuses(subject: Subject) -> None:
    """An empty folder, damaged weights and another anatomy are an InputError."""
    model = _fitted(subject).model
    files = {path.name: path.read_bytes() for path in model.iterdir() if path.is_file()}
    weights = files["model.safetensors"]

    def refuse(name: str, contents: dict[str, bytes], anatomy: Anatomy) -> None:
        folder = subject.folder(name.replace(" ", "_"))
        for file, data in contents.items():
            (folder / file).write_bytes(data)
        analyzer = subject.catalog.create("analyzer", subject.config, anatomy)
        ensure_raises(InputError, lambda: analyzer.load(folder), f"{name} must be an InputError")

    refuse("an empty folder", {}, subject.anatomy)
    for name, data in (("truncated weights", weights[: len(weights) // 2]), ("no weights", b"")):
        refuse(name, {**files, "model.safetensors": data}, subject.anatomy)
    refuse("a damaged model json", {**files, "model.json": b"{"}, subject.anatomy)
    refuse("another anatomy", files, _reversed(subject.anatomy))


@check("analyzer")
def refuses_a_volume_without_a_head(subject: Subject) -> None:
    """A volume of air is an InputError."""
    head = synthetic_head()
    air = with_values(head, np.full_like(head.array, -1000.0))
    analyzer = _fitted(subject).analyzer
    message = "a volume of air must be refused"
    ensure_raises(InputError, lambda: _predict(subject, analyzer, air), message)


def example_samples(
    anatomy: Anatomy, shape: tuple[int, int, int], n: int, seed: int
) -> TrainingSet:
    """Noise with box-shaped regions; where a cell is positive its region is bright."""
    rng = np.random.default_rng(seed)
    regions = _boxes(anatomy, shape)
    samples = []
    for index in range(n):
        matrix = np.zeros((anatomy.n_regions + 2, anatomy.n_types), dtype=np.float32)
        if index % 2 == 0:
            cells = np.argwhere(anatomy.possible)
            region, kind = cells[rng.integers(len(cells))]
            matrix[region, kind] = 1.0
        image = rng.normal(90.0, 10.0, shape)
        for region in np.flatnonzero(matrix[:-2].any(axis=1)):
            image[regions == region + 1] += 80.0
        pixels = np.clip(image, 0, 255).astype(np.uint8)
        samples.append(Sample(f"scan{seed}-{index}", pixels, regions, matrix))
    return tuple(samples)


def _boxes(anatomy: Anatomy, shape: tuple[int, int, int]) -> LabelArray:
    """A box of the volume for each region, ``(D, H, W)``."""
    side = int(np.ceil(anatomy.n_regions ** (1 / 3)))
    d, h, w = (
        np.minimum(b * side // size, side - 1)
        for b, size in zip(np.indices(shape), shape, strict=True)
    )
    flat = (d * side + h) * side + w + 1
    return np.where(flat <= anatomy.n_regions, flat, 0).astype(np.uint8)


def _reversed(anatomy: Anatomy) -> Anatomy:
    """The same labels under another name, the types in another order."""
    raw = anatomy.model_dump()
    return Anatomy.model_validate({**raw, "name": "another", "types": raw["types"][::-1]})


def _train(subject: Subject, name: str, seed: int) -> _Fitted:
    analyzer: AbnormalityAnalyzer = subject.build()  # type: ignore[type-arg]
    shape = analyzer.input_shape
    train = example_samples(subject.anatomy, shape, 4, seed=1)
    valid = example_samples(subject.anatomy, shape, 2, seed=2)
    result = analyzer.fit(train, valid, seed=seed, folder=subject.folder(f"fit-{name}"))
    model = subject.folder(f"model-{name}")
    analyzer.save(model)
    return _Fitted(analyzer, result, model)


def _fitted(subject: Subject) -> _Fitted:
    return subject.once("fitted", lambda: _train(subject, "first", 0))


def _predicted(subject: Subject) -> Prediction:
    return subject.once(
        "predicted", lambda: _predict(subject, _fitted(subject).analyzer, synthetic_head())
    )


def _predict(
    subject: Subject,
    analyzer: AbnormalityAnalyzer,  # type: ignore[type-arg]
    volume: Volume,
) -> Prediction:
    """Predicts, with boxes of the head as its regions where they are needed."""
    if not analyzer.needs_regions:
        return analyzer.predict(volume)
    head = synthetic_head()
    regions = RegionMap(_boxes(subject.anatomy, head.grid.shape), head.grid)
    return analyzer.predict(volume, regions)
