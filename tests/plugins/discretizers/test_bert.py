"""The discretizer bert: encoders from folders, models on disk, labels that mirror exactly."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdl.anatomy import load_anatomy
from crossdl.errors import InputError
from crossdl.labels import ReportLabels
from crossdl.plugins.discretizers.bert import BertConfig, BertDiscretizer, shipped_model
from crossdl.reports import label_reports, mirror_text
from crossdl.types import SentenceLabels

ANATOMY = load_anatomy("head_ct")
WORDS = ["左侧", "右", "双侧", "额叶", "小脑", "出血", "，"]
WORDS += ["left", "Right", "frontal", "bleed", "no"]
LABELS = ReportLabels(name="x", title="X", region_labels=("a", "b"), type_labels=("t",))


def examples(n: int, level: str = "sentence") -> SentenceLabels:
    """Texts of words, each of which stands for one label."""
    words = [" ".join(words) for words in product(("alpha", "beta", "gamma"), ("tau", "none"))]
    texts = tuple(f"{words[i % len(words)]} {i}" for i in range(n))
    regions = np.array([["alpha" in t, "beta" in t] for t in texts], dtype=np.float32)
    types = np.array([["tau" in t] for t in texts], dtype=np.float32)
    return SentenceLabels(texts, regions, types)


def tiny(**changes: Any) -> BertDiscretizer:
    fields: dict[str, Any] = {
        "model": "new",
        "encoder": "scratch",
        "precision": "32",
        "scratch": {"layers": 1, "width": 16, "heads": 2, "epochs": 1, "vocabulary_size": 64},
        "training": {"epochs": 1, "learning_rate": 1e-3},
        **changes,
    }
    return BertDiscretizer(BertConfig.model_validate(fields), LABELS)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a trained tiny model."""
    folder = tmp_path_factory.mktemp("trained")
    made = tiny()
    made.fit(examples(40), examples(10), seed=0, folder=folder / "training")
    made.save(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small pre-trained encoder as transformers saves it."""
    from transformers import BertModel, PreTrainedTokenizerFast

    from crossdl.text.network import new_masked_model
    from crossdl.text.settings import ScratchEncoder
    from crossdl.text.tokens import END, MASK, PAD, START, UNKNOWN, train_tokenizer

    folder = tmp_path_factory.mktemp("encoder")
    settings = ScratchEncoder(layers=1, width=16, heads=2, min_frequency=1)
    tokenizer = train_tokenizer(examples(40).sentences, settings)
    model = BertModel(new_masked_model(tokenizer.get_vocab_size(), 64, settings).config)
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        cls_token=START,
        sep_token=END,
        mask_token=MASK,
    ).save_pretrained(folder)
    return folder


def test_a_pretrained_encoder_is_fine_tuned(encoder: Path, tmp_path: Path) -> None:
    """By the paper's training; the encoder's own weights are the start."""
    from safetensors.torch import load_file

    made = tiny(encoder=str(encoder), training=None, max_length=64)
    assert made.config.fine_tuning.learning_rate == 5e-5
    assert not made.trained
    made.fit(examples(40), examples(10), seed=0, folder=tmp_path / "training")
    made.save(tmp_path)
    before = load_file(encoder / "model.safetensors")["embeddings.word_embeddings.weight"]
    after = load_file(tmp_path / "model.safetensors")["encoder.embeddings.word_embeddings.weight"]
    change = (before - after).abs().max()
    assert 0 < change < 0.01


def test_encoders_that_cannot_be_had(encoder: Path, tmp_path: Path) -> None:
    import torch

    folder = tmp_path / "pickled"
    folder.mkdir()
    for file in encoder.iterdir():
        if file.name != "model.safetensors":
            (folder / file.name).write_bytes(file.read_bytes())
    torch.save({}, folder / "pytorch_model.bin")
    for name in (str(tmp_path / "nowhere"), str(folder)):
        with pytest.raises(InputError, match="cannot be loaded") as caught:
            tiny(encoder=name).fit(examples(4), examples(2), seed=0, folder=tmp_path / "t")
        assert "scratch" in str(caught.value)


def test_saved_and_loaded_says_the_same(trained: Path, tmp_path: Path) -> None:
    one = tiny(model=str(trained))
    texts = [*examples(20).sentences, "", "  ", "never seen"]
    said = one.label(texts)
    assert said.regions.shape == (23, 2) and said.types.shape == (23, 1)
    assert not said.regions[20:22].any() and not said.types[20:22].any()
    one.save(tmp_path)
    again = tiny(model=str(tmp_path)).label(texts)
    np.testing.assert_array_equal(said.regions, again.regions)
    np.testing.assert_array_equal(said.types, again.types)
    assert {p.name for p in tmp_path.iterdir()} == {
        "model.json",
        "model.safetensors",
        "tokenizer.json",
    }


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-9])


def other_format(folder: Path) -> None:
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "format": 99}), "utf-8")


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (cut, "damaged or not of the model.json"),
        (other_format, "format 99 is not"),
        (lambda f: (f / "tokenizer.json").unlink(), "tokenizer.json: is missing"),
        (lambda f: (f / "model.json").write_text("{}", "utf-8"), "not a trained discretizer"),
        (lambda f: (f / "model.json").unlink(), "no model.json"),
    ],
)
def test_damaged_models_are_refused(
    trained: Path, tmp_path: Path, damage: Callable[[Path], object], complaint: str
) -> None:
    for name in ("model.json", "model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    damage(tmp_path)
    with pytest.raises(InputError, match=complaint):
        tiny(model=str(tmp_path)).label(["alpha"])


def test_models_of_other_labels_are_refused(trained: Path) -> None:
    config = BertConfig(model=str(trained))
    with pytest.raises(InputError, match="made for the labels of 'x'"):
        BertDiscretizer(config, ANATOMY).label(["alpha"])
    with pytest.raises(InputError, match="not trained yet"):
        tiny().label(["alpha"])


def test_reports_are_labelled_whole(tmp_path: Path) -> None:
    made = tiny(level="report", scratch={"vocabulary": "blank", "epochs": 0, "min_frequency": 1,
                                         "layers": 1, "width": 16, "heads": 2})  # fmt: skip
    assert made.level == "report"
    made.fit(examples(20), examples(5), seed=0, folder=tmp_path)
    (labels,) = label_reports(made, ["alpha tau. beta none.\n"])
    assert labels is not None and labels.sentences == ("alpha tau. beta none.",)


def test_exchanged_sentences_are_learnt_along(tmp_path: Path) -> None:
    config = BertConfig.model_validate({**tiny().config.model_dump(), "exchanged": 30})
    made = BertDiscretizer(config, ANATOMY)
    texts = ("左侧额叶见低密度影", "Left frontal hemorrhage is seen")
    zeros = np.zeros((2, len(ANATOMY.label_names)), np.float32), np.zeros((2, 4), np.float32)
    made.fit(SentenceLabels(texts, *zeros), SentenceLabels(texts, *zeros), seed=0, folder=tmp_path)
    made.save(tmp_path)
    described = json.loads((tmp_path / "model.json").read_text("utf-8"))
    assert 20 < described["training"]["texts"] <= 32


@cache
def shipped() -> BertDiscretizer:
    """The model in the package, loaded once."""
    return BertDiscretizer(BertConfig(), ANATOMY)


class TestShipped:
    """The model in the package."""

    def test_size_and_licence(self) -> None:
        folder = shipped_model()
        assert (folder / "model.safetensors").stat().st_size <= 10_000_000
        card = (folder / "README.md").read_text("utf-8")
        assert "Not for clinical use" in card and "crossdl discretizer train" in card

    def test_plain_sentences(self) -> None:
        said = shipped().label(["左侧额叶见片状低密度影", "Right cerebellar hemorrhage"])
        regions = [ANATOMY.label_names[i] for i in said.regions.argmax(axis=1)]
        types = [ANATOMY.type_names[i] for i in said.types.argmax(axis=1)]
        assert regions == ["left_frontal_lobe", "right_cerebellum"]
        assert types == ["intra_hypo", "intra_hyper"]

    @given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join))
    def test_mirrored_text_gives_mirrored_labels(self, text: str) -> None:
        said = shipped().label([text, mirror_text(text, ANATOMY)])
        np.testing.assert_array_equal(said.regions[1], said.regions[0][ANATOMY.mirror_index])
        np.testing.assert_array_equal(said.types[1], said.types[0])

    def test_real_sentences_mirror(self, data_dir: Path) -> None:
        made = shipped()
        lines = (data_dir / "sentences" / "head_ct_sentences.jsonl").read_text("utf-8").splitlines()
        texts = [json.loads(line)["sentence"] for line in lines]
        plain, mirrored = made.label(texts), made.label([mirror_text(t, ANATOMY) for t in texts])
        np.testing.assert_array_equal(mirrored.regions, plain.regions[:, ANATOMY.mirror_index])
        np.testing.assert_array_equal(mirrored.types, plain.types)
