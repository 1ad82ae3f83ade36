from __future__ import annotations

import numpy as np
import pytest

from crossdl.plugins.cohorts._phantom_grammar import Dice, Rules, parse


def said(source: str, table: dict[str, list[str]] | None = None, **slots: str) -> set[str]:
    dice = Dice(np.random.default_rng(0), block=7)
    rules = Rules(table or {})
    return {rules.say(parse(source), dice, slots) for _ in range(200)}


def test_choices_nest_and_may_be_empty() -> None:
    assert said("a[b|c[d|]|]e") == {"abe", "acde", "ace", "ae"}


def test_rules_and_slots() -> None:
    assert said("<x> {y}", {"x": ["1", "<z>"], "z": ["2"]}, y="!") == {"1 !", "2 !"}
    assert parse("[<x>|{y}]{z}").uses == {"<x>", "{y}", "{z}"}


def test_a_slot_may_be_decided_late() -> None:
    rules = Rules({})
    numbers = iter(range(9))
    assert (
        rules.say(
            parse("{n}{n}"), Dice(np.random.default_rng(0)), {"n": lambda: str(next(numbers))}
        )
        == "01"
    )


@pytest.mark.parametrize("source", ["[a", "a]", "<x", "{y", "[a|b", "a}b", "[a<b]"])
def test_brackets_must_match(source: str) -> None:
    with pytest.raises(ValueError, match=r"closed|opens"):
        parse(source)


def test_unknown_rules_are_named() -> None:
    with pytest.raises(ValueError, match="<nowhere>"):
        Rules({"x": ["a[<nowhere>|b]"]})


def test_unknown_slots_are_an_error() -> None:
    with pytest.raises(KeyError, match="y"):
        said("{y}")


def test_dice_are_fair_and_depend_on_the_seed_alone() -> None:
    one, two = (Dice(np.random.default_rng(3), block) for block in (5, 64))
    assert [one.random() for _ in range(100)] == [two.random() for _ in range(100)]
    counts = np.bincount([one.below(4) for _ in range(8000)], minlength=4)
    assert counts.min() > 1850 and counts.max() < 2150
    assert np.mean([one.chance(0.2) for _ in range(8000)]) == pytest.approx(0.2, abs=0.02)
    orders = set()
    for _ in range(200):
        items = [1, 2, 3]
        one.shuffle(items)
        orders.add(tuple(items))
    assert len(orders) == 6
