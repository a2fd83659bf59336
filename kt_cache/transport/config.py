"""Everything that distinguishes one pool from another, as one hashable object."""

from __future__ import annotations

from dataclasses import dataclass

from kt_cache.errors import ConfigError

__all__ = ["LONGEST_LIFE", "PoolConfig", "check_seconds"]

_LONGEST_WAIT = 10**6  # seconds; what sockets take is not much more
LONGEST_LIFE = 10**9  # seconds that a connection may be kept, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolConfig:
    """Where to connect and how long to wait. All times are seconds and finite.

    :param host: name or address of the server.
    :param port: TCP port.
    :param connect_timeout: for making one connection.
    :param read_timeout: for the server to take a request, and for each part of its reply.
    :param call_timeout: for a call as a whole: waiting for a connection, connecting, sending,
        reading, and the one retry where there is one.
    :param max_size: most connections open at a time in this process.
    :param max_waiting: most calls that may wait for a connection at a time.
    :param max_idle: a connection unused for longer is closed instead of used.
    :param max_lifetime: a connection older than about that is closed instead of used.
    """

    host: str = "127.0.0.1"
    port: int = 1978
    connect_timeout: float = 2.0
    read_timeout: float = 5.0
    call_timeout: float = 10.0
    max_size: int = 50
    max_waiting: int = 1000
    max_idle: float = 300.0
    max_lifetime: float = 3600.0

    def __post_init__(self) -> None:
        if not self.host or not isinstance(self.host, str):
            raise ConfigError(f"host must be a name or address, not {self.host!r}")
        if "/" in self.host or self.host.count(":") == 1:
            raise ConfigError(
                f"host must be a name or address alone, not {self.host!r}; "
                "the port is a setting of its own"
            )
        if isinstance(self.port, bool) or not isinstance(self.port, int):
            raise ConfigError(f"port must be a number, not {self.port!r}")
        if not 0 < self.port < 65536:
            raise ConfigError(f"port must be a number from 1 to 65535, not {self.port!r}")
        for name in ("connect_timeout", "read_timeout", "call_timeout"):
            check_seconds(name, getattr(self, name))
        for name in ("max_idle", "max_lifetime"):
            check_seconds(name, getattr(self, name), LONGEST_LIFE)
        for name, least in (("max_size", 1), ("max_waiting", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"{name} must be a whole number of at least {least}")

    @property
    def address(self) -> str:
        """The server as ``host:port``, for messages."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def check_seconds(name: str, value: object, most: int = _LONGEST_WAIT) -> None:
    """Raise :class:`~kt_cache.errors.ConfigError` unless a setting is a time to wait.

    :param name: the setting, for the message.
    :param most: seconds.
    """
    valid = isinstance(value, int | float) and not isinstance(value, bool)
    if not valid or not 0 < value <= most:  # type: ignore[operator]
        raise ConfigError(
            f"{name} must be a positive number of seconds, at most {most}, not {value!r}"
        )
