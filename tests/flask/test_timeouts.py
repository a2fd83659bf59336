"""Timeouts in cachelib's words: None is the default, 0 for ever, below 0 gone at once."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from kt_cache import NEVER
from kt_cache.errors import ConfigError
from kt_cache.flask import KyotoTycoonCache
from tests.support.lifetimes import watch, write

SLACK = 5.0  # seconds that a slow machine may need between two lines


def seconds_left(backend, key="k"):
    """Return the seconds that the server gives a value, or ``NEVER``."""
    end = backend.client.expire_time(backend.make_key(key))
    return end if end in (None, NEVER) else end - time.time()


WRITES = {
    "set": lambda backend, *timeout: backend.set("k", "v", *timeout),
    "set_many": lambda backend, *timeout: backend.set_many({"k": "v"}, *timeout),
    "add": lambda backend, *timeout: backend.add("k", "v", *timeout),
}


@pytest.fixture(params=WRITES.values(), ids=WRITES.keys())
def store(request):
    """Each call that stores a value under ``k``."""
    return request.param


class TestStoring:
    @pytest.mark.parametrize("timeout", [(), (None,)], ids=["left out", "none"])
    def test_no_timeout_is_the_default(self, any_url, store, timeout):
        """Without a timeout, or with None, a value lives as long as the backend's default says."""
        backend = KyotoTycoonCache(any_url, default_timeout=1000)
        assert store(backend, *timeout)
        assert 1000 - SLACK < seconds_left(backend) <= 1002

    def test_the_default_is_five_minutes(self, any_url, store):
        """A backend that names no default keeps values for 300 seconds."""
        backend = KyotoTycoonCache(any_url)
        assert store(backend)
        assert 300 - SLACK < seconds_left(backend) <= 302

    @pytest.mark.parametrize("timeout", [0, 0.0, timedelta(0)], ids=repr)
    def test_zero_is_for_ever(self, backend, store, timeout):
        """A timeout of 0 never ends."""
        assert store(backend, timeout)
        assert seconds_left(backend) == NEVER
        assert backend.get("k") == "v"

    @pytest.mark.parametrize(
        "timeout", [2000, 1999.5, timedelta(seconds=2000), timedelta(minutes=33.3)], ids=repr
    )
    def test_seconds_and_timedeltas(self, backend, store, timeout):
        """A timeout is seconds, whole or not, or a ``timedelta``."""
        assert store(backend, timeout)
        assert 1998 - SLACK < seconds_left(backend) <= 2002

    @pytest.mark.parametrize("timeout", [-1, -0.5, timedelta(seconds=-1)], ids=repr)
    def test_below_zero_is_gone_at_once(self, backend, store, timeout):
        """A value with a negative timeout is never seen."""
        assert store(backend, timeout)
        assert backend.has("k") is False

    def test_below_zero_removes_what_was_there(self, backend):
        """``set`` and ``set_many`` with a negative timeout remove; ``add`` leaves what is there."""
        backend.set_many({"a": 1, "b": 2, "c": 3})
        assert backend.set("a", "new", -1) is True
        assert backend.set_many({"b": "new"}, -1) == ["b"]
        assert backend.add("c", "new", -1) is False
        assert backend.get_many("a", "b", "c") == [None, None, 3]

    def test_values_end_when_their_time_is_over(self, backend):
        """To the tenth of a second, however it was stored; an added value can be added again."""
        written = [
            write("set", 1.3, lambda: backend.set("set", 1.5, 1.3)),
            write("many", 0.8, lambda: backend.set_many({"many": "v"}, timedelta(seconds=0.8))),
            write("add", 0.4, lambda: backend.add("add", "v", 0.4)),
        ]
        backend.set("touch", "v", 0)
        written.append(write("touch", 0.6, lambda: backend.touch("touch", 0.6)))
        watch(written, lambda record: backend.has(record.name))
        assert backend.get_many("set", "many") == [None, None]
        assert backend.add("add", "again") is True


class TestDefaultTimeout:
    @pytest.mark.parametrize(
        ("given", "seconds"),
        [
            (60, 60),
            (timedelta(minutes=1), 60),
            (timedelta(seconds=1.4), 2),
            (timedelta(milliseconds=1), 1),
            (0, 0),
            (timedelta(0), 0),
        ],
        ids=repr,
    )
    def test_it_is_whole_seconds(self, any_url, given, seconds):
        """A default ``timedelta`` is rounded up: 0 has another meaning."""
        assert KyotoTycoonCache(any_url, default_timeout=given).default_timeout == seconds

    @pytest.mark.parametrize("given", [-1, timedelta(milliseconds=-1)], ids=repr)
    def test_below_zero_is_refused(self, given):
        """It is for ever in other caches; here it would keep nothing, so it is an error."""
        with pytest.raises(ConfigError, match="nothing would ever be kept; 0 is for ever"):
            KyotoTycoonCache("kt://127.0.0.1:1978", default_timeout=given)

    def test_zero_keeps_values_for_ever(self, any_url):
        """With a default of 0 nothing ends unless a call says so, numbers included."""
        backend = KyotoTycoonCache(any_url, default_timeout=timedelta(0))
        backend.set("k", "v")
        backend.inc("n")
        assert [seconds_left(backend), seconds_left(backend, "n")] == [NEVER, NEVER]

    def test_it_can_be_changed(self, any_url):
        """The attribute of that name, which cachelib documents, is the one that counts."""
        backend = KyotoTycoonCache(any_url)
        backend.default_timeout = 0
        backend.set("k", "v")
        assert seconds_left(backend) == NEVER


class TestChanging:
    def test_touch_gives_a_new_timeout(self, backend):
        """``touch`` tells whether there is a value, which keeps its content."""
        backend.set("k", "v", 100)
        assert backend.touch("k", 5000) is True
        assert 5000 - SLACK < seconds_left(backend) <= 5002
        assert backend.touch("k") is True
        assert 300 - SLACK < seconds_left(backend) <= 302
        assert backend.touch("k", 0) is True
        assert seconds_left(backend) == NEVER
        assert backend.get("k") == "v"
        assert backend.touch("k", -1) is True
        assert backend.has("k") is False
        assert backend.touch("k", 10) is False

    def test_a_new_number_gets_the_default(self, any_url):
        """``inc`` and ``dec`` of a missing number store it with the default timeout."""
        backend = KyotoTycoonCache(any_url, default_timeout=1000)
        backend.inc("k")
        assert 1000 - SLACK < seconds_left(backend) <= 1002
        backend.dec("d")
        assert 1000 - SLACK < seconds_left(backend, "d") <= 1002

    @pytest.mark.parametrize("timeout", [0, 5000])
    def test_counting_keeps_the_time(self, backend, timeout):
        """``inc`` and ``dec`` leave the time of a number alone."""
        backend.set("k", 1, timeout)
        before = backend.client.expire_time(backend.make_key("k"))
        backend.inc("k")
        backend.dec("k", 5)
        assert backend.client.expire_time(backend.make_key("k")) == before

    def test_a_negative_timeout_counts_but_keeps_nothing(self, backend):
        """Where everything is gone at once, ``incr`` still answers, and comes to an end."""
        assert [backend.incr("k", timeout=-1), backend.incr("k", timeout=-1)] == [1, 1]
