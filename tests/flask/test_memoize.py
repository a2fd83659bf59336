"""``@cache.memoize``: one result for each set of arguments, and what deletes them."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import time
from functools import wraps

import pytest
from flask import request
from werkzeug.local import LocalProxy

from kt_cache.cache.base import TAG_PREFIX
from kt_cache.cache.log_limit import begin_anew
from kt_cache.errors import ConfigError, TransportError
from kt_cache.flask import KTCache
from tests.flask.conftest import make_app
from tests.support.failing import dead_port, own
from tests.support.threads import run_threads

__all__ = ["dead_port"]

DAY = 86_400

runs = itertools.count(1)


def make_cache(url: str, **config) -> KTCache:
    """Return the cache of an app of its own, which needs no context."""
    return KTCache(make_app(KT_CACHE_URL=url, **config))


@pytest.fixture
def cache(any_url):
    """A cache on each kind of server in turn."""
    return make_cache(any_url)


@pytest.fixture
def small(url):
    """A cache on the included server."""
    return make_cache(url)


class Shop:
    """An object with methods to be kept, told from others by its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __caching_id__(self):
        return self.name

    def price(self, article, discount=0):
        return self.name, article, discount, next(runs)


def last(result):
    """Return the number of the run that a result is of."""
    return result[-1]


class TestResults:
    def test_by_arguments(self, cache):
        """Arguments are the same however they are given, and other ones have other results."""

        @cache.memoize(60)
        def function(a, b=2, *more, c=3, **others):
            return [a, b, next(runs)]

        same = [function(1), function(1, 2), function(1, b=2), function(a=1), function(b=2, a=1)]
        same += [function(1, 2, c=3), function(1, c=3)]
        assert same == [same[0]] * 7
        differ = [function(1, 2, 3), function(1, c=4), function(1, d=5), function(2), function("1")]
        assert len({last(result) for result in [*differ, *same]}) == 6
        assert function(1, d=5, e=6) == function(1, e=6, d=5)

    def test_queries(self, small):
        """The arguments of a request are all of them, also several values of one name."""

        @small.memoize(60)
        def search(args):
            return args.getlist("tag")

        found = []
        for query in ("tag=a&tag=b", "tag=a&tag=c", "tag=a"):
            with small._app.test_request_context(f"/?{query}"):
                found.append(search(request.args))
                assert search(request.values) == found[-1]
                assert search(LocalProxy(lambda: request.args)) == found[-1]
        assert found == [["a", "b"], ["a", "c"], ["a"]]

    def test_ignored_arguments(self, small):
        """Those that the site names do not count, however they are given."""

        @small.memoize(60, args_to_ignore=["session", "verbose"])
        def function(session, a, verbose=False):
            return a, next(runs)

        assert function(object(), 1) == function(object(), a=1) == function(None, 1, True)
        assert function(None, 2) != function(None, 1)

    @pytest.mark.parametrize("serializer", ["pickle", "json", "msgpack"])
    def test_none_and_others(self, url, serializer):
        """Every result is a value, None included."""
        cache = make_cache(url, KT_CACHE_OPTIONS={"serializer": serializer})

        @cache.memoize(60)
        def function(value):
            next(calls)
            return value

        for value in (None, 0, False, "", "text", [], {"a": [1, None]}):
            calls = itertools.count()
            assert [function(value), function(value)] == [value, value]
            assert next(calls) == 1

    def test_coroutine_functions(self, cache):
        """A coroutine function stays one, and is awaited once."""

        @cache.memoize(60)
        async def function(a):
            await asyncio.sleep(0)
            return a, next(runs)

        async def main():
            return await function(1), await asyncio.gather(*(function(a=2) for _ in range(20)))

        first, together = asyncio.run(main())
        assert len(set(together)) == 1
        assert asyncio.run(function(1)) == first

    @pytest.mark.parametrize("kind", ["cached", "memoize"])
    def test_hidden_coroutine_functions(self, small, kind):
        """One that a decorator hides is refused, unless that decorator awaits it."""

        async def function():
            return next(runs)

        @wraps(function)
        def passing_on():
            return function()

        @wraps(function)
        def awaiting():
            return asyncio.run(function())

        options = {"key_prefix": "key"} if kind == "cached" else {}
        kept = getattr(small, kind)(60, **options)(awaiting)
        assert kept() == kept()
        with pytest.raises(ConfigError, match="put the cache's next to the function"):
            getattr(small, kind)(forced_update=lambda: True, **options)(passing_on)()

    def test_methods(self, small):
        """Each object has its own results, whichever process it is in; so has each class."""

        class Kept(Shop):
            price = small.memoize(60)(Shop.price)

            @classmethod
            @small.memoize(60)
            def kind(cls):
                return cls.__name__, next(runs)

        class Other(Kept):
            pass

        one, two = Kept("one"), Kept("two")
        assert one.price("tea") == Kept("one").price(article="tea") != two.price("tea")
        assert Kept.kind() == one.kind() != Other.kind()

    def test_results_of_processes(self, url):
        """A cache in another process, whose strings have other hashes, finds them."""
        here = make_cache(url).memoize(60, make_name=lambda _: "shared")(_measure)
        code = (
            "from kt_cache.flask import KTCache; from flask import Flask; import sys; "
            "app = Flask('x'); app.config['KT_CACHE_URL'] = sys.argv[1]; "
            "f = KTCache(app).memoize(60, make_name=lambda _: 'shared')("
            "lambda a, **more: 'made there'); print(f({'b', 'a', 'c'}, x={'k': (1, 2.5)}))"
        )
        assert here({"c", "b", "a"}, x={"k": (1, 2.5)}) == "made here"
        done = subprocess.run(
            [sys.executable, "-c", code, url],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env={"PYTHONHASHSEED": "77", "PYTHONPATH": "."},
        )
        assert done.stdout.strip() == "made here"


def _measure(a, **more):
    return "made here"


class TestDeleting:
    def test_all_or_one(self, cache):
        """Results are deleted one by one or all at once; those of other functions stay."""
        first = cache.memoize(60)(_first)
        second = cache.memoize(60)(_second)
        before = [first(1), first(2), second(1)]
        cache.delete_memoized(first, 1)
        after = [first(1), first(2), second(1)]
        assert after[0] != before[0]
        assert after[1:] == before[1:]
        cache.delete_memoized(first, a=1)
        assert first(1) != after[0]
        again = [first(1), first(2)]
        cache.delete_memoized(first)
        assert first(1) not in again
        assert first(2) not in again
        assert second(1) == before[2]

    def test_of_methods(self, cache):
        """An object's method stands for that object's results, the class's for all."""

        class Kept(Shop):
            price = cache.memoize(60)(Shop.price)

        one, two = Kept("one"), Kept("two")

        def prices():
            return [last(shop.price(article)) for shop in (one, two) for article in "ab"]

        before = prices()
        cache.delete_memoized(one.price, "a")
        after = prices()
        assert [old == new for old, new in zip(before, after, strict=True)] == [0, 1, 1, 1]
        cache.delete_memoized(Kept.price, two, "a")
        again = prices()
        assert [old == new for old, new in zip(after, again, strict=True)] == [1, 1, 0, 1]
        cache.delete_memoized(one.price)
        last_but_one = prices()
        assert [old == new for old, new in zip(again, last_but_one, strict=True)] == [0, 0, 1, 1]
        cache.delete_memoized(Kept.price)
        assert not set(prices()) & set(last_but_one)

    @pytest.mark.parametrize("lock", [None, True])
    def test_while_it_runs(self, small, lock):
        """A result that is being made when all are deleted is deleted, too."""

        @small.memoize(60, lock=lock)
        def function():
            number = next(runs)
            if len(numbers) == 0:
                small.delete_memoized(function)
            numbers.append(number)
            return number

        numbers = []
        assert [function(), function(), function()] == [numbers[0], numbers[1], numbers[1]]

    @pytest.mark.parametrize("options", [{}, {"stale": 60}])
    def test_one_that_is_being_made(self, small, options):
        """It is deleted, too, with the one that is there, and made anew by the next caller."""

        @small.memoize(60, **options)
        def function(a):
            number = next(runs)
            if a in busy:
                busy.remove(a)
                small.delete_memoized(function, a)
            return number

        busy = {1}
        before = [function(1), function(1), function(1)]
        assert before[0] != before[1] == before[2]

    def test_of_methods_that_take_such_objects(self, small):
        """An object that is an argument, too, or equal to one, is not taken for ``self``."""

        class Place(Shop):
            def __eq__(self, other):
                return True

            __hash__ = None

            @small.memoize(60)
            def way(self, other, *stops, by="foot"):
                return self.name, other.name, next(runs)

        a, b = Place("a"), Place("b")

        def ways():
            return [last(way) for way in (a.way(a), a.way(b), b.way(a), a.way(a, a), a.way(a, b))]

        for deletion, gone in [
            ((a.way, a), [0]),
            ((a.way, b), [1]),
            ((b.way, a), [2]),
            ((a.way, a, a), [0, 3]),  # the second one is either `self` or not
            ((a.way, b, a), []),  # not b's way to a, whatever is equal
            ((Place.way, a, a), [0]),
            ((Place.way, a, a, b), [4]),
        ]:
            before = ways()
            small.delete_memoized(*deletion)
            now = zip(before, ways(), strict=True)
            assert [place for place, (old, new) in enumerate(now) if old != new] == gone
        with pytest.raises(TypeError):
            small.delete_memoized(a.way, by="bus")

    def test_under_another_decorator(self, small):
        """It may hide which calls come to the same: then all results are deleted at once."""

        def passing_on(function):
            @wraps(function)
            def called(*args, **kwargs):
                return function(*args, **kwargs)

            return called

        class Kept(Shop):
            price = small.memoize(60)(passing_on(Shop.price))

        kept, one, two = small.memoize(60)(passing_on(_first)), Kept("one"), Kept("two")

        def results():
            calls = [kept(1), kept(a=1), one.price("tea"), one.price(article="tea")]
            return [last(result) for result in [*calls, two.price("tea")]]

        for deletion, gone in [((kept, 1), [0, 1]), ((one.price, "tea"), [2, 3])]:
            before = results()
            small.delete_memoized(*deletion)
            now = zip(before, results(), strict=True)
            assert [place for place, (old, new) in enumerate(now) if old != new] == gone

    def test_by_attribute(self, small):
        """What Flask-Caching gives a function to delete its results is there, too."""
        kept = small.memoize(60)(_first)
        before = [kept(1), kept(2)]
        kept.delete_memoized(1)
        assert [kept(1) == before[0], kept(2) == before[1]] == [False, True]
        kept.delete_memoized()
        assert kept(2) != before[1]

    def test_not_memoized(self, small):
        """What has no results to be deleted is refused."""
        for function in (_first, small.cached(key_prefix="k")(_first), "name"):
            with pytest.raises(ConfigError, match=r"no function that cache\.memoize has decorated"):
                small.delete_memoized(function)
        with pytest.raises(TypeError, match="argument"):
            small.delete_memoized(small.memoize()(_first), 1, 2, 3)

    def test_the_longest_entry(self, small, client):
        """What tells whether results were deleted is kept for longer than each of them.

        However their timeouts change, and also if the longest one was stored first.
        """
        function = small.memoize()(_first)
        kept = []
        for timeout in (10 * DAY, 5, 100 * DAY, 5, 0):
            function.cache_timeout = timeout
            function(timeout)
            [tag] = client.match_prefix(TAG_PREFIX)
            kept.append(client.expire_time(tag) - time.time())
        least = [10 * DAY, 10 * DAY, 100 * DAY, 100 * DAY, 10_000 * DAY]
        assert [seconds > days - 60 for seconds, days in zip(kept, least, strict=True)] == [
            True
        ] * 5


def _first(a):
    return "first", a, next(runs)


def _second(a):
    return "second", a, next(runs)


class TestOptions:
    def test_unless_and_others(self, small):
        """Some calls pass by, some make the result anew, and some results are not kept."""

        @small.memoize(
            60,
            unless=lambda function, a: a == "never",
            forced_update=lambda a: a in forced,
            response_filter=lambda result: result[0] != "not this",
        )
        def function(a):
            return a, next(runs)

        forced = set()
        for name in ("never", "not this"):
            assert function(name) != function(name)
        old = function("a")
        assert function("a") == old
        forced.add("a")
        new = function("a")
        assert new != old
        forced.clear()
        assert function("a") == new

    def test_names(self, small):
        """The site may choose the name; a lambda has none, so there it must."""
        kept = small.memoize(make_name=lambda name: f"{name}-v2")(_first)
        assert kept.make_cache_key(1).startswith(f"memo/{__name__}._first-v2/")
        assert kept(1) != small.memoize()(_first)(1)
        with pytest.raises(ConfigError, match="make_name"):
            small.memoize()(lambda a: a)

    def test_attributes(self, small):
        """The function as it was, its timeout and its keys are at hand."""
        kept = small.memoize(60)(_first)
        assert kept.uncached is _first
        assert kept.__name__ == "_first"
        kept.cache_timeout = -1
        assert kept(1) != kept(1)
        kept.cache_timeout = 60
        assert small.cache.get(kept.make_cache_key(1)) is None
        result = kept(1)
        assert small.cache.get(kept.make_cache_key(a=1)) == result

    def test_tags(self, small):
        """Results may have tags of the site's, which may depend on the arguments."""
        kept = small.memoize(60, tags=lambda a: [f"number:{a}"])(_first)
        before = [kept(1), kept(2)]
        small.delete_tag("number:1")
        assert kept(1) != before[0]
        assert kept(2) == before[1]

    def test_one_tag_in_place_of_a_list(self, small):
        """Text is no list of tags, also if a function returns it: its letters are not meant."""
        kept = small.memoize(60, tags=lambda a: "prices")(_first)
        with pytest.raises(ConfigError, match=r"such as \['prices'\]"):
            kept(1)

    def test_arguments_without_identity(self, small):
        """An object that is known by its address alone is refused, and the message says more."""
        kept = small.memoize(60)(_first)
        for argument in (object(), [object()], {"a": object()}, lambda: 1, Plain().method):
            with pytest.raises(ConfigError, match="__caching_id__"):
                kept(argument)

        class Keeper:
            @small.memoize()
            def method(self):
                return None

        with pytest.raises(ConfigError, match="Keeper among the arguments"):
            Keeper().method()

    def test_wrong_order(self, small):
        """Decorators in the wrong order are refused with the right one."""
        with pytest.raises(ConfigError, match="below @classmethod"):
            small.memoize()(classmethod(_first))
        with pytest.raises(ConfigError, match="has no parameter 'b'"):
            small.memoize(args_to_ignore=["b"])(_first)
        with pytest.raises(ConfigError, match=r"such as \['a'\]"):
            small.memoize(args_to_ignore="a")(_first)
        with pytest.raises(ConfigError, match=r"@cache.memoize\(\) with brackets"):
            small.memoize(_first)


class TestNamesakes:
    """Functions with the same name have the same results, and the log says so if it matters."""

    def test_defined_around_different_values(self, small, caplog):
        """A value that differs may be what the results depend on."""

        def load(kind="same", fetch=_measure, model=int, app=None):
            @small.memoize(60)
            def load_one(number):
                return kind, fetch, model, app, number

            return load_one

        for app in (object(), (object(),), Shop("one"), Shop("two")):
            load(app=app)
        assert not caplog.messages
        for name, value in [("kind", "other"), ("fetch", _first), ("model", str)]:
            begin_anew()
            caplog.clear()
            load(**{name: value})
            [message] = caplog.messages
            assert f"load_one: it is defined around different values of {name!r}" in message
            assert "make_name" in message

    def test_other_code(self, small, caplog):
        """So may be another function that was given the name."""
        begin_anew()
        small.memoize(make_name=lambda _: "first")(_first)
        small.memoize(make_name=lambda _: "second")(_second)
        small.memoize(make_name=lambda _: "first")(_first)
        assert not caplog.messages
        small.memoize(make_name=lambda _: "first")(_second)
        assert "first: there are two functions with this name" in caplog.text

    def test_an_app_that_is_made_twice(self, url, caplog):
        """Its functions are the same ones, whatever objects of an app they use."""
        cache = KTCache()

        def create_app():
            app, found = make_app(KT_CACHE_URL=url), []
            cache.init_app(app)

            @cache.memoize(60)
            def count_down(number):
                found.append(app.name)
                return number and count_down(number - 1)

            @app.get("/")
            def page():
                return str(count_down(3))

            return app

        assert [create_app().test_client().get("/").text for _ in range(3)] == ["0"] * 3
        assert not caplog.messages


class Plain:
    def method(self):
        """Have the address of its object in its repr."""


class TestTurns:
    def test_many_at_once(self, cache):
        """Fifty callers of a missing result make it once, and after a deletion once more."""

        @cache.memoize(60)
        def function(a):
            time.sleep(0.2)
            return next(runs)

        assert len(set(run_threads(50, lambda _: function(1)))) == 1
        cache.delete_memoized(function)
        assert len(set(run_threads(50, lambda _: function(1)))) == 1

    @pytest.mark.parametrize("error", [KeyError("k"), StopIteration("s"), ConfigError("c")])
    def test_errors(self, small, error):
        """What a function raises is what its caller gets, and the next call calls it again."""

        @small.memoize(60)
        def function():
            next(calls)
            raise error

        calls = itertools.count()
        for _ in range(2):
            with pytest.raises(type(error)) as raised:
                function()
            assert raised.value is error
        assert next(calls) == 2

    def test_recursion(self, small):
        """A function that calls itself waits for nobody."""

        @small.memoize(60)
        def sum_to(number):
            return number + sum_to(number - 1) if number else 0

        assert sum_to(20) == 210
        assert sum_to(19) == 190


def test_server_down(dead_port):
    """Where errors are ignored the function is called; deleting always says that it failed."""
    cache = make_cache(f"kt://127.0.0.1:{dead_port}", KT_CACHE_OPTIONS=own(ignore_errors=True))
    kept = cache.memoize(60)(_first)
    assert len({kept(1) for _ in range(5)}) == 5
    with pytest.raises(TransportError):
        cache.delete_memoized(kept)


def test_round_trips(recording):
    """A hit takes one request, that of a method as well, and so does deleting all results."""
    cache = make_cache(f"kt://{recording.host}:{recording.port}")

    class Kept(Shop):
        price = cache.memoize(60)(Shop.price)

    shop, function = Kept("one"), cache.memoize(60, tags=["t"])(_first)
    calls = [
        lambda: function(1),
        lambda: shop.price("tea"),
        lambda: cache.delete_memoized(function),
        lambda: cache.delete_memoized(shop.price),
        lambda: cache.delete_memoized(function, 1),
    ]
    for call in calls[:2]:
        call()
    for call in calls:
        recording.forget()
        call()
        assert recording.trips == 1
