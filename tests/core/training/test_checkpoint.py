from __future__ import annotations

import math
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossdl.errors import InputError
from crossdl.training.checkpoint import read_checkpoint, write_checkpoint

LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5)
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)


def same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and math.isnan(a):
        return math.isnan(b)
    return bool(a == b)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=TREES)
def test_anything_json_like_comes_back(tree: Any, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "c", {"tree": tree})
    assert same(read_checkpoint(tmp_path / "c"), {"tree": tree})


def test_optimizer_state_comes_back_bit_for_bit(tmp_path: Path) -> None:
    layer = torch.nn.Conv3d(1, 2, 3)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.randn(1, 1, 4, 4, 4)).sum().backward()
    optimizer.step()
    path = tmp_path / "c.safetensors"
    shared = layer.weight
    write_checkpoint(
        path, {"o": optimizer.state_dict(), "n": OrderedDict(w=shared, same=shared.transpose(0, 1))}
    )
    found = read_checkpoint(path)
    before = optimizer.state_dict()
    assert found["o"]["param_groups"] == before["param_groups"]
    for number, state in before["state"].items():
        assert all(torch.equal(v, found["o"]["state"][number][k]) for k, v in state.items())
    assert torch.equal(found["n"]["same"], shared.transpose(0, 1))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_what_would_need_pickle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="without pickle"):
        write_checkpoint(tmp_path / "c", {"path": Path("x")})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "foreign"])
def test_a_damaged_checkpoint_is_an_input_error(tmp_path: Path, damage: str) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "c"
    write_checkpoint(path, {"x": torch.zeros(100)})
    if damage == "foreign":
        save_file({"x": torch.zeros(2)}, path)
    else:
        data = path.read_bytes()
        path.write_bytes({"cut": data[: len(data) // 2], "empty": b"", "text": b"hello"}[damage])
    with pytest.raises(InputError, match="remove it"):
        read_checkpoint(path)


def test_a_pickled_checkpoint_is_not_executed(tmp_path: Path) -> None:
    path = tmp_path / "c"
    torch.save({"x": torch.zeros(2)}, path)
    with pytest.raises(InputError):
        read_checkpoint(path)
