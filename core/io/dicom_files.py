"""Which files belong to a series, and what messages call them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crossdl.errors import InputError

ENDINGS = (".dcm", ".dicom", ".ima")
"""A file of such a name must be DICOM; others that are not are passed over."""


@dataclass(frozen=True)
class Source:
    """A file, and what messages call it.

    Attributes:
        path: The file.
        place: What a sentence about it begins with.
        word: What other sentences call it.
    """

    path: Path
    place: str
    word: str


@dataclass(frozen=True)
class Files:
    """The files of one series, and what messages call them.

    Attributes:
        name: What sentences about the series begin with: its folder, or a pseudonym.
        sources: The files.
        n_ignored: Files passed over because they are no DICOM.
        private: Whether messages leave out whatever the files say in free text.
    """

    name: str
    sources: Sequence[Source]
    n_ignored: int = 0
    private: bool = False


def files_of(folder: Path) -> Files:
    """The DICOM files of a folder, called by their names.

    Raises:
        InputError: There are none, or :func:`dicom_files` cannot tell which.
    """
    paths, n_ignored = dicom_files(folder)
    if not paths:
        raise InputError(
            f"{folder}: has no DICOM file ({n_ignored} other files); give the folder of one series"
        )
    return Files(str(folder), [Source(p, str(p), p.name) for p in paths], n_ignored)


def files_called(paths: Sequence[Path], name: str) -> Files:
    """Files wherever they lie, called ``file 1`` onwards in the order given.

    Raises:
        InputError: There is none.
    """
    if not paths:
        raise InputError(f"{name}: has no DICOM file; give the files of one series")
    words = [f"file {k}" for k in range(1, len(paths) + 1)]
    sources = [
        Source(path, f"{name}: {word}", word) for path, word in zip(paths, words, strict=True)
    ]
    return Files(name, sources, private=True)


def dicom_files(folder: Path) -> tuple[list[Path], int]:
    """Finds the DICOM files of a folder, or of the only folder below it that has any.

    Returns:
        The files by name, and how many other files were passed over.

    Raises:
        InputError: A file that is called DICOM is not, or several folders have DICOM files.
    """
    entries = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    files = [p for p in entries if p.is_file()]
    dicom = [p for p in files if _has_preamble(p) and p.name.upper() != "DICOMDIR"]
    ignored = len(files) - len(dicom)
    if dicom:
        return dicom, ignored
    below = [(p, *dicom_files(p)) for p in entries if p.is_dir()]
    full = [entry for entry in below if entry[1]]
    if len(full) > 1:
        names = ", ".join(entry[0].name for entry in full[:4])
        raise InputError(
            f"{folder}: has {len(full)} folders of DICOM files ({names}); give the folder of one "
            "series"
        )
    return (full[0][1] if full else []), ignored + sum(entry[2] for entry in below)


def _has_preamble(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(132)
    if start[128:] == b"DICM":
        return True
    if path.suffix.lower() in ENDINGS:
        what = "is empty" if not start else "is not a DICOM file, whatever its name says"
        raise InputError(f"{path}: {what}; remove it or export the series again")
    return False
