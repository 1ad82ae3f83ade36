"""Fixtures shared by all tests."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# Two pytest processes and their children share few cores; tiny problems need one thread each.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

settings.register_profile("crossdl", deadline=None)  # how long an example takes says little here
settings.load_profile("crossdl")

LONG = (
    "test_shipped.py",
    "test_pipeline.py",
    "test_hospital.py",
    "test_builtin.py",
    "test_predict.py",
    "test_phantom.py",
)
"""Files that take longest, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Starts the longest files first, so that processes working side by side end together."""
    place = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONG)))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny networks are faster on one thread, above all on a busy machine."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One new cache for all tests and worker processes, so that a head model is built once."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSDL_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def cache_with_heads(shared_cache: Path) -> Callable[[Path], Path]:
    """``cache_with_heads(folder)``: makes an empty cache that shares only the head models."""

    def make(folder: Path) -> Path:
        folder.mkdir(parents=True)
        (shared_cache / "mni_head").mkdir(parents=True, exist_ok=True)
        (folder / "mni_head").symlink_to(shared_cache / "mni_head")
        return folder

    return make


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real scans and reports; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("CROSSDL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real data here: set CROSSDL_DATA to its folder")
    return folder


def _beside(name: str) -> ModuleType:
    """A module of this folder that is no test."""
    spec = importlib.util.spec_from_file_location(name, ROOT / f"tests/{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def dicom_writer() -> ModuleType:
    """The module ``tests/dicom_writer.py``: writes synthetic series and says where they are."""
    return _beside("dicom_writer")


@pytest.fixture(scope="session")
def cohort_writer() -> ModuleType:
    """The module ``tests/cohort_writer.py``: writes small look-alikes of cohorts' folders."""
    return _beside("cohort_writer")


@pytest.fixture(scope="session")
def runs() -> ModuleType:
    """The module ``tests/run_writer.py``: writes folders of finished runs."""
    return _beside("run_writer")


@pytest.fixture(scope="session")
def write_series(dicom_writer: ModuleType) -> Callable[..., list[Path]]:
    """``write_series(folder, positions, ...)`` of ``tests/dicom_writer.py``."""
    return dicom_writer.write_series
