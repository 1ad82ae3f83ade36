"""BERT with [CLS] → one fully connected layer of R + T sigmoid units (E2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from crossdl.errors import InputError
from crossdl.interfaces import ReportDiscretizer
from crossdl.labels import LabelSet, Level
from crossdl.text.settings import NEW, SHIPPED, TextConfig
from crossdl.types import FloatArray, SentenceLabels

if TYPE_CHECKING:
    from crossdl.text.inference import Forward
    from crossdl.text.model import TextModel


class BertConfig(TextConfig):
    """A trained model, or which encoder learns from a cohort's silver sentences and how."""

    kind: Literal["bert"] = "bert"


class BertDiscretizer(ReportDiscretizer[BertConfig]):
    """Labels texts by a transformer of the transformers library.

    Any BERT-like encoder serves, by hub name or folder; ``encoder = "scratch"`` makes a small
    one from nothing. Each text is read in the one of its two mirror images that sorts first, so
    that mirroring a text mirrors its labels exactly (:mod:`crossdl.text.sides`).
    """

    def __init__(self, config: BertConfig, anatomy: LabelSet) -> None:
        """Keeps both; weights are read when they are needed."""
        super().__init__(config, anatomy)
        self._model: TextModel | None = None
        self._forward: Forward | None = None

    @property
    def level(self) -> Level:
        """That of the trained model."""
        return self.config.level if not self.trained else self._ready.config.level

    @property
    def thresholds(self) -> tuple[FloatArray, FloatArray]:
        """Those of the trained model."""
        return self._ready.thresholds

    @property
    def trained(self) -> bool:
        """Whether there is a model, here or by name."""
        return self._model is not None or self.config.model != NEW

    def label(self, sentences: Sequence[str]) -> SentenceLabels:
        """Labels n texts; blank ones have none.

        Raises:
            InputError: There is no trained model.
        """
        model = self._ready
        written = [i for i, text in enumerate(sentences) if text.strip()]
        n_regions = len(self.labels.label_names)
        values = np.zeros((len(sentences), n_regions + self.labels.n_types), dtype=np.float32)
        if written:
            texts = [sentences[i] for i in written]
            values[written] = model.probabilities(texts, self._engine(model))
        return SentenceLabels(tuple(sentences), values[:, :n_regions], values[:, n_regions:])

    def fit(
        self,
        train: SentenceLabels,
        valid: SentenceLabels,
        *,
        unlabelled: Sequence[str] = (),
        seed: int,
        folder: Path,
    ) -> None:
        """Learns from at most ``config.silver`` of the training texts, drawn by the seed.

        With ``config.exchanged`` also from sentences made of them and of the unlabelled texts,
        which rules label.
        """
        from crossdl.text.learner import learn

        n = len(train.sentences)
        if 0 < self.config.silver < n:
            chosen = np.random.default_rng(seed).permutation(n)[: self.config.silver]
            train = train.take(np.sort(chosen))
        if self.config.exchanged:
            made = self._exchanged(dict.fromkeys([*unlabelled, *train.sentences]), seed)
            unlabelled = [*unlabelled, *made.sentences]
            train = SentenceLabels(
                train.sentences + made.sentences,
                np.concatenate([train.regions, made.regions]),
                np.concatenate([train.types, made.types]),
            )
        self._model = learn(
            self.config,
            self.labels,
            train,
            valid,
            unlabelled=unlabelled,
            seed=seed,
            folder=folder,
        )
        self._forward = None

    def _exchanged(self, texts: Iterable[str], seed: int) -> SentenceLabels:
        """New sentences with other terms, labelled by rules."""
        from crossdl.catalog import default_catalog
        from crossdl.text.substitution import substituted

        catalog = default_catalog()
        rules = catalog.create("discretizer", catalog.parse("discretizer", "lexicon"), self.labels)
        made = substituted(list(texts), self.labels, self.config.exchanged, seed)
        found: SentenceLabels = rules.label(made)
        return found

    def save(self, folder: Path) -> None:
        """Writes ``model.json``, ``model.safetensors`` and ``tokenizer.json``."""
        from crossdl.text.model import write_model

        write_model(self._ready, folder)

    def export(self, path: Path, *, int8: bool) -> None:
        """Writes the network as an ONNX file; see :func:`crossdl.text.onnx.export`."""
        from crossdl.text.onnx import export

        model = self._ready
        export(model.network, path, max_length=model.config.max_length, int8=int8)

    def load(self, folder: Path) -> None:
        """Reads what :meth:`save` wrote.

        Raises:
            InputError: Files are missing, damaged, or made for other labels.
        """
        from crossdl.text.model import read_model

        self._model, self._forward = read_model(folder, BertConfig, self.labels), None

    def _engine(self, model: TextModel) -> Forward:
        """The trained network, on the engine of the config."""
        from crossdl.networks.devices import uses_bf16
        from crossdl.text.inference import on_torch
        from crossdl.text.onnx import on_onnx

        if self._forward is None:
            network, engine = model.network, self.config.engine
            if engine == "torch":
                self._forward = on_torch(network, bf16=uses_bf16(self.config.precision))
            else:
                longest = model.config.max_length
                self._forward = on_onnx(network, max_length=longest, int8=engine == "onnx_int8")
        return self._forward

    @property
    def _ready(self) -> TextModel:
        if self._model is None:
            if self.config.model == NEW:
                raise InputError("the discretizer is not trained yet; train it or name its model")
            self.load(shipped_model() if self.config.model == SHIPPED else Path(self.config.model))
        assert self._model is not None
        return self._model


def shipped_model() -> Path:
    """Folder of the discretizer that ships with the package."""
    return Path(str(files("crossdl") / "model_zoo" / "phantom_bert"))
