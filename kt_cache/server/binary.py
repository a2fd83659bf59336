"""Carries out requests of the binary protocol."""

from __future__ import annotations

import logging
from collections.abc import Coroutine, Sequence
from typing import Any

from kt_cache.errors import RemoteProtocolError, StorageError
from kt_cache.protocol.binary import (
    ERROR_REPLY,
    GET_BULK,
    REMOVE_BULK,
    SET_BULK,
    Key,
    Keys,
    Record,
    Records,
    Replication,
    Request,
    RequestDecoder,
    Script,
    encode_count_reply,
    encode_get_reply,
    encode_script_reply,
)
from kt_cache.protocol.expiry import resolve_expiry
from kt_cache.protocol.framing import Buffer
from kt_cache.server.lua import Outcome, ReturnCode
from kt_cache.server.service import Service
from kt_cache.server.sessions import Hangup, LaterReply

__all__ = ["BinarySession"]

_log = logging.getLogger(__name__)

_RECORD_COST = 128  # about what a found record takes up besides its key and value, in bytes


class BinarySession:
    """The binary protocol's side of one connection.

    Records of a bulk request are carried out as they arrive, as the reference server does; what
    arrives together is one transaction.
    """

    __slots__ = ("_counts", "_databases", "_decoder", "_done", "_found", "_found_size", "_service")

    def __init__(self, service: Service) -> None:
        self._service = service
        self._databases = service.databases
        self._counts = service.counts
        self._decoder = RequestDecoder(service.options.limits)
        self._done = 0  # records stored or removed by the present request so far
        self._found: list[tuple[int, bytes, bytes, int]] = []
        self._found_size = 0

    def serve(
        self, data: Buffer, start: int, end: int, now: int
    ) -> tuple[bytes | LaterReply | None, int]:
        """As :class:`~kt_cache.server.sessions.Session` says."""
        decode = self._decoder.decode
        while True:
            try:
                request, start = decode(data, start, end)
            except RemoteProtocolError as error:
                raise Hangup(self._decoder.error_reply) from error
            if request is None:
                return None, start
            try:
                reply = self._carry_out(request, now)
            except StorageError as error:
                _log.error("a bulk request failed: %s", error.message)
                raise Hangup(_refusal(request)) from error
            if reply is not None:
                return reply, start

    def break_off(self, now: int) -> bytes:  # noqa: ARG002 - no date in this protocol
        """As :class:`~kt_cache.server.sessions.Session` says."""
        return self._decoder.error_reply

    def _carry_out(self, request: Request, now: int) -> bytes | LaterReply | None:
        """Return the reply, now or later, or ``None`` if more of the request is to come."""
        if isinstance(request, Keys):
            if request.magic == GET_BULK:
                return self._get(request, now)
            self._done += self._remove(request.keys, now)
            magic = REMOVE_BULK
        elif isinstance(request, Records):
            self._done += self._set(request.records, now)
            magic = SET_BULK
        elif isinstance(request, Script):
            return self._play_script(request)
        else:
            return self._replicate(request)
        if not request.done:
            return None
        done, self._done = self._done, 0
        return b"" if request.no_reply else encode_count_reply(magic, done)

    def _get(self, request: Keys, now: int) -> bytes | None:
        databases, found = self._databases, self._found
        before = len(found)
        known = 0
        for index, key in request.keys:
            if index < len(databases):
                known += 1
                record = databases[index].get(key, now)
                if record is not None:
                    found.append((index, key, *record))
        self._counts.count_get(known, len(found) - before)
        if request.done and not before and len(found) <= 1:  # most requests are for one record
            reply = encode_get_reply(found)
            found.clear()
            return reply
        self._check_size(found[before:])
        if not request.done:
            return None
        self._found, self._found_size = [], 0
        return encode_get_reply(found)

    def _check_size(self, records: Sequence[tuple[int, bytes, bytes, int]]) -> None:
        self._found_size += sum(
            _RECORD_COST + len(key) + len(value) for _, key, value, _ in records
        )
        if self._found_size > self._service.options.max_reply:
            _log.error(
                "a bulk reply would be larger than %d bytes", self._service.options.max_reply
            )
            raise Hangup(ERROR_REPLY)

    def _set(self, records: Sequence[Record], now: int) -> int:
        databases = self._databases
        if len(records) == 1:
            index, key, value, xt = records[0]
            if index >= len(databases):
                return 0
            databases[index].set(key, value, resolve_expiry(xt, now))
            self._counts.set += 1
            return 1
        by_database: dict[int, list[tuple[bytes, bytes, int]]] = {}
        last_xt, stored_xt = 0, resolve_expiry(0, now)
        for index, key, value, xt in records:
            if xt != last_xt:  # mostly they are all the same
                last_xt, stored_xt = xt, resolve_expiry(xt, now)
            given = by_database.get(index)
            if given is None:
                given = by_database[index] = []
            given.append((key, value, stored_xt))
        done = 0
        for index, given in by_database.items():
            if index < len(databases):
                done += databases[index].set_bulk(given)
        self._counts.count_set(done, done)
        return done

    def _remove(self, keys: Sequence[Key], now: int) -> int:
        databases = self._databases
        by_database: dict[int, list[bytes]] = {}
        for index, key in keys:
            if index < len(databases):
                by_database.setdefault(index, []).append(key)
        done = 0
        for index, given in by_database.items():
            removed = databases[index].remove_bulk(given, now)
            self._counts.count_remove(len(given), removed)
            done += removed
        return done

    def _play_script(self, request: Script) -> bytes | LaterReply:
        self._counts.script += 1
        scripts = self._service.scripts
        if scripts is None:
            return _refusal(request)
        outcome = scripts.play(request.name, request.pairs)
        if isinstance(outcome, Outcome):
            return _encode_outcome(request, outcome)
        return _encode_later(request, outcome)

    def _replicate(self, request: Replication) -> bytes:  # noqa: ARG002
        """Refuse: this server keeps no update log."""
        raise Hangup(ERROR_REPLY)


def _refusal(request: Request) -> bytes:
    """Return the reply to a request that cannot be carried out; a get is always answered."""
    silent = not isinstance(request, Replication) and request.no_reply
    return b"" if silent else ERROR_REPLY


def _encode_outcome(request: Script, outcome: Outcome) -> bytes:
    if outcome.code != ReturnCode.SUCCESS:
        return _refusal(request)
    return b"" if request.no_reply else encode_script_reply(outcome.pairs)


async def _encode_later(request: Script, coming: Coroutine[Any, Any, Outcome]) -> bytes:
    return _encode_outcome(request, await coming)
