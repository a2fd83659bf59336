"""The blocking Kyoto Tycoon client."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from kt_cache.client.aio_aliases import AsyncAliasMethods
from kt_cache.client.aio_containers import AsyncContainerMethods
from kt_cache.client.aio_executor import AsyncExecutor
from kt_cache.client.aio_http import AsyncHttpMethods
from kt_cache.client.base import ClientBase, make_config
from kt_cache.transport import PoolConfig, PoolStats

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncKyotoTycoon"]


class AsyncKyotoTycoon(AsyncAliasMethods, AsyncHttpMethods, AsyncContainerMethods):
    """A client for one Kyoto Tycoon server; safe to share between tasks and event loops.

    Clients of the same configuration share one pool of connections per event loop, which ends with
    the loop. Nothing is opened before the first call, and a client can be made before there is
    a loop. A call that is cancelled closes the connection it was using.

    :param host: name or address of the server.
    :param port: TCP port.
    :param timeout: seconds for a call as a whole; ``None`` for the defaults of
        :class:`~kt_cache.transport.PoolConfig`. There is always a limit.
    :param default_db: database index used where a call names none.
    :param decode_keys: whether keys in results are ``str`` (where they are UTF-8) or bytes.
    :param serializer: one of the ``KT_`` constants; ``None`` is ``KT_BINARY``.
    :param encode_value: replaces the serializer's encoder: value -> bytes.
    :param decode_value: replaces the serializer's decoder: bytes -> value.
    :param max_age: seconds a connection may stay unused before it is closed.
    :param config: everything about connecting at once; replaces ``host``, ``port``, ``timeout``
        and ``max_age``.
    :raises ConfigError: if an argument is out of range.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 1978,
        timeout: float | None = None,
        default_db: int = 0,
        decode_keys: bool = True,
        serializer: Any = None,
        encode_value: Callable[[Any], bytes] | None = None,
        decode_value: Callable[[bytes], Any] | None = None,
        max_age: float = 3600,
        *,
        config: PoolConfig | None = None,
    ) -> None:
        ClientBase.__init__(
            self,
            default_db=default_db,
            decode_keys=decode_keys,
            serializer=serializer,
            encode_value=encode_value,
            decode_value=decode_value,
        )
        self._use(config or make_config(host, port, timeout, max_age))

    @property
    def host(self) -> str:
        """The server's name or address."""
        return self.config.host

    @property
    def port(self) -> int:
        """The server's TCP port."""
        return self.config.port

    @property
    def pool_stats(self) -> PoolStats:
        """What the shared pool of connections did so far."""
        return self._executor.pool.stats

    async def close_all(self) -> None:
        """Close the pool's unused connections. The client stays usable and opens new ones."""
        self._executor.pool.expire()

    async def close(self) -> None:
        """Do what :meth:`close_all` does."""
        await self.close_all()

    async def aclose(self) -> None:
        """Do what :meth:`close_all` does."""
        await self.close_all()

    async def checkin(self) -> None:
        """Do nothing: a connection goes back to the pool at the end of every call."""

    async def open(
        self, host: str = "127.0.0.1", port: int = 1978, timeout: float | None = 30
    ) -> bool:
        """Turn to another server.

        :param timeout: seconds for a call as a whole; ``None`` for the defaults.
        :return: ``True``; connections are opened when they are needed.
        """
        self._use(make_config(host, port, timeout, self.config.max_idle))
        return True

    async def connect(
        self, host: str = "127.0.0.1", port: int = 1978, timeout: float | None = 30
    ) -> Self:
        """Turn to another server, as :meth:`open`, and return the client itself."""
        await self.open(host, port, timeout)
        return self

    def _use(self, config: PoolConfig) -> None:
        self.config = config
        self._executor = AsyncExecutor(config)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close_all()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.config.address} db={self.default_db}>"
