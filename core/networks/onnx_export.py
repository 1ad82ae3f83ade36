"""A trained analyzer as one ONNX file: for programs without torch.

The graph starts from the windowed image and ends with probabilities, so that a program needs
nothing of this package: window (E3), crop and resize the scan, run the file, read maps and scores.
"""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from crossdl import __version__
from crossdl.errors import InputError
from crossdl.files import replacing
from crossdl.networks.onnx_files import onnx_session, write_onnx
from crossdl.training.analyzer import NetworkAnalyzer
from crossdl.training.model import MapModel

if TYPE_CHECKING:
    from crossdl.types import FloatArray

INPUT = "image"
OUTPUTS = ("region_maps", "abnormality_maps", "region_scores", "scan_scores")
LARGEST_DIFFERENCE = 1e-3
"""Between ONNX Runtime and torch; a file that differs more is not kept."""


class StepwiseNorm(nn.Module):
    """Instance normalisation as :class:`torch.nn.InstanceNorm3d`, with ordinary operators.

    Means are taken one axis after the other: ONNX Runtime adds up a whole volume in one float32,
    which loses digits where much of an image is nearly constant.
    """

    def __init__(self, norm: nn.InstanceNorm3d) -> None:
        """Takes over weight, bias and ε."""
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C, D, H, W)`` with mean 0 and variance 1 per channel, then weight and bias."""
        centred = features - _mean(features)
        variance = _mean(centred * centred)
        normed = centred / torch.sqrt(variance + self.eps)
        if self.weight is None:
            return normed
        return normed * self.weight.view(-1, 1, 1, 1) + self.bias.view(-1, 1, 1, 1)


def _mean(features: Tensor) -> Tensor:
    """Mean of every channel, ``(B, C, 1, 1, 1)``."""
    for axis in (4, 3, 2):
        features = features.mean(dim=axis, keepdim=True)
    return features


class ExportedAnalyzer(nn.Module):
    """What the graph computes: :meth:`crossdl.training.model.MapModel.infer` on windowed images.

    Products are taken one region after the other and in full, without the search of
    :mod:`crossdl.networks.products`, whose steps depend on the values.
    """

    def __init__(self, model: MapModel, mean: float, std: float, taught: Tensor) -> None:
        """Keeps the network.

        Args:
            model: With dynamic regions.
            mean: Of the training set's voxels.
            std: Of the training set's voxels.
            taught: ``(N,)`` bool, regions that training has taught; others get map 0 and score
                NaN.
        """
        super().__init__()
        self.network = deepcopy(model.network)
        for parent in list(self.network.modules()):
            for name, child in parent.named_children():
                if isinstance(child, nn.InstanceNorm3d) and not child.track_running_stats:
                    setattr(parent, name, StepwiseNorm(child))
        self.mean, self.std, self.taught = mean, std, taught.tolist()

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Finest Ŝ and D̂, E6, and the maximum of each D̂.

        Args:
            image: ``(1, 1, D, H, W)`` float32, 0 to 255.

        Returns:
            ``(1, N, D', H', W')``, ``(1, M, D', H', W')``, ``(1, N, M)``, ``(1, M)``.
        """
        output = self.network((image - self.mean) / self.std)[-1]
        d = output.abnormality.sigmoid()
        maps, scores = [], []
        for i, taught in enumerate(self.taught):
            s = output.regions[:, i : i + 1].sigmoid()
            largest = (s * d).amax(dim=(2, 3, 4))
            maps.append(s if taught else torch.zeros_like(s))
            scores.append(largest if taught else torch.full_like(largest, torch.nan))
        return torch.cat(maps, dim=1), d, torch.stack(scores, dim=1), d.amax(dim=(2, 3, 4))


def export_analyzer(analyzer: Any, path: Path) -> float:
    """Writes an analyzer as ONNX and compares the file with torch, both in float32.

    Metadata ``crossdl`` of the file is JSON: anatomy, window, input shape and what it is made of.

    Args:
        analyzer: Trained or loaded, with maps and dynamic regions.
        path: File to write.

    Returns:
        The largest absolute difference of any map or score to torch's.

    Raises:
        InputError: The analyzer is of another sort, the packages of the extra ``onnx`` are
            missing, or the file differs from torch by more than :data:`LARGEST_DIFFERENCE`.
    """
    model = analyzer.trained.model if isinstance(analyzer, NetworkAnalyzer) else None
    kind = f"an analyzer of kind {analyzer.config.kind!r}"
    if not isinstance(analyzer, NetworkAnalyzer) or not isinstance(model, MapModel):
        raise InputError(f"{kind} has no maps to export; give a model with maps, such as a unet")
    if analyzer.needs_regions:
        raise InputError(
            f"{kind} with regions of the atlas cannot be exported; give one with dynamic regions"
        )
    names, chosen = analyzer.anatomy.region_names, analyzer.config.trained_regions
    taught = torch.tensor([chosen is None or name in chosen for name in names])
    statistics = analyzer.trained.statistics
    module = ExportedAnalyzer(model, statistics.mean, statistics.std, taught).eval()
    images = _examples(analyzer.input_shape)
    with replacing(path) as working:
        write_onnx(
            module,
            (torch.from_numpy(images[0]),),
            working,
            inputs=[INPUT],
            outputs=OUTPUTS,
            metadata={"crossdl": json.dumps(_described(analyzer), ensure_ascii=False)},
        )
        difference = _difference(module, working, images)
        if not difference <= LARGEST_DIFFERENCE:
            raise InputError(
                f"{path}: not kept, ONNX Runtime differs from torch by {difference:.2g}; try other "
                "versions of onnx and onnxruntime"
            )
    return difference


def _described(analyzer: NetworkAnalyzer[Any]) -> dict[str, Any]:
    """What a program needs to know of the file."""
    anatomy, statistics = analyzer.anatomy, analyzer.trained.statistics
    return {
        "crossdl": __version__,
        "not_for_clinical_use": True,
        "anatomy": anatomy.name,
        "regions": anatomy.region_names,
        "types": anatomy.type_names,
        "impossible": anatomy.impossible,
        "input": "windowed CT, (1, 1, D, H, W) float32, 0 to 255; W to the patient's left, H to "
        "posterior, D to superior",
        "input_shape": analyzer.input_shape,
        "window_hu": [anatomy.window.low, anatomy.window.high],
        "mean_folded_in": statistics.mean,
        "std_folded_in": statistics.std,
        "config": analyzer.config.model_dump(mode="json"),
    }


def _examples(shape: tuple[int, int, int]) -> list[FloatArray]:
    """Noise, and a ball in air: images ``(1, 1, D, H, W)`` to compare on."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, shape)
    place = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    ball = np.where((place**2).sum(axis=0) < 0.8, 60 + noise // 5, 0)
    return [image[None, None].astype(np.float32) for image in (ball, noise)]


def _difference(module: nn.Module, path: Path, images: list[FloatArray]) -> float:
    session = onnx_session(path)
    place = next(module.parameters()).device
    worst = 0.0
    for image in images:
        with torch.no_grad():
            expected = module(torch.from_numpy(image).to(place))
        for mine, theirs in zip(session.run(None, {INPUT: image}), expected, strict=True):
            difference = np.abs(mine - theirs.cpu().numpy())
            worst = max(worst, float(np.nanmax(difference, initial=0.0)))
    return worst
