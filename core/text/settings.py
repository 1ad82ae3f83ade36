"""Settings of discretizers that are transformer networks."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from crossdl.config import Precision
from crossdl.interfaces import DiscretizerConfig
from crossdl.labels import Level

SCRATCH = "scratch"
"""Value of ``encoder`` that means a new network instead of a pre-trained one."""

SHIPPED = "shipped"
"""Value of ``model`` that means the discretizer in the package."""

NEW = "new"
"""Value of ``model`` that means one that is yet to be trained."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScratchEncoder(_Settings):
    """A small BERT from nothing: vocabulary, network, masked-language pre-training."""

    vocabulary: Literal["wordpiece", "blank"] = Field(
        default="wordpiece",
        description="wordpiece: words in pieces, Chinese characters alone, every number as 0; "
        "blank: whatever stands between blanks is a token",
    )
    vocabulary_size: int = Field(default=4000, ge=32, description="most tokens kept")
    min_frequency: int = Field(default=2, ge=1, description="rarer tokens become [UNK]")
    layers: int = Field(default=4, ge=1, description="transformer layers")
    width: int = Field(
        default=256, ge=8, description="hidden units of a layer, a multiple of heads"
    )
    heads: int = Field(default=4, ge=1, description="attention heads")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="of hidden units in fine-tuning")
    epochs: int = Field(default=10, ge=0, description="of masked-language pre-training; 0 is none")
    batch_size: int = Field(default=64, ge=1, description="texts per pre-training step")
    learning_rate: float = Field(
        default=1e-3, gt=0, description="highest rate of pre-training (AdamW)"
    )
    mask_rate: float = Field(default=0.15, gt=0, lt=1, description="share of tokens hidden")
    longest_span: int = Field(default=3, ge=1, description="tokens hidden together, at most")


class FineTuning(_Settings):
    """Training on labelled texts; the defaults are the paper's."""

    epochs: int = Field(default=5, ge=1, description="most epochs trained")
    patience: int = Field(
        default=1, ge=1, description="epochs without a better validation E2 until stop"
    )
    batch_size: int = Field(default=16, ge=1, description="texts per step")
    learning_rate: float = Field(default=5e-5, gt=0, description="highest rate of Adam")
    schedule: Literal["constant", "linear"] = Field(
        default="constant", description="linear: falls to 0 over the epochs"
    )
    warmup: float = Field(
        default=0.0, ge=0, lt=1, description="share of all steps in which the rate rises"
    )
    weight_decay: float = Field(default=0.0, ge=0, description="of AdamW; 0 is Adam")
    swap_probability: float = Field(
        default=0.5, ge=0, le=1, description="of swapping left and right in text and labels"
    )
    mix_probability: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="of joining a text with another, whose labels are added",
    )
    mix_rarity: float = Field(
        default=0.0,
        ge=0,
        description="joined texts are drawn by (1 / frequency of their rarest label) to this power",
    )
    mix_share: float = Field(
        default=1.0, ge=0, le=1, description="first part of the epochs in which texts are joined"
    )
    mask_rate: float = Field(
        default=0.0, ge=0, lt=1, description="share of tokens hidden from the network"
    )
    head_rate: float = Field(
        default=1.0, gt=0, description="learning rate of the last layer, times that of the encoder"
    )
    averaging: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="decay of an average of the weights, which is then kept",
    )
    dropout: float = Field(default=0.1, ge=0, lt=1, description="before the last layer")
    clip: float | None = Field(default=None, gt=0, description="largest norm of a gradient")


SCRATCH_TRAINING = FineTuning(
    epochs=20,
    patience=5,
    batch_size=32,
    learning_rate=5e-4,
    schedule="linear",
    warmup=0.1,
    weight_decay=0.01,
    swap_probability=0.0,
    mix_probability=0.25,
    mix_rarity=0.5,
    mix_share=0.7,
    mask_rate=0.1,
    averaging=0.99,
    clip=1.0,
)
"""What a small encoder from nothing needs: higher rates, more epochs, joined texts, averages.
Swapping is left out because texts are read in one of their two mirror images anyway."""


class TextConfig(DiscretizerConfig):
    """Which model, or how one is trained."""

    model: str = Field(
        default=SHIPPED,
        description='folder of a trained discretizer, "shipped" for the one in the package, or '
        '"new": learn from the cohort\'s silver sentences',
    )
    encoder: str = Field(
        default="bert-base-chinese",
        description='pre-trained encoder by hub name or folder, or "scratch" for a small new one',
    )
    scratch: ScratchEncoder = Field(
        default=ScratchEncoder(), description='with encoder = "scratch"'
    )
    training: FineTuning | None = Field(
        default=None,
        description="none means the paper's for a pre-trained encoder, and one that suits small "
        "new ones for scratch",
    )
    level: Level = Field(
        default="sentence", description="whether labels belong to sentences or reports"
    )
    silver: int = Field(
        default=1500, ge=0, description="most labelled texts that are learnt from; 0 means all"
    )
    exchanged: int = Field(
        default=0,
        ge=0,
        description="more sentences to learn from, made of labelled and unlabelled ones by "
        "exchanging terms of the lexicon, and labelled by the rules of discretizer lexicon",
    )
    max_length: int = Field(default=128, ge=8, le=512, description="tokens; longer texts are cut")
    pooling: Literal["cls", "cls_mean_max", "label_attention"] = Field(
        default="cls", description="what of the encoder's output goes into the last layer"
    )
    calibrate: bool = Field(
        default=True, description="fit a temperature per group on validation texts"
    )
    cutoffs: Literal["half", "f1"] = Field(
        default="half",
        description="half: 0.5 for all labels; f1: per label, the best on validation texts",
    )
    precision: Precision = Field(
        default="auto", description="auto: bf16 where the processor has instructions for it"
    )
    engine: Literal["torch", "onnx", "onnx_int8"] = Field(
        default="torch",
        description="what computes the labels; onnx and onnx_int8 (8 bit integers, which change "
        "probabilities a little) are ONNX Runtime and need the extra crossdl[onnx]",
    )
    save_dtype: Literal["float32", "float16"] = Field(
        default="float32", description="of the saved weights; float16 halves the file"
    )

    @property
    def fine_tuning(self) -> FineTuning:
        """The training that applies."""
        if self.training is not None:
            return self.training
        return SCRATCH_TRAINING if self.encoder == SCRATCH else FineTuning()
