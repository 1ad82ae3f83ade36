"""Texts → token numbers, by a vocabulary of one's own or that of a pre-trained encoder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossdl.decoding import writable
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
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
    from tokenizers.processors import TemplateProcessing

    if settings.vocabulary == "blank":
        normalizer = normalizers.Sequence([])
        divider: Any = pre_tokenizers.WhitespaceSplit()
    else:
        normalizer = normalizers.Sequence(
            [
                normalizers.NFKC(),
                normalizers.BertNormalizer(lowercase=True),
                normalizers.Replace(Regex(r"[0-9]+(?:[.,][0-9]+)*"), "0"),
            ]
        )
        divider = pre_tokenizers.Sequence(
            [pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Digits()]
        )
    words = Counter(
        word
        for text in texts
        for word, _ in divider.pre_tokenize_str(normalizer.normalize_str(writable(text)))
    )
    pieces = words if settings.vocabulary == "blank" else _pieces(words, settings.vocabulary_size)
    common = [piece for piece, count in pieces.items() if count >= settings.min_frequency]
    common.sort(key=lambda piece: (-pieces[piece], piece))
    if not common:
        raise InputError("the texts hold no words to make a vocabulary from")
    vocabulary = {t: i for i, t in enumerate((*SPECIAL, *common[: settings.vocabulary_size]))}
    whole = settings.vocabulary == "blank"
    model = (models.WordLevel if whole else models.WordPiece)(vocabulary, unk_token=UNKNOWN)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = divider
    tokenizer.post_processor = TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(t, vocabulary[t]) for t in (START, END)],
    )
    return tokenizer


def _pieces(words: Counter[str], size: int) -> Counter[str]:
    """How often each piece of a word occurs; ``##`` marks those that do not begin one.

    Pieces are those of byte-pair encoding, which unlike the library's own trainer for WordPiece
    gives the same ones every time, and all single characters.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    divider = Tokenizer(models.BPE())
    divider.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False)
    often = (word for word, count in sorted(words.items()) for _ in range(min(count, 1000)))
    divider.train_from_iterator(often, trainer)
    found: Counter[str] = Counter()
    for word, count in words.items():
        tokens = [token.value for token in divider.model.tokenize(word)]
        for parts in (tokens, list(word)):
            for place, part in enumerate(parts):
                found[part if place == 0 else f"##{part}"] += count
    return found


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
    found = tokenizer.encode_batch_fast([writable(text) for text in texts])
    return [np.array(one.ids, dtype=np.int32) for one in found]
