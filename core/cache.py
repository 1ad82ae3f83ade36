"""Stages computed once: a folder per content key, complete or absent.

A stage's key holds everything its result depends on (config, fingerprints of its inputs, a code
version), so equal work is shared between runs and the cells of a study, and a killed run goes
on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def cache_dir() -> Path:
    """``$CROSSDL_CACHE``, or the user's cache folder of the platform."""
    given = os.environ.get("CROSSDL_CACHE")
    if given:
        return Path(given)
    from platformdirs import user_cache_path

    return user_cache_path("crossdl", appauthor=False)


def digest(key: Mapping[str, Any]) -> str:
    """Short hex name of a JSON-able key, independent of the order of its entries."""
    text = json.dumps(key, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:32]


def location(stage: str, key: Mapping[str, Any]) -> Path:
    """Folder of a key, whether or not it exists."""
    name = digest(key)
    return cache_dir() / stage / name[:2] / name


def stored(stage: str, key: Mapping[str, Any], make: Callable[[Path], None]) -> Path:
    """Returns the finished folder of a key, making it first if it is absent.

    Args:
        stage: Name of the stage, the sub-folder of the cache.
        key: JSON-able; everything the result depends on.
        make: Fills an empty folder. It works under a temporary name that is renamed when it
            returns, so that an interrupted stage leaves nothing that looks complete.
    """
    folder = location(stage, key)
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    working = folder.with_name(f"{folder.name}.{uuid.uuid4().hex}.tmp")
    working.mkdir()
    try:
        make(working)
        (working / "key.json").write_text(
            json.dumps(key, sort_keys=True, ensure_ascii=False, indent=1), encoding="utf-8"
        )
        try:
            working.rename(folder)
        except OSError:
            if not folder.is_dir():  # not: another process finished the same stage first
                raise
    finally:
        shutil.rmtree(working, ignore_errors=True)
    return folder
