"""The script on the server is used where it is, and answers as the cas loops do."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kt_cache import EmbeddedServer
from kt_cache.cache.kyoto import KyotoStore
from kt_cache.errors import DecodeError, KTError, NoSuchDatabase, ServerError
from kt_cache.transport import PoolConfig, get_pool
from tests.support import servers
from tests.support.aio import run_on
from tests.support.over_asyncio import OverAsyncio, loop_in_a_thread
from tests.support.recording import RecordingProxy
from tests.support.servers import running
from tests.support.stores import StoppedClock
from tests.support.threads import run_threads

pytestmark = servers.WITH_AND_WITHOUT

# A script whose functions answer as they are told by `answer(function, code, names = values)`.
OTHER_SCRIPT = """
local answers = {}
function answer(inmap)
  answers[inmap["function"]] = inmap
end
local function play(name, outmap)
  local found = answers[name]
  for key, value in pairs(found) do
    if key ~= "code" and key ~= "function" then outmap[key] = value end
  end
  if found.code == "error" then error("as it was told to") end
  return tonumber(found.code)
end
for _, name in ipairs({ "ktcacheversion", "ktcacheincr", "ktcachetouch", "ktcacheadd" }) do
  _G[name] = function(_, outmap) return play(name, outmap) end
end
"""
OURS = {"version": "2", "oldest": "2"}
ABSENT = {
    "older": {"version": "1", "oldest": "1"},
    "too new": {"version": "9", "oldest": "3"},
    "without the oldest": {"version": "2"},
    "someone else's": {"version": "five", "oldest": ""},
    "nothing": {},
    "not implemented": {"code": "1"},
}


def asked(proxy: RecordingProxy) -> int:
    """Return how often the server was asked for the script's version."""
    return sum(b"ktcacheversion" in request for request in proxy.requests)


@pytest.fixture(params=["blocking", "asyncio"])
def either(request: pytest.FixtureRequest) -> Iterator[Callable[[KyotoStore], Any]]:
    """Give a function that shows a store's blocking methods, or its a-methods under their names."""
    if request.param == "blocking":
        yield lambda store: store
        return
    with loop_in_a_thread() as loop:
        yield lambda store: OverAsyncio(store, loop)


@pytest.fixture(scope="module")
def other_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server with that script instead of ours."""
    path = tmp_path_factory.mktemp("script") / "other.lua"
    path.write_text(OTHER_SCRIPT)
    words = ["-scr", str(path)]
    with EmbeddedServer("included", script=False, server_args=words, quiet=True) as server:
        yield server


@pytest.fixture
def other_store(other_server: EmbeddedServer) -> KyotoStore:
    """A store on it, with the counter ``n`` at 1, that knows nothing of it yet."""
    store = KyotoStore(PoolConfig(host=other_server.host, port=other_server.port))
    get_pool(store.config).expire()
    store.flush()
    store.set(b"n", b"1", 60)
    return store


def answer(store: KyotoStore, function: str, **output: str) -> None:
    """Have a function of the other script answer with that, or fail with ``code``."""
    store.client.raw_script("answer", {"function": function, **output})


class TestDetection:
    def test_asked_once(self, recorded_store, proxy, either):
        """The first call that needs it asks, for all stores on the same connections."""
        for store in (recorded_store, KyotoStore(recorded_store.config)):
            store = either(store)
            store.set(b"n", b"1", 60)
            for _ in range(3):
                assert store.incr(b"n", 1)
                assert store.touch(b"n", 60)
                assert not store.add(b"n", b"1", 60)
        assert asked(proxy) == 1

    def test_asked_again_on_new_connections(self, recorded_store, proxy):
        """What was found out holds as long as the generation of connections."""
        for _ in range(3):
            assert recorded_store.touch(b"missing", 60) is False
            get_pool(recorded_store.config).expire()
        assert asked(proxy) == 3

    def test_each_event_loop_asks(self, recorded_store, proxy):
        """A loop has connections of its own."""

        async def touch_twice() -> None:
            for _ in range(2):
                assert await recorded_store.atouch(b"missing", 60) is False

        for _ in range(2):
            run_on("asyncio", touch_twice())
        assert asked(proxy) == 2

    def test_not_needed(self, recorded_store, proxy, either):
        """What needs no script does not ask, and neither does add where there is nothing."""
        store = either(recorded_store)
        store.set(b"k", b"v", 60)
        assert store.get(b"k") == b"v"
        assert store.add(b"l", b"v", 60)
        assert store.remove(b"l")
        assert proxy.trips == 4

    def test_many_threads_at_once(self, store):
        """Threads that ask together all get it right."""
        store.set(b"n", b"0", 60)
        get_pool(store.config).expire()
        run_threads(16, lambda me: store.incr(b"n", 1))
        assert store.get(b"n") == b"16"


class TestOtherScripts:
    @pytest.mark.parametrize("version", ABSENT.values(), ids=list(ABSENT))
    def test_incompatible(self, other_store, version):
        """A script of another version is not used."""
        answer(other_store, "ktcacheversion", **version)
        for name in ("incr", "touch", "add"):
            answer(other_store, f"ktcache{name}", num="0")
        assert other_store.incr(b"n", 1) == 2
        assert other_store.touch(b"n", 60)
        assert not other_store.add(b"n", b"1", 60)
        assert other_store.get(b"n") == b"2"

    def test_a_newer_one_that_still_serves_us(self, other_store):
        """A later version is used if it says that we get what we expect."""
        answer(other_store, "ktcacheversion", version="3", oldest="2")
        answer(other_store, "ktcacheincr", num="1000")
        assert other_store.incr(b"n", 1) == 1000

    @pytest.mark.parametrize("code", ["2", "3", "5", "error"])
    def test_a_failure_is_no_answer(self, other_store, either, code):
        """A failure to say the version is raised, and not taken for a server without script."""
        answer(other_store, "ktcacheversion", code=code)
        store = either(other_store)
        for _ in range(2):
            with pytest.raises(ServerError):
                store.incr(b"n", 1)
        assert store.get(b"n") == b"1"

    @pytest.mark.parametrize("failure", [{"code": "error"}, {"code": "5"}, {"num": "many"}])
    def test_a_function_that_fails(self, other_store, either, failure):
        """If the script is there but fails, that is raised; nobody does it otherwise."""
        answer(other_store, "ktcacheversion", **OURS)
        answer(other_store, "ktcacheincr", **failure)
        store = either(other_store)
        for _ in range(2):
            with pytest.raises(ServerError):
                store.incr(b"n", 1)
        assert store.get(b"n") == b"1"


class TestRestart:
    @pytest.mark.parametrize("kind", servers.SERVERS)
    def test_with_and_without(self, either, kind):
        """The script is used where it is, and done without where it is not, across restarts."""
        if kind == "ktserver":
            servers.need_ktserver()
        port, store, calls = None, None, []
        for script in (True, False, True):
            with EmbeddedServer(kind, port=port, script=script, quiet=True) as server:
                port = server.port
                if store is None:
                    real = KyotoStore(PoolConfig(host=server.host, port=port))
                    store = either(real)
                store.set(b"n", b"1", 60)
                for number in (2, 3):
                    assert store.incr(b"n", 1) == number
                    assert store.touch(b"n", 60)
                calls.append(int(server.client.report()["cnt_script"]))
        real.client.close_all()
        assert calls[0] >= 5
        assert calls[1] <= 1  # the question, if the server counts it
        assert calls[2] >= 5

    def test_a_script_that_is_gone_unnoticed(self, store, scripted):
        """What is known of the server may hold no longer: if a call fails it is asked again."""
        store.set(b"n", b"1", 60)
        findings = get_pool(store.config).findings
        findings["script"] = True
        assert store.incr(b"n", 1) == 2
        assert findings["script"] is scripted


class TestNumbers:
    def test_past_fourteen_digits_and_back(self, store):
        """Numbers that Lua cannot count exactly are counted all the same."""
        most = 10**14 - 2
        store.set(b"n", b"%d" % most, 60)
        for number in range(most + 1, most + 5):
            assert store.incr(b"n", 1) == number
        for number in range(most + 3, most - 2, -1):
            assert store.incr(b"n", -1) == number
        assert store.get(b"n") == b"%d" % (most - 1)

    @pytest.mark.parametrize(
        ("start", "delta"),
        [
            (b"0", -(10**14)),
            (b"-99999999999999", -1),
            (b"99999999999999", -99999999999999),
            (b"-0", 0),
            (b"007", 1),
            (b"%d" % 10**50, -(10**50)),
            (b"1", 10**500),
        ],
    )
    def test_exactly(self, store, start, delta):
        """Whatever the numbers, the sum is Python's, stored in its canonical digits."""
        store.set(b"n", start, 60)
        assert store.incr(b"n", delta) == int(start) + delta
        assert store.get(b"n") == b"%d" % (int(start) + delta)

    def test_trips(self, recorded_store, proxy, scripted):
        """A large number costs the refused call on top of the cas loop's two."""
        recorded_store.set(b"n", b"%d" % 10**15, 60)
        recorded_store.incr(b"n", 1)
        proxy.forget()
        recorded_store.incr(b"n", 1)
        assert proxy.trips == (3 if scripted else 2)

    def test_a_database_that_is_not_there(self, store):
        """It is told as without the script."""
        elsewhere = KyotoStore(store.config, db=9)
        for _ in range(2):
            assert elsewhere.incr(b"n", 1) is None
            assert elsewhere.touch(b"n", 60) is False
            with pytest.raises(NoSuchDatabase):
                elsewhere.add(b"n", b"1", 60)


# ---------------------------------------------------------------- the same with and without

PAYLOADS = st.sampled_from(
    [b"5", b"-3", b"99999999999999", b"%d" % 10**15, b"\x81v", b"", b"\x01", b"\x01" + bytes(8)]
)
KEYS = st.sampled_from([b"a", b"b"])
TTLS = st.sampled_from([30.2, 30, 600, None])
CALLS = st.one_of(
    st.tuples(st.sampled_from(["set", "add"]), KEYS, PAYLOADS, TTLS),
    st.tuples(st.just("incr"), KEYS, st.sampled_from([1, -7, 0, 10**14, -(10**16)])),
    st.tuples(st.just("touch"), KEYS, TTLS),
    st.tuples(st.just("remove"), KEYS),
    st.tuples(st.just("go on")),
)


@pytest.fixture(scope="module", params=servers.SERVERS)
def both(request: pytest.FixtureRequest) -> Iterator[list[PoolConfig]]:
    """The same kind of server with the script and without."""
    with contextlib.ExitStack() as stack:
        pair = [request.param, request.param + servers.WITHOUT_SCRIPT]
        started = [stack.enter_context(contextlib.contextmanager(running)(name)) for name in pair]
        yield [PoolConfig(host=server.host, port=server.port) for server in started]


def play(config: PoolConfig, calls: list[tuple[Any, ...]]) -> list[Any]:
    """Return what a store answers to calls, and what it holds in the end.

    Its clock stands still until it is told to go on, by half a minute: the records with that long
    to live are then past their deadlines, and the server still holds them.
    """
    clock = StoppedClock()
    store = KyotoStore(config, clock=clock)
    store.flush()
    answers = []
    for name, *arguments in calls:
        if name == "go on":
            clock.now += 30.4
            continue
        try:
            answers.append((name, getattr(store, name)(*arguments)))
        except DecodeError:
            answers.append((name, "not a counter"))
    for key in (b"a", b"b"):
        found = store.get_with_ttl(key)
        # Counters have whole seconds left, which begin with the server's second.
        answers.append(found and (found[0], round(found[1] / 10) if found[1] < 10**6 else "ever"))
    return answers


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(CALLS, max_size=12))
def test_same_answers_with_and_without(both: list[PoolConfig], calls: list[Any]) -> None:
    """Whatever is called in whatever order: the same answers, payloads and times to live."""
    with_script, without = (play(config, calls) for config in both)
    assert with_script == without


def test_no_server() -> None:
    """Without a server the error is that there is none."""
    store = KyotoStore(PoolConfig(port=9, connect_timeout=0.5, call_timeout=1.0))
    for call in (lambda: store.incr(b"n", 1), lambda: store.touch(b"n", 1)):
        with pytest.raises(KTError, match=r"127\.0\.0\.1:9"):
            call()
