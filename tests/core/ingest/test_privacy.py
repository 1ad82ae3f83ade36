"""Nothing that identifies a patient leaves a cohort's private folder, nor reaches the terminal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from crossdl.ingest.headers import PRIVATE_TAGS, PUBLIC_TAGS, capped_age, plain

Contents = Callable[[Path], dict[str, bytes]]


def readable(out: Path, contents: Contents) -> str:
    """Everything outside private/ as text: names of files, their bytes, tables decoded."""
    parts = []
    for name, data in contents(out).items():
        parts += [name, data.decode("utf-8", "replace"), data.decode("utf-16-le", "replace")]
        if name.endswith(".parquet"):
            parts.append(pd.read_parquet(out / name).to_csv())
    return "\n".join(parts)


def test_no_secret_outside_private(
    hospital: SimpleNamespace, built: SimpleNamespace, contents: Contents
) -> None:
    text = readable(built.out, contents).replace((built.out / "README.md").read_text("utf-8"), "")
    rules = (built.out / "rules.toml").read_text("utf-8")
    text = text.replace(rules, "")
    assert "HEAD 5mm" in text  # so the tables were looked at
    assert [secret for secret in hospital.secrets if secret.casefold() in text.casefold()] == []
    private = b"".join(p.read_bytes() for p in (built.out / "private").iterdir())
    assert b"SECRETID-A" in private  # so the search would find it


def test_no_secret_on_the_terminal(hospital: SimpleNamespace, tmp_path: Path) -> None:
    """Series that cannot be read, broken files and a bad table are spoken of by hashes."""
    dicom = tmp_path / "d"
    hospital.write_dump(dicom)
    for path in sorted((dicom / "e").iterdir())[5:7] + sorted(
        (dicom / "Ordner SECRET/a").iterdir()
    ):
        path.write_bytes(path.read_bytes()[:-300])
    (dicom / "e" / "07.dcm").unlink()
    command = [sys.executable, "-m", "crossdl", "cohort", "build", "--workers", "1"]
    command += ["--dicom", str(dicom), "--out", str(tmp_path / "cohort")]
    done = subprocess.run(
        [*command, "--reports", str(hospital.reports)],
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said = (done.stdout + done.stderr).replace(str(tmp_path), "")
    assert said.count("failed: ") == 2 and "Unreadable" in said
    assert [secret for secret in hospital.secrets if secret.casefold() in said.casefold()] == []
    dropped = pd.read_parquet(tmp_path / "cohort" / "dropped.parquet").to_csv()
    assert [s for s in hospital.secrets if s.casefold() in dropped.casefold()] == []


def test_text_is_kept_only_on_request(
    hospital: SimpleNamespace, built: SimpleNamespace, tmp_path: Path
) -> None:
    from crossdl.ingest.rules import default_rules

    rules = tmp_path / "rules.toml"
    text = default_rules().replace("keep_findings = false", "keep_findings = true")
    rules.write_text(text, encoding="utf-8")
    out = tmp_path / "cohort"
    shutil.copytree(built.out, out)
    hospital.build(out, rules_file=rules)
    kept = pd.read_parquet(out / "reports.parquet")
    assert kept["findings"].str.contains("高密度").sum() == 1
    assert "impression" not in kept.columns


def test_pseudonyms_need_the_salt(hospital: SimpleNamespace, built: SimpleNamespace) -> None:
    from crossdl.ingest.pseudonyms import Pseudonyms

    known, other = Pseudonyms(b"0123456789abcdef"), Pseudonyms(b"0123456789abcdeF")
    patients = set(pd.read_parquet(built.out / "scans.parquet")["patient"])
    assert patients == {known.patient(f"SECRETID-{letter}") for letter in "AE"}
    assert not patients & {other.patient(f"SECRETID-{letter}") for letter in "AE"}


def test_public_tags_are_those_the_profile_keeps_or_that_are_altered() -> None:
    """DICOM PS3.15 Annex E, as the package dicom-anonymizer has it."""
    pytest.importorskip("dicomanonymizer", reason="pip install dicom-anonymizer")
    from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as profile
    from pydicom.datadict import tag_for_keyword

    listed = {
        tag[:2]
        for name in dir(profile)
        if name.endswith("_TAGS")
        for tag in getattr(profile, name)
        if len(tag) == 2
    }
    assert len(listed) > 300

    def protected(keyword: str) -> bool:
        tag = tag_for_keyword(keyword)
        assert tag is not None
        return (tag >> 16, tag & 0xFFFF) in listed

    altered = {"PatientAge", "PatientSex", "SeriesDescription"}  # capped, one letter, listed only
    assert {keyword for keyword in PUBLIC_TAGS if protected(keyword)} <= altered
    assert protected("PatientID") and protected("SeriesInstanceUID") and protected("StudyDate")


def test_tags_are_either_private_or_public() -> None:
    assert not set(PRIVATE_TAGS) & set(PUBLIC_TAGS)


@pytest.mark.parametrize(
    ("years", "kept"),
    [(0.04, 0.0), (1.26, 1.3), (45.9, 45.0), (89.9, 89.0), (90.0, 90.0), (107.0, 90.0),
     (-1.0, None), (float("nan"), None), (None, None)],
)  # fmt: skip
def test_ages_are_capped(years: float | None, kept: float | None) -> None:
    assert capped_age(years) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [("Sensation 16", "Sensation 16"), ("H31s\\3", "H31s\\3"), ("", None), (None, None),
     ("room of Dr. Müller", None), ("x" * 49, None), ("a\nb", None)],
)  # fmt: skip
def test_device_texts_are_plain(text: str | None, kept: str | None) -> None:
    assert plain(text) == kept
