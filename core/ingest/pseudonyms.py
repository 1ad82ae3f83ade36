"""Identifiers that cannot be traced back: salted hashes (HMAC-SHA256).

Whoever has the salt can compute the hash of a known PatientID; without it nobody can. So the salt
stays in the private folder, and two cohorts share pseudonyms only if they share the salt.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from crossdl.errors import ConfigError, InputError

_LEAST = 16  # bytes of a salt


class Pseudonyms:
    """Hashes of one cohort's identifiers."""

    def __init__(self, salt: bytes) -> None:
        """Keeps the salt."""
        self._salt = salt

    def patient(self, patient_id: str) -> str:
        """``p`` and 16 hex digits."""
        return self._hash("p", patient_id)

    def scan(self, series_uid: str) -> str:
        """``s`` and 16 hex digits."""
        return self._hash("s", series_uid)

    def report(self, *parts: str) -> str:
        """``r`` and 16 hex digits."""
        return self._hash("r", "\0".join(parts))

    def file(self, path: bytes) -> str:
        """``f`` and 16 hex digits of a path relative to the folder of the files."""
        return self._hash("f", path)

    def digest(self, content: bytes) -> str:
        """32 hex digits of content; equal only under the same salt."""
        return hmac.new(self._salt, b"d\0" + content, hashlib.sha256).hexdigest()[:32]

    def _hash(self, kind: str, value: str | bytes) -> str:
        raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        key = kind.encode() + b"\0" + raw
        return kind + hmac.new(self._salt, key, hashlib.sha256).hexdigest()[:16]


def load_pseudonyms(stored: Path, given: Path | None) -> Pseudonyms:
    """Reads the salt of a cohort, or makes it when there is none yet.

    Args:
        stored: Where the cohort keeps its salt; written with mode 0600.
        given: A file whose content is the salt, to share pseudonyms with another cohort.

    Raises:
        InputError: The given file is missing or too short.
        ConfigError: The cohort has another salt already.
    """
    salt = None if given is None else _read(given)
    if stored.is_file():
        known = _read(stored)
        if salt is not None and salt != known:
            raise ConfigError(
                f"--salt {given}: the cohort was begun with another salt; give that one, or "
                "another --out"
            )
        return Pseudonyms(known)
    salt = salt if salt is not None else secrets.token_hex(32).encode("ascii")
    working = stored.with_name(f".{secrets.token_hex(8)}.tmp-salt")
    with os.fdopen(os.open(working, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(salt)
        file.flush()
        os.fsync(file.fileno())
    os.replace(working, stored)
    return Pseudonyms(salt)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise InputError(f"--salt {path}: no such file")
    salt = path.read_bytes().strip()
    if len(salt) < _LEAST:
        raise InputError(f"--salt {path}: holds {len(salt)} bytes; at least {_LEAST} are needed")
    return salt
