"""Paints what a scan is to show onto a patient's head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.plugins.cohorts._phantom_blood import (
    arachnoid_cyst,
    epidural,
    hygroma,
    intraventricular,
    subarachnoid,
    subdural,
)
from crossdl.plugins.cohorts._phantom_brain_lesions import (
    contusion,
    encephalomalacia,
    haematoma,
    infarct,
    oedema,
    tumour,
)
from crossdl.plugins.cohorts._phantom_brush import Brush, Kinds
from crossdl.plugins.cohorts._phantom_canvas import Canvas
from crossdl.plugins.cohorts._phantom_confounders import DRAWN
from crossdl.plugins.cohorts._phantom_head import Space
from crossdl.plugins.cohorts._phantom_mass import displaced, displacement, midline_shift
from crossdl.plugins.cohorts._phantom_plan import Plan, draw_plan, lesion_data
from crossdl.plugins.cohorts._phantom_terrain import Terrain
from crossdl.plugins.cohorts._phantom_voxels import in_box
from crossdl.types import FloatArray

KINDS: Kinds = {
    "haematoma": haematoma,
    "contusion": contusion,
    "epidural": epidural,
    "subdural": subdural,
    "subarachnoid": subarachnoid,
    "intraventricular": intraventricular,
    "infarct": infarct,
    "encephalomalacia": encephalomalacia,
    "oedema": oedema,
    "hygroma": hygroma,
    "arachnoid_cyst": arachnoid_cyst,
    "tumour": tumour,
}
"""How each kind of lesion is painted."""


class Variation(Protocol):
    """What painting needs of a recipe."""

    @property
    def positive_rate(self) -> float | None:
        """Share of scans with lesions; None is natural prevalence."""
        ...

    @property
    def lesion_contrast(self) -> float:
        """Widening of every range of lesion densities; 1 leaves them."""
        ...


class Painter:
    """Plans and paints lesions and confounders for one head model.

    Args:
        space: The head model.
        anatomy: Regions and types of the labels.
        data: Tables of ``phantom.toml``.
    """

    def __init__(self, space: Space, anatomy: Anatomy, data: Mapping[str, Any]) -> None:
        self.space, self.anatomy, self.data = space, anatomy, data
        self.lesion_data = lesion_data()
        self.terrain = Terrain(space, anatomy, self.lesion_data, data["ventricle"])

    def canvas(self, hu: FloatArray) -> Canvas:
        """A canvas for densities of the head model's grid, which are painted on in place."""
        return Canvas.of(self.space, self.anatomy, hu, self.lesion_data["solid"])

    def paint_patient(
        self,
        canvas: Canvas,
        patient: np.random.Generator,
        scan: np.random.Generator,
        recipe: Variation,
    ) -> Plan:
        """Plans a scan and paints it: confounders, lesions, then their mass effect.

        Args:
            canvas: From :meth:`canvas`.
            patient: Generator of what stays the same between a patient's scans, such as
                calcifications.
            scan: Generator of everything else.
            recipe: Rates and widths.
        """
        plan = draw_plan(self.lesion_data, recipe.positive_rate, scan, patient)
        self.paint(canvas, plan, scan, recipe.lesion_contrast, patient)
        return plan

    def paint(
        self,
        canvas: Canvas,
        plan: Plan,
        rng: np.random.Generator,
        widen: float = 1.0,
        patient: np.random.Generator | None = None,
    ) -> None:
        """Paints a plan and carries out its mass effect.

        Args:
            canvas: From :meth:`canvas`.
            plan: What to paint.
            rng: Generator of this scan.
            widen: Widening of every range of lesion densities; 1 leaves them.
            patient: Generator of what stays the same between a patient's scans; None takes
                ``rng``.
        """
        lasting = self.lesion_data["lasting"]
        for name in plan.confounders:
            source = patient if patient is not None and name in lasting else rng
            DRAWN[name](Brush(self.terrain, canvas, -1, 1.0, source))
        for number, lesion in enumerate(plan.lesions):
            KINDS[lesion.kind](Brush(self.terrain, canvas, number, widen, rng), lesion)
        if canvas.pushes:
            moved = displacement(self.terrain, canvas.pushes)
            canvas.shift_mm = midline_shift(self.terrain, moved)
            displaced(self.terrain, moved, [canvas.hu, canvas.labels, canvas.parts])
            canvas.pushes.clear()

    def seat(self, index: FloatArray) -> tuple[int, str | None]:
        """The place of the table ``elsewhere`` that holds most of some points, and its side.

        Args:
            index: ``(3, n)`` indices ``(d, h, w)`` of the head model's grid.

        Returns:
            The place, -1 for none of them; and the key of the side, None for both.
        """
        s, p, l = (  # noqa: E741
            index[k] * np.diff(axis.ravel()[:2]) + axis.ravel()[0]
            for k, axis in enumerate(self.space.world)
        )
        shares = [float(in_box(place, np.abs(l), -p, s).mean()) for place in self.data["elsewhere"]]
        best = int(np.argmax(shares))
        left = float((l > 0).mean())
        sides = self.data["sides"]
        side = sides["positive"] if left > 0.8 else sides["negative"] if left < 0.2 else None
        return (best if shares[best] > 0.3 else -1), side
