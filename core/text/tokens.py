"""Texts → token numbers, by a vocabulary of one's own or that of a pre-trained encoder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossdl.errors import InputError
from crossdl.text.settings import ScratchEncoder

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Ids = npt.NDArray[np.int32]

PAD, UNKNOWN, START, END, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL = (PAD, UNKNOWN, START, END, MASK)

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # one order of counting, whoever forks


def train_tokenizer(texts: Sequence[str], settings: ScratchEncoder) -> Tokenizer:
    """Learns a vocabulary from texts.

    Raises:
        InputError: The texts hold no word.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
    from tokenizers.processors import TemplateProcessing

    common: dict[str, Any] = {
        "special_tokens": list(SPECIAL),
        "vocab_size": settings.vocabulary_size,
        "min_frequency": settings.min_frequency,
        "show_progress": False,
    }
    if settings.vocabulary == "blank":
        tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        trainer: Any = trainers.WordLevelTrainer(**common)
    else:
        tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
        tokenizer.normalizer = normalizers.Sequence(
            [
                normalizers.NFKC(),
                normalizers.BertNormalizer(lowercase=True),
                normalizers.Replace(Regex(r"[0-9]+(?:[.,][0-9]+)*"), "0"),
            ]
        )
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(**common)
    tokenizer.train_from_iterator(sorted(set(texts)), trainer)
    if tokenizer.get_vocab_size() <= len(SPECIAL):
        raise InputError("the texts hold no words to make a vocabulary from")
    tokenizer.post_processor = TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(t, tokenizer.token_to_id(t)) for t in (START, END)],
    )
    return tokenizer


def read_tokenizer(path: Path) -> Tokenizer:
    """Reads ``tokenizer.json``.

    Raises:
        InputError: It is missing or damaged.
    """
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise InputError(f"{path}: not a readable tokenizer ({error}); copy it again") from error


def special_id(tokenizer: Tokenizer, token: str) -> int:
    """Number of a special token.

    Raises:
        InputError: The vocabulary has none of this name.
    """
    number = tokenizer.token_to_id(token)
    if number is None:
        raise InputError(f"the encoder's vocabulary has no {token}; use a BERT-like encoder")
    return int(number)


def encode(tokenizer: Tokenizer, texts: Sequence[str], max_length: int) -> list[Ids]:
    """Token numbers of every text, [CLS] and [SEP] included, at most ``max_length`` long."""
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    clean = [text.encode("utf-8", "replace").decode() for text in texts]
    return [np.array(e.ids, dtype=np.int32) for e in tokenizer.encode_batch_fast(clean)]
