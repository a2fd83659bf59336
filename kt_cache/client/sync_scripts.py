"""The blocking client's calls of Lua functions, and what needs the script kt.lua on the server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from kt_cache.client import records
from kt_cache.client.readable import as_moment
from kt_cache.client.scripting import (
    moment,
    moments,
    relative_input,
    script_error,
    touch_input,
    touch_one,
)
from kt_cache.client.sync_records import RecordMethods
from kt_cache.protocol.expiry import ExpireTime
from kt_cache.serializers import encode_key

__all__ = ["LuaFunctions", "ScriptMethods"]

Key = str | bytes


class LuaFunctions:
    """Calls the server's Lua functions as if they were methods: ``client.lua.NAME(...)``.

    :param client: the client that makes the calls.
    """

    __slots__ = ("_client",)

    def __init__(self, client: ScriptMethods) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a function that calls the Lua function of that name.

        It takes a mapping of inputs, inputs by name, or both, and the options of
        :meth:`ScriptMethods.script`: ``no_reply``, ``encode_values`` and ``decode_values``.
        """
        if name.startswith("__"):
            raise AttributeError(name)
        client = self._client

        def call(
            data: Mapping[Any, Any] | None = None,
            /,
            no_reply: bool = False,
            encode_values: bool = True,
            decode_values: bool = True,
            **inputs: Any,
        ) -> Any:
            given = {**(data or {}), **inputs}
            return client.script(name, given, no_reply, encode_values, decode_values)

        call.__name__ = name
        return call


class ScriptMethods(RecordMethods):
    """Lua functions of the server's script. Errors are those of :class:`RecordMethods`."""

    @property
    def lua(self) -> LuaFunctions:
        """The server's Lua functions as methods: ``client.lua.hlen(key="h")``."""
        return LuaFunctions(self)

    def script(
        self,
        name: Key,
        data: Mapping[Any, Any] | None = None,
        no_reply: bool = False,
        encode_values: bool = True,
        decode_values: bool = True,
        **kwargs: Any,
    ) -> dict[Any, Any] | None:
        """Call a Lua function of the server's script.

        :param name: the function's name.
        :param data: input names and values.
        :param no_reply: send without waiting for, or learning of, the outcome.
        :param encode_values: whether to serialize the inputs; if not they must be bytes, text or
            numbers.
        :param decode_values: whether to deserialize the outputs.
        :param kwargs: further inputs.
        :return: the function's output, or ``None`` with ``no_reply``.
        :raises ServerError: if the server has no such function or it failed.
        """
        pairs = [
            (encode_key(key), self._encoded(key, value, encode_values))
            for key, value in {**(data or {}), **kwargs}.items()
        ]
        output = self._executor.run(records.play_script(encode_key(name), pairs, no_reply=no_reply))
        return None if output is None else self._decoded_pairs(output, decode_values)

    def raw_script(
        self, name: Key, data: Mapping[Any, Any] | None = None, no_reply: bool = False
    ) -> dict[bytes, bytes] | None:
        """Call a Lua function with inputs and outputs as they are; see :meth:`script`.

        :param data: input names and values: bytes, text or numbers.
        :return: the function's output as bytes.
        """
        pairs = [
            (encode_key(key), self._encoded(key, value, False))
            for key, value in (data or {}).items()
        ]
        output = self._executor.run(records.play_script(encode_key(name), pairs, no_reply=no_reply))
        return None if output is None else dict(output)

    # ------------------------------------------------------------ times, by kt.lua

    def touch(self, key: Key, xt: ExpireTime = None, db: int | None = None) -> int | None:
        """Give a record another expiration time; its value stays.

        Needs the script ``kt.lua`` on the server, as do all the touch methods.

        :param xt: as ``expire_time`` for :meth:`set`; ``None`` for never.
        :return: the time it had, as in :meth:`expire_time`; ``None`` if there is no record.
        """
        index = self.default_db if db is None else db
        command = touch_one(index, encode_key(key), xt)
        return moment(self._executor.run(command))

    def touch_bulk(
        self, keys: Iterable[Key], xt: ExpireTime = None, db: int | None = None
    ) -> dict[Any, int]:
        """Give records another expiration time; see :meth:`touch`.

        :return: key -> the time it had, without the missing ones.
        """
        return self._touched("touch_bulk", touch_input(self._db(db), keys, xt))

    def touch_relative(self, key: Key, n: int, db: int | None = None) -> int | None:
        """Put a record's expiration time off; its value stays.

        :param n: seconds to add to the time it has.
        :return: the new time, as in :meth:`expire_time`; ``None`` if there is no record.
        """
        return self.touch_bulk_relative([key], n, db).get(self._shown_key(encode_key(key)))

    def touch_bulk_relative(
        self, keys: Iterable[Key], n: int, db: int | None = None
    ) -> dict[Any, int]:
        """Put the expiration times of records off; see :meth:`touch_relative`.

        :return: key -> the new time, without the missing ones.
        """
        return self._touched("touch_bulk_relative", relative_input(self._db(db), keys, n))

    def _touched(self, name: str, pairs: list[tuple[bytes, bytes]]) -> dict[Any, int]:
        command = records.play_script(name.encode(), pairs, repeatable=name == "touch_bulk")
        output = self._executor.run(command)
        return {self._shown_key(key): xt for key, xt in moments(output or ())}

    def expires(self, key: Key, db: int | None = None) -> datetime | None:
        """Return when a record expires as local time, a naive ``datetime``.

        :return: ``datetime.max`` for a record that never does, ``None`` if there is no record.
        """
        return as_moment(self.expire_time(key, db))

    def error(self, db: int | None = None) -> tuple[int, str]:
        """Return the last error of a database, as far as scripts know: ``(code, message)``.

        Needs the script ``kt.lua`` on the server.

        :return: ``(0, "success")`` if the last operation succeeded.
        """
        pairs = [(b"db", b"%d" % self._db(db))]
        return script_error(self._executor.run(records.play_script(b"get_error", pairs)))
