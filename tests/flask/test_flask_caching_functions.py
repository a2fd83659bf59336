"""Flask-Caching on our backend, from end to end: functions whose values are kept, and forgotten."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import NamedTuple

import pytest
from flask_caching import Cache

from kt_cache import NEVER, KyotoTycoon
from tests.flask.caching_site import SINCE_2_5, app, cache, make_site
from tests.support.threads import run_threads

__all__ = ["app", "cache"]  # fixtures


class Named:
    """An object that Flask-Caching tells from others by its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"Named({self.name})"


class Person(NamedTuple):
    name: str
    born: int


class TestCached:
    def test_a_function(self, cache):
        """``cached`` with a key prefix keeps a function's value under that key."""
        runs = itertools.count(1)

        @cache.cached(key_prefix="numbers", timeout=60)
        def numbers():
            return [next(runs)]

        assert [numbers(), numbers()] == [[1], [1]]
        assert cache.get("numbers") == [1]
        cache.delete("numbers")
        assert numbers() == [2]

    def test_none(self, cache):
        """``None`` is a value if ``cache_none`` says so."""
        runs = itertools.count(1)

        @cache.cached(key_prefix="nothing", cache_none=True)
        def nothing():
            next(runs)

        assert [nothing(), nothing(), nothing()] == [None] * 3
        assert next(runs) == 2

    def test_what_can_be_kept(self, cache):
        """Values come back as they were, with their types."""
        values = [Person("Ada", 1815), (1, [2]), {3: {4}}, b"\xff", True, 10**30, timedelta(1), ""]
        for number, value in enumerate(values):
            cached = cache.cached(key_prefix=f"value {number}")(lambda kept=value: kept)
            assert [cached(), cached()] == [value, value]
            assert type(cached()) is type(value)


class TestMemoize:
    def test_each_set_of_arguments(self, cache):
        """``memoize`` keeps a value for each set of arguments, however they are passed."""
        runs = itertools.count(1)

        @cache.memoize(60)
        def add(a, b=0, *more, **named):
            return (a + b, next(runs))

        assert [add(1, 2), add(1, 2), add(a=1, b=2), add(1)] == [(3, 1), (3, 1), (3, 1), (1, 2)]
        assert [add(1, 2, 3), add(1, 2, x=1), add(1, 2, 3)] == [(3, 3), (3, 4), (3, 3)]

    def test_some_arguments_do_not_count(self, cache):
        """``args_to_ignore`` and ``unless`` are asked before the cache."""
        runs = itertools.count(1)

        @cache.memoize(60, args_to_ignore=["trace"], unless=lambda f, n, trace: n < 0)
        def number(n, trace):
            return next(runs)

        assert [number(1, "a"), number(1, "b"), number(-1, "a"), number(-1, "a")] == [1, 1, 2, 3]

    def test_none(self, cache):
        """``None`` is a value if ``cache_none`` says so, and made anew if not."""
        runs = itertools.count(1)

        def nothing(a):
            next(runs)

        kept = cache.memoize(60, cache_none=True)(nothing)
        assert [kept(1), kept(1)] == [None, None]
        assert next(runs) == 2
        cache.delete_memoized(kept)
        made_anew = cache.memoize(60)(nothing)
        assert [made_anew(1), made_anew(1)] == [None, None]
        assert next(runs) == 5

    def test_timeouts(self, cache, kt: KyotoTycoon):
        """A decorator's timeout is the record's; 0 is for ever, and so are its version records."""

        @cache.memoize(timeout=timedelta(minutes=10))
        def short(a):
            return a

        @cache.memoize(timeout=0)
        def endless(a):
            return a

        short(1)
        assert NEVER not in {kt.expire_time(key) for key in kt.match_prefix("flask_cache_")}
        kt.clear()
        endless(1)
        assert {kt.expire_time(key) for key in kt.match_prefix("flask_cache_")} == {NEVER}

    def test_all_processes_share_the_values(self, any_url):
        """What one worker has made or forgotten, the others have, too."""
        runs = itertools.count(1)

        def number(a):
            return next(runs)

        workers = []
        for _ in range(2):
            app, cache = make_site(CACHE_KT_URL=any_url)
            workers.append((app, cache, cache.memoize(60)(number)))
        found = []
        for forget in (False, False, True, False):
            for app, cache, memoized in workers:
                with app.app_context():
                    found.append(memoized(1))
                    if forget:
                        cache.delete_memoized(memoized)
        assert found == [1, 1, 1, 1, 1, 2, 3, 3]

    def test_threads(self, app, cache):
        """Eight threads that call and forget at once get values of their own arguments."""

        @cache.memoize(60)
        def square(number):
            return number * number

        def work(me):
            with app.app_context():
                for number in range(20):
                    assert square(number) == number * number
                    if number % 5 == me % 5:
                        cache.delete_memoized(square)

        run_threads(8, work)

    def test_round_trips(self, recording):
        """A hit asks the server twice, for the versions and for the value."""
        app, cache = make_site(CACHE_KT_URL=f"{recording.host}:{recording.port}")

        @cache.memoize(60)
        def number(a):
            return a

        with app.app_context():
            number(1)
            before = recording.trips
            assert number(1) == 1
        assert recording.trips - before == 2


class TestForgetting:
    def test_a_function(self, cache):
        """``delete_memoized`` forgets one set of arguments, or all of a function."""
        runs = itertools.count(1)

        @cache.memoize(60)
        def number(a):
            return (a, next(runs))

        @cache.memoize(60)
        def other(a):
            return next(runs)

        assert [number(1), number(2), other(1)] == [(1, 1), (2, 2), 3]
        cache.delete_memoized(number, 1)
        assert [number(1), number(2), other(1)] == [(1, 4), (2, 2), 3]
        cache.delete_memoized(number, a=2)
        assert [number(1), number(2), other(1)] == [(1, 4), (2, 5), 3]
        cache.delete_memoized(number)
        assert [number(1), number(2), other(1)] == [(1, 6), (2, 7), 3]

    def test_a_method(self, cache):
        """A method can be forgotten for one object, one call, or the whole class."""
        runs = itertools.count(1)

        class Adder(Named):
            @cache.memoize(60)
            def add(self, number):
                return next(runs)

        one, two = Adder("one"), Adder("two")

        def calls():
            return [one.add(1), one.add(2), two.add(1)]

        assert calls() == calls() == [1, 2, 3]
        cache.delete_memoized(one.add, one, 1)
        assert calls() == [4, 2, 3]
        cache.delete_memoized(one.add)
        assert calls() == [5, 6, 3]
        cache.delete_memoized(Adder.add)
        assert calls() == [7, 8, 9]

    @SINCE_2_5
    def test_a_call_of_a_method(self, cache):
        """A bound method knows its object."""
        runs = itertools.count(1)

        class Adder(Named):
            @cache.memoize(60)
            def add(self, number):
                return next(runs)

        one, two = Adder("one"), Adder("two")
        assert [one.add(1), one.add(2), two.add(1)] == [1, 2, 3]
        cache.delete_memoized(one.add, 1)
        assert [one.add(1), one.add(2), two.add(1)] == [4, 2, 3]

    def test_a_class_method(self, cache):
        """A class method is forgotten by its name on the class."""
        runs = itertools.count(1)

        class Shop:
            @classmethod
            @cache.memoize(60)
            def count(cls, what):
                return next(runs)

        assert [Shop.count("a"), Shop.count("b"), Shop.count("a")] == [1, 2, 1]
        cache.delete_memoized(Shop.count, Shop, "a")
        assert [Shop.count("a"), Shop.count("b")] == [3, 2]
        cache.delete_memoized(Shop.count)
        assert [Shop.count("a"), Shop.count("b")] == [4, 5]

    def test_version_records(self, cache, kt: KyotoTycoon):
        """``delete_memoized_verhash`` removes a function's version record, and so its values."""
        runs = itertools.count(1)

        @cache.memoize(60)
        def number(a):
            return next(runs)

        assert [number(1), number(2), number(1)] == [1, 2, 1]
        assert len(kt.match_regex("_memver$")) == 1
        cache.delete_memoized_verhash(number)
        assert kt.match_regex("_memver$") == []
        assert [number(1), number(2), number(1)] == [3, 4, 3]

    def test_version_record_of_an_object(self, cache):
        """That of a bound method is its object's."""
        runs = itertools.count(1)

        class Adder(Named):
            @cache.memoize(60)
            def add(self, number):
                return next(runs)

        one, two = Adder("one"), Adder("two")
        assert [one.add(1), two.add(1)] == [1, 2]
        cache.delete_memoized_verhash(one.add)
        assert [one.add(1), two.add(1)] == [3, 2]

    def test_a_version_record_that_is_lost(self, cache, kt: KyotoTycoon):
        """Values without their version record are made anew, never those of another version."""
        runs = itertools.count(1)

        @cache.memoize(60)
        def number(a):
            return next(runs)

        assert [number(1), number(1)] == [1, 1]
        for key in kt.match_regex("_memver$"):
            kt.remove(key)
        assert [number(1), number(1)] == [2, 2]


class TestAsync:
    @pytest.mark.parametrize("name", ["cached", "memoize"])
    def test_coroutine_functions(self, app, cache: Cache, name):
        """A plain view calls a decorated coroutine function as a plain one."""
        runs = itertools.count(1)
        decorator = cache.cached(key_prefix="k") if name == "cached" else cache.memoize(60)

        @decorator
        async def number():
            return next(runs)

        assert [number(), number()] == [1, 1]
