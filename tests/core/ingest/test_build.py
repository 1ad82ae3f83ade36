"""Building a cohort: the expected flow, the same bytes every time, whatever interrupts it."""

from __future__ import annotations

import json
import shutil
import stat
from collections import Counter
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from crossdl.errors import ConfigError, InputError
from crossdl.ingest.exclude import exclude_scans

Contents = Callable[[Path], dict[str, bytes]]


def table(out: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(out / f"{name}.parquet")


def test_flow_and_tables_are_as_planted(hospital: SimpleNamespace, built: SimpleNamespace) -> None:
    out = built.out
    assert tuple(astuple(row) for row in built.published.rows) == hospital.flow
    scans, labels, splits = (table(out, name) for name in ("scans", "labels", "splits"))
    assert sorted(scans["hours_apart"]) == [0.5, 1.0]
    assert set(scans["age_years"]) == {88.0} and set(scans["sex"]) == {"F"}
    assert set(scans["description"]) == {"HEAD 5mm"} and set(scans["slices"]) == {14}
    assert scans["shape"].map(list).tolist() == [[14, 24, 20]] * 2
    assert labels[["region", "type", "probability"]].values.tolist() == [
        ["left_frontal_lobe", "intra_hyper", 1.0]
    ]
    bleeding = scans[scans["hours_apart"] == 0.5]["scan"].item()
    assert labels["scan"].tolist() == [bleeding]
    assert splits["scans"].tolist() == [1, 1]
    assert "findings" not in table(out, "reports").columns


def test_volumes_are_memory_mapped_heads(built: SimpleNamespace) -> None:
    for row in table(built.out, "scans").itertuples():
        image = np.load(built.out / row.volume, mmap_mode="r")
        assert image.shape == (80, 160, 160) and image.dtype == np.uint8
        middle = np.round((35 + 10) / 90 * 255)
        assert image[40, 80, 80] == middle and image[0, 0, 0] == 0
        spacing = np.linalg.norm(np.reshape(row.affine, (4, 4))[:3, :3], axis=0)
        assert np.allclose(spacing * [160, 160, 80], [144, 176, 140], atol=17)


def test_everything_dropped_is_listed_once(built: SimpleNamespace) -> None:
    dropped = table(built.out, "dropped")
    assert not dropped.duplicated(["what", "id"]).any()
    files = Counter(dropped[dropped["what"] == "file"]["reason"])
    assert files == {"duplicate": 1, "unreadable": 1, "not_dicom": 1}
    flow = pd.read_csv(built.out / "flow.csv", keep_default_na=False)
    for row in flow.itertuples():
        here = dropped[(dropped["step"] == row.step) & (dropped["reason"] == row.reason)]
        assert here["what"].isin(["series", "pair"]).sum() == row.dropped_scans
        assert (here["what"] == "report").sum() == row.dropped_reports
    assert (flow["left_scans"].diff().dropna() == -flow["dropped_scans"][1:]).all()
    assert (flow["left_reports"].diff().dropna() == -flow["dropped_reports"][1:]).all()


def test_same_bytes_whatever_the_order_on_disk(
    hospital: SimpleNamespace, built: SimpleNamespace, contents: Contents, tmp_path: Path
) -> None:
    hospital.write_dump(tmp_path / "dicom", reverse=True)
    hospital.write_reports(tmp_path / "reports.csv", encoding="utf-8-sig")
    out = tmp_path / "cohort"
    hospital.build(out, dicom=tmp_path / "dicom", reports=tmp_path / "reports.csv", workers=2)
    first, second = contents(built.out), contents(out)
    assert first.keys() == second.keys()
    named = {"dropped.parquet", "cohort.json"}  # file names differ, so do their hashes
    assert all(first[name] == second[name] for name in first if name not in named)


def test_new_files_are_added_and_nothing_is_done_twice(
    hospital: SimpleNamespace, built: SimpleNamespace, contents: Contents, tmp_path: Path
) -> None:
    dicom, out = tmp_path / "dicom", tmp_path / "cohort"
    shutil.copytree(hospital.dicom, dicom)
    late = tmp_path / "late"
    (dicom / "e").rename(late)
    hospital.build(out, dicom=dicom)
    (first,) = table(out, "scans").to_dict("records")
    before = (out / first["volume"]).stat().st_mtime_ns
    late.rename(dicom / "e")
    hospital.build(out, dicom=dicom)
    assert (out / first["volume"]).stat().st_mtime_ns == before
    new, whole = table(out, "scans"), table(built.out, "scans")
    assert new.drop(columns="split").astype(str).equals(whole.drop(columns="split").astype(str))
    assert new.set_index("scan")["split"][first["scan"]] == first["split"]


def test_later_exclusions_stay_after_another_build(
    hospital: SimpleNamespace, built: SimpleNamespace, contents: Contents, tmp_path: Path
) -> None:
    out = tmp_path / "cohort"
    shutil.copytree(built.out, out)
    gone, kept = table(out, "scans").to_dict("records")
    drops = tmp_path / "drops.csv"
    drops.write_text(f"scan,reason\n{gone['scan']},metric above -0.8\n", encoding="utf-8")
    done = exclude_scans(out, drops, "registration")
    assert astuple(done.rows[-2]) == ("registration", "metric above -0.8", 1, 1, 1, 1, 1)
    assert table(out, "scans")["scan"].tolist() == [kept["scan"]]
    assert not (out / gone["volume"]).exists() and (out / kept["volume"]).exists()
    assert set(table(out, "labels")["scan"]) <= {kept["scan"]}
    after = contents(out)
    exclude_scans(out, drops, "registration")
    assert contents(out) == after
    hospital.build(out)
    assert contents(out) == after


@pytest.mark.parametrize(
    ("text", "step", "word"),
    [
        ("scan,reason\ns0000000000000000,blurred\n", "registration", "s0000000000000000"),
        ("scan,reason\n,blurred\n", "registration", "row 2"),
        ("name,why\ns1,blurred\n", "registration", "row 2"),
        ("scan,reason\n", "registration", "no rows"),
        ("scan,reason\ns1,blurred\n", "quality", "quality"),
    ],
)
def test_wrong_exclusions_change_nothing(
    built: SimpleNamespace, contents: Contents, tmp_path: Path, text: str, step: str, word: str
) -> None:
    before = contents(built.out)
    drops = tmp_path / "drops.csv"
    drops.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=word):
        exclude_scans(built.out, drops, step)
    assert contents(built.out) == before


def test_what_cannot_be_built_is_refused(
    hospital: SimpleNamespace, built: SimpleNamespace, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="other files"):
        hospital.build(hospital.dicom)
    other = tmp_path / "salt"
    other.write_text("another salt of 16", encoding="ascii")
    with pytest.raises(ConfigError, match="another salt"):
        hospital.build(built.out, salt=other)
    other.write_text("short", encoding="ascii")
    with pytest.raises(InputError, match="at least 16"):
        hospital.build(tmp_path / "new", salt=other)
    shipped = (built.out / "rules.toml").read_text(encoding="utf-8")
    rules = tmp_path / "rules.toml"
    rules.write_text(shipped.replace("seed = 0", "seed = 1"), encoding="utf-8")
    with pytest.raises(ConfigError, match="split"):
        hospital.build(built.out, rules_file=rules)
    with (
        FileLock(built.out / "private" / "lock"),
        pytest.raises(InputError, match="another process"),
    ):
        hospital.build(built.out)


def test_private_things_are_closed_to_others(built: SimpleNamespace) -> None:
    assert stat.S_IMODE((built.out / "private").stat().st_mode) == 0o700
    assert stat.S_IMODE((built.out / "private" / "salt").stat().st_mode) == 0o600


def test_cohort_json_says_what_is_there(built: SimpleNamespace) -> None:
    facts = json.loads((built.out / "cohort.json").read_text(encoding="utf-8"))
    assert facts["format"] == 1 and facts["anatomy"]["name"] == "head_ct"
    assert facts["counts"]["files"] == sum(1 for p in built_files(built)) and facts["tables"]
    assert facts["counts"] | {"scans": 2, "patients": 2, "reports": 2} == facts["counts"]


def built_files(built: SimpleNamespace) -> list[Path]:
    return [p for p in (built.out.parent / "dicom").rglob("*") if p.is_file()]


@pytest.mark.slow
def test_a_scan_that_takes_too_long_is_tried_again(
    hospital: SimpleNamespace, built: SimpleNamespace, contents: Contents, tmp_path: Path
) -> None:
    out = tmp_path / "cohort"
    done = hospital.build(out, timeout_s=0.01)
    assert done.counts["scans"] == 0
    failed = {drop.reason for drop in done.drops if drop.step == "volume" and drop.what == "pair"}
    assert failed == {"took_too_long"}
    assert not list(out.glob("volumes/*/*"))
    hospital.build(out)
    assert contents(out) == contents(built.out)
