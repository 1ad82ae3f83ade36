"""Every kind that ships is run through its interface's contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crossdl.testing import contract_tests


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


test_contract = contract_tests(
    configs={
        "cohort/nifti": nifti,
        "segmenter/elastix": {"preset": "fast", "working_shape": [24, 48, 48]},
    }
)
