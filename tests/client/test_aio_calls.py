"""The asyncio client on real servers: it gives the answers of the blocking one."""

from __future__ import annotations

import asyncio
import inspect
import random
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from kt_cache import KT_JSON, AsyncKyotoTycoon, EmbeddedServer, KyotoTycoon
from kt_cache.cache import operations
from kt_cache.client.aio_executor import AsyncExecutor
from kt_cache.client.operation import Operation, Pause
from kt_cache.errors import KTError, TimeoutExceeded
from kt_cache.transport import PoolConfig
from tests.client.test_aio_face import METHODS_HERE, MISSING, members
from tests.support.aio import Run, assert_nothing_leaked, client_of, until

Call = Callable[[Any], Any]

# One after the other on an empty database.
CALLS: list[tuple[str, Call]] = [
    ("set", lambda kt: kt.set("k", "v")),
    ("set", lambda kt: kt.set("gone", "v", no_reply=True)),
    ("get", lambda kt: kt.get("k")),
    ("get", lambda kt: kt.get("missing")),
    ("get", lambda kt: kt.get("k", decode_value=False)),
    ("set_bytes", lambda kt: kt.set_bytes("raw", b"\xff")),
    ("get_bytes", lambda kt: kt.get_bytes("raw")),
    ("get_raw", lambda kt: kt.get_raw("raw")),
    ("expire_time", lambda kt: kt.expire_time("k")),
    ("expires", lambda kt: kt.expires("k")),
    ("set_bulk", lambda kt: kt.set_bulk({"a": "1", "b": "2"})),
    ("update", lambda kt: kt.update({"c": "3"}, d="4")),
    ("get_bulk", lambda kt: kt.get_bulk(["a", "b", "x"])),
    ("get_bulk", lambda kt: kt.get_bulk([])),
    ("get_bulk_raw", lambda kt: kt.get_bulk_raw(["a"])),
    ("get_bulk_details", lambda kt: kt.get_bulk_details([(0, "a")])),
    ("set_bulk_details", lambda kt: kt.set_bulk_details([(0, "e", "5", None)])),
    ("remove", lambda kt: kt.remove("gone")),
    ("remove_bulk", lambda kt: kt.remove_bulk(["d", "x"])),
    ("remove_bulk_details", lambda kt: kt.remove_bulk_details([(0, "e")])),
    ("add", lambda kt: kt.add("k", "other")),
    ("replace", lambda kt: kt.replace("k", "new")),
    ("append", lambda kt: kt.append("k", "er")),
    ("cas", lambda kt: kt.cas("k", "newer", "newest")),
    ("cas", lambda kt: kt.cas("k", None, None)),
    ("increment", lambda kt: kt.increment("n", 5)),
    ("incr", lambda kt: kt.incr("n")),
    ("get_int", lambda kt: kt.get_int("n")),
    ("increment", lambda kt: kt.increment("k")),
    ("increment_double", lambda kt: kt.increment_double("d", 0.5)),
    ("incr_double", lambda kt: kt.incr_double("d", 0.25)),
    ("exists", lambda kt: kt.exists("k")),
    ("check", lambda kt: kt.check("missing")),
    ("length", lambda kt: kt.length("k")),
    ("seize", lambda kt: kt.seize("n", decode_value=False)),
    ("pop", lambda kt: kt.pop("missing")),
    ("set_http", lambda kt: kt.set_http("h", "v")),
    ("get_http", lambda kt: kt.get_http("h")),
    ("remove_http", lambda kt: kt.remove_http("h")),
    ("set_bulk_http", lambda kt: kt.set_bulk_http({"h1": "1", "h2": "2"})),
    ("get_bulk_http", lambda kt: kt.get_bulk_http(["h1", "h2", "h3"])),
    ("remove_bulk_http", lambda kt: kt.remove_bulk_http(["h2"])),
    ("match_prefix", lambda kt: kt.match_prefix("h")),
    ("match_regex", lambda kt: kt.match_regex("^[ab]$")),
    ("match_similar", lambda kt: kt.match_similar("h2", 1)),
    ("keys_nonlazy", lambda kt: kt.keys_nonlazy()),
    ("keys", lambda kt: kt.keys()),
    ("values", lambda kt: kt.values()),
    ("items", lambda kt: kt.items()),
    ("count", lambda kt: kt.count()),
    ("status", lambda kt: kt.status()),
    ("list_databases", lambda kt: kt.list_databases()),
    ("databases", lambda kt: kt.databases),
    ("path", lambda kt: kt.path),
    ("synchronize", lambda kt: kt.synchronize()),
    ("vacuum", lambda kt: kt.vacuum()),
    ("ulog_list", lambda kt: kt.ulog_list()),
    ("ulog_remove", lambda kt: kt.ulog_remove()),
    ("tune_replication", lambda kt: kt.tune_replication()),
    ("script", lambda kt: kt.script("missing")),
    ("raw_script", lambda kt: kt.raw_script("missing")),
    ("play_script", lambda kt: kt.play_script("missing")),
    ("lua", lambda kt: kt.lua.missing(key="k")),
    ("touch", lambda kt: kt.touch("k")),
    ("touch_bulk", lambda kt: kt.touch_bulk(["k"])),
    ("touch_relative", lambda kt: kt.touch_relative("k", 1)),
    ("touch_bulk_relative", lambda kt: kt.touch_bulk_relative(["k"], 1)),
    ("error", lambda kt: kt.error()),
    ("get", lambda kt: kt.get("k", db=7)),
    ("set", lambda kt: kt.set("k", "v", db=7)),
    ("checkin", lambda kt: kt.checkin()),
    ("clear", lambda kt: kt.clear()),
    ("close", lambda kt: kt.close()),
]
# Tested below, elsewhere, or without an answer that two clients could agree on.
OTHERS = {
    "cursor": "below",
    "report": "counts calls and seconds",
    "size": "depends on what was there before",
    "open": "below",
    "connect": "below",
    "close_all": "with the pool",
    "set_database": "below",
    **dict.fromkeys(
        ["Hash", "List", "Queue", "Schedule", "Set", "SignalQueue"],
        "with either client in tests/containers",
    ),
    **dict.fromkeys(
        ["serialize_dict", "serialize_list", "deserialize_dict", "deserialize_list"],
        "the same functions, which ask nobody",
    ),
}


def told(error: Exception) -> Any:
    return type(error), str(error)


def ask_blocking(kt: KyotoTycoon, call: Call) -> Any:
    try:
        answer = call(kt)
        return list(answer) if inspect.isgenerator(answer) else answer
    except (KTError, ValueError) as error:
        return told(error)


async def ask_waiting(kt: AsyncKyotoTycoon, call: Call) -> Any:
    try:
        answer = call(kt)
        if inspect.isasyncgen(answer):
            return [each async for each in answer]
        return await (answer() if inspect.ismethod(answer) else answer)
    except (KTError, ValueError) as error:
        return told(error)


def test_every_call_is_compared() -> None:
    """The table has every public method, but for those named with a reason."""
    methods = {
        name
        for name, member in members(KyotoTycoon).items()
        if not name.startswith("__") and (callable(member) or name in METHODS_HERE | {"lua"})
    }
    assert methods - {name for name, _ in CALLS} == OTHERS.keys()
    assert not MISSING.keys() & methods


def test_the_same_answers(run: Run, any_server: EmbeddedServer) -> None:
    """Every call returns, or raises, what it does with the blocking client."""
    blocking = any_server.client
    blocking.clear()
    answers = [ask_blocking(blocking, call) for _, call in CALLS]
    blocking.clear()

    async def main() -> None:
        kt = client_of(blocking.port)
        for (name, call), answer in zip(CALLS, answers, strict=True):
            assert await ask_waiting(kt, call) == answer, name
        assert (await kt.report()).keys() == blocking.report().keys()
        assert await kt.size() == blocking.size()
        assert_nothing_leaked(kt)

    run(main())


def test_settings(run_one: Run, any_server: EmbeddedServer) -> None:
    """Serializer, database and server are chosen as with the blocking client."""

    async def main() -> None:
        kt = AsyncKyotoTycoon(any_server.client.host, any_server.port, serializer=KT_JSON)
        await kt.set("k", {"a": [1]})
        assert await kt.get("k") == {"a": [1]}
        kt.set_database(9)
        assert await kt.get("k") is None
        kt.set_database()
        assert await kt.open("127.0.0.1", any_server.port)
        assert await kt.connect("127.0.0.1", any_server.port) is kt
        assert kt.config.call_timeout == 30
        assert await kt.get("k") == {"a": [1]}

    run_one(main())


# ---------------------------------------------------------------- cursors and iteration


def test_a_cursor(run: Run, any_server: EmbeddedServer) -> None:
    """It walks over all records, changes them, and gives its connection back."""
    any_server.client.clear()
    records = {f"k{number}": f"v{number}" for number in range(5)}
    any_server.client.set_bulk(records)

    async def main() -> None:
        kt = client_of(any_server.client.port)
        async with kt.cursor() as cursor:
            assert not cursor.is_valid()
            assert dict([found async for found in cursor]) == records
            assert not cursor.is_valid()
            assert await cursor.jump("k2")
            assert kt.pool_stats.idle == 0
            assert (await cursor.key(), await cursor.value()) == ("k2", "v2")
            assert await cursor.set_value("new")
            assert await cursor.seize() == ("k2", "new")
        assert kt.pool_stats.idle == kt.pool_stats.open == 1
        assert await kt.get("k2") is None
        assert {key async for key in kt} == records.keys() - {"k2"}
        assert not await kt.cursor().jump("no such key")
        assert_nothing_leaked(kt)

    run(main())


def test_a_cursor_that_nobody_holds(run: Run, included_server: EmbeddedServer) -> None:
    """Its connection is closed, and its place in the pool is free."""
    included_server.client.set("k", "v")

    async def main() -> None:
        kt = client_of(included_server.port, max_size=1)
        for _ in range(3):
            cursor = kt.cursor()
            assert await cursor.jump()
            del cursor
            assert await kt.get("k") == "v"

    run(main())


def test_an_iteration_left_early(run: Run, included_server: EmbeddedServer) -> None:
    """When the generator has ended its connection serves others."""
    included_server.client.set_bulk({"a": "1", "b": "2"})

    async def main() -> None:
        kt = client_of(included_server.port, max_size=1)
        for iterate in (kt.keys, kt.values, kt.items):
            async with aclosing(iterate()) as found:
                async for _ in found:
                    break
            assert await kt.count() == included_server.client.count()
        async for _ in kt:
            break
        await until(lambda: kt.pool_stats.open == kt.pool_stats.idle, "it is given back")

    run(main())


def test_a_cancelled_cursor(run: Run, included_server: EmbeddedServer) -> None:
    """Cancelled in the middle of a step a cursor leaves no connection with a reply to come."""
    included_server.client.clear()
    included_server.client.set_bulk({f"k{number}": str(number) for number in range(100)})
    choose = random.Random(1)

    async def walk(kt: AsyncKyotoTycoon) -> None:
        async with kt.cursor() as cursor:
            async for key, value in cursor:
                assert key == f"k{value}"

    async def main() -> None:
        kt = client_of(included_server.port, max_size=3)
        for _ in range(40):
            walks = [asyncio.ensure_future(walk(kt)) for _ in range(3)]
            await asyncio.sleep(choose.random() / 200)
            for task in walks:
                task.cancel()
            await asyncio.wait(walks)
            assert await kt.get("k7") == "7"
        assert_nothing_leaked(kt)

    run(main())


# ---------------------------------------------------------------- operations


def test_operations_of_several_commands(run: Run, any_server: EmbeddedServer) -> None:
    """Of many tasks that add to one counter by read and cas, each number is seen once."""
    any_server.client.clear()
    any_server.client.set_bytes("n", "0")

    async def main() -> None:
        executor = AsyncExecutor(PoolConfig(port=any_server.client.port, max_size=8))
        additions = (operations.increment(0, b"n", 1, time.time) for _ in range(40))
        numbers = await asyncio.gather(*(executor.drive(each) for each in additions))
        assert sorted(map(int, numbers)) == list(range(1, 41))
        assert executor.pool.stats.open == executor.pool.stats.idle <= 8

    run(main())


def test_an_operation_that_never_ends(run_one: Run, included_server: EmbeddedServer) -> None:
    """It ends with the call's deadline."""

    def lose_for_ever() -> Operation[None]:
        while True:
            yield Pause(3)

    async def main() -> None:
        executor = AsyncExecutor(PoolConfig(port=included_server.port, call_timeout=0.1))
        with pytest.raises(TimeoutExceeded, match="kept changing"):
            await executor.drive(lose_for_ever())

    run_one(main())
