"""What every store must do. A store's own tests inherit :class:`StoreContract`."""

from __future__ import annotations

import math
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kt_cache.errors import DecodeError
from tests.support.threads import run_threads

KEYS = [
    b"k",
    b"",
    b" ",
    b"tab\tand\nline\r\nend",
    b"\x00",
    b"\xff\xfe\x80",
    bytes(range(256)),
    "schlüssel-鍵".encode(),
    b"long" * 5_000,
]
PAYLOADS = [
    b"v",
    b"",
    b"\x00",
    b"\x01",
    b"\x01" + bytes(8),
    b"\x01 looks like an envelope",
    b"tab\tand\nline\r\nend",
    bytes(range(256)),
    b"-",
    b"0",
    b"\x80" * 200_000,
]
TTLS = [None, 9.5, 60, 86400.5, 10**12]

any_server_is_fine = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class StoreContract:
    """Inherit this and provide a fixture ``store``: the store under test, empty."""

    # ------------------------------------------------------------ bytes in, bytes out

    @pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
    def test_any_key(self, store, key):
        """Any bytes are a key: what is stored under it is found by every method."""
        assert store.get(key) is None
        store.set(key, b"1", 60)
        assert store.get(key) == b"1"
        assert store.get_many([key]) == {key: b"1"}
        assert not store.add(key, b"x", 60)
        assert store.replace(key, b"2", 60)
        assert store.incr(key, 1) == 3
        assert store.touch(key, 60)
        assert store.keys(b"") == [key]
        assert store.page(key, None, 1)[0] == [key]
        payload, left = store.get_with_ttl(key)
        assert payload == b"3"
        assert 50 < left <= 60
        assert store.pop(key) == b"3"
        assert store.add(key, b"4", 60)
        assert store.remove(key)
        assert store.add(key, b"x", 60)
        assert store.remove_many([key]) == 1
        assert store.get(key) is None

    @pytest.mark.parametrize("ttl", TTLS)
    @pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
    def test_any_payload(self, store, payload, ttl):
        """Any bytes are a payload and come back as they were, with every time to live."""
        store.set(b"set", payload, ttl)
        store.set_many({b"many": payload}, ttl)
        assert store.add(b"add", payload, ttl)
        store.set(b"replace", b"old", 60)
        assert store.replace(b"replace", payload, ttl)
        store.set(b"touch", payload, 60)
        assert store.touch(b"touch", ttl)
        store.set(b"swap", b"old", 60)
        assert store.swap(b"swap", b"old", payload, ttl)
        names = [b"set", b"many", b"add", b"replace", b"touch", b"swap"]
        assert store.get_many(names) == dict.fromkeys(names, payload)
        assert type(store.get(b"set")) is bytes
        assert not store.swap(b"set", payload + b"x", b"new", 60)
        assert store.swap(b"set", payload, None, None)
        assert store.get(b"set") is None

    @any_server_is_fine
    @given(rows=st.dictionaries(st.binary(max_size=40), st.binary(max_size=60), max_size=8))
    def test_many_round_trip(self, store, rows):
        """get_many returns exactly what set_many stored."""
        store.flush()
        store.set_many(rows, 60)
        assert store.get_many([*rows, b"\xff not there"]) == rows
        assert sorted(store.keys(b"")) == sorted(rows)
        assert store.remove_many(rows) == len(rows)
        assert store.get_many(rows) == {}

    # ------------------------------------------------------------ one method after the other

    def test_missing(self, store):
        """A missing record is an answer, never an exception."""
        assert store.get(b"k") is None
        assert store.get_many([b"k", b"l"]) == {}
        assert store.replace(b"k", b"v", 60) is False
        assert store.touch(b"k", 60) is False
        assert store.touch(b"k", None) is False
        assert store.incr(b"k", 1) is None
        assert store.remove(b"k") is False
        assert store.remove_many([b"k", b"l"]) == 0
        assert store.get_with_ttl(b"k") is None
        assert store.get_many_with_ttl([b"k", b"l"]) == {}
        assert store.pop(b"k") is None
        assert store.keys(b"") == []
        assert store.page(b"", None, 10) == ([], None)
        assert store.get(b"k") is None  # none of these made one

    def test_nothing_to_do(self, store):
        """Empty collections are fine."""
        assert store.get_many([]) == {}
        assert store.get_many_with_ttl([]) == {}
        assert store.set_many({}, 60) is None
        assert store.remove_many([]) == 0

    def test_set_replaces(self, store):
        """Storing again replaces value and time to live."""
        store.set(b"k", b"1", 0.2)
        store.set(b"k", b"2", None)
        store.set_many({b"l": b"1"}, 0.2)
        store.set_many({b"l": b"2"}, 60)
        time.sleep(0.25)
        assert store.get_many([b"k", b"l"]) == {b"k": b"2", b"l": b"2"}

    def test_add(self, store):
        """Add stores where there is nothing and changes nothing where there is something."""
        assert store.add(b"k", b"1", 60) is True
        assert store.add(b"k", b"2", 60) is False
        assert store.get(b"k") == b"1"
        store.remove(b"k")
        assert store.add(b"k", b"3", None) is True
        assert store.get(b"k") == b"3"

    def test_replace(self, store):
        """Replace stores only where there is something."""
        assert store.replace(b"k", b"1", 60) is False
        store.set(b"k", b"1", 60)
        assert store.replace(b"k", b"2", 60) is True
        assert store.get(b"k") == b"2"

    @pytest.mark.parametrize("old", [b"old", b"42", b"\x01"])
    def test_swap(self, store, old):
        """Swap stores only over the payload it names."""
        assert store.swap(b"k", old, b"new", 60) is False
        store.set(b"k", b"41", 60)
        assert store.swap(b"k", old, b"new", 60) is False
        assert store.get(b"k") == b"41"
        store.set(b"k", old, 60)
        assert store.swap(b"k", old, b"new", 60) is True
        assert store.get(b"k") == b"new"
        assert store.swap(b"k", old, None, None) is False
        assert store.swap(b"k", b"new", None, None) is True
        assert store.get(b"k") is None

    @pytest.mark.parametrize("payload", [b"v", b"42"])
    def test_swap_gives_a_new_time(self, store, payload):
        """Swapping a payload for itself changes the time to live alone."""
        store.set_many({b"longer": payload, b"shorter": payload}, 60)
        assert store.swap(b"longer", payload, payload, None) is True
        assert store.swap(b"shorter", payload, b"v", 0.2) is True
        time.sleep(0.25)
        assert store.get_many([b"longer", b"shorter"]) == {b"longer": payload}

    @pytest.mark.parametrize("payload", [b"v", b"42", b"", b"\x01", b"a\tb\r\n"])
    @pytest.mark.parametrize("ttl", [60, None])
    def test_swap_record(self, store, payload, ttl):
        """A record is swapped for another one as long as it is the one that was read."""
        assert store.get_record(b"k") is None
        assert store.swap_record(b"k", b"token", payload, 60) is None
        first = store.swap_record(b"k", None, payload, ttl)
        assert store.swap_record(b"k", None, b"x", 60) is None
        found, token, left = store.get_record(b"k")
        assert (found, token) == (payload, first)
        assert left == math.inf if ttl is None else 50 < left <= 60
        second = store.swap_record(b"k", token, b"new", 60)
        assert store.swap_record(b"k", token, b"newer", 60) is None
        assert store.get_record(b"k")[:2] == (b"new", second)
        store.remove(b"k")
        assert store.swap_record(b"k", second, b"newest", 60) is None
        assert store.get(b"k") is None

    def test_swap_record_notices_a_touch(self, store):
        """A new time to live makes another record of it, whatever its payload."""
        token = store.swap_record(b"k", None, b"v", 60)
        store.touch(b"k", 1_000)
        assert store.swap_record(b"k", token, b"w", 60) is None
        payload, token, left = store.get_record(b"k")
        assert (payload, left > 900) == (b"v", True)
        assert store.swap_record(b"k", token, b"v", 0.2)
        time.sleep(0.25)
        assert store.get_record(b"k") is None

    def test_touch_leaves_the_payload(self, store):
        """Touch changes the time to live and nothing else."""
        store.set_many({b"k": b"v", b"n": b"5"}, 1)
        assert store.touch(b"k", 60) is True
        assert store.touch(b"n", 60) is True
        time.sleep(2.01)
        assert store.get_many([b"k", b"n"]) == {b"k": b"v", b"n": b"5"}
        assert store.touch(b"k", 0.1) is True
        time.sleep(0.15)
        assert store.get(b"k") is None

    @pytest.mark.parametrize(
        ("start", "delta", "end"),
        [(0, 1, 1), (5, -7, -2), (-3, 3, 0), (2**62, 2**62, 2**63), (9, 0, 9), (0, -(2**70), None)],
    )
    def test_incr(self, store, start, delta, end):
        """Incr adds, below zero and beyond 64 bits too, and stores ASCII decimal digits."""
        end = start + delta if end is None else end
        store.set(b"n", b"%d" % start, 60)
        assert store.incr(b"n", delta) == end
        assert store.get(b"n") == b"%d" % end

    @pytest.mark.parametrize("payload", [b"", b"-", b"1.5", b"1_0", b"5 ", b"\x81\x80", b"--5"])
    def test_incr_of_something_else(self, store, payload):
        """What is not a counter is refused and stays as it was."""
        store.set(b"k", payload, 60)
        with pytest.raises(DecodeError):
            store.incr(b"k", 1)
        assert store.get(b"k") == payload

    def test_removals(self, store):
        """Removals tell how much there was, and remove no more than named."""
        store.set_many({b"a": b"1", b"b": b"2", b"c": b"3"}, 60)
        assert store.remove(b"a") is True
        assert store.remove(b"a") is False
        assert store.remove_many([b"a", b"b", b"missing"]) == 1
        assert store.get_many([b"a", b"b", b"c"]) == {b"c": b"3"}

    def test_remove_many_thousands(self, store):
        """Any number of records is removed in one call."""
        rows = {b"%d" % number: b"v" for number in range(2_500)}
        store.set_many(rows, 60)
        assert store.remove_many(rows) == 2_500
        assert store.keys(b"") == []

    def test_keys(self, store):
        """Keys lists by prefix, byte for byte; the empty prefix lists all."""
        names = [b"a:1", b"a:2", b"a", b"b:1", b"\xff\x00:1", b"\xff\x00\n", b"a.1"]
        store.set_many(dict.fromkeys(names, b"v"), 60)
        assert sorted(store.keys(b"")) == sorted(names)
        assert sorted(store.keys(b"a:")) == [b"a:1", b"a:2"]
        assert sorted(store.keys(b"\xff\x00")) == [b"\xff\x00\n", b"\xff\x00:1"]
        assert store.keys(b"a:1") == [b"a:1"]
        assert store.keys(b"c") == []

    @pytest.mark.parametrize("limit", [1, 7, 50, 51, 1000])
    def test_pages(self, store, limit):
        """Pages, one after the other, list every key of a prefix once, and no others."""
        names = {b"a:%d" % number for number in range(50)} | {b"a:\xff\xff", b"a:", b"a:\x00"}
        store.set_many(dict.fromkeys(names | {b"a", b"a;", b"a9", b"b:1"}, b"v"), 60)
        listed, after = store.page(b"a:", None, limit)
        while after is not None:
            page, after = store.page(b"a:", after, limit)
            listed += page
        assert len(listed) == len(names)
        assert set(listed) == names

    def test_pages_of_what_changes(self, store):
        """What is there all the time is listed once, whatever comes and goes meanwhile."""
        names = {b"k%03d" % number for number in range(100)}
        store.set_many(dict.fromkeys(names, b"v"), 60)
        listed, after = store.page(b"k", None, 10)
        listed = list(listed)
        store.remove_many([*names][::2])
        store.set_many(dict.fromkeys([b"k%03d+" % number for number in range(100)], b"v"), 60)
        while after is not None:
            store.remove(after)
            page, after = store.page(b"k", after, 10)
            listed += page
        assert len(listed) == len(set(listed))
        assert set(listed) >= names & set(store.keys(b""))

    def test_pop(self, store):
        """Pop removes a record and returns what it was."""
        store.set(b"k", b"v", None)
        assert store.pop(b"k") == b"v"
        assert store.get(b"k") is None
        assert store.pop(b"k") is None

    def test_one_pop_wins(self, store):
        """Of many who pop the same record at the same moment exactly one gets it."""
        for number in range(20):
            key = b"race-%d" % number
            store.set(key, b"v", 60)
            results = run_threads(8, lambda me, key=key: store.pop(key))
            assert sorted(results, key=str) == [None] * 7 + [b"v"]

    @pytest.mark.parametrize("payload", [b"v", b"5", b"", b"\x01"])
    @pytest.mark.parametrize("ttl", [9.5, 1000, None])
    def test_get_with_ttl(self, store, payload, ttl):
        """The time left is what it was stored with, less the time that went by; never nothing."""
        before = time.monotonic()
        store.set(b"k", payload, ttl)
        after = time.monotonic()
        found = store.get_with_ttl(b"k")
        now = time.monotonic()
        assert found[0] == payload
        if ttl is None:
            assert found[1] == math.inf
            return
        # Records without a deadline of their own have whole seconds.
        slack = 1.0 if payload == b"5" else 0.01
        assert ttl - (now - before) - slack < found[1] <= ttl - (now - after) + slack

    def test_get_many_with_ttl(self, store):
        """Each record found comes with its payload and its own time left."""
        ttls = {b"a": 9.5, b"b": 1000, b"c": None}
        before = time.monotonic()
        for key, ttl in ttls.items():
            store.set(key, b"of " + key, ttl)
        found = store.get_many_with_ttl([*ttls, b"missing"])
        passed = time.monotonic() - before
        assert {key: payload for key, (payload, _) in found.items()} == {
            key: b"of " + key for key in ttls
        }
        assert found[b"c"][1] == math.inf
        for key in (b"a", b"b"):
            assert ttls[key] - passed - 0.01 < found[key][1] <= ttls[key] + 0.01

    def test_flush(self, store):
        """Flush removes everything."""
        store.set_many({b"a": b"1", b"kt-session-x": b"2"}, None)
        store.flush()
        assert store.keys(b"") == []
        store.flush()

    # ------------------------------------------------------------ time

    def test_missing_when_its_time_is_over(self, store):
        """From the moment its time is over a record is missing for each method that looks."""
        names = [b"get", b"add", b"touch", b"never", b"incr", b"pop"]
        store.set_many(dict.fromkeys(names, b"v"), 0.3)
        time.sleep(0.35)
        assert store.get(b"get") is None
        assert store.get_many(names) == {}
        assert store.get_with_ttl(b"get") is None
        assert store.get_many_with_ttl(names) == {}
        assert store.pop(b"pop") is None
        assert store.touch(b"touch", 60) is False
        assert store.touch(b"never", None) is False
        assert store.swap(b"touch", b"v", b"w", 60) is False
        assert store.incr(b"incr", 1) is None
        assert store.add(b"add", b"new", 60) is True
        assert store.get_many(names) == {b"add": b"new"}

    def test_not_missing_before(self, store):
        """Until its time is over a record is there, and add and touch see it."""
        store.set_many({b"k": b"v", b"l": b"v"}, 60)
        assert store.get(b"k") == b"v"
        assert store.add(b"k", b"w", 60) is False
        assert store.touch(b"l", 60) is True

    def test_incr_keeps_the_time(self, store):
        """A counter that is added to still ends in its time, and one for ever never."""
        began = time.monotonic()
        store.set(b"ends", b"1", 1)
        store.set(b"stays", b"1", None)
        while store.incr(b"ends", 1) is not None:
            assert time.monotonic() - began < 3
            assert store.incr(b"stays", 1) > 1
            time.sleep(0.02)
        assert time.monotonic() - began >= 1
        assert store.get(b"ends") is None
        assert store.get(b"stays") is not None

    # ------------------------------------------------------------ many at once

    def test_one_add_wins(self, store):
        """Of many who add the same key at the same moment exactly one does."""
        for number in range(10):
            key = b"race-%d" % number
            results = run_threads(8, lambda me, key=key: store.add(key, b"%d" % me, 60))
            (winner,) = [me for me, won in enumerate(results) if won]
            assert store.get(key) == b"%d" % winner

    @pytest.mark.parametrize("payload", [b"v", b"42"])
    def test_one_swap_wins(self, store, payload):
        """Of many who swap the same payload at the same moment exactly one does."""
        for number in range(5):
            key = b"race-%d" % number
            store.set(key, payload, 60)
            swapped = run_threads(
                8, lambda me, key=key: store.swap(key, payload, b"by %d" % me, 60)
            )
            (winner,) = [me for me, won in enumerate(swapped) if won]
            assert store.get(key) == b"by %d" % winner

    @pytest.mark.parametrize("known", [True, False])
    def test_one_swap_of_a_record_wins(self, store, known):
        """Of many who swap the same record, or make the same one, exactly one does."""
        for number in range(5):
            key = b"race-%d" % number
            token = store.swap_record(key, None, b"v", 60) if known else None
            swapped = run_threads(
                8, lambda me, key=key, token=token: store.swap_record(key, token, b"%d" % me, 60)
            )
            (winner,) = [me for me, won in enumerate(swapped) if won]
            assert store.get(key) == b"%d" % winner

    def test_no_increment_is_lost(self, store):
        """Increments by many at once all count."""
        store.set(b"n", b"0", 60)
        results = run_threads(8, lambda me: [store.incr(b"n", 1) for _ in range(50)])
        assert store.get(b"n") == b"400"
        assert sorted(number for result in results for number in result) == list(range(1, 401))

    def test_no_revival(self, store):
        """A record removed while others change it is gone for good."""
        for _ in range(10):
            store.set(b"n", b"0", 60)
            gone = threading.Event()

            def work(me, gone=gone):
                if me == 0:
                    time.sleep(0.002)
                    store.remove(b"n")
                    gone.set()
                    return
                while not gone.is_set():
                    store.incr(b"n", 1)
                    store.touch(b"n", 60)
                    store.replace(b"n", b"5", 60)

            run_threads(4, work)
            assert store.get(b"n") is None
