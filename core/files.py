"""Writing files so that an interrupted program never leaves half of one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path in the same folder with the same ending; renames it on success."""
    path.parent.mkdir(parents=True, exist_ok=True)
    working = path.with_name(f".{uuid.uuid4().hex}.tmp-{path.name}")
    try:
        yield working
        os.replace(working, path)
    finally:
        working.unlink(missing_ok=True)


@contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """Yields an empty temporary folder beside ``folder``; renames it to that on success."""
    working = folder.with_name(f".{uuid.uuid4().hex}.tmp-{folder.name}")
    working.mkdir(parents=True)
    try:
        yield working
        working.rename(folder)
    finally:
        shutil.rmtree(working, ignore_errors=True)


def link(source: str, target: str) -> None:
    """The same file under another name, or a copy where the two folders cannot share one."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def link_tree(source: Path, target: Path) -> None:
    """The same files in another folder, all or none; the folder must not exist."""
    with filling(target) as working:
        shutil.copytree(source, working, copy_function=link, dirs_exist_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text, whole or not at all."""
    with replacing(path) as working:
        working.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Writes JSON with a final newline; NaN is refused because JSON has none."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n")


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
