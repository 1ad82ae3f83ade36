from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossdl.files import replacing, write_json


def test_the_old_file_survives_a_failed_write(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "a.json"
    write_json(path, {"x": 1})
    with pytest.raises(RuntimeError), replacing(path) as working:
        working.write_text("half", encoding="utf-8")
        raise RuntimeError
    assert json.loads(path.read_text(encoding="utf-8")) == {"x": 1}
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]


def test_the_temporary_name_keeps_the_ending(tmp_path: Path) -> None:
    with replacing(tmp_path / "v.nii.gz") as working:
        assert working.name.endswith(".nii.gz")
        working.write_bytes(b"1")
    assert (tmp_path / "v.nii.gz").read_bytes() == b"1"


def test_json_has_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert not list(tmp_path.iterdir())
