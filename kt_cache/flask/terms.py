"""cachelib's terms: timeouts, and the error for a value that cannot be stored."""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterable
from datetime import timedelta
from numbers import Real
from types import TracebackType
from typing import Any, TypeAlias

from kt_cache.errors import ConfigError, EncodeError

__all__ = [
    "PicklingError",
    "Timeout",
    "check_prefix",
    "check_timeout",
    "one_key",
    "refusals",
    "seconds_of",
    "whole_seconds",
]

Timeout: TypeAlias = "int | float | timedelta | None"
"""Seconds, or ``None`` for the default timeout; 0 is for ever, below 0 is gone at once."""


# Looking up the type is faster than asking each time what it is derived from.
_TIMEOUTS = frozenset({int, float, type(None), timedelta})


class PicklingError(EncodeError, pickle.PicklingError):
    """A value that cannot be stored; cachelib's contract names pickle's error for that."""


def seconds_of(timeout: Timeout, default: int) -> float | None:
    """Return a timeout as the cache takes it, where ``None`` is for ever.

    :param default: what counts instead of ``None``, in seconds.
    :raises ConfigError: if it is none.
    """
    if timeout is None:
        timeout = default
    if isinstance(timeout, timedelta):
        timeout = timeout.total_seconds()
    else:
        check_timeout(timeout)
    return None if timeout == 0 else timeout


def check_timeout(timeout: object, advice: str = "") -> None:
    """Refuse what is no timeout.

    :param advice: the end of the message.
    :raises ConfigError: if it is neither a number, nor a ``timedelta``, nor ``None``.
    """
    if type(timeout) in _TIMEOUTS:
        return
    if isinstance(timeout, bool) or not isinstance(timeout, Real | timedelta):
        raise ConfigError(f"timeout must be seconds or a timedelta, not {timeout!r}{advice}")


def whole_seconds(timeout: int | timedelta) -> int:
    """Return a default timeout as every version of cachelib takes it.

    :raises ConfigError: if it is neither whole seconds nor a ``timedelta``, or below 0.
    """
    if isinstance(timeout, timedelta):
        seconds = math.ceil(timeout.total_seconds())
        is_negative = timeout < timedelta(0)
    elif isinstance(timeout, bool) or not isinstance(timeout, int):
        raise ConfigError(f"default_timeout must be whole seconds or a timedelta, not {timeout!r}")
    else:
        seconds, is_negative = timeout, timeout < 0
    if is_negative:
        raise ConfigError(
            f"default_timeout must not be below 0, as {timeout!r} is: nothing would ever be kept; "
            "0 is for ever"
        )
    return seconds


def check_prefix(prefix: object) -> None:
    """Refuse what cannot stand before keys.

    :raises ConfigError: if it is not text.
    """
    if not isinstance(prefix, str):
        raise ConfigError(f"key_prefix must be text, not {prefix!r}")


def one_key(key: Any) -> Any:
    """Return what is given as a key, if it is not several of them.

    :raises TypeError: for a list and the like, whose text would be a key that no value has.
    """
    if type(key) is not str:
        _refuse_several(key)
    return key


def _refuse_several(key: object) -> None:
    if isinstance(key, Iterable) and not isinstance(key, str | bytes):
        raise TypeError(
            f"a key must be text, not a {type(key).__name__}; several keys are given one by one: "
            "get_many('a', 'b'), delete_many(*keys)"
        )


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
