"""Every call of the asyncio client, on connections that fail in every way; many at a time."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from kt_cache import AsyncKyotoTycoon, EmbeddedServer
from kt_cache.errors import ConnectionClosed, KTError, OutcomeUnknown, TimeoutExceeded
from kt_cache.testing import FaultProxy
from tests.faults.test_commands import CALL_TIMEOUT, CALLS, DRIP, LATE, LONGER, ONCE, REPEATABLE
from tests.support.aio import Run, assert_nothing_leaked, client_of, patiently, run, run_one, until

__all__ = ["run", "run_one"]


@pytest.fixture
def proxy(included_server: EmbeddedServer) -> Iterator[FaultProxy]:
    included_server.client.clear()
    included_server.client.set_bulk({"key": "value", "old": "old", "marker": "mine"})
    with FaultProxy(included_server.port) as proxy:
        yield proxy


@asynccontextmanager
async def client_at(proxy: FaultProxy, timeout: float = 10.0) -> AsyncIterator[AsyncKyotoTycoon]:
    kt = client_of(proxy.port, call_timeout=timeout, read_timeout=timeout)
    yield kt
    proxy.restore()
    assert await patiently(lambda: kt.get_bytes("nobody wrote this")) is None
    assert_nothing_leaked(kt)
    await kt.close_all()


async def together(kt: AsyncKyotoTycoon, calls: dict[str, Any]) -> dict[str, Any]:
    """Make all the calls at once; return what came of each."""
    results = await asyncio.gather(*(call(kt) for call in calls.values()), return_exceptions=True)
    return dict(zip(calls, results, strict=True))


@pytest.mark.parametrize("fault", ["stall", "drip"])
def test_silence(run: Run, proxy: FaultProxy, fault: str) -> None:
    """A server that does not answer, or by drips, costs every call its deadline and no more."""
    calls = CALLS if fault == "stall" else LONGER

    async def main() -> None:
        async with client_at(proxy, CALL_TIMEOUT) as kt:
            proxy.stall() if fault == "stall" else proxy.drip(interval=DRIP)
            started = time.monotonic()
            results = await together(kt, calls)
            assert time.monotonic() - started < CALL_TIMEOUT + LATE
            wrong = {n: r for n, r in results.items() if not isinstance(r, TimeoutExceeded)}
            assert not wrong
            assert kt.pool_stats.open == 0

    run(main())


def test_late_answers(run: Run, proxy: FaultProxy) -> None:
    """The answers to calls that timed out are never taken for those to the next ones."""
    calls = {name: call for name, call in CALLS.items() if name != "clear"}

    async def main() -> None:
        async with client_at(proxy, CALL_TIMEOUT) as kt:
            proxy.stall()
            await together(kt, calls)
            proxy.restore()
            gets = [lambda: kt.get("marker"), lambda: kt.get("nothing")] * 30
            assert await asyncio.gather(*map(patiently, gets)) == ["mine", None] * 30

    run(main())


@pytest.mark.parametrize("fault", ["cut", "reset"])
@pytest.mark.parametrize("after", [0, 3])
def test_break_in_reply(run: Run, proxy: FaultProxy, fault: str, after: int) -> None:
    """A reply that breaks off is asked for once more, and the caller does not notice."""

    async def main() -> None:
        async with client_at(proxy) as kt:
            for name, call in REPEATABLE.items():
                right = await call(kt)
                connections = proxy.connections
                getattr(proxy, fault)(after=after, times=1)
                again = await call(kt)
                assert name == "report" or again == right, name
                assert proxy.connections == connections + 1, name

    run(main())


@pytest.mark.parametrize("fault", ["cut", "reset"])
@pytest.mark.parametrize("after", [0, 3])
def test_break_in_reply_to_change(run: Run, proxy: FaultProxy, fault: str, after: int) -> None:
    """A change whose reply breaks off is not sent again: nobody knows what became of it."""

    async def main() -> None:
        async with client_at(proxy) as kt:
            for name, call in ONCE.items():
                if after and name not in LONGER:
                    continue
                getattr(proxy, fault)(after=after, times=1)
                with pytest.raises(OutcomeUnknown) as caught:
                    await call(kt)
                assert isinstance(caught.value.__cause__, ConnectionClosed), name

    run(main())


def test_reset_while_idle(run: Run, proxy: FaultProxy) -> None:
    """Connections that were reset while unused cost no call anything but a new connection."""

    async def main() -> None:
        async with client_at(proxy) as kt:
            await asyncio.gather(*(kt.get("key") for _ in range(10)))
            assert kt.pool_stats.idle == 10
            proxy.reset_idle()
            results = await asyncio.gather(*(kt.get("key") for _ in range(10)))
            assert results == ["value"] * 10
            assert kt.pool_stats.open <= 10

    run(main())


# ---------------------------------------------------------------- cancelling


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fault", [None, "drip"])
def test_cancelled_at_any_moment(run: Run, proxy: FaultProxy, seed: int, fault: str | None) -> None:
    """Whenever calls are cancelled, each of the others gets its own answer and none is lost."""
    choose = random.Random(seed)

    async def ask(kt: AsyncKyotoTycoon, number: int) -> None:
        assert await kt.get(f"k{number}") == f"v{number}"
        many = [f"k{number}", f"k{(number + 7) % 50}"]
        assert await kt.get_bulk(many) == {key: key.replace("k", "v") for key in many}

    async def main() -> None:
        async with client_at(proxy) as kt:
            kt = AsyncKyotoTycoon(config=replace(kt.config, max_size=4))
            await kt.set_bulk({f"k{number}": f"v{number}" for number in range(50)})
            if fault:
                proxy.drip(interval=0.0005)
            tasks = {asyncio.ensure_future(ask(kt, number % 50)) for number in range(150)}
            cancelled = 0
            while pending := [task for task in tasks if not task.done()]:
                await asyncio.sleep(choose.choice((0, 0, 0.0002, 0.002)))
                if cancelled < 60:
                    cancelled += choose.choice(pending).cancel()
                elif fault:
                    proxy.restore()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
            assert sum(task.cancelled() for task in tasks) > 10
            assert_nothing_leaked(kt)
            assert kt.pool_stats.open <= 4

    run(main())


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_cancelled_while_waiting_for_the_reply(run_one: Run, proxy: FaultProxy, call: Any) -> None:
    """The cancellation comes through, is not taken for a failure, and the connection goes."""

    async def main() -> None:
        async with client_at(proxy) as kt:
            await kt.get("key")
            proxy.stall()
            received = proxy.received
            task = asyncio.ensure_future(call(kt))
            await until(lambda: proxy.received > received, "the request is under way")
            connections = proxy.connections
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert kt.pool_stats.open == 0
            assert proxy.connections == connections

    run_one(main())


def test_a_timeout_of_the_caller(run: Run, proxy: FaultProxy) -> None:
    """``asyncio.wait_for`` around a call ends it in time, and the late answer harms nobody."""

    async def main() -> None:
        async with client_at(proxy) as kt:
            assert await kt.get("marker") == "mine"
            proxy.stall()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(kt.get("marker"), 0.05)
            proxy.restore()
            with pytest.raises(KTError):
                await kt.increment("marker")
            assert await kt.get("key") == "value"

    run(main())
