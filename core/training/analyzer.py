"""What every network analyzer shares: fitting, predicting, saving and loading."""

from __future__ import annotations

import json
from abc import abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.errors import InputError
from crossdl.files import replacing, sha256, write_json
from crossdl.interfaces import AbnormalityAnalyzer, FitResult, MILPooling, build
from crossdl.training.config import SHIPPED, NetworkConfig
from crossdl.training.samples import TrainingSet
from crossdl.types import Grid, Prediction, Quality, Volume

if TYPE_CHECKING:
    from torch import nn

    from crossdl.networks.maps import MapNetwork
    from crossdl.training.data import Statistics

NetworkConfigT = TypeVar("NetworkConfigT", bound=NetworkConfig)

FORMAT = 1
"""Version of the files that :meth:`NetworkAnalyzer.save` writes."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A network with what belongs to it.

    Attributes:
        network: In evaluation mode.
        learned: The pooling's parameters, where it has any.
        statistics: Of its training set.
        summary: Facts about its training, JSON-able.
    """

    network: MapNetwork
    learned: nn.Module | None
    statistics: Statistics
    summary: dict[str, Any]


class NetworkAnalyzer(AbnormalityAnalyzer[NetworkConfigT]):
    """An analyzer around a :class:`crossdl.networks.maps.MapNetwork`; subclasses build it."""

    def __init__(self, config: NetworkConfigT, anatomy: Anatomy) -> None:
        """Keeps both; the network is made when it is needed."""
        super().__init__(config, anatomy)
        self._trained: Trained | None = None

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Voxels ``(D, H, W)`` of the network's input."""
        return self.config.volume_shape or self.anatomy.volume_shape

    @abstractmethod
    def build(self) -> MapNetwork:
        """The network, its weights drawn from torch's global generator (seeded by the caller)."""

    def _parts(self, seed: int) -> tuple[MapNetwork, MILPooling[Any]]:
        """Network and pooling with weights that depend on the seed only."""
        import torch

        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = self.build()
            pooling: MILPooling[Any] = build(self.config.pooling, self.anatomy)
            pooling.learned()
        return network, pooling

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
        if self.config.start_from is None:
            network, pooling = self._parts(seed)
        else:
            network, pooling = self._start()
        result = fit(
            network,
            pooling,
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
        self._trained = Trained(network, pooling.learned(), measured, summary)
        return result

    def predict(self, volume: Volume) -> Prediction:
        """Predicts one scan from the finest output scale.

        Raises:
            InputError: No head is found, or the analyzer is neither trained nor loaded.
        """
        import torch

        from crossdl.networks.devices import device, uses_bf16
        from crossdl.networks.products import largest_products
        from crossdl.preprocessing import preprocess

        trained = self._require_trained()
        ready = preprocess(volume, self.anatomy, self.input_shape)
        where = device()
        network = trained.network.to(where).eval()
        image = torch.from_numpy(ready.image).to(where)[None, None].float()
        image = (image - trained.statistics.mean) / trained.statistics.std
        with torch.inference_mode():
            with torch.autocast(
                where.type, dtype=torch.bfloat16, enabled=uses_bf16(self.config.precision)
            ):
                outputs = network(image)
            regions, abnormality = (x.float() for x in network.probabilities(outputs[-1]))
            s, d = regions.flatten(2), abnormality.flatten(2)
            region_scores = largest_products(s, d)[0]
            scan_scores = d.amax(dim=2)[0]
        shape = regions.shape[2:]
        factor = [n / m for n, m in zip(self.input_shape, shape, strict=True)]
        return Prediction(
            region_maps=regions[0].cpu().numpy(),
            abnormality_maps=abnormality[0].cpu().numpy(),
            grid=ready.grid.strided(factor),
            region_scores=region_scores.cpu().numpy(),
            scan_scores=scan_scores.cpu().numpy(),
            quality=self._quality(volume, ready.grid, (s[0] > 0.5).sum(dim=1).tolist()),
        )

    def _quality(self, volume: Volume, box: Grid, voxels: list[int]) -> Quality:
        """Doubts about the input, and about regions by their number of probable voxels."""
        from crossdl.geometry import canonical

        acquired = volume.meta.get("slice_positions_mm")  # before any resampling
        slices = len(acquired or range(canonical(volume.array, volume.grid)[1].shape[0]))
        sides = [n * s for n, s in zip(box.shape, box.spacing, strict=True)]
        flags = [str(warning) for warning in volume.meta.get("warnings", ())]
        if slices < self.config.min_slices:
            flags.append(f"only {slices} slices, {self.config.min_slices} are expected")
        low, high = self.config.extent_mm
        if not all(low <= side <= high for side in sides):
            text = " x ".join(f"{side:.0f}" for side in sides)
            flags.append(
                f"the box around the head is {text} mm (superior, posterior, left), each side "
                f"should be {low:g} to {high:g} mm"
            )
        sizes = dict(zip(self.anatomy.region_names, voxels, strict=True))
        small = [r.title for r in self.anatomy.regions if 3 * sizes[r.name] <= sizes[r.mirror]]
        if small:
            flags.append(
                f"the network finds less than a third of its mirror region of: {', '.join(small)}; "
                "scores there mean little"
            )
        return Quality({"box_mm": [round(s, 1) for s in sides], "slices": slices}, tuple(flags))

    def save(self, folder: Path) -> None:
        """Writes ``model.safetensors`` and, last, ``model.json``.

        Raises:
            InputError: The analyzer is neither trained nor loaded.
        """
        import torch
        from safetensors.torch import save

        from crossdl.rundir import versions

        trained = self._require_trained()
        dtype = getattr(torch, self.config.save_dtype)
        tensors = {
            name: value.detach().cpu().to(dtype).contiguous()
            for name, value in _modules(trained).state_dict().items()
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
        self._trained, _ = self._read(folder)

    def _start(self) -> tuple[MapNetwork, MILPooling[Any]]:
        """Network and pooling of the model that training starts from."""
        from crossdl.models import shipped_model

        name = str(self.config.start_from)
        trained, pooling = self._read(shipped_model() if name == SHIPPED else Path(name))
        return trained.network.train(), pooling

    def _read(self, folder: Path) -> tuple[Trained, MILPooling[Any]]:
        """A saved model with the pooling that holds its learned weights."""
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from crossdl.training.data import Statistics

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
            network, pooling = self._parts(0)
            trained = Trained(network, pooling.learned(), measured, dict(described["training"]))
            tensors = {k: v.to(torch.float32) for k, v in load_file(weights).items()}
            _modules(trained).load_state_dict(tensors)
        except (ValueError, KeyError, TypeError, OSError, SafetensorError, RuntimeError) as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InputError(
                f"{path}: damaged ({reason}); copy or train the model again"
            ) from error
        network.eval()
        return trained, pooling

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

    def _require_trained(self) -> Trained:
        if self._trained is None:
            raise InputError("the analyzer has no weights yet; train it or load a model")
        return self._trained


def _modules(trained: Trained) -> nn.Module:
    """Network and pooling under the names their weights have in the file."""
    from torch.nn import ModuleDict

    named = {"network": trained.network, "pooling": trained.learned}
    return ModuleDict({name: module for name, module in named.items() if module is not None})
