"""What a failure on a connection means, in the words and kinds both sorts of connections use."""

from __future__ import annotations

from kt_cache.errors import ConnectionClosed, ReadTimeout, ServerError

__all__ = ["NothingSent", "is_harmless", "reason", "timed_out"]


class NothingSent(ConnectionClosed):
    """The connection turned out to be broken before any byte of the request was sent."""


def is_harmless(error: BaseException) -> bool:
    """Tell whether the connection is as good as before an exchange that ended with this."""
    return isinstance(error, ServerError) and error.connection_ok


def reason(error: OSError) -> str:
    """Return the message for a connection that broke."""
    return f"the connection broke: {error.strerror or type(error).__name__}"


def timed_out(what: str) -> ReadTimeout:
    """Return the error for a server that was too slow.

    :param what: what it did not do in time.
    """
    return ReadTimeout(f"the server did not {what} in time")
