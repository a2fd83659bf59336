"""cachelib's terms: timeouts, and the error for a value that cannot be stored."""

from __future__ import annotations

import math
import pickle
from datetime import timedelta
from types import TracebackType
from typing import TypeAlias

from kt_cache.errors import ConfigError, EncodeError

__all__ = ["PicklingError", "Timeout", "refusals", "seconds_of", "whole_seconds"]

Timeout: TypeAlias = "int | float | timedelta | None"
"""Seconds, or ``None`` for the default timeout; 0 is for ever, below 0 is gone at once."""


class PicklingError(EncodeError, pickle.PicklingError):
    """A value that cannot be stored; cachelib's contract names pickle's error for that."""


def seconds_of(timeout: Timeout, default: int) -> float | None:
    """Return a timeout as the cache takes it, where ``None`` is for ever.

    :param default: what counts instead of ``None``, in seconds.
    """
    if timeout is None:
        timeout = default
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    return None if seconds == 0 else seconds


def whole_seconds(timeout: int | timedelta) -> int:
    """Return a default timeout as every version of cachelib takes it.

    :raises ConfigError: if it is neither whole seconds nor a ``timedelta``.
    """
    if isinstance(timeout, timedelta):
        seconds = timeout.total_seconds()
        return math.ceil(seconds) if seconds > 0 else math.floor(seconds)
    if isinstance(timeout, bool) or not isinstance(timeout, int):
        raise ConfigError(f"default_timeout must be whole seconds or a timedelta, not {timeout!r}")
    return timeout


def check_prefix(prefix: object) -> None:
    """Refuse what cannot stand before keys.

    :raises ConfigError: if it is not text.
    """
    if not isinstance(prefix, str):
        raise ConfigError(f"key_prefix must be text, not {prefix!r}")


class _Refusals:
    """Within it the error for a value that cannot be stored is cachelib's."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, EncodeError) and not isinstance(error, PicklingError):
            raise PicklingError(error.message, key=error.key) from error


refusals = _Refusals()  # has no state, so that one is enough for all threads
