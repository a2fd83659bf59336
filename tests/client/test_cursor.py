"""Cursors, of the blocking and the asyncio client, on each kind of server."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from kt_cache import KT_JSON, NEVER, AsyncKyotoTycoon, EmbeddedServer, KyotoTycoon
from kt_cache.errors import (
    ConfigError,
    DecodeError,
    EncodeError,
    NoSuchDatabase,
    NotSupported,
    PoolTimeout,
)
from kt_cache.transport import PoolConfig
from tests.client.test_records import ODD_KEYS
from tests.support.aio import Awaited
from tests.support.clients import ClientFor, assert_nothing_leaked
from tests.support.databases import ORDERED, UNORDERED

pytestmark = pytest.mark.parametrize("any_client_for", ["blocking", "asyncio"], indirect=True)

FIVE = [(f"k{number}", f"v{number}") for number in range(1, 6)]


@pytest.fixture
def kt(two_databases: EmbeddedServer, any_client_for: ClientFor) -> KyotoTycoon:
    """A client whose default database is ordered; five records are in it, none in the other."""
    kt = any_client_for(two_databases.port)
    kt.set_database(ORDERED)
    kt.clear(UNORDERED)
    kt.clear()
    kt.set_bulk(dict(FIVE))
    return kt


def cursor_of(kt: KyotoTycoon, *arguments: Any, **options: Any) -> Any:
    """Return a cursor of either client that is called like the blocking one."""
    if isinstance(kt, Awaited):
        return kt.beside(lambda: kt._target.cursor(*arguments, **options))
    return kt.cursor(*arguments, **options)


def another(kt: KyotoTycoon, **options: Any) -> Any:
    """Return a client with other options, which shares the pool of this one."""
    config: PoolConfig = kt.config
    if isinstance(kt, Awaited):
        return kt.beside(lambda: AsyncKyotoTycoon(config=config, default_db=ORDERED, **options))
    return KyotoTycoon(config=config, default_db=ORDERED, **options)


def rest(cursor: Any) -> list[tuple[Any, Any]]:
    """Return what an iteration gives."""
    if not isinstance(cursor, Awaited):
        return list(cursor)

    async def collect() -> list[tuple[Any, Any]]:
        return [found async for found in cursor._target]

    return cursor._loop.run_until_complete(collect())


# ---------------------------------------------------------------- moving


def test_a_new_cursor_is_nowhere(kt: KyotoTycoon) -> None:
    """It finds nothing, changes nothing, and needs no connection."""
    connects = kt.pool_stats.connects
    kt.close_all()
    cursor = cursor_of(kt)
    assert cursor.is_valid() is False
    assert (cursor.step(), cursor.step_back()) == (False, False)
    assert (cursor.key(), cursor.value(), cursor.get(), cursor.seize()) == (None,) * 4
    assert (cursor.set_value("v"), cursor.remove(), cursor.close()) == (False,) * 3
    assert (kt.pool_stats.open, kt.pool_stats.connects) == (0, connects)


@pytest.mark.parametrize(
    ("to", "reached"),
    [
        (None, "k1"),
        ("k1", "k1"),
        (b"k3", "k3"),
        ("k3x", "k4"),
        ("k", "k1"),
        ("", "k1"),
        ("k5x", None),
        ("\u00e4", None),
    ],
)
def test_jump(kt: KyotoTycoon, to: Any, reached: str | None) -> None:
    """To the first record, to a key, or to the next one if there is none."""
    cursor = cursor_of(kt)
    cursor.jump("k2")
    assert cursor.jump(to) is cursor.is_valid() is (reached is not None)
    assert cursor.key() == reached


@pytest.mark.parametrize(
    ("to", "reached"),
    [(None, "k5"), ("k5", "k5"), (b"k3", "k3"), ("k3x", "k3"), ("z", "k5"), ("k", None)],
)
def test_jump_back(kt: KyotoTycoon, to: Any, reached: str | None) -> None:
    """To the last record, to a key, or to the one before it if there is none."""
    cursor = cursor_of(kt)
    cursor.jump("k2")
    assert cursor.jump_back(to) is cursor.is_valid() is (reached is not None)
    assert cursor.key() == reached


def test_step(kt: KyotoTycoon) -> None:
    """From record to record, either way, up to the end, behind which there is no way back."""
    cursor = cursor_of(kt)
    cursor.jump("k3")
    assert [cursor.step(), cursor.step(), cursor.key()] == [True, True, "k5"]
    assert [cursor.step_back(), cursor.key()] == [True, "k4"]
    assert [cursor.step(), cursor.step(), cursor.is_valid()] == [True, False, False]
    assert [cursor.step(), cursor.step_back(), cursor.get()] == [False, False, None]
    cursor.jump("k2")
    assert [cursor.step_back(), cursor.step_back(), cursor.key()] == [True, False, None]
    assert cursor.jump() is True


@pytest.mark.parametrize("key", [1, None, "\ud800"])
def test_no_key(kt: KyotoTycoon, key: Any) -> None:
    """What is no key is refused before anything is sent; without a key it is the first record."""
    cursor = cursor_of(kt)
    if key is None:
        assert cursor.jump(key) is cursor.jump_back(key) is True
        return
    for move in (cursor.jump, cursor.jump_back):
        with pytest.raises(EncodeError, match="key"):
            move(key)


# ---------------------------------------------------------------- reading


def test_reading_stays(kt: KyotoTycoon) -> None:
    """Reading moves nowhere unless asked to."""
    cursor = cursor_of(kt)
    cursor.jump("k2")
    for _ in range(2):
        assert (cursor.key(), cursor.value(), cursor.get()) == ("k2", "v2", ("k2", "v2"))
    assert cursor.key(step=True) == "k2"
    assert cursor.value(True) == "v3"
    assert cursor.get(step=True) == ("k4", "v4")
    assert cursor.get(step=True) == ("k5", "v5")
    assert cursor.get(step=True) is None
    assert cursor.is_valid() is False


def test_direction(kt: KyotoTycoon) -> None:
    """``step=True`` goes on as the last move went."""
    cursor = cursor_of(kt)
    cursor.jump_back("k4")
    assert [cursor.key(step=True) for _ in range(5)] == ["k4", "k3", "k2", "k1", None]
    cursor.jump_back("k3")
    cursor.step()
    assert [cursor.key(step=True) for _ in range(3)] == ["k4", "k5", None]
    cursor.jump("k3")
    cursor.step_back()
    assert [cursor.key(step=True) for _ in range(3)] == ["k2", "k1", None]


def test_iteration(kt: KyotoTycoon) -> None:
    """Goes through all records once; an end stays an end until the next jump."""
    cursor = cursor_of(kt)
    assert rest(cursor) == FIVE
    assert rest(cursor) == []
    assert cursor.is_valid() is False
    cursor.jump("k4")
    assert rest(cursor) == FIVE[3:]
    cursor.jump_back("k2")
    assert rest(cursor) == FIVE[1::-1]
    cursor.jump("nothing behind this")
    assert rest(cursor) == []


def test_iteration_goes_on_from_where_it_is(kt: KyotoTycoon) -> None:
    """A cursor is one walk, however many loops it is used in."""
    cursor = cursor_of(kt)
    cursor.jump()
    assert cursor.get(step=True) == FIVE[0]
    assert rest(cursor) == FIVE[1:]
    closed = cursor_of(kt)
    closed.jump()
    closed.close()
    assert rest(closed) == []


def test_an_empty_database(kt: KyotoTycoon) -> None:
    """Has no place to be at, and no connection is kept for that."""
    cursor = cursor_of(kt, UNORDERED)
    assert cursor.jump() is cursor.jump("k") is cursor.is_valid() is False
    assert rest(cursor_of(kt, db=UNORDERED)) == []
    assert_nothing_leaked(kt)


def test_odd_keys(kt: KyotoTycoon) -> None:
    """Any keys and values come out as they went in."""
    kt.clear()
    values = {key: b"\0\t\r\n\xff" * size for size, key in enumerate(ODD_KEYS)}
    kt.set_bulk(values, encode_values=False)
    assert dict(rest(cursor_of(kt, decode_values=False))) == values
    cursor = cursor_of(kt)
    for key in ODD_KEYS:
        assert cursor.jump(key) is True
        assert cursor.key() == key


# ---------------------------------------------------------------- changing


def test_set_value(kt: KyotoTycoon) -> None:
    """Replaces the value and the time, never by default; the cursor stays."""
    kt.set("k2", "old", expire_time=100)
    cursor = cursor_of(kt)
    cursor.jump("k2")
    assert cursor.set_value("new") is True
    assert (cursor.get(), kt.get("k2"), kt.expire_time("k2")) == (("k2", "new"), "new", NEVER)
    assert cursor.set_value("newer", expire_time=2_000_000_000) is True
    assert (kt.get("k2"), kt.expire_time("k2")) == ("newer", 2_000_000_000)
    assert cursor.set_value("newest", step=True) is True
    assert (cursor.key(), kt.get("k2")) == ("k3", "newest")
    cursor.jump("k5")
    assert cursor.set_value("last", step=True) is True
    assert (cursor.get(), cursor.is_valid()) == (None, False)
    assert kt.get("k5") == "last"


def test_a_value_that_is_none(kt: KyotoTycoon) -> None:
    """Is refused before anything is sent; the cursor stays where it is."""
    cursor = cursor_of(kt)
    cursor.jump("k2")
    with pytest.raises(EncodeError):
        cursor.set_value(None)
    with pytest.raises(ConfigError, match="expire_time"):
        cursor.set_value("v", expire_time="soon")
    assert cursor.get() == ("k2", "v2")


def test_remove(kt: KyotoTycoon) -> None:
    """Takes the record away and goes on, as the last move went."""
    cursor = cursor_of(kt)
    cursor.jump("k2")
    assert [cursor.remove(), cursor.key()] == [True, "k3"]
    cursor.jump_back("k4")
    assert [cursor.remove(), cursor.key()] == [True, "k3"]
    assert [cursor.remove(), cursor.key()] == [True, "k1"]
    assert [cursor.remove(), cursor.remove(), cursor.is_valid()] == [True, False, False]
    assert kt.match_prefix("") == ["k5"]


def test_seize(kt: KyotoTycoon) -> None:
    """Does so and says what it was."""
    cursor = cursor_of(kt)
    cursor.jump("k4")
    assert [cursor.seize(), cursor.seize(), cursor.seize()] == [("k4", "v4"), ("k5", "v5"), None]
    assert cursor.is_valid() is False
    cursor.jump_back()
    assert [cursor.seize(), cursor.key()] == [("k3", "v3"), "k2"]
    assert kt.match_prefix("") == ["k1", "k2"]


def test_removed_by_others(kt: KyotoTycoon) -> None:
    """A record that is gone takes the cursor to the next one; with the last one it ends."""
    cursor = cursor_of(kt)
    cursor.jump("k2")
    kt.remove_bulk(["k2", "k3"])
    assert (cursor.get(), cursor.set_value("mine")) == (("k4", "v4"), True)
    kt.remove("k4")
    assert cursor.seize() == ("k5", "v5")
    cursor.jump("k1")
    kt.clear()
    assert (cursor.key(), cursor.is_valid()) == (None, False)


def test_added_by_others(kt: KyotoTycoon) -> None:
    """A walk in order meets what was added ahead of it, and not what was added behind."""
    cursor = cursor_of(kt)
    cursor.jump("k3")
    kt.set_bulk({"k2x": "behind", "k3x": "ahead"})
    assert [key for key, _ in rest(cursor)] == ["k3", "k3x", "k4", "k5"]


def test_expired_records_are_skipped(kt: KyotoTycoon) -> None:
    """A dead record that is still stored is none for a cursor."""
    kt.set_bulk({"k1": "dead", "k3": "dead", "k5": "dead"}, expire_time=-1_000_000_000)
    assert rest(cursor_of(kt)) == [("k2", "v2"), ("k4", "v4")]
    cursor = cursor_of(kt)
    cursor.jump("k3")
    assert (cursor.key(), cursor.remove()) == ("k4", True)
    assert kt.get("k4") is None


# ---------------------------------------------------------------- databases and their order


def test_an_unordered_database(kt: KyotoTycoon) -> None:
    """Every record once, in some order; a jump needs the very key."""
    kt.set_bulk(dict(FIVE), db=UNORDERED)
    cursor = cursor_of(kt, UNORDERED)
    assert sorted(rest(cursor)) == FIVE
    assert [cursor.jump("k3"), cursor.get()] == [True, ("k3", "v3")]
    assert [cursor.jump("k3x"), cursor.get()] == [False, None]
    cursor.jump()
    while cursor.remove():
        pass
    assert (kt.count(UNORDERED), kt.count()) == (0, 5)


def test_no_way_back_without_order(kt: KyotoTycoon) -> None:
    """Is said clearly, costs no connection, and leaves the cursor where it is."""
    kt.set_bulk(dict(FIVE), db=UNORDERED)
    with pytest.raises(NotSupported, match="only an ordered database") as caught:
        cursor_of(kt, UNORDERED).jump_back()
    assert (caught.value.command, caught.value.host) == ("cur_jump_back", kt.config.address)
    assert_nothing_leaked(kt)
    cursor = cursor_of(kt, UNORDERED)
    cursor.jump("k3")
    for move in (cursor.step_back, cursor.jump_back):
        with pytest.raises(NotSupported):
            move()
        assert cursor.get() == ("k3", "v3")


def test_the_database_of_a_cursor(kt: KyotoTycoon) -> None:
    """Is the one named, or what was the default when it was made."""
    kt.set("other", "v", db=UNORDERED)
    first, second = cursor_of(kt), cursor_of(kt, db=UNORDERED)
    kt.set_database(UNORDERED)
    assert (rest(first), rest(second)) == (FIVE, [("other", "v")])


def test_one_connection_for_cursors_of_two_databases(kt: KyotoTycoon) -> None:
    """Nothing of a cursor that ended stays in its connection."""
    kt.set("other", "v", db=UNORDERED)
    connects = kt.pool_stats.connects
    for _ in range(2):
        with_end, without = cursor_of(kt), cursor_of(kt, UNORDERED)
        assert rest(with_end) == FIVE
        without.jump()
        assert without.key() == "other"
        without.close()
    assert kt.pool_stats.connects == connects


@pytest.mark.parametrize("db", [2, 70000])
def test_a_database_that_does_not_exist(kt: KyotoTycoon, db: int) -> None:
    """Is an error, and no connection keeps anything of it."""
    cursor = cursor_of(kt, db)
    for move in (cursor.jump, cursor.jump_back):
        with pytest.raises(NoSuchDatabase):
            move()
        assert cursor.is_valid() is cursor.close() is False
    assert rest(cursor_of(kt)) == FIVE
    assert_nothing_leaked(kt)


# ---------------------------------------------------------------- serializers


def test_serialized_values(kt: KyotoTycoon) -> None:
    """Values go through the client's serializer, unless the cursor was told otherwise."""
    json = another(kt, serializer=KT_JSON)
    kt.clear()
    json.set("k", {"a": 1})
    cursor = cursor_of(json)
    cursor.jump()
    assert (cursor.value(), cursor.get()) == ({"a": 1}, ("k", {"a": 1}))
    assert cursor.set_value([1, None]) is True
    plain = cursor_of(json, None, None, False, encode_values=False)
    plain.jump()
    assert (plain.value(), plain.get()) == (b"[1,null]", ("k", b"[1,null]"))
    assert plain.set_value(b"\xff", expire_time=100) is True
    with pytest.raises(DecodeError, match="key=b'k'"):
        cursor.get()
    with pytest.raises(DecodeError):
        cursor.value()
    assert plain.seize() == ("k", b"\xff")


def test_keys_as_bytes(kt: KyotoTycoon) -> None:
    """A client that shows keys as bytes does so here too."""
    cursor = cursor_of(another(kt, decode_keys=False))
    cursor.jump("k4")
    assert [cursor.key(), cursor.get(), cursor.seize()] == [b"k4"] + [(b"k4", "v4")] * 2


# ---------------------------------------------------------------- connections


def test_a_cursor_keeps_a_connection(kt: KyotoTycoon) -> None:
    """From its jump to its end, its close, or a jump to nowhere."""
    cursor = cursor_of(kt)
    endings = [
        lambda: cursor.close(),
        lambda: rest(cursor),
        lambda: cursor.jump("z"),
        lambda: cursor.jump_back("a"),
        lambda: [cursor.step() for _ in range(5)],
    ]
    for end in endings:
        cursor.jump()
        assert (kt.pool_stats.open, kt.pool_stats.idle) == (1, 0)
        end()
        assert (kt.pool_stats.open, kt.pool_stats.idle) == (1, 1)
    assert kt.pool_stats.connects == 1


def test_closing_twice(kt: KyotoTycoon) -> None:
    """The second time there is nothing to close; a jump opens it again."""
    cursor = cursor_of(kt)
    for _ in range(2):
        cursor.jump()
        assert [cursor.close(), cursor.close(), cursor.is_valid()] == [True, False, False]


def test_several_cursors_at_once(kt: KyotoTycoon) -> None:
    """Each has its own place, in a connection of its own."""
    kt.set_bulk(dict(FIVE), db=UNORDERED)
    cursors = [cursor_of(kt, cursor_id=7) for _ in range(5)]
    for (key, _), cursor in zip(FIVE, cursors, strict=True):
        cursor.jump(key)
    elsewhere = cursor_of(kt, UNORDERED)
    elsewhere.jump("k2")
    assert [cursor.get() for cursor in cursors] == FIVE
    assert kt.pool_stats.open == 6
    assert cursors[1].remove() is True
    assert cursors[1].key() == cursors[2].key() == "k3"
    assert elsewhere.key() == "k2"
    for cursor in (*cursors, elsewhere):
        cursor.close()
    assert_nothing_leaked(kt)


def test_more_cursors_than_connections(
    two_databases: EmbeddedServer, any_client_for: ClientFor, kt: KyotoTycoon
) -> None:
    """A jump that finds no free connection waits for one, no longer than a call may take."""
    small = any_client_for(two_databases.port, max_size=1, call_timeout=0.5)
    first, second = cursor_of(small, ORDERED), cursor_of(small, ORDERED)
    first.jump("k2")
    with pytest.raises(PoolTimeout, match="max_size"):
        second.jump()
    assert (first.key(), second.is_valid()) == ("k2", False)
    first.close()
    assert second.jump() is True
    second.close()


def test_a_cursor_that_nobody_holds(
    two_databases: EmbeddedServer, any_client_for: ClientFor, kt: KyotoTycoon
) -> None:
    """Gives its place in the pool back by itself."""
    small = any_client_for(two_databases.port, max_size=1)
    for _ in range(3):
        cursor = cursor_of(small, ORDERED)
        cursor.jump()
        del cursor
        gc.collect()
        assert small.get("k1", ORDERED) == "v1"
    assert_nothing_leaked(small)


# ---------------------------------------------------------------- signals


@pytest.fixture
def placed(kt: KyotoTycoon) -> Iterator[Any]:
    """A cursor at the second record."""
    cursor = cursor_of(kt)
    cursor.jump("k2")
    yield cursor
    cursor.close()


def test_a_signal_that_does_not_come(kt: KyotoTycoon, placed: Any) -> None:
    """Nothing is done; the cursor stays where it is, or nowhere."""
    soon = {"signal": "nobody sends this", "wait": 0.01}
    for call in (
        lambda: placed.jump("k4", **soon),
        lambda: placed.jump_back("k1", **soon),
        lambda: placed.step(**soon),
        lambda: placed.step_back(**soon),
        lambda: placed.key(step=True, **soon),
        lambda: placed.value(step=True, **soon),
        lambda: placed.get(step=True, **soon),
        lambda: placed.set_value("new", **soon),
        lambda: placed.remove(**soon),
        lambda: placed.seize(**soon),
    ):
        with pytest.raises(TimeoutError, match="timed out"):
            call()
        assert placed.get() == ("k2", "v2")
    fresh = cursor_of(kt)
    with pytest.raises(TimeoutError, match="timed out"):
        fresh.jump(**soon)
    assert fresh.is_valid() is False
    assert kt.count() == 5


def test_sending_signals(placed: Any) -> None:
    """Every call may send one; without anybody who waits nothing comes of it."""
    to = {"signal": "s", "send": True}
    assert placed.jump("k2", **to) is placed.step(**to) is placed.step_back(**to) is True
    assert (placed.key(**to), placed.value(**to), placed.get(**to)) == ("k2", "v2", ("k2", "v2"))
    assert placed.set_value("new", **to) is placed.remove(**to) is True
    assert (placed.seize(**to), placed.jump_back(**to)) == (("k1", "v1"), True)
