"""Every exception kt_cache raises: one small tree under :class:`KTError`.

An error says where it happened (``host``, ``command``, ``key``) and what to do about it.
It never carries a stored value, so it is safe to log.
"""

from __future__ import annotations

__all__ = [
    "CircuitOpen",
    "ConfigError",
    "ConnectError",
    "ConnectTimeout",
    "ConnectionClosed",
    "DecodeError",
    "EncodeError",
    "KTError",
    "LocalProtocolError",
    "LockError",
    "LockNotAcquired",
    "LockNotOwned",
    "NoSuchDatabase",
    "NotSupported",
    "OutcomeUnknown",
    "PoolTimeout",
    "ProtocolError",
    "ReadTimeout",
    "RemoteProtocolError",
    "ServerError",
    "SessionConflict",
    "SessionUnavailable",
    "SignalTimeout",
    "StorageError",
    "TimeoutExceeded",
    "TransportError",
]


class KTError(Exception):
    """Base of everything kt_cache raises.

    :param message: what happened and, where there is something to do, what to do.
    :param host: the server as ``host:port``, if one was involved.
    :param command: the operation's name, such as ``get_bulk`` or ``cas``.
    :param key: the key involved, as the caller gave it.
    """

    def __init__(
        self,
        message: str = "",
        *,
        host: str | None = None,
        command: str | None = None,
        key: str | bytes | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.host = host
        self.command = command
        self.key = key

    def add_context(
        self,
        *,
        host: str | None = None,
        command: str | None = None,
        key: str | bytes | None = None,
    ) -> None:
        """Fill in what the floor that raised the error could not know; never overwrites."""
        self.host = self.host or host
        self.command = self.command or command
        if self.key is None:
            self.key = key

    def __str__(self) -> str:
        parts = []
        if self.command is not None:
            parts.append(f"command={self.command}")
        if self.host is not None:
            parts.append(f"host={self.host}")
        if self.key is not None:
            parts.append(f"key={self.key!r}")
        return f"{self.message} [{', '.join(parts)}]" if parts else self.message


class ConfigError(KTError, ValueError):
    """A setting or argument is wrong; the message names it and what is accepted."""


class NotSupported(KTError):
    """What was asked for needs an extra package or a feature this build does not have."""


class EncodeError(KTError, ValueError):
    """A key or value cannot be turned into bytes by the configured serializer."""


class DecodeError(KTError, ValueError):
    """Stored bytes are not what the configured serializer writes."""


class ProtocolError(KTError):
    """Bytes or arguments that the wire protocol does not allow."""


class LocalProtocolError(ProtocolError, ValueError):
    """This side tried to send something the protocol cannot carry; nothing was sent."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something the protocol does not allow; the connection is given up.

    :param status: for a server, the HTTP status to answer with before closing.
    """

    def __init__(self, message: str = "", *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class TransportError(KTError):
    """The connection to the server could not be made, broke, or was not available."""


class ConnectError(TransportError):
    """No connection could be made; nothing was sent."""


class ConnectionClosed(TransportError):
    """The connection broke before the reply was complete."""


class OutcomeUnknown(TransportError):
    """The connection broke after part of a request was sent that must not be sent twice.

    The server may or may not have carried it out. Read the record to find out.
    """


class CircuitOpen(TransportError):
    """The circuit breaker refused the call because the ones before it failed; nothing was sent.

    :param retry_after: seconds until a call is let through to try the server again, at most.
    """

    def __init__(
        self,
        message: str = "",
        *,
        retry_after: float = 0.0,
        host: str | None = None,
        command: str | None = None,
    ) -> None:
        super().__init__(message, host=host, command=command)
        self.retry_after = retry_after


class TimeoutExceeded(TransportError, TimeoutError):
    """A deadline passed. The connection involved was closed and will not be used again."""


class ConnectTimeout(TimeoutExceeded, ConnectError):
    """No connection within the connect timeout or the call's deadline; nothing was sent."""


class ReadTimeout(TimeoutExceeded):
    """No complete reply in time. A write may nevertheless have been carried out."""


class PoolTimeout(TimeoutExceeded):
    """Every connection of the pool was in use until the deadline; nothing was sent."""


class ServerError(KTError):
    """The server answered that it could not do what was asked.

    :param status: the HTTP status code, or ``None`` for the binary protocol's error byte.
    :param connection_ok: whether the reply was complete and the connection can be used again.
    """

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        connection_ok: bool = False,
        host: str | None = None,
        command: str | None = None,
        key: str | bytes | None = None,
    ) -> None:
        super().__init__(message, host=host, command=command, key=key)
        self.status = status
        self.connection_ok = connection_ok


class NoSuchDatabase(ServerError):
    """The database index or name is not one the server has open."""


class SignalTimeout(ServerError, TimeoutError):
    """The signal that a call was to wait for did not come in time; the call was not carried out."""


class LockError(KTError):
    """A lock cannot do what was asked."""


class LockNotAcquired(LockError, TimeoutError):
    """A lock that a ``with`` needs stayed with somebody else for as long as could be waited."""


class LockNotOwned(LockError):
    """A lock is not, or no longer, held by the object that was to release or extend it."""


class SessionConflict(KTError):
    """A session was not saved, because others changed it at the same time; nothing was stored.

    Load it anew, change it again and save it.
    """


class SessionUnavailable(KTError):
    """The store of the sessions failed, so nothing is known about a session.

    The failure itself is the error's cause.
    """


class StorageError(KTError):
    """A storage engine of the included server could not read, write or open its data."""
