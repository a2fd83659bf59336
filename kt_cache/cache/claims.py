"""Claims: records that say whose turn it is. Locks and the leaders of ``get_or_set`` are claims.

The payload is the owner's token, a random number in decimal: a counter, so the record carries no
deadline and ends by the server's clock alone, up to two seconds late and never early.
"""

from __future__ import annotations

import secrets

from kt_cache.cache.codec import write_counter
from kt_cache.cache.log_limit import warn
from kt_cache.cache.steps import Ask, Finish, Steps
from kt_cache.errors import KTError, OutcomeUnknown

__all__ = ["LATENESS", "NOBODY", "claim", "give_up", "give_up_anyway", "new_token", "open_to_all"]

LATENESS = 2.0  # seconds after its time until the server has ended a claim at the latest

NOBODY = write_counter(0)
"""The token in a claim that no one has: there is no turn to wait for."""

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
        text = "a claim stays until its time is over: %s: %s"
        warn("claim", text, type(error).__name__, error.message)
        return True


def open_to_all(key: bytes, token: bytes, ttl: float) -> Steps[None]:
    """Make a claim of this token's owner one of :data:`NOBODY`, if it can be done."""
    try:
        yield Ask("swap", key, token, NOBODY, ttl)
    except KTError as error:
        text = "a claim stays until its time is over: %s: %s"
        warn("claim", text, type(error).__name__, error.message)
