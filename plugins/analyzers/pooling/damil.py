"""DaMIL pooling: as many voxels as the coarser scale already believes in (E7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from torch import Tensor


class DaMILConfig(ComponentConfig):
    """Configuration of :class:`DaMIL`."""

    kind: Literal["damil"] = "damil"
    threshold: float = Field(
        0.5, gt=0, lt=1, description="t of E7: a voxel counts when its coarser product exceeds it"
    )
    count_scaling: float = Field(
        1.0,
        gt=0,
        description="k = count × this. The coarser map arrives at this scale's size, so 1 is E7 as "
        "printed; the released code counts coarse voxels and multiplies by 4",
    )
    min_k: int = Field(1, ge=1, description="least number of voxels averaged, voxels")
    first_k: int = Field(
        1, ge=1, description="voxels averaged at the coarsest scale; 1 is the maximum of E6"
    )


class DaMIL(MILPooling[DaMILConfig]):
    """ŷ_l,ij = mean TOP_k(Ŝ_i D̂_j^l) with k = Σ_v 1(Ŝ_iv D̂_jv^(l-1) > t), Liu et al. 2023.

    The coarser scale has decided how large an abnormality is; the finer one must then fill as
    many voxels, where a maximum would be satisfied by one. k has no gradient. Among equal
    products at the edge of the k largest, which ones receive the gradient is unspecified.
    """

    def pool(self, regions: Tensor, abnormality: Tensor, coarser: Tensor | None) -> Tensor:
        """Pools region by region, so that memory is that of M maps."""
        import torch

        bags = []
        for region in regions.unbind(1):
            counts = self._counts(region, abnormality, coarser)
            with torch.no_grad():
                largest = int(counts.max())
                order = (region[:, None] * abnormality).topk(largest, dim=-1).indices
                kept = torch.arange(largest, device=counts.device) < counts[..., None]
            weight = region[:, None].expand_as(abnormality).gather(-1, order)
            product = weight * abnormality.gather(-1, order)
            bags.append((product * kept).sum(-1) / counts)
        return torch.stack(bags, dim=1)

    def _counts(self, region: Tensor, abnormality: Tensor, coarser: Tensor | None) -> Tensor:
        """Number of voxels k per scan and type, ``(B, M)`` int64 of at least 1."""
        import torch

        voxels = abnormality.shape[-1]
        with torch.no_grad():
            if coarser is None:
                first = min(self.config.first_k, voxels)
                return torch.full(
                    abnormality.shape[:2], first, dtype=torch.int64, device=region.device
                )
            believed = (region[:, None] * coarser > self.config.threshold).sum(-1)
            scaled = (believed * self.config.count_scaling).round().long()
            return scaled.clamp(min(self.config.min_k, voxels), voxels)
