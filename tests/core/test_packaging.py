"""What is installed: every way of installing must give the same package."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def sources() -> dict[str, str]:
    """Path in the package → digest, of every file of the tree that belongs into it."""
    found = {"crossdl/registry.toml": digest((ROOT / "registry.toml").read_bytes())}
    for folder, package in (("core", "crossdl"), ("plugins", "crossdl/plugins")):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                name = f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
                found[name] = digest(path.read_bytes())
    return found


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def build(kind: str, source: Path, out: Path) -> Path:
    """Builds ``wheel`` or ``sdist`` with the hook of ``source`` in a new interpreter."""
    out.mkdir(exist_ok=True)
    code = f"import hatchling.build; print(hatchling.build.build_{kind}({str(out)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=source, capture_output=True, encoding="utf-8", timeout=120
    )
    assert done.returncode == 0, done.stderr
    return out / done.stdout.split()[-1]


def contents(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as archive:
        return {
            name: digest(archive.read(name))
            for name in archive.namelist()
            if ".dist-info/" not in name
        }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_core_plugins_and_registry(wheel: Path) -> None:
    found = contents(wheel)
    assert found == sources()
    for name in ("registry.toml", "py.typed", "anatomies/head_ct.toml", "plugins/__init__.py"):
        assert f"crossdl/{name}" in found


def test_the_wheel_works_alone(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import crossdl, importlib.util as u\n"
        "from crossdl.catalog import Catalog\n"
        "from crossdl.registry import default_registry_text\n"
        "assert not u.find_spec('core') and not u.find_spec('plugins')\n"
        "assert default_registry_text()\n"
        "print(crossdl.__file__, len(Catalog().kinds('pooling')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    place, count = done.stdout.split()
    assert place.startswith(str(tmp_path)) and int(count) > 0


def test_the_wheel_has_its_metadata(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (entry_points,) = [n for n in names if n.endswith("dist-info/entry_points.txt")]
        assert "crossdl = crossdl.cli:main" in archive.read(entry_points).decode()
    assert any("dist-info/licenses/LICENSE" in name for name in names)


def test_a_wheel_from_the_sdist_is_the_same(wheel: Path, tmp_path: Path) -> None:
    sdist = build("sdist", ROOT, tmp_path / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = [p for p in tmp_path.iterdir() if (p / "pyproject.toml").is_file()]
    assert contents(build("wheel", source, tmp_path / "again")) == contents(wheel)


def test_an_editable_install_sees_every_entry_of_core() -> None:
    import crossdl

    package = Path(crossdl.__file__).parent
    if not package.is_relative_to(ROOT):
        pytest.skip("the tests run against an installed copy, not an editable install")
    entries = {p.name for p in (ROOT / "core").iterdir() if p.name != "__pycache__"}
    linked = {p.name for p in package.iterdir() if p.exists()}
    missing = sorted(entries - linked)
    assert not missing, f"{missing} of core/ are new: run `pip install -e .` again to link them"
    gone = sorted(linked - entries - {"plugins", "registry.toml", "__pycache__"})
    assert not gone, f"{gone} are no longer in core/: run `pip install -e .` again"


def test_the_folders_are_not_importable_by_their_own_names() -> None:
    code = "import importlib.util as u; print(u.find_spec('core'), u.find_spec('plugins'))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, encoding="utf-8", timeout=60
    )
    assert done.stdout.split() == ["None", "None"]
