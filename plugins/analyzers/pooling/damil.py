"""DaMIL pooling: as many voxels as the coarser scale already believes in (E7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from torch import Tensor

    from crossdl.networks.bags import Bags, VoxelMaps

_RELEASED = {
    "count_at": "coarser",
    "count_scaling": 4.0,
    "min_k": 4,
    "first_scale": 10,
    "reduce": "loss",
}
_VOLUME = 8  # voxels of a scale in one of the next coarser


class DaMILConfig(ComponentConfig):
    """Settings of DaMIL pooling; ``variant`` sets those that are not given."""

    kind: Literal["damil"] = "damil"
    variant: Literal["paper", "released"] = Field(
        "paper",
        description="preset of the fields below: paper is E7 as printed; released is the authors' "
        "code: count_at coarser, count_scaling 4, min_k 4, first_scale 10, reduce loss",
    )
    threshold: float = Field(
        0.5, gt=0, lt=1, description="t of E7: a voxel counts when its coarser product exceeds it"
    )
    count_at: Literal["this", "coarser"] = Field(
        "this",
        description="this: products of this scale's regions and the resampled coarser map count, "
        "as in E7; coarser: products at the coarser scale, an eighth as many voxels",
    )
    count_scaling: float | Literal["literal", "volume"] = Field(
        "literal",
        description="k = count × this: literal is 1 (E7), volume is 8, the voxels of a scale in "
        "one of the coarser; or a factor above 0",
    )
    min_k: int = Field(1, ge=1, description="least number of voxels averaged")
    first_scale: int | Literal["max"] = Field(
        "max", description="voxels averaged at the coarsest scale; max is one voxel (E6)"
    )
    reduce: Literal["mean", "loss"] = Field(
        "mean",
        description="mean: cross entropy of the mean of the k voxels (E7, E8); loss: mean of the "
        "k voxels' cross entropies",
    )

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and raw.get("variant") == "released":
            return {**_RELEASED, **raw}
        return raw

    @model_validator(mode="after")
    def _positive(self) -> DaMILConfig:
        if not isinstance(self.count_scaling, str) and not self.count_scaling > 0:
            raise ValueError("count_scaling must be literal, volume or a number above 0")
        if not isinstance(self.first_scale, str) and self.first_scale < 1:
            raise ValueError("first_scale must be max or a number of voxels of at least 1")
        return self


class DaMIL(MILPooling[DaMILConfig]):
    """ŷ_l,ij = mean TOP_k(Ŝ_i D̂_j^l) with k = Σ_v 1(Ŝ_iv D̂_jv^(l-1) > t) (E7).

    Reference: Liu et al. 2023. The coarser scale has decided how large an abnormality is; the
    finer one must then fill as many voxels, where a maximum would be satisfied by one.

    The default is the paper's text: the coarser map arrives at this scale's voxels, so its count
    is in voxels of this scale already. ``variant = "released"`` is the authors' code: it counts
    n voxels at the coarser scale and takes k = max(8n, 8)/2; averages the cross entropies of the
    k voxels instead of the voxels, so that one wrong voxel weighs more; and starts with the top
    10. Fields given beside the variant win over it.

    k has no gradient, and is 1 where nothing counts. Ties for the last place share its weight
    equally. An empty region gives about 0. Use it, as the paper does, with two scales or more.
    """

    def bags(self, maps: VoxelMaps) -> Bags:
        """Pools ``(B, N, V)`` and ``(B, M, V)`` to ``(B, N, M)``."""
        from crossdl.networks.top_means import top_bags

        return top_bags(maps, self.counts(maps), self.config.reduce)

    def counts(self, maps: VoxelMaps) -> Tensor:
        """Voxels k to average per bag, ``(B, N, M)`` int64 of at least 1."""
        import torch

        from crossdl.networks.cells import count_above

        config = self.config
        if maps.coarser is None:
            shape = (*maps.regions.shape[:2], maps.abnormality.shape[1])
            return torch.full(shape, self._first(), device=maps.regions.device)
        if config.count_at == "this":
            return self._scaled(count_above(maps.regions, maps.coarser, config.threshold))
        if maps.before is None:  # only probabilities were given: counted here, and made fewer
            count = count_above(maps.regions, maps.coarser, config.threshold)
            return self._scaled(count / _VOLUME)
        before = maps.before
        return self._scaled(count_above(before.regions, before.abnormality, config.threshold))

    def formula(self, s: Tensor, d: Tensor, coarser: Tensor | None) -> Bags:
        """E7."""
        from crossdl.networks.bags import Bags

        if coarser is None:
            k = self._first()
        else:
            count = (s * coarser > self.config.threshold).sum()
            k = int(self._scaled(count / _VOLUME if self.config.count_at == "coarser" else count))
        largest = (s * d).topk(min(k, len(s))).values
        if self.config.reduce == "mean":
            return Bags.from_probability(largest.mean())
        return Bags(*(x.mean() for x in Bags.from_probability(largest)))

    def _first(self) -> int:
        first = self.config.first_scale
        return 1 if isinstance(first, str) else first

    def _scaled(self, count: Tensor) -> Tensor:
        """The k of a count: scaled, rounded, at least ``min_k``."""
        scaling = self.config.count_scaling
        factor = {"literal": 1.0, "volume": float(_VOLUME)}.get(str(scaling), scaling)
        return (count * float(factor)).round().long().clamp_min(self.config.min_k)
