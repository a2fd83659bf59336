"""What it means for a command that something failed: told once for both executors."""

from __future__ import annotations

from typing import Any

from kt_cache.client.command import Command
from kt_cache.errors import ConnectionClosed, KTError, OutcomeUnknown, TimeoutExceeded
from kt_cache.transport.failures import NothingSent

__all__ = ["check_repeatable", "kept_changing", "told_where", "unpinned"]


def told_where(error: KTError, command: Command[Any], host: str) -> KTError:
    """Return an error that says on which server, in which command and at which key it happened."""
    name, _, _, _, key = command
    error.add_context(host=host, command=name, key=key)
    return error


def check_repeatable(error: ConnectionClosed, command: Command[Any], host: str) -> None:
    """Return if the command may be sent again after its connection broke.

    :raises OutcomeUnknown: if it may not: the server may or may not have carried it out.
    """
    told_where(error, command, host)
    _, _, _, repeatable, _ = command
    if repeatable or isinstance(error, NothingSent):
        return
    raise OutcomeUnknown(
        "the connection broke after the request was sent; "
        "the server may or may not have carried it out",
        host=error.host,
        command=error.command,
        key=error.key,
    ) from error


def kept_changing(host: str) -> TimeoutExceeded:
    """Return the error for an operation that lost one race after the other."""
    return TimeoutExceeded("the record kept changing until the deadline", host=host)


def unpinned(command: Command[Any], host: str) -> KTError:
    """Return the error for a command on a connection that was kept for it, and has ended."""
    error = ConnectionClosed("the connection that was kept for this is gone; begin anew")
    return told_where(error, command, host)
