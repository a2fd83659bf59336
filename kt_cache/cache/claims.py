"""Claims: records that say whose turn it is. Locks and the leaders of ``get_or_set`` are claims.

The payload is the owner's token, a random number in decimal: a counter, so the record carries no
deadline and ends by the server's clock alone, up to two seconds late and never early. A number
below zero is nobody's token: there is no turn to wait for then. It tells, in milliseconds of Unix
time, when the claim ends, so that those who pass can tell whether to prolong it.
"""

from __future__ import annotations

import secrets

from kt_cache.cache.codec import read_counter, write_counter
from kt_cache.cache.log_limit import warn
from kt_cache.cache.steps import Ask, Finish, Steps
from kt_cache.errors import KTError, OutcomeUnknown

__all__ = [
    "LATENESS",
    "claim",
    "give_up",
    "give_up_anyway",
    "is_open",
    "new_token",
    "open_to_all",
    "seconds_open",
]

LATENESS = 2.0  # seconds after its time until the server has ended a claim at the latest

_TOKEN_BITS = 128


def new_token() -> bytes:
    """Return the token of a new owner."""
    return write_counter(secrets.randbits(_TOKEN_BITS))


def claim(key: bytes, token: bytes, ttl: float) -> Steps[bool]:
    """Try to become the owner; whether that succeeded.

    A claim that was interrupted, and so may have been made, is given up again.
    """
    try:
        claimed: bool = yield Finish("add", key, token, ttl)
    except GeneratorExit:
        raise
    except BaseException as error:
        if isinstance(error, OutcomeUnknown) or not isinstance(error, Exception):
            yield from give_up_anyway(key, token)
        raise
    return claimed


def give_up(key: bytes, token: bytes) -> Steps[bool]:
    """Remove the claim if this token's owner still has it; whether that was so."""
    owned: bool = yield Ask("swap", key, token, None, None)
    return owned


def give_up_anyway(key: bytes, token: bytes) -> Steps[bool]:
    """Remove the claim if it can be done; the server ends it in its time if not.

    The result is whether this token's owner still had it, as far as is known.
    """
    try:
        return (yield from give_up(key, token))
    except KTError as error:
        _warn_of_stay(error)
        return True


def is_open(token: bytes | None) -> bool:
    """Tell whether a claim is nobody's: there is no turn to wait for."""
    return token is not None and token[:1] == b"-"


def seconds_open(token: bytes, now: float) -> float:
    """Return for how long an open claim stays so.

    :param now: Unix time.
    """
    return -read_counter(token) / 1000 - now


def open_to_all(key: bytes, token: bytes, ttl: float, now: float) -> Steps[None]:
    """Make a claim with this token nobody's, if it can be done; it may be nobody's already.

    :param ttl: for how many seconds.
    :param now: Unix time.
    """
    mark = write_counter(-int((now + ttl) * 1000))
    try:
        yield Ask("swap", key, token, mark, ttl)
    except KTError as error:
        _warn_of_stay(error)


def _warn_of_stay(error: KTError) -> None:
    text = "a claim stays until its time is over: %s: %s"
    warn("claim", text, type(error).__name__, error.message)
