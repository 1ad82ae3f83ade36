"""What every network analyzer shares: fitting, predicting, saving and loading."""

from __future__ import annotations

import json
from abc import abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.errors import ConfigError, InputError
from crossdl.files import replacing, sha256, write_json
from crossdl.hints import did_you_mean
from crossdl.interfaces import AbnormalityAnalyzer, FitResult
from crossdl.training.config import SHIPPED, NetworkConfig
from crossdl.training.samples import TrainingSet
from crossdl.types import BoolArray, Prediction, RegionMap, Volume

if TYPE_CHECKING:
    from torch import Tensor

    from crossdl.training.data import Statistics
    from crossdl.training.model import LearningModel

NetworkConfigT = TypeVar("NetworkConfigT", bound=NetworkConfig)

FORMAT = 1
"""Version of the files that :meth:`NetworkAnalyzer.save` writes."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A model with what belongs to it.

    Attributes:
        model: In evaluation mode.
        statistics: Of its training set.
        summary: Facts about its training, JSON-able.
    """

    model: LearningModel
    statistics: Statistics
    summary: dict[str, Any]


class NetworkAnalyzer(AbnormalityAnalyzer[NetworkConfigT]):
    """An analyzer around a :class:`crossdl.training.model.LearningModel`; subclasses build it."""

    def __init__(self, config: NetworkConfigT, anatomy: Anatomy) -> None:
        """Keeps both; the network is made when it is needed.

        Raises:
            ConfigError: A trained region is not one of the anatomy's.
        """
        super().__init__(config, anatomy)
        self._trained: Trained | None = None
        for name in config.trained_regions or ():
            if name not in anatomy.region_names:
                hint = did_you_mean(name, anatomy.region_names)
                raise ConfigError(
                    f"analyzer.trained_regions: {anatomy.name} has no region {name!r}{hint}"
                )

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Voxels ``(D, H, W)`` of the network's input."""
        return self.config.volume_shape or self.anatomy.volume_shape

    @abstractmethod
    def build(self) -> LearningModel:
        """The model, its weights drawn from torch's global generator (seeded by the caller)."""

    def region_flags(self, regions: Tensor) -> list[str]:
        """Doubts about the region maps ``(N, D, H, W)`` of a scan, one sentence each."""
        return []

    def _seeded(self, seed: int) -> LearningModel:
        """The model with weights that depend on the seed only."""
        import torch

        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return self.build()

    @property
    def _has_scores(self) -> BoolArray:
        """``(N,)``: the regions that training has taught."""
        chosen = self.config.trained_regions
        names = self.anatomy.region_names
        return np.array([chosen is None or name in chosen for name in names])

    def fit(self, train: TrainingSet, valid: TrainingSet, *, seed: int, folder: Path) -> FitResult:
        """Trains; see :func:`crossdl.training.loop.fit`.

        Raises:
            InputError: A sample has another shape, or ``start_from`` is no fitting model.
        """
        from crossdl.training.data import statistics
        from crossdl.training.loop import fit

        for sample in (*train, *valid):
            if sample.image.shape != self.input_shape or sample.regions.shape != self.input_shape:
                raise InputError(
                    f"{sample.scan_id}: sample of shape {sample.image.shape}, the analyzer takes "
                    f"{self.input_shape}"
                )
        measured = statistics(train)
        model = self._seeded(seed) if self.config.start_from is None else self._start()
        result = fit(
            model,
            config=self.config,
            anatomy=self.anatomy,
            statistics=measured,
            train=train,
            valid=valid,
            seed=seed,
            folder=folder,
        )
        summary = {**asdict(result), "seed": seed, "train_scans": len(train)}
        summary["valid_scans"] = len(valid)
        summary["start_from"] = self.config.start_from
        self._trained = Trained(model, measured, summary)
        return result

    def predict(self, volume: Volume, regions: RegionMap | None = None) -> Prediction:
        """Predicts one scan from the finest output scale.

        Args:
            volume: The scan.
            regions: Its coarse atlas regions, where :attr:`needs_regions` says so; others are
                not looked at.

        Raises:
            InputError: No head is found, regions are needed and not given, or the analyzer is
                neither trained nor loaded.
        """
        import torch

        from crossdl.networks.devices import device, lay_out, uses_bf16
        from crossdl.preprocessing import labels_on, preprocess
        from crossdl.training.input_quality import input_quality

        trained = self.trained
        if self.needs_regions and regions is None:
            raise InputError(
                f"{volume.name}: the model takes regions from the atlas (inference_regions is "
                '"static"); give the scan\'s region map, as a segmenter makes it'
            )
        ready = preprocess(volume, self.anatomy, self.input_shape)
        where = device()
        bf16 = uses_bf16(self.config.precision)
        model = trained.model.to(where).eval()
        lay_out(model, torch.channels_last_3d if bf16 else torch.contiguous_format)
        image = torch.from_numpy(ready.image).to(where)[None, None].float()
        image = (image - trained.statistics.mean) / trained.statistics.std
        labels = None
        if self.needs_regions and regions is not None:
            labels = torch.from_numpy(labels_on(regions, ready.grid)).to(where)[None]
        with torch.no_grad(), torch.autocast(where.type, dtype=torch.bfloat16, enabled=bf16):
            found = model.infer(image, labels)
        maps, heat, scores, scan = (x[0].float().cpu().contiguous().numpy() for x in found)
        maps[~self._has_scores] = 0.0
        scores[~self._has_scores] = np.nan
        factor = [n / m for n, m in zip(self.input_shape, maps.shape[1:], strict=True)]
        flags = [] if regions is None or labels is None else list(regions.quality.flags)
        return Prediction(
            region_maps=maps,
            abnormality_maps=heat,
            grid=ready.grid.strided(factor),
            region_scores=scores,
            scan_scores=scan,
            quality=input_quality(
                volume, ready.grid, self.config, [*self.region_flags(found.regions[0]), *flags]
            ),
        )

    def save(self, folder: Path) -> None:
        """Writes ``model.safetensors`` and, last, ``model.json``.

        Raises:
            InputError: The analyzer is neither trained nor loaded.
        """
        import torch
        from safetensors.torch import save

        from crossdl.rundir import versions
        from crossdl.training.weights import tensors_of

        trained = self.trained
        dtype = getattr(torch, self.config.save_dtype)
        tensors = {
            name: (value.to(dtype) if value.is_floating_point() else value).cpu().contiguous()
            for name, value in tensors_of(trained.model).items()
        }
        weights = folder / "model.safetensors"
        with replacing(weights) as working:
            working.write_bytes(save(tensors))
        described = {
            "format": FORMAT,
            "anatomy": self.anatomy.model_dump(mode="json"),
            "config": self.config.model_dump(mode="json"),
            "input_shape": list(self.input_shape),
            "mean": trained.statistics.mean,
            "std": trained.statistics.std,
            "frequencies": trained.statistics.frequencies.tolist(),
            "training": trained.summary,
            "weights_sha256": sha256(weights),
            "versions": versions(),
        }
        write_json(folder / "model.json", described)

    def load(self, folder: Path) -> None:
        """Reads what :meth:`save` wrote.

        Raises:
            InputError: Files are missing, damaged, or made for another anatomy or network.
        """
        self._trained = self._read(folder)

    def _start(self) -> LearningModel:
        """The model that training starts from."""
        from crossdl.models import shipped_model

        name = str(self.config.start_from)
        return self._read(shipped_model() if name == SHIPPED else Path(name)).model.train()

    def _read(self, folder: Path) -> Trained:
        """A saved model."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from crossdl.training.data import Statistics
        from crossdl.training.weights import fill, tensors_of

        path, weights = folder / "model.json", folder / "model.safetensors"
        for file in (path, weights):
            if not file.is_file():
                raise InputError(f"{file}: is missing; copy or train the model again")
        try:
            described = json.loads(path.read_text(encoding="utf-8"))
            if described["format"] != FORMAT:
                raise InputError(f"{path}: format {described['format']} is not {FORMAT}")
            self._check_labels(path, described)
            if described["weights_sha256"] != sha256(weights):
                raise InputError(
                    f"{weights}: damaged or not of the model.json beside it; copy or train the "
                    "model again"
                )
            frequencies = np.array(described["frequencies"], dtype=np.float32)
            measured = Statistics(float(described["mean"]), float(described["std"]), frequencies)
            trained = Trained(self._seeded(0), measured, dict(described["training"]))
            fill(tensors_of(trained.model), load_file(weights))
        except (ValueError, KeyError, TypeError, OSError, SafetensorError, RuntimeError) as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InputError(
                f"{path}: damaged ({reason}); copy or train the model again"
            ) from error
        trained.model.eval()
        return trained

    def _check_labels(self, path: Path, described: dict[str, Any]) -> None:
        mine, theirs = self.anatomy, Anatomy.model_validate(described["anatomy"])
        if (mine.region_names, mine.type_names) != (theirs.region_names, theirs.type_names):
            raise InputError(
                f"{path}: made for anatomy {theirs.name!r} with {theirs.n_regions} regions and "
                f"{theirs.n_types} types, not for {mine.name!r} with {mine.n_regions} and "
                f"{mine.n_types}; use a model of this anatomy"
            )
        if tuple(described["input_shape"]) != self.input_shape:
            raise InputError(
                f"{path}: made for volumes of {described['input_shape']}, not {self.input_shape}"
            )

    @property
    def trained(self) -> Trained:
        """The model with what belongs to it.

        Raises:
            InputError: The analyzer is neither trained nor loaded.
        """
        if self._trained is None:
            raise InputError("the analyzer has no weights yet; train it or load a model")
        return self._trained
