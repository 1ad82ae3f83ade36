"""Which lesions and confounders a scan has, drawn from tables before anything is painted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, get_args

import numpy as np

from crossdl.plugins.cohorts._phantom_brush import Lesion
from crossdl.plugins.cohorts._phantom_findings import Confounder


@dataclass(frozen=True)
class Plan:
    """What a scan is to show.

    Attributes:
        lesions: In the order in which they are painted.
        confounders: Names of the table ``confounders``, in its order.
    """

    lesions: tuple[Lesion, ...] = ()
    confounders: tuple[str, ...] = ()

    @property
    def told(self) -> tuple[Confounder, ...]:
        """The confounders that a report may tell."""
        return tuple(c for c in get_args(Confounder) if c in self.confounders)


def lesion_data() -> dict[str, Any]:
    """Tables of ``phantom_lesions.toml``."""
    import tomllib

    text = (files("crossdl") / "plugins" / "cohorts" / "phantom_lesions.toml").read_text("utf-8")
    return tomllib.loads(text)


def draw_plan(
    data: Mapping[str, Any],
    positive_rate: float | None,
    rng: np.random.Generator,
    patient: np.random.Generator | None = None,
) -> Plan:
    """Draws scenes, their lesions, and confounders.

    Args:
        data: From :func:`lesion_data`.
        positive_rate: Share of scans with lesions; the scenes keep their proportions. None is
            natural prevalence.
        rng: Of this scan.
        patient: Of what stays the same between a patient's scans; None takes ``rng``.
    """
    scenes = data["scenes"]
    rates = np.array([scene["rate"] for scene in scenes])
    drawn = rng.random(len(rates)) < rates
    if positive_rate is not None:
        drawn[:] = False
        if rng.random() < positive_rate:
            while not drawn.any():
                drawn = rng.random(len(rates)) < rates
    lesions: list[Lesion] = []
    extra: dict[str, float] = {}
    for scene, here in zip(scenes, drawn, strict=True):
        if here:
            lesions += _scene(scene, rng)
            for name, share in scene.get("confounders", {}).items():
                extra[name] = max(share, extra.get(name, 0.0))
    shares = {
        name: max(pair[int(bool(lesions))], extra.get(name, 0.0))
        for name, pair in data["confounders"].items()
    }
    lasting = {name: patient or rng for name in data["lasting"]}
    confounders = tuple(
        name for name, share in shares.items() if lasting.get(name, rng).random() < share
    )
    return Plan(tuple(lesions), confounders)


def _scene(scene: Mapping[str, Any], rng: np.random.Generator) -> list[Lesion]:
    """Lesions of one scene; at least one."""
    side = 1 if rng.random() < 0.5 else -1
    lesions: list[Lesion] = []
    while not lesions:
        for row in scene["lesions"]:
            if rng.random() < row.get("chance", 1.0):
                low, high = row.get("count", (1, 1))
                for _ in range(int(rng.integers(low, high + 1))):
                    lesions += _planted(row, side, rng)
    return lesions


def _planted(row: Mapping[str, Any], side: int, rng: np.random.Generator) -> list[Lesion]:
    where = row.get("side", "same")
    if where == "any":
        side = 1 if rng.random() < 0.5 else -1
    sides = {"other": [-side], "both": [side, -side]}.get(where, [side])
    if where == "both" and rng.random() < 0.3:
        sides = sides[:1]
    low, high = row["size"]
    size = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    style = _one_of(row.get("style", {"": 1.0}), rng)
    acuity = _one_of(row["acuity"], rng) if "acuity" in row else None
    place = _one_of(row["places"], rng)
    return [Lesion(row["kind"], place, s, size, style, acuity) for s in sides]  # type: ignore[arg-type]


def _one_of(weights: Mapping[str, float], rng: np.random.Generator) -> str:
    share = np.array(list(weights.values()), dtype=np.float64)
    return list(weights)[int(rng.choice(len(share), p=share / share.sum()))]
