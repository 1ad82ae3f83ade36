"""Walking a folder and reading headers: every file once, whatever it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedCTImageStorage, EnhancedSRStorage, ExplicitVRLittleEndian

from crossdl.errors import InputError
from crossdl.ingest import index
from crossdl.ingest.database import Database
from crossdl.ingest.headers import read_header
from crossdl.ingest.index import index_files, walk

Writer = Callable[..., list[Path]]
POSITIONS = np.array([[0.0, 0.0, 5.0 * k] for k in range(3)])


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "index.sqlite")
    yield opened
    opened.close()


def bring_up_to_date(root: Path, database: Database) -> int:
    return index_files(root, database, skip=root / "cohort", workers=1)


def save(path: Path, kind: str, **tags: object) -> Path:
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = kind
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = "1.2.3.4"
    for keyword, value in tags.items():
        setattr(data, keyword, value)
    data.save_as(path, enforce_file_format=True)
    return path


def test_only_new_and_changed_files_are_read(
    tmp_path: Path, write_series: Writer, database: Database
) -> None:
    root = tmp_path / "dicom"
    files = write_series(root / "a", POSITIONS)
    (root / "b" / "c").mkdir(parents=True)
    odd = os.fsencode(root / "b") + b"/\xff\xfe.txt"
    with open(odd, "wb") as file:
        file.write(b"no DICOM")
    (root / "cohort").mkdir()
    (root / "cohort" / "x").write_bytes(b"not walked")
    (root / "b" / "c" / "loop").symlink_to(root)
    (root / "b" / "c" / "nowhere").symlink_to(root / "missing")
    assert bring_up_to_date(root, database) == 4
    assert list(database.problems()) == [(b"b/\xff\xfe.txt", "not_dicom")]
    paths = sorted(row[2] for row in database.slices())
    assert paths == [b"a/00.dcm", b"a/01.dcm", b"a/02.dcm"]
    assert bring_up_to_date(root, database) == 0
    files[0].unlink()
    files[1].write_bytes(b"changed")
    assert bring_up_to_date(root, database) == 1
    assert [row[2] for row in database.slices()] == [b"a/02.dcm"]
    assert database.count_files() == 3


def test_a_hanging_reader_costs_its_file_only_once(
    tmp_path: Path, write_series: Writer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_series(tmp_path / "dicom", POSITIONS)
    monkeypatch.setattr(index, "_SECONDS", 0.001)
    assert bring_up_to_date(tmp_path / "dicom", database) == 3
    assert {problem for _, problem in database.problems()} == {"unreadable"}
    monkeypatch.setattr(index, "_SECONDS", 60.0)
    assert bring_up_to_date(tmp_path / "dicom", database) == 3
    assert list(database.problems()) == []


def test_a_closed_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be listed"):
        list(walk(tmp_path / "gone", tmp_path / "cohort"))


def test_facts_of_a_header(tmp_path: Path, write_series: Writer) -> None:
    path = write_series(
        tmp_path,
        POSITIONS,
        AcquisitionDateTime="20190304101112.5",
        PatientBirthDate="19580305",
        PatientSex="F",
        WindowCenter=[40, 600],
        WindowWidth=[80, 3000],
        ConvolutionKernel=["H31s", "3"],
        SeriesDescription="HEAD 5mm ",
    )[0]
    found = read_header(path)
    assert found.problem is None and found.series
    values = found.values
    assert (values["time"], values["age"]) == ("2019-03-04T10:11:12", 60.0)
    assert (values["center"], values["width"], values["kernel"]) == (40.0, 80.0, "H31s\\3")
    assert values["description"] == "HEAD 5mm" and values["frames"] == 1
    assert "Secret" not in str(values)


@pytest.mark.parametrize(
    ("tags", "years"),
    [({"PatientAge": "045Y"}, 45.0), ({"PatientAge": "006M"}, 0.5), ({"PatientAge": ""}, None),
     ({"PatientBirthDate": "20300101"}, None), ({}, None)],
)  # fmt: skip
def test_ages(
    tmp_path: Path, write_series: Writer, tags: dict[str, str], years: float | None
) -> None:
    path = write_series(tmp_path, POSITIONS, StudyTime="1011", **tags)[0]
    assert read_header(path).values.get("age") == years


def test_enhanced_objects_say_kernel_and_window_for_all_frames(tmp_path: Path) -> None:
    kernel, window, group = Dataset(), Dataset(), Dataset()
    kernel.ConvolutionKernel = "H60s"
    window.WindowCenter, window.WindowWidth = 600, 3000
    group.CTReconstructionSequence = Sequence([kernel])
    group.FrameVOILUTSequence = Sequence([window])
    path = save(
        tmp_path / "e.dcm",
        EnhancedCTImageStorage,
        SeriesInstanceUID="1.2.3",
        Rows=8,
        Columns=8,
        NumberOfFrames=24,
        SharedFunctionalGroupsSequence=Sequence([group]),
    )
    values = read_header(path).values
    assert (values["kernel"], values["width"], values["frames"]) == ("H60s", 3000.0, 24)


def test_what_holds_no_slice(tmp_path: Path, write_series: Writer) -> None:
    good = write_series(tmp_path / "a", POSITIONS)[0]
    report = save(tmp_path / "sr.dcm", EnhancedSRStorage, SeriesInstanceUID="1.2")
    lost = save(tmp_path / "lost.dcm", EnhancedCTImageStorage, Rows=8, Columns=8)
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(good.read_bytes()[:400])
    empty = tmp_path / "empty"
    empty.touch()
    found = [read_header(path).problem for path in (good, report, lost, cut, empty, tmp_path)]
    assert found == [None, "no_image", "no_series", "unreadable", "not_dicom", "unreadable"]


@pytest.mark.parametrize("cut", range(132, 1000, 61))
def test_headers_cut_off_anywhere_never_raise(
    tmp_path: Path, write_series: Writer, cut: int
) -> None:
    path = write_series(tmp_path, POSITIONS)[0]
    path.write_bytes(path.read_bytes()[:cut])
    assert read_header(path).problem in ("unreadable", None)
