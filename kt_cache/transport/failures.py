"""What a failure on a connection means, in the words and kinds both sorts of connections use."""

from __future__ import annotations

from kt_cache.errors import ConnectionClosed, PoolTimeout, ReadTimeout, ServerError
from kt_cache.transport.config import PoolConfig

__all__ = ["NothingSent", "all_in_use", "is_harmless", "queue_full", "reason", "timed_out"]


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


def all_in_use(config: PoolConfig) -> PoolTimeout:
    """Return the error for a call that waited for a connection in vain."""
    return PoolTimeout(
        f"all {config.max_size} connections stayed in use (max_size)", host=config.address
    )


def queue_full(config: PoolConfig, waiting: int) -> PoolTimeout:
    """Return the error for a call that may not even wait.

    :param waiting: how many calls do.
    """
    return PoolTimeout(
        f"all {config.max_size} connections are in use and "
        f"{waiting} calls wait already (max_waiting)",
        host=config.address,
    )
