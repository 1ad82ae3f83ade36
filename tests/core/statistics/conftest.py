"""Random and degenerate cases for the tests of statistics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import strategies as st


@dataclass(frozen=True, eq=False)
class Case:
    """Truth, scores of two methods, and the patients of n scans."""

    truth: np.ndarray
    first: np.ndarray
    second: np.ndarray
    groups: np.ndarray


@pytest.fixture(scope="session")
def make_case() -> Callable[..., Case]:
    """``make_case(seed, n=60, patients=None, digits=1)``: two methods that agree in part.

    Scores are rounded, so that many tie. Without ``patients`` every scan has its own; otherwise
    scans are spread over about so many, and a patient's scans resemble each other.
    """

    def make(seed: int, n: int = 60, patients: int | None = None, digits: int = 1) -> Case:
        rng = np.random.default_rng(seed)
        groups = np.arange(n) if patients is None else rng.integers(0, patients, size=n)
        leaning = rng.normal(size=n)[groups]
        truth = leaning + rng.normal(size=n) > 0.7
        shared = leaning + rng.normal(size=n)
        first, second = (
            np.round(gain * truth + shared + rng.normal(size=n), digits) for gain in (1.4, 0.9)
        )
        return Case(truth, first, second, groups)

    return make


@pytest.fixture(scope="session")
def small_cases() -> st.SearchStrategy[Case]:
    """Strategy: ties, one class, one patient, equal scores and perfect separation happen."""
    levels = st.one_of(st.integers(-2, 2), st.integers(-1000, 1000)).map(float)
    item = st.tuples(st.booleans(), levels, levels, st.integers(0, 6))

    def build(items: list[tuple[bool, float, float, int]], own: bool) -> Case:
        truth, first, second, groups = (np.array(column) for column in zip(*items, strict=True))
        return Case(truth, first, second, np.arange(len(items)) if own else groups)

    return st.builds(build, st.lists(item, min_size=1, max_size=25), st.booleans())
