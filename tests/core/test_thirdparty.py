"""A package of someone else, really installed, seen from new interpreters."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "thirdparty"
OWNER = "crossdl-percentile 1.2.3"

DESCRIBE = """
import json, sys
from crossdl.catalog import Catalog
from crossdl.errors import CrossDLError
try:
    catalog = Catalog()
except CrossDLError as error:
    print(json.dumps({"error": str(error)}))
    sys.exit()
print(json.dumps({
    "poolings": {
        e.kind: [e.owner, catalog.summary(e)] for e in catalog.kinds("pooling")
    },
    "problems": catalog.problems,
    "imported": [m for m in ("torch", "crossdl_percentile.percentile") if m in sys.modules],
}))
"""

HOOK = "from crossdl.hookspecs import hookimpl\n"
GIVES = HOOK + "@hookimpl\ndef crossdl_components():\n    return "


def run(
    *arguments: str, site: Path | None = None, plugins: str | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "CROSSDL_PLUGINS"}
    environment["PYTHONPATH"] = str(site) if site else ""
    if plugins is not None:
        environment["CROSSDL_PLUGINS"] = plugins
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        cwd=site,
    )


def described(site: Path | None, plugins: str | None = None) -> dict[str, object]:
    done = run("-c", DESCRIBE, site=site, plugins=plugins)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package installed by pip into a folder of its own."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("thirdparty")
    shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    target = ["--target", str(folder / "site"), str(folder / "source")]
    done = run("-m", "pip", "install", "--quiet", *options, *target)
    assert done.returncode == 0, done.stderr
    shutil.copy(SOURCE / "contract.py", folder / "contract.py")
    shutil.rmtree(folder / "source")  # or the tests could import it instead
    return folder / "site"


def fake_distribution(site: Path, name: str, module: str) -> Path:
    """What pip leaves behind of a package of one module."""
    info = site / f"{name}-0.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.5\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text(f"[crossdl]\nmine = {name}_module\n", encoding="utf-8")
    (site / f"{name}_module.py").write_text(module, encoding="utf-8")
    return site


def test_it_is_listed_with_its_owner_and_imports_nothing_heavy(site: Path) -> None:
    found = described(site)
    assert found["poolings"]["percentile"] == [  # type: ignore[index]
        OWNER,
        "The percentile q over voxels of Ŝ·D̂.",
    ]
    assert found["problems"] == [] and found["imported"] == []


def test_it_can_be_switched_off(site: Path) -> None:
    assert "percentile" not in described(site, plugins="")["poolings"]  # type: ignore[operator]
    assert "percentile" not in described(site, plugins="another")["poolings"]  # type: ignore[operator]
    chosen = described(site, plugins="another, CrossDL_percentile")
    assert "percentile" in chosen["poolings"]  # type: ignore[operator]


def test_a_composition_can_name_it(site: Path, fakes: Path, tmp_path: Path) -> None:
    registry = tmp_path / "registry.toml"
    registry.write_text(
        f"plugin_paths = ['{fakes}']\n"
        "[compositions.a]\ncohort='few'\ndiscretizer='silent'\nsegmenter='blank'\n"
        "analyzer={kind='net', pooling={kind='percentile', q=50}}\nevaluators=['count']\n",
        encoding="utf-8",
    )
    code = (
        "import sys, pathlib; from crossdl.registry import load_registry\n"
        f"book = load_registry(pathlib.Path({str(registry)!r}))\n"
        "print(book.composition('a').model_dump()['analyzer']['pooling'])"
    )
    done = run("-c", code, site=site)
    assert done.stdout.strip() == "{'kind': 'percentile', 'q': 50.0}", done.stderr
    done = run("-c", code, site=site, plugins="")
    assert "there is no pooling of kind 'percentile'" in done.stderr


def test_it_inherits_the_contract_in_two_lines(site: Path) -> None:
    contract = site.parent / "contract.py"
    assert len([line for line in contract.read_text(encoding="utf-8").splitlines() if line]) == 2
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(contract), site=site)
    assert done.returncode == 0, done.stdout
    assert int(done.stdout.split()[-4]) >= 15, done.stdout


def test_the_contract_finds_a_broken_pooling(site: Path, tmp_path: Path) -> None:
    copy = tmp_path / "site"
    shutil.copytree(site, copy)
    module = copy / "crossdl_percentile" / "percentile.py"
    source = module.read_text(encoding="utf-8")
    module.write_text(
        source.replace("products.quantile", "2 * products.quantile"), encoding="utf-8"
    )
    contract = site.parent / "contract.py"
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(contract), site=copy)
    assert done.returncode == 1
    assert "test_contract[pooling-percentile-shape_and_range]" in done.stdout
    assert "a bag probability lies outside [0, 1]" in done.stdout


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("import no_such_package\n", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("raise SystemExit('bye')\n", "SystemExit: bye"),
        (HOOK + "@hookimpl\ndef crossdl_component():\n    return {}\n", "crossdl_component"),
        ("def crossdl_components():\n    return {}\n", "marked with @hookimpl"),
        (GIVES + "{'poling': {'a': 'm:C'}}\n", "did you mean 'pooling'"),
        (GIVES + "{'pooling': {'a': 'no reference'}}\n", "not of the form"),
        (GIVES + "{'pooling': {'a b': 'm:C'}}\n", "is not a kind"),
        (GIVES + "{'pooling': ['a']}\n", "must be {kind: reference}"),
        (GIVES + "['pooling']\n", "must return {slot: {kind: reference}}"),
        (GIVES + "1 / 0\n", "ZeroDivisionError"),
    ],
)
def test_a_broken_package_is_reported_and_skipped(
    tmp_path: Path, module: str, expected: str
) -> None:
    found = described(fake_distribution(tmp_path / "site", "brittle", module))
    (problem,) = found["problems"]  # type: ignore[misc]
    assert "'mine' of brittle 0.5 is broken and was skipped" in problem
    assert expected in problem
    assert found["poolings"].keys() == described(None)["poolings"].keys()  # type: ignore[attr-defined]


def test_a_collision_with_a_builtin_kind_names_both_owners(tmp_path: Path) -> None:
    kinds = described(None, plugins="")["poolings"]
    taken = next(iter(kinds))  # type: ignore[call-overload]
    module = GIVES + repr({"pooling": {taken: "m:C"}})
    found = described(fake_distribution(tmp_path / "site", "greedy", module))
    assert f"pooling '{taken}' is claimed by both crossdl and greedy 0.5" in str(found["error"])
    assert "error" not in described(tmp_path / "site", plugins="")


def test_two_packages_that_collide_are_both_named(tmp_path: Path) -> None:
    for name in ("first", "second"):
        fake_distribution(tmp_path / "site", name, GIVES + "{'pooling': {'new': 'm:C'}}")
    error = str(described(tmp_path / "site")["error"])
    assert "first 0.5" in error and "second 0.5" in error
