"""One client in many threads: every answer is the answer to its own call."""

from __future__ import annotations

import random

from kt_cache import KT_JSON, EmbeddedServer, KyotoTycoon
from kt_cache.transport import PoolConfig
from tests.support.clients import assert_nothing_leaked
from tests.support.threads import run_threads

CALLS = 1000


def mixed_calls(kt: KyotoTycoon, number: int) -> None:
    """Make calls of all kinds on records of this thread, and on a counter of all."""
    choose = random.Random(number)
    mine = f"t{number}"
    expected: dict[str, object] = {}
    for step in range(CALLS):
        key = f"{mine}:{choose.randrange(10)}"
        value = [mine, step, "x" * choose.choice((0, 10, 100, 5_000))]
        match choose.randrange(9):
            case 0 | 1:
                assert kt.set(key, value) == 1
                expected[key] = value
            case 2 | 3:
                assert kt.get(key) == expected.get(key)
            case 4:
                assert kt.get_bulk([f"{mine}:{n}" for n in range(10)]) == expected
            case 5:
                assert kt.add(key, value) is (key not in expected)
                expected.setdefault(key, value)
            case 6:
                assert kt.remove(key) == (expected.pop(key, None) is not None)
            case 7:
                assert kt.length(key) is None or key in expected
                assert kt.seize(key) == expected.pop(key, None)
            case 8:
                kt.set(key, value, no_reply=True)
                expected[key] = value
                # On another connection the answer may come before the set that has none.
                while kt.get(key) != value:
                    pass


def test_sixteen_threads(any_server: EmbeddedServer) -> None:
    """16 x 1,000 mixed calls: no answer goes astray, no connection gets lost."""
    any_server.client.clear()
    config = PoolConfig(port=any_server.client.port, max_size=8, call_timeout=60)
    kt = KyotoTycoon(config=config, serializer=KT_JSON)
    run_threads(16, lambda number: mixed_calls(kt, number))
    stats = kt.pool_stats
    assert (stats.discards, stats.connects) == (0, stats.open)
    assert stats.open <= 8
    assert stats.waits > 0
    assert_nothing_leaked(kt)
    kt.close_all()


def test_one_counter(any_server: EmbeddedServer) -> None:
    """16 threads x 200 increments are 3,200, each number seen once."""
    kt = any_server.client
    kt.clear()
    seen = run_threads(16, lambda _: [kt.increment("n") for _ in range(200)])
    assert sorted(number for numbers in seen for number in numbers) == list(range(1, 3201))


def test_one_winner(any_server: EmbeddedServer) -> None:
    """Of 16 threads that add, cas or seize one record exactly one succeeds."""
    kt = any_server.client
    kt.clear()
    for turn in range(6):
        key = f"k{turn}"
        assert sum(run_threads(16, lambda n, key=key: kt.add(key, str(n)))) == 1
        winner = kt.get(key)
        swapped = run_threads(16, lambda n, key=key, old=winner: kt.cas(key, old, f"new {n}"))
        assert sum(swapped) == 1
        assert kt.get(key) == f"new {swapped.index(True)}"
        seized = run_threads(16, lambda _, key=key: kt.seize(key))
        assert len([value for value in seized if value is not None]) == 1
