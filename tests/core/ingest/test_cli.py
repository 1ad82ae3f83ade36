"""``crossdl cohort`` as a user runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from crossdl.cli import app, main
from crossdl.errors import CrossDLError
from crossdl.ingest.rules import default_rules


def test_rules_are_printed_to_be_edited() -> None:
    command = [sys.executable, "-m", "crossdl", "cohort", "rules"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60)
    assert (done.returncode, done.stdout) == (0, default_rules())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["build", "--dicom", "gone", "--reports", "r.csv", "--out", "c"], "--dicom"),
        (
            ["build", "--dicom", ".", "--reports", "r.csv", "--out", "c", "--rules", "x.toml"],
            "x.toml",
        ),
        (["exclude", "gone", "drops.csv"], "drops.csv"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["crossdl", "cohort", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert list(tmp_path.iterdir()) == []
    assert end.value.code == 2 and len(errors) == 1 and said in errors[0]


def cohort(*arguments: object) -> str:
    """What a command of ``crossdl cohort`` prints."""
    done = CliRunner().invoke(app, ["cohort", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('patient = ["PATIENT_ID"', 'patient = ["MRN"', "has no column for patient"),
        ('encoding = "auto"', 'encoding = "utf-8"', "is not utf-8; set encoding"),
        ('encoding = "auto"', 'encoding = "gb"', "'gb' is no encoding"),
        ("min_slices", "min_slice", "did you mean 'min_slices'"),
    ],
)
def test_rules_and_table_are_compared_before_files_are_read(
    before: str,
    after: str,
    said: str,
    hospital: SimpleNamespace,
    tmp_path: Path,
) -> None:
    text = default_rules().replace(before, after)
    if "MRN" in after:
        text = text.replace(
            ', "PatientID", "patient", "患者编号", "病人ID", "患者ID", "病历号"]', "]"
        )
    (tmp_path / "rules.toml").write_text(text, encoding="utf-8")
    with pytest.raises(CrossDLError) as caught:
        hospital.build(tmp_path / "out", rules_file=tmp_path / "rules.toml")
    assert said in " ".join([str(caught.value), *getattr(caught.value, "problems", ())])
    assert not (tmp_path / "out").exists()


def test_no_accepted_description_leads_to_those_of_the_files(
    hospital: SimpleNamespace, tmp_path: Path
) -> None:
    text = default_rules().replace('"HEAD 5mm"', '"Brain plain"')
    rules, out = tmp_path / "rules.toml", tmp_path / "out"
    rules.write_text(text, encoding="utf-8")
    places = ("--dicom", hospital.dicom, "--reports", hospital.reports, "--out", out)
    said = cohort("build", *places, "--rules", rules, "--workers", 1)
    assert "no scan is left; most were dropped for: SeriesDescription not accepted" in said
    assert f"crossdl cohort descriptions {out}" in said
    assert not any(secret in said for secret in hospital.secrets)
    first, second = cohort("descriptions", out).splitlines()[1:3]
    assert first.split() == ["'HEAD", "5mm'", "7", "0", "14", "5", "SeriesDescription", "not",
                             "accepted"]  # fmt: skip
    assert second.startswith("'SECRET Muster thin'")  # on request, to the user's own terminal
    rules.write_text(default_rules(), encoding="utf-8")
    tried = cohort("descriptions", out, "--rules", rules)
    assert tried.splitlines()[1].split()[2:4] == ["7", "6"]


def test_an_empty_folder(hospital: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    places = ("--dicom", tmp_path / "empty", "--reports", hospital.reports)
    assert "there is no file below --dicom" in cohort("build", *places, "--out", tmp_path / "out")
