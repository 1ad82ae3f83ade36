"""The same study on Ray: two nodes, a worker that is killed, the same bytes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crossdl.study.files import read_failures, read_table

Start = Callable[..., subprocess.Popen[str]]
Finish = Callable[..., str]

ray = pytest.importorskip("ray", reason="the extra crossdl[ray] is not installed")


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two nodes of one core each."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    made.wait_for_nodes()
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.mark.slow
def test_ray_gives_the_bytes_of_local_processes(
    project: Path, start: Start, finish: Finish, cluster: Any
) -> None:
    finish(start("skills", "--out", "local"))
    cache = project / "cache"
    cache.rename(project / "other")  # Ray computes everything itself
    finish(start("skills", "--out", "ray", "--engine", "ray", "--address", cluster.address))
    names = ("metrics.json", "predictions.jsonl", "model/model.json")
    for cell in sorted((project / "local" / "cells").iterdir()):
        for name in names:
            assert (project / "ray" / "cells" / cell.name / name).read_bytes() == (
                cell / name
            ).read_bytes()
    for table in ("results", "means", "comparisons"):
        assert read_table(project / "ray", table) == read_table(project / "local", table)


@pytest.mark.slow
def test_a_killed_worker_is_replaced(
    project: Path, start: Start, finish: Finish, cluster: Any
) -> None:
    finish(
        start("broken", "--engine", "ray", "--address", cluster.address), code=1
    )  # one cell kills its worker
    folder = project / "studies" / "broken"
    assert {f.cell for f in read_failures(folder)} == {"fails_seed0", "crashes_seed0"}
    assert {row["slug"] for row in read_table(folder, "results")} == {
        "good_seed0", "dies_once_seed0",
    }  # fmt: skip


def test_without_ray_the_extra_is_named(
    project: Path, start: Start, finish: Finish, tmp_path: Path
) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "ray.py").write_text("raise ImportError('hidden')\n", encoding="utf-8")
    path = os.pathsep.join([str(hidden), *filter(None, [os.environ.get("PYTHONPATH")])])
    output = finish(start("skills", "--engine", "ray", PYTHONPATH=path), code=2)
    assert "pip install 'crossdl[ray]'" in output and "Traceback" not in output
