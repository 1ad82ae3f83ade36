"""An encoder with one fully connected layer of sigmoid units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from crossdl.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from crossdl.text.settings import ScratchEncoder

Pooling = Literal["cls", "cls_mean_max", "label_attention"]


class TextNetwork(nn.Module):
    """Tokens → logits of R + T labels.

    The paper's form takes the output at [CLS]. Two others let small encoders learn faster:
    ``cls_mean_max`` joins it with mean and maximum over all tokens, and ``label_attention`` adds
    for each label l the evidence of the tokens it attends to, Σ_t softmax_t(q_l·h_t) (v_l·h_t)
    (Mullenbach et al. 2018).
    """

    def __init__(
        self, encoder: PreTrainedModel, n_labels: int, pooling: Pooling, dropout: float
    ) -> None:
        """Puts a new last layer on an encoder."""
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling
        width = int(encoder.config.hidden_size) * (1 if pooling == "cls" else 3)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, n_labels)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self.query = self.value = None
        if pooling == "label_attention":
            size = int(encoder.config.hidden_size)
            self.query, self.value = nn.Linear(size, n_labels), nn.Linear(size, n_labels)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Logits.

        Args:
            ids: ``(B, L)`` token numbers.
            mask: ``(B, L)`` True where there is a token.

        Returns:
            ``(B, R + T)`` float32.
        """
        hidden = self.encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        with torch.autocast(hidden.device.type, enabled=False):
            return self._head(hidden.float(), mask)

    def _head(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """Logits from ``(B, L, width)`` float32."""
        feature, there = hidden[:, 0], mask[:, :, None]
        if self.pooling != "cls":
            mean = (hidden * there).sum(1) / there.sum(1)
            most = hidden.masked_fill(~there, -1e4).amax(1)
            feature = torch.cat([feature, mean, most], dim=1)
        logits: Tensor = self.head(self.dropout(feature))
        if self.query is not None and self.value is not None:
            hidden = self.dropout(hidden)
            attention = self.query(hidden).masked_fill(~there, -1e4).softmax(1)
            logits = logits + (attention * self.value(hidden)).sum(1)
        return logits


def new_masked_model(vocabulary: int, max_length: int, settings: ScratchEncoder) -> Any:
    """A BERT with random weights and a masked-language head, before pre-training."""
    import transformers

    if settings.width % settings.heads:
        raise InputError(
            f"scratch.width {settings.width} is not a multiple of scratch.heads {settings.heads}"
        )
    describe: Any = transformers.BertConfig  # its signature leaves out what all encoders take
    return transformers.BertForMaskedLM(
        describe(
            vocab_size=vocabulary,
            hidden_size=settings.width,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            intermediate_size=4 * settings.width,
            max_position_embeddings=max_length,
            type_vocab_size=1,
            hidden_dropout_prob=settings.dropout,
            attention_probs_dropout_prob=0.0,  # drawing it costs a quarter of the time
            attn_implementation=_attention(),
        )
    )


def encoder_from(described: dict[str, Any]) -> PreTrainedModel:
    """An encoder with random weights from its saved configuration."""
    import transformers

    auto: Any = transformers.AutoModel
    fields = dict(described)
    config = transformers.AutoConfig.for_model(fields.pop("model_type"), **fields)
    return _bare(auto.from_config(config, attn_implementation=_attention()))


def pretrained_encoder(name: str) -> tuple[PreTrainedModel, Any]:
    """A pre-trained encoder and its tokenizer, by hub name or folder.

    Raises:
        InputError: It cannot be had, has no fast tokenizer, or only weights with pickle in them.
    """
    import transformers

    hub: Any = transformers
    hub.utils.logging.set_verbosity_error()
    hub.utils.logging.disable_progress_bar()
    try:
        fast = hub.AutoTokenizer.from_pretrained(name).backend_tokenizer
        encoder = hub.AutoModel.from_pretrained(
            name, use_safetensors=True, attn_implementation=_attention()
        )
    except (OSError, ValueError, AttributeError, ImportError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"encoder {name!r} cannot be loaded ({reason}); give a folder with config.json, "
            'tokenizer.json and model.safetensors, or encoder = "scratch"'
        ) from error
    return _bare(encoder), fast


def _attention() -> str:
    """The form of attention that trains fastest on short texts: on CPUs the plain one."""
    from crossdl.networks.devices import device

    return "eager" if device().type == "cpu" else "sdpa"


def _bare(encoder: Any) -> PreTrainedModel:
    """Without the pooling layer of next-sentence prediction, which nothing here uses."""
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    return encoder  # type: ignore[no-any-return]
