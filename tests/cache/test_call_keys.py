"""Keys of calls: which arguments are the same, in every process, and which are refused."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import re
import subprocess
import sys
import uuid
from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
from functools import wraps
from io import BytesIO
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import CombinedMultiDict, FileStorage, ImmutableMultiDict, MultiDict
from werkzeug.local import LocalProxy

from kt_cache.cache.call_keys import CallKeys, digest_of, text_of
from kt_cache.errors import ConfigError

ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters())
    | st.binary()
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.frozensets(ATOMS)
        | st.sets(ATOMS)
    ),
    max_leaves=8,
)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


Point = namedtuple("Point", "x y")  # noqa: PYI024 - arguments of callers are such, too


@dataclass
class Article:
    name: str
    tags: set[str]
    loaded: float = field(default=0.0, compare=False)


class Named:
    def __init__(self, name):
        self.name = name

    def __caching_id__(self):
        return self.name


class Shown(Named):
    __caching_id__ = None

    def __repr__(self):
        return f"<Shown {self.name}>"


class Chosen(Shown):
    """An object whose repr is what a visitor has chosen."""

    def __repr__(self):
        return self.name


class Bag(dict):
    """A dictionary that can have attributes."""


OBJECTS = [
    Colour.RED,
    Colour.BLUE,
    Point(1, 2),
    (1, 2),
    [1, 2],
    Article("tea", {"a", "b"}),
    Article("tea", {"a", "c"}),
    Named("tea"),
    Named("cup"),
    Named(("tea",)),
    Shown("tea"),
    Shown("cup"),
    dt.date(2026, 1, 1),
    dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc),
    dt.timedelta(1),
    decimal.Decimal("1.0"),
    decimal.Decimal("1.00"),
    uuid.UUID(int=1),
    PurePosixPath("/tmp"),
    OrderedDict(a=1),
    {"a": 1},
    bytearray(b"a"),
    b"a",
    "a",
    1,
    1.0,
    True,
    "1",
    range(3),
    int,
    str,
    len("a") + 2j,
    {1},
    frozenset({1}),
    (),
    [],
    {},
    set(),
    None,
    "None",
]


def same(one, other):
    """Tell whether two values are equal, and of the same types all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, set | frozenset):
        return {(type(item), repr(item)) for item in one} == {
            (type(item), repr(item)) for item in other
        }
    return repr(one) == repr(other)


class TestTexts:
    @given(one=VALUES, other=VALUES)
    def test_tells_values_apart(self, one, other):
        """Two values have the same text if they are the same, and then only."""
        assert (text_of(one) == text_of(other)) is same(one, other)

    @given(value=VALUES)
    def test_parts_of_an_argument(self, value):
        """A value within others is told apart as well."""
        assert text_of((value,)) != text_of([value]) != text_of({"k": value})
        assert text_of((value, value)) != text_of((value,))
        assert len(digest_of(text_of(value))) == 40

    def test_objects(self):
        """So are objects of the standard library and of one's own."""
        assert len({text_of(value) for value in OBJECTS}) == len(OBJECTS)

    def test_what_containers_hold(self):
        """All that a container of one's own holds counts, not what its methods tell of it."""
        ways = [[("tag", "a"), ("tag", "b")], [("tag", "a"), ("tag", "c")], [("tag", "a")]]
        for kind in (
            MultiDict,
            ImmutableMultiDict,
            lambda way: CombinedMultiDict([MultiDict(way)]),
        ):
            assert len({text_of(kind(way)) for way in ways}) == 3
            assert text_of(kind(ways[0])) == text_of(kind(ways[0]))

        class Quiet(list):
            def __iter__(self):
                return iter(())

        assert text_of(Quiet("a")) != text_of(Quiet("b"))

    def test_proxies(self):
        """A proxy stands for what it leads to at the moment."""
        held = [{"a": 1}]
        for value in (
            {"a": 2},
            [1],
            (1, 2),
            {1},
            "text",
            Named("tea"),
            Named("cup"),
            re.compile("a"),
        ):
            held.append(value)
            texts = {text_of(LocalProxy(lambda: held[-1])), text_of(LocalProxy(lambda: held[-2]))}
            assert len(texts) == 2
            assert text_of(LocalProxy(lambda: held[-1])) in texts

    def test_files(self, tmp_path):
        """An open file, or an upload, is refused: others with its name hold something else."""
        with (tmp_path / "a").open("w") as file:
            for value in (file, FileStorage(BytesIO(b"a"), "name")):
                with pytest.raises(ConfigError, match="what can be read from it"):
                    text_of(value)

    def test_reprs_with_the_text_of_visitors(self):
        """A repr that looks like the end of one argument and the next one is still one argument."""
        for quote in ("", "'", '"', "\\'"):
            end = f"{quote}>, <{__name__}.Chosen {quote}"
            one = Chosen("p"), Chosen(f"q{end}r")
            other = Chosen(f"p{end}q"), Chosen("r")
            assert text_of(one) != text_of(other)

    def test_patterns(self):
        """A regular expression is known by all of it, though its repr is short."""
        texts = [f"{'a' * 250}{end}" for end in "12"]
        patterns = [re.compile(text, flags) for text in texts for flags in (0, re.IGNORECASE)]
        assert len({text_of(pattern) for pattern in patterns}) == 4

    def test_order(self):
        """The order of a dictionary or a set does not count, that of a list does."""
        assert text_of({"a": 1, "b": {2, 3}}) == text_of({"b": {3, 2}, "a": 1})
        assert text_of([1, 2]) != text_of([2, 1])

    def test_what_does_not_count(self):
        """Fields that are not compared do not count, and attributes beside a dictionary do."""
        assert text_of(Article("a", set(), 1.0)) == text_of(Article("a", set(), 2.0))
        one, other = Bag(a=1), Bag(a=1)
        other.more = 1
        assert text_of(one) != text_of(other)

    def test_other_processes(self):
        """Another process, with other hashes and addresses, makes the same texts."""
        code = (
            "from tests.cache.test_call_keys import *;"
            "print(digest_of(text_of(OBJECTS + [{str(n): n for n in range(50)}, set('abcdef')])))"
        )
        made = {
            subprocess.run(
                [sys.executable, "-c", code],
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
                env={
                    "PYTHONHASHSEED": seed,
                    "PYTHONPATH": str(PurePosixPath(*sys.path[:0])) or ".",
                },
            ).stdout
            for seed in ("1", "2")
        }
        assert len(made) == 1

    @pytest.mark.parametrize(
        "value",
        [
            object(),
            [object()],
            {"a": object()},
            (1, object()),
            lambda: 1,
            Named("a").__caching_id__,
            Article("a", {object()}),
            Point(1, object()),
            iter(()),
            Named(object()),
        ],
    )
    def test_refused(self, value):
        """What only its address tells from others is refused, wherever it is."""
        with pytest.raises(ConfigError, match="cannot be told from others"):
            text_of(value)

    def test_arrays(self):
        """What leaves out parts of itself in its repr is refused; a single number is not."""

        class Array:
            ndim = 1
            __array__ = None

            def __repr__(self):
                return "Array(1, 2, ..., 3)"

        with pytest.raises(ConfigError, match="does not tell all of it"):
            text_of(Array())
        Array.ndim = 0
        assert "Array" in text_of(Array())


def plain(a, b=2, c=3):
    """A function as most are."""


def full(a, /, b, *more, c=3, **others):
    """A function with all kinds of parameters."""


class TestKeys:
    @pytest.mark.parametrize(
        "calls",
        [
            (plain, [((1,), {}), ((1, 2), {}), ((1,), {"b": 2}), ((), {"c": 3, "a": 1})]),
            (plain, [((1, 5), {}), ((1,), {"b": 5}), ((), {"b": 5, "a": 1})]),
            (full, [((1, 2), {}), ((1,), {"b": 2}), ((1, 2), {"c": 3})]),
            (full, [((1, 2), {"x": 1, "y": 2}), ((1,), {"y": 2, "b": 2, "x": 1})]),
        ],
    )
    def test_ways_to_give_arguments(self, calls):
        """The same arguments have the same key, however they are given."""
        function, given_ways = calls
        keys = CallKeys(function)
        assert len({keys.key(args, kwargs) for args, kwargs in given_ways}) == 1

    def test_other_arguments(self):
        """Other ones have other keys."""
        keys = CallKeys(full)
        ways = [
            ((1, 2), {}),
            ((1, 3), {}),
            ((1, 2, 3), {}),
            ((1, 2), {"c": 4}),
            ((1, 2), {"d": 4}),
            ((1, 2), {"a": 1}),
            (("1", 2), {}),
        ]
        assert len({keys.key(args, kwargs) for args, kwargs in ways}) == len(ways)

    @pytest.mark.parametrize(
        ("args", "kwargs"),
        [((), {}), ((1, 2, 3, 4), {}), ((1,), {"a": 1}), ((1,), {"d": 1}), ((), {"b": 1})],
    )
    def test_arguments_that_do_not_fit(self, args, kwargs):
        """What the function would refuse has no key."""
        with pytest.raises(TypeError):
            CallKeys(plain).key(args, kwargs)

    def test_ignored(self):
        """Ignored parameters do not count, and need not be known by what they are."""
        keys = CallKeys(plain, ignore=["a", "c"])
        assert keys.key((object(), 2), {}) == keys.key((1,), {"c": object()})
        assert keys.key((1, 2), {}) != keys.key((1, 3), {})

    def test_under_another_decorator(self):
        """What it does with arguments is unknown: all that is given counts, as it is given."""

        @wraps(plain)
        def injecting(*args, **kwargs):
            return plain("injected", *args, **kwargs)

        keys = CallKeys(injecting)
        ways = [((5,), {}), ((5, 3), {}), ((6,), {}), ((), {"b": 5}), ((), {"c": 5})]
        assert len({keys.key(args, kwargs) for args, kwargs in ways}) == len(ways)
        assert keys.name == CallKeys(plain).name
        assert not keys.is_exact
        with pytest.raises(ConfigError, match=r"no parameter 'b'.* below"):
            CallKeys(injecting, ignore=["b"])

        @wraps(full)
        def explicit(b, c=3):
            return full(1, b, c=c)

        exact = CallKeys(explicit, ignore=["c"])
        assert exact.is_exact
        assert exact.key((2,), {}) == exact.key((), {"b": 2, "c": 4})
        assert CallKeys(full).is_exact

    def test_names_and_tags(self):
        """Keys and tags are named after the function; a method's object has a tag of its own."""
        keys = CallKeys(plain)
        assert keys.key((1,), {}).startswith(f"memo/{__name__}.plain/")
        assert keys.tags((1,)) == (f"memo/{__name__}.plain",)

        class Shop(Named):
            def price(self, article):
                """A method."""

        of_method = CallKeys(Shop.price)
        one, two = (of_method.tags((Shop(name), "tea")) for name in ("one", "two"))
        assert one[0] == two[0]
        assert one[1] != two[1]
        assert len(CallKeys(Shop.price, ignore=["self"]).tags((object(), "tea"))) == 1
