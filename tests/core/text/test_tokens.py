from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossdl.errors import InputError
from crossdl.text.settings import ScratchEncoder
from crossdl.text.tokens import (
    END,
    PAD,
    START,
    UNKNOWN,
    encode,
    read_tokenizer,
    special_id,
    train_tokenizer,
)

TEXTS = ["Left frontal bleed of 13.5 mm", "左侧额叶出血，约１３mm", "LEFT frontal edema"] * 2


def test_words_characters_and_numbers() -> None:
    made = train_tokenizer(TEXTS, ScratchEncoder(min_frequency=1, vocabulary_size=400))
    ids = [encode(made, [text], 64)[0] for text in ("left 5 mm", "LEFT 1234.5 mm", "左 7mm")]
    np.testing.assert_array_equal(ids[0], ids[1])
    tokens = [made.id_to_token(int(i)) for i in ids[2]]
    assert tokens == [START, "左", "0", "mm", END]


def test_blank_separated_tokens() -> None:
    made = train_tokenizer(["12 7 7", "7 3"], ScratchEncoder(vocabulary="blank", min_frequency=1))
    tokens = [made.id_to_token(int(i)) for i in encode(made, ["3 12 99"], 16)[0]]
    assert tokens == [START, "3", "12", UNKNOWN, END]


def test_long_texts_are_cut_and_odd_ones_survive() -> None:
    made = train_tokenizer(TEXTS, ScratchEncoder(min_frequency=1))
    odd = ["", "\ud800 \x00", "word " * 5000]
    rows = encode(made, odd, 16)
    assert [len(row) for row in rows][::2] == [2, 16]
    assert all(row[0] == special_id(made, START) for row in rows)


def test_the_same_texts_in_any_order_give_the_same_vocabulary() -> None:
    texts = [f"word{i % 37} part{i % 11} 左{chr(0x4E00 + i % 53)}" for i in range(300)]
    one = train_tokenizer(texts, ScratchEncoder(vocabulary_size=150))
    two = train_tokenizer(texts[::-1], ScratchEncoder(vocabulary_size=150))
    assert one.to_str() == two.to_str()


def test_what_cannot_be_a_vocabulary(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no words"):
        train_tokenizer(["", "  "], ScratchEncoder())
    (tmp_path / "tokenizer.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="not a readable tokenizer"):
        read_tokenizer(tmp_path / "tokenizer.json")
    with pytest.raises(InputError, match="has no"):
        special_id(train_tokenizer(TEXTS, ScratchEncoder(min_frequency=1)), "[NONE]")
    assert special_id(train_tokenizer(TEXTS, ScratchEncoder(min_frequency=1)), PAD) == 0
