"""Listing an ordered database part by part, on each kind of server and database."""

from __future__ import annotations

import pytest

from kt_cache import EmbeddedServer
from kt_cache.cache import Cache, Codec
from kt_cache.cache.kyoto import KyotoStore
from kt_cache.transport import PoolConfig, get_pool
from tests.cache.store_contract import StoreContract
from tests.support.ktserver import need_ktserver
from tests.support.over_asyncio import OverAsyncio, loop_in_a_thread
from tests.support.recording import RecordingProxy, read_request

SERVERS = [
    ("included", "%"),
    ("included", "cache.sqlite"),
    ("ktserver", "%"),
    ("ktserver", "cache.kct"),
]
OTHERS = [("included", ":"), ("ktserver", "%#rcomp=decdesc")]
NAMES = {b"a:%d" % number for number in range(1_234)}


def ids(server):
    return "-".join(server)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


def running(server, folder):
    kind, database = server
    if kind == "ktserver":
        need_ktserver()
    path = str(folder / database) if database.startswith("cache") else database
    return EmbeddedServer(kind, database=path, quiet=True)


@pytest.fixture(scope="module", params=SERVERS, ids=ids)
def ordered_server(request, folder):
    with running(request.param, folder) as server:
        yield server


@pytest.fixture(params=["blocking", "asyncio"])
def store(request, ordered_server):
    ordered_server.client.clear()
    store = KyotoStore(PoolConfig(host=ordered_server.host, port=ordered_server.port))
    if request.param == "blocking":
        yield store
        return
    with loop_in_a_thread() as loop:
        yield OverAsyncio(store, loop)


def walk(store, prefix, limit):
    """Return the pages of a listing."""
    page, after = store.page(prefix, None, limit)
    pages = [page]
    while after is not None:
        page, after = store.page(prefix, after, limit)
        pages.append(page)
    return pages


@pytest.fixture
def full(store):
    store.set_many(dict.fromkeys(NAMES | {b"a", b"a;", b"b:1", b"\xff\xff"}, b"v"), 60)
    return store


class TestContract:
    """What every store's pages must do, of these databases."""

    test_pages = StoreContract.test_pages
    test_pages_of_what_changes = StoreContract.test_pages_of_what_changes


@pytest.mark.parametrize("limit", [1, 100, 1_234, 1_235])
def test_parts(full, limit):
    """No part has more keys than were asked for, and together they are all, in order."""
    names = NAMES if limit > 1 else {name for name in NAMES if name.startswith(b"a:12")}
    pages = walk(full, b"a:" if limit > 1 else b"a:12", limit)
    assert max(map(len, pages)) <= limit
    assert [key for page in pages for key in page] == sorted(names)


def test_strange_keys(store):
    """Keys of any bytes, however long, and those that begin with others, are all listed."""
    names = [b"", b"\x00", b"\x00\x00", b"\t\n", b"\xff", b"\xff\xff"]
    names += [b"k" * length for length in range(70_000, 70_030)]
    store.set_many(dict.fromkeys(names, b"v"), 60)
    for limit in (1, 7, 20):
        listed = [key for page in walk(store, b"", limit) for key in page]
        assert listed == sorted(names)


def test_dead_records(store):
    """Records that are dead but not swept yet do not keep a listing from going on."""
    client = store.client
    for number in range(300):
        client.set_bytes(b"a:%d" % number, b"v", expire_time=-1_000_000_000, no_reply=True)
    store.set_many({b"a:zzz": b"v", b"a:zzzz": b"v"}, 60)
    assert [k for page in walk(store, b"a:", 50) for k in page][-2:] == [b"a:zzz", b"a:zzzz"]


@pytest.mark.parametrize("dead", [0, 120])
def test_removing(store, dead):
    """Removing goes on at the front as long as all goes, and behind dead records where it meets
    such, which cannot be removed.
    """
    for number in range(dead):
        key = b":1:a%03d" % (2 * number)
        store.client.set_bytes(key, b"v", expire_time=-1_000_000_000, no_reply=True)
    live = {b":1:a%03d+" % number: b"v" for number in range(300)}
    store.set_many(live | {b":1:b": b"v", b":1:": b"v", b":1:a": b"v"}, 60)
    cache = Cache(store, Codec())
    assert cache.delete_prefix("a", itersize=50) == 301
    assert cache.delete_prefix("a") == 0
    assert store.get_many([*live, b":1:a", b":1:", b":1:b"]) == {b":1:": b"v", b":1:b": b"v"}


def test_no_connection_is_kept(full):
    """Between two pages, and after the last, every connection is back in the pool, and of use."""
    pool = get_pool(full.config)
    page, after = full.page(b"a:", None, 100)
    assert len(page) == 100
    while after is not None:
        page, after = full.page(b"a:", after, 100)
        assert full.get(b"a:1") == b"v"
        assert pool.stats.open == pool.stats.idle
    assert full.client.count() > len(NAMES)


@pytest.mark.parametrize("server", OTHERS, ids=ids)
def test_databases_without_that_order(server, folder):
    """What cannot list from a place on lists everything at once, and nothing is left out."""
    with running(server, folder) as running_server:
        store = KyotoStore(PoolConfig(host=running_server.host, port=running_server.port))
        store.set_many(dict.fromkeys(NAMES | {b"a", b"b"}, b"v"), 60)
        (page,) = walk(store, b"a:", 10)
        assert sorted(page) == sorted(NAMES)
        assert Cache(store, Codec()).clear() == 0
        store.client.close_all()


def test_trips(ordered_server):
    """A part is one round trip; the first one says how many there are, and asks for the order."""
    ordered_server.client.clear()
    with RecordingProxy(ordered_server.host, ordered_server.port) as proxy:
        store = KyotoStore(PoolConfig(host=proxy.host, port=proxy.port))
        store.set_many(dict.fromkeys(NAMES, b"v"), 60)
        for limit, trips in [(2_000, 1), (1_000, 2 + 2), (100, 2 + 12)]:
            proxy.forget()
            walk(store, b"a:", limit)
            assert proxy.trips == trips
        assert read_request(proxy.requests[0])[0].command == "match_prefix"
        store.client.close_all()
