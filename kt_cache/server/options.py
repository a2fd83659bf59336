"""The included server's settings."""

from __future__ import annotations

from dataclasses import dataclass, fields

from kt_cache.errors import ConfigError
from kt_cache.protocol.framing import DEFAULT_LIMITS, Limits

__all__ = ["ServerOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How a server runs. Times are in seconds, sizes in bytes.

    :param host: address to listen on; empty for all interfaces.
    :param port: TCP port; 0 for any free one.
    :param databases: names for :func:`~kt_cache.storage.open_database`, in the order of their
        indexes.
    :param limits: largest sizes accepted in a request.
    :param max_reply: largest reply to one bulk request; a larger one is refused.
    :param max_connections: connections beyond this many are closed at once.
    :param max_cursors: cursors that one connection may have.
    :param max_waiting: calls that may wait for a signal at a time; more are refused.
    :param max_wait: the longest time that a call may wait for a signal.
    :param cache_script: whether clients may call the functions of the package's own script,
        :data:`kt_cache.lua.SCRIPT`. Without the package lupa they cannot in any case.
    :param scripts: Lua files whose functions clients may call, too. They are loaded behind that
        one, and may define its functions anew.
    :param script_timeout: how long a script's call may run, in processor time without its sleep.
    :param script_sleep: how long a script's call may sleep altogether.
    :param script_memory: what all scripts may keep in memory.
    :param script_io: whether scripts may use Lua's libraries for files and other programs.
    :param idle_timeout: how long a connection may stay silent between requests.
    :param read_timeout: how long it may stay silent inside a request, or not read its replies.
    :param request_timeout: how long a request may take to arrive, however busily it trickles in.
    :param write_buffer: unread replies beyond this size make a connection's requests wait.
    :param grace: how long connections may take to read their last replies when the server stops.
    """

    host: str = "127.0.0.1"
    port: int = 1978
    databases: tuple[str, ...] = (":",)
    limits: Limits = DEFAULT_LIMITS
    max_reply: int = 2**28
    max_connections: int = 1000
    max_cursors: int = 100
    max_waiting: int = 500
    max_wait: float = 3600.0
    cache_script: bool = True
    scripts: tuple[str, ...] = ()
    script_timeout: float = 3.0
    script_sleep: float = 60.0
    script_memory: int = 2**28
    script_io: bool = False
    idle_timeout: float = 3600.0
    read_timeout: float = 30.0
    request_timeout: float = 300.0
    write_buffer: int = 2**20
    grace: float = 5.0

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port must be from 0 to 65535, not {self.port}")
        if not 1 <= len(self.databases) <= 65536:
            raise ConfigError(f"from 1 to 65536 databases can be served, not {len(self.databases)}")
        for field in fields(self):
            value = getattr(self, field.name)
            is_limit = isinstance(value, (int, float)) and not isinstance(value, bool)
            if field.name != "port" and is_limit and not value > 0:
                raise ConfigError(f"{field.name} must be above 0, not {value}")
