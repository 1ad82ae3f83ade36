"""Verdicts: what a file may say, and what they do to a built cohort."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pandas as pd
import pytest
from typer.testing import CliRunner

from crossdl.anatomy import load_anatomy
from crossdl.catalog import default_catalog
from crossdl.cli import app
from crossdl.errors import InputError
from crossdl.ingest.exclude import exclude_scans
from crossdl.ingest.judge import apply_verdicts, read_verdicts, stored_verdicts
from crossdl.ingest.verdicts import Verdict

Contents = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def cohort(built: SimpleNamespace, tmp_path: Path) -> Path:
    """A cohort of two scans, to be changed."""
    shutil.copytree(built.out, tmp_path / "cohort")
    return tmp_path / "cohort"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """``write("scan,verdict", ...)``: a file of verdicts."""

    def make(*lines: str, name: str = "verdicts.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return make


def scans(cohort: Path) -> list[str]:
    """What a composition trains and tests on."""
    config = default_catalog().parse("cohort", {"kind": "dicom", "folder": str(cohort)})
    source = default_catalog().create("cohort", config, load_anatomy("head_ct"))
    found = source.records()
    assert all(source.prepared(record) is not None for record in found)
    return [record.scan_id for record in found]


def test_drop_and_take_back(cohort: Path, write: Callable[..., Path], contents: Contents) -> None:
    before = contents(cohort)
    gone, kept = scans(cohort)
    drop = write("scan,verdict,note,regions", f"{gone},drop,moved head,r1", f"{kept},keep,,r2")
    done = apply_verdicts(cohort, drop)
    assert scans(cohort) == [kept]
    row = next(row for row in done.rows if row.step == "verdict")
    assert (row.reason, row.dropped_scans, row.left_scans) == ("moved head", 1, 1)
    dropped = pd.read_parquet(cohort / "dropped.parquet").query("step == 'verdict'")
    assert dropped["reason"].tolist() == ["moved head", "moved head"]  # the scan and its report
    assert [p.stem for p in cohort.glob("volumes/*/*")] == [kept]
    assert stored_verdicts(cohort) == {
        gone: Verdict(gone, "drop", "moved head", "r1"), kept: Verdict(kept, "keep", "", "r2")
    }  # fmt: skip
    after = contents(cohort)
    apply_verdicts(cohort, drop)
    assert contents(cohort) == after
    apply_verdicts(cohort, write("scan,verdict", f"{gone},keep"))
    assert contents(cohort) == before and scans(cohort) == [gone, kept]
    assert stored_verdicts(cohort)[gone].verdict == "keep"
    assert stored_verdicts(cohort)[kept].regions == "r2"


def test_verdicts_survive_another_build(
    cohort: Path, write: Callable[..., Path], contents: Contents, hospital: SimpleNamespace
) -> None:
    gone = scans(cohort)[0]
    apply_verdicts(cohort, write("scan,verdict", f"{gone},drop"))
    after = contents(cohort)
    hospital.build(cohort)
    assert contents(cohort) == after
    apply_verdicts(cohort, write("scan,verdict", f"{gone},keep"))
    assert gone in scans(cohort)


def test_other_exclusions_stay(
    cohort: Path, write: Callable[..., Path], contents: Contents
) -> None:
    gone = scans(cohort)[0]
    exclude_scans(cohort, write("scan,reason", f"{gone},consent withdrawn", name="d.csv"), "ethics")
    apply_verdicts(cohort, write("scan,verdict", f"{gone},drop"))
    apply_verdicts(cohort, write("scan,verdict", f"{gone},keep"))
    assert gone not in scans(cohort)
    with (cohort / "flow.csv").open(encoding="utf-8", newline="") as file:
        assert [row["step"] for row in csv.DictReader(file)].count("ethics") == 1


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("scan,note", "a,b"), "no column 'verdict'"),
        (("scan,verdict",), "has no verdict"),
        (("scan,verdict", "a,kepp"), "row 2: 'kepp' is no verdict; did you mean 'keep'"),
        (("scan,verdict", ",keep"), "row 2 has no scan"),
        (("scan,verdict", "a,keep", "a,drop"), "row 3 gives scan 'a' a second verdict"),
        (("scan,verdict,note", f"a,drop,{'x' * 81}"), "longer than 80 characters"),
    ],
)
def test_wrong_files_are_one_sentence(
    lines: tuple[str, ...], said: str, write: Callable[..., Path]
) -> None:
    with pytest.raises(InputError, match=said) as error:
        read_verdicts(write(*lines))
    assert "\n" not in str(error.value) and "verdicts.csv" in str(error.value)


def test_an_unknown_scan_changes_nothing(
    cohort: Path, write: Callable[..., Path], contents: Contents
) -> None:
    before = contents(cohort)
    known = scans(cohort)[0]
    wrong = known[:-1] + ("0" if known[-1] != "0" else "1")
    table = write("scan,verdict", f"{known},drop", f"{wrong},drop")
    with pytest.raises(InputError, match=f"'{wrong}'; did you mean '{known}'"):
        apply_verdicts(cohort, table)
    assert contents(cohort) == before and stored_verdicts(cohort) == {}


def test_a_shared_copy_has_no_verdicts(tmp_path: Path, cohort_writer: ModuleType) -> None:
    assert stored_verdicts(cohort_writer.write_built(tmp_path)) == {}


def test_from_the_gallery_back_into_the_cohort(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSDL_CACHE", str(tmp_path / "cache"))
    plugins = Path(__file__).parents[1] / "worker_fakes" / "plugins"
    registry = tmp_path / "registry.toml"
    registry.write_text(
        f"plugin_paths = [{json.dumps(str(plugins))}]\n[compositions.mine]\nextends = 'crossdl'\n"
        f"segmenter = {{ kind = 'moody', log = {json.dumps(str(tmp_path / 'log'))} }}\n",
        encoding="utf-8",
    )

    def qc(*more: object) -> str:
        command = ["qc", cohort, *more, "--composition", "mine", "--registry", registry]
        done = CliRunner().invoke(app, [*map(str, command), "--workers", "1"])
        assert done.exit_code == 0, done.output
        return done.stdout

    gone, kept = scans(cohort)
    assert "2 scans, 2 flagged, 0 failed." in qc("--out", tmp_path / "qc")
    page = (tmp_path / "qc" / "gallery.html").read_text(encoding="utf-8")
    regions = dict(re.findall(r'data-scan="(\w+)" data-regions="(\w+)"', page))
    assert set(regions) == {gone, kept} and "SECRET" not in page
    table = tmp_path / "verdicts.csv"
    table.write_text(
        f"scan,verdict,note,regions\n{gone},drop,tilted,{regions[gone]}\n"
        f"{kept},keep,,{regions[kept]}\n",
        encoding="utf-8",
    )
    assert "1 scans of 1 patients" in qc("--verdicts", table)
    assert scans(cohort) == [kept]
    assert "1 scans, 0 flagged, 0 failed." in qc("--out", tmp_path / "qc")
    page = (tmp_path / "qc" / "gallery.html").read_text(encoding="utf-8")
    assert 'data-verdict="keep"' in page and gone not in page
