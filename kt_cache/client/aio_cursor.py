"""A cursor of the asyncio client."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from kt_cache.client import cursors
from kt_cache.client.aio_executor import AsyncPinned
from kt_cache.client.call import Signals, common, patience_of
from kt_cache.client.command import Command
from kt_cache.errors import ConnectionClosed, KTError, ServerError
from kt_cache.protocol.expiry import ExpireTime, to_wire
from kt_cache.serializers import encode_key

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from kt_cache.client.aio_records import AsyncRecordMethods

__all__ = ["AsyncCursor"]

T = TypeVar("T")
Key = str | bytes


class AsyncCursor:
    """A place in a database, to read or change it record by record. Made by ``client.cursor()``.

    A cursor lives in one connection of the server, so it keeps one of the client's pool from its
    first jump until it is closed, has run off the end, or nobody holds it any more. It may be used
    by one task at a time. Jumping places it again at any time, also after it was closed.

    The order is that of the keys in an ordered database (``%``, ``*.kct``, ``*.sqlite``), else
    the server's own; going back is possible in an ordered one only. A record that is
    removed by others takes the cursor to the next one.

    Where there is no record, methods return ``None`` or ``False``. If the connection breaks they
    raise :class:`~kt_cache.errors.ConnectionClosed`, or
    :class:`~kt_cache.errors.OutcomeUnknown` if a record was to be changed, until the cursor is
    placed anew. Jumps are tried again by themselves.

    :param protocol: the client.
    :param cursor_id: a number to tell cursors apart by; the server never sees it.
    :param db: database index; the client's default if ``None``.
    :param decode_values: whether to deserialize values that are read.
    :param encode_values: whether to serialize values that are written.
    """

    def __init__(
        self,
        protocol: AsyncRecordMethods,
        cursor_id: int,
        db: int | None = None,
        decode_values: bool = True,
        encode_values: bool = True,
    ) -> None:
        self.protocol = protocol
        self.cursor_id = cursor_id
        self.db = protocol._db(db)
        self._decode_values = decode_values
        self._encode_values = encode_values
        self._pinned: AsyncPinned | None = None  # while the cursor is somewhere
        self._jumped = False

    def is_valid(self) -> bool:
        """Tell whether the cursor was placed and no call has found the end since."""
        return self._pinned is not None and self._pinned.usable

    # ------------------------------------------------------------ moving

    async def jump(self, key: Key | None = None, **signals: Unpack[Signals]) -> bool:
        """Go to the first record, or to a key.

        :param key: where there is no such record, an ordered database takes the next one.
        :return: whether there is a record.
        """
        at = None if key is None else encode_key(key)
        return await self._place(cursors.jump(common(self.db, signals), at), patience_of(signals))

    async def jump_back(self, key: Key | None = None, **signals: Unpack[Signals]) -> bool:
        """Go to the last record, or to a key or else the one before it.

        :return: whether there is a record.
        :raises NotSupported: if the database has no order.
        """
        at = None if key is None else encode_key(key)
        return await self._place(
            cursors.jump_back(common(self.db, signals), at), patience_of(signals)
        )

    async def step(self, **signals: Unpack[Signals]) -> bool:
        """Go to the next record: whether there is one."""
        return bool(await self._run(cursors.step(common(self.db, signals)), signals))

    async def step_back(self, **signals: Unpack[Signals]) -> bool:
        """Go to the record before: whether there is one.

        :raises NotSupported: if the database has no order.
        """
        return bool(await self._run(cursors.step_back(common(self.db, signals)), signals))

    # ------------------------------------------------------------ reading

    async def key(self, step: bool = False, **signals: Unpack[Signals]) -> Any:
        """Return the key of the record, or ``None`` if there is none.

        :param step: whether to move on afterwards, in the direction of the last move.
        """
        key = await self._run(cursors.get_key(common(self.db, signals), step=step), signals)
        return None if key is None else self.protocol._shown_key(key)

    async def value(self, step: bool = False, **signals: Unpack[Signals]) -> Any:
        """Return the value of the record, or ``None`` if there is none; see :meth:`key`."""
        value = await self._run(cursors.get_value(common(self.db, signals), step=step), signals)
        return value if value is None or not self._decode_values else self._decoded(b"", value)

    async def get(self, step: bool = False, **signals: Unpack[Signals]) -> tuple[Any, Any] | None:
        """Return the record as ``(key, value)``, or ``None``; see :meth:`key`."""
        found = await self._run(cursors.get(common(self.db, signals), step=step), signals)
        return None if found is None else self._shown(found)

    # ------------------------------------------------------------ changing

    async def set_value(
        self,
        value: Any,
        step: bool = False,
        expire_time: ExpireTime = None,
        **signals: Unpack[Signals],
    ) -> bool:
        """Store a value under the record's key.

        :param step: whether to move on afterwards, in the direction of the last move.
        :param expire_time: as for the client's ``set``; the old one is not kept.
        :return: whether there was a record.
        """
        data = self.protocol._encoded(b"", value, self._encode_values)
        xt = to_wire(expire_time)
        command = cursors.set_value(common(self.db, signals), data, xt, step=step)
        return bool(await self._run(command, signals))

    async def remove(self, **signals: Unpack[Signals]) -> bool:
        """Remove the record and move on: whether there was one."""
        return bool(await self._run(cursors.remove(common(self.db, signals)), signals))

    async def seize(self, **signals: Unpack[Signals]) -> tuple[Any, Any] | None:
        """Remove the record, move on, and return it as ``(key, value)``, or ``None``."""
        found = await self._run(cursors.seize(common(self.db, signals)), signals)
        return None if found is None else self._shown(found)

    # ------------------------------------------------------------ the end

    async def close(self) -> bool:
        """Give the connection back: whether the cursor was on a record until now."""
        was_valid = self.is_valid()
        await self._end(self.protocol._executor.deadline())
        return was_valid

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        """Read on from here; a cursor that was never placed begins at the first record."""
        return self

    async def __anext__(self) -> tuple[Any, Any]:
        if not self._jumped:
            await self.jump()
        found = await self.get(step=True)
        if found is None:
            raise StopAsyncIteration
        return found

    # ------------------------------------------------------------ below

    async def _place(self, command: Command[bool], patience: float) -> bool:
        self._jumped = True
        deadline = self.protocol._executor.deadline(patience)
        try:
            return await self._try_to_place(command, deadline, patience)
        except ConnectionClosed:
            # Where it was plays no part any more, so any other connection will do.
            return await self._try_to_place(command, deadline, patience)

    async def _try_to_place(self, command: Command[bool], deadline: float, patience: float) -> bool:
        if self._pinned is not None and self._pinned.usable:
            return bool(await self._run_on(self._pinned, command, deadline, patience))
        self._pinned = pinned = await self.protocol._executor.pin(deadline)
        try:
            return bool(await self._run_on(pinned, command, deadline, patience))
        except BaseException:
            # The server may have made a cursor, of whatever database, all the same.
            self._pinned = None
            pinned.give_up()
            raise

    async def _run(self, command: Command[T], signals: Signals) -> T | None:
        if self._pinned is None:
            return None
        patience = patience_of(signals)
        deadline = self.protocol._executor.deadline(patience)
        return await self._run_on(self._pinned, command, deadline, patience)

    async def _run_on(
        self, pinned: AsyncPinned, command: Command[T], deadline: float, patience: float
    ) -> T | None:
        try:
            result = await pinned.run(command, deadline, patience)
        except ServerError as error:
            raise cursors.unsupported(error) from error.__cause__
        if result is None or result is False:
            await self._end(deadline)
        return result

    async def _end(self, deadline: float) -> None:
        """Be nowhere, and give the connection back without the server's cursor in it."""
        pinned, self._pinned = self._pinned, None
        if pinned is None:
            return
        try:
            await pinned.run(cursors.delete(self.db), deadline)
        except KTError:  # with its connection the cursor is gone as well
            pinned.give_up()
        else:
            pinned.give_back()

    def _shown(self, found: cursors.Found) -> tuple[Any, Any]:
        key, value, _ = found
        shown = self.protocol._shown_key(key)
        return shown, self._decoded(key, value) if self._decode_values else value

    def _decoded(self, key: bytes, value: bytes) -> Any:
        return self.protocol._decoded(key, value)
