"""Errors that a user can act on: one clear sentence, exit code 2, no traceback."""

from __future__ import annotations


class CrossDLError(Exception):
    """Base of every error caused by input, configuration or environment, not by a bug.

    The command line prints ``str(error)`` and exits with 2. The message names the file, the
    field and the remedy.
    """


class InputError(CrossDLError):
    """A file or folder given by the user cannot be used as it is."""


class ConfigError(CrossDLError):
    """A registry file, composition or component configuration is wrong.

    ``problems`` holds one line per mistake; all mistakes of a file are reported at once.
    """

    def __init__(self, headline: str, problems: list[str] | None = None) -> None:
        """Joins ``headline`` and ``problems`` into the message."""
        self.headline = headline
        self.problems = problems or []
        super().__init__("\n".join([headline, *(f"  - {line}" for line in self.problems)]))


class CatalogError(CrossDLError):
    """The catalog of plugins is inconsistent, or a kind does not exist."""


class RegistrationError(CrossDLError):
    """An image registration ended without a usable transform."""
