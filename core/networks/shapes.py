"""Which volume shapes a network of several resolutions takes."""

from __future__ import annotations

from crossdl.errors import ConfigError


def check_shape(shape: tuple[int, ...], levels: int) -> None:
    """Checks that a volume can be halved as often as a network with ``levels`` resolutions does.

    Raises:
        ValueError: A side is not a positive multiple of ``2^(levels - 1)``, or every side is
            that number: the coarsest level would be one voxel, which instance normalisation
            turns into 0.
    """
    divisor = 2 ** (levels - 1)
    if any(n < divisor or n % divisor for n in shape) or all(n == divisor for n in shape):
        raise ValueError(
            f"volume shape {tuple(shape)} does not fit {levels} levels: every side must be a "
            f"multiple of {divisor}, and one of them a larger one; change volume_shape or levels"
        )


def require_shape(shape: tuple[int, ...], levels: int) -> None:
    """:func:`check_shape` for the input of an analyzer.

    Raises:
        ConfigError: The shape does not fit.
    """
    try:
        check_shape(shape, levels)
    except ValueError as error:
        raise ConfigError(f"analyzer: {error}") from error
