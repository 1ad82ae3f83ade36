"""Every kind that ships is run through its interface's contract."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from crossdl.anatomy import load_anatomy
from crossdl.testing import contract_tests
from crossdl.testing.heads import synthetic_head


def nifti(folder: Path) -> dict[str, Any]:
    """A folder of three scans of two patients, with their reports."""
    import numpy as np
    import SimpleITK as sitk

    rng = np.random.default_rng(0)
    rows = ["scan,patient,split,findings"]
    for index, (patient, split) in enumerate((("a", "train"), ("a", "train"), ("b", "test"))):
        image = sitk.GetImageFromArray(rng.normal(0, 50, (6, 8, 7)).astype(np.float32))
        image.SetSpacing((1.0, 1.0, 5.0))
        sitk.WriteImage(image, str(folder / f"scan{index}.nii.gz"))
        rows.append(f"scan{index}.nii.gz,{patient},{split},Normal.")
    (folder / "reports.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return {"folder": folder}


def cohort_writer() -> ModuleType:
    """The module ``tests/cohort_writer.py``."""
    path = Path(__file__).parent.parent / "cohort_writer.py"
    spec = importlib.util.spec_from_file_location("cohort_writer", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ct_ich(folder: Path) -> dict[str, Any]:
    """Four patients of a data set like CT-ICH."""
    return {"folder": cohort_writer().write_ct_ich(folder)}


def cq500(folder: Path) -> dict[str, Any]:
    """Three patients of a data set like CQ500."""
    return {"folder": cohort_writer().write_cq500(folder)}


def dicom(folder: Path) -> dict[str, Any]:
    """A built cohort of six scans."""
    return {"folder": cohort_writer().write_built(folder)}


def atlas_folder(folder: Path) -> dict[str, Any]:
    """An atlas of boxes: pairs of regions in opposite halves, the others in the middle."""
    import numpy as np
    import SimpleITK as sitk

    anatomy, head = load_anatomy("head_ct"), synthetic_head()
    depth, height, width = head.grid.shape
    labels = np.zeros(head.grid.shape, np.uint8)
    half = width // 2
    for i, region in enumerate(anatomy.regions):
        partner = int(anatomy.mirror_index[i])
        low = depth * min(i, partner) // len(anatomy.regions)
        if partner == i:
            labels[low : low + 2, height // 2 :, half - 4 : half + 4] = i + 1
        else:
            side = slice(8, half - 4) if i < partner else slice(half + 4, width - 8)
            labels[low : low + 2, : height // 2, side] = i + 1
        assert (labels == i + 1).any(), region.name
    for name, array in (("template", head.array), ("labels", labels)):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(head.grid.spacing[::-1])
        image.SetOrigin(head.grid.affine[:3, 3].tolist())
        sitk.WriteImage(image, str(folder / f"{name}.nii.gz"))
    numbers = "".join(f"{name} = {i}\n" for i, name in enumerate(anatomy.region_names, start=1))
    (folder / "atlas.toml").write_text(
        f'name = "boxes"\nsource = "drawn"\nlicence = "CC0"\n[regions]\n{numbers}', encoding="utf-8"
    )
    return {"path": folder}


TINY_PHANTOM = {
    "patients": {"train": 2, "valid": 1, "test": 1},
    "matrix": 64,
    "field_of_view_mm": [224.0, 230.0],
    "model_mm": 2.0,
    "thickness_mm": [9.0, 10.0],
    "slices": [14, 16],
    "repeat_rate": 0.5,
}
TINY_NET = {"volume_shape": [16, 32, 32], "epochs": 2, "precision": "32"}
TINY_SEGRESNET = {
    **TINY_NET,
    "network": "SegResNet",
    "arguments": {"init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1]},
    "features": 8,
}

test_contract = contract_tests(
    configs={
        "atlas/folder": atlas_folder,
        "cohort/cq500": cq500,
        "cohort/ct_ich": ct_ich,
        "cohort/dicom": dicom,
        "cohort/nifti": nifti,
        "cohort/phantom": TINY_PHANTOM,
        "cohort/scans": nifti,
        "segmenter/ants": {"working_shape": [24, 48, 48]},
        "segmenter/chain": {"steps": [{"kind": "elastix", "preset": "affine"}]},
        "segmenter/elastix": {"preset": "fast", "working_shape": [24, 48, 48]},
        "analyzer/attention_classifier": {**TINY_NET, "levels": 3, "base_filters": 2},
        "analyzer/classifier": {**TINY_NET, "levels": 3, "base_filters": 2},
        "analyzer/monai": TINY_SEGRESNET,
        "analyzer/unet": {**TINY_NET, "levels": 3, "base_filters": 2},
    }
)

test_contract_of_static_regions = contract_tests(
    slot="analyzer",
    kind="unet",
    config={**TINY_NET, "levels": 3, "base_filters": 2, "regions": "static"},
)
