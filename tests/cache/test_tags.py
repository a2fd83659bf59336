"""Tags: what is deleted by them, what is not, and when."""

from __future__ import annotations

import asyncio
import logging
import time
from math import inf

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kt_cache.cache import Cache, Codec
from kt_cache.cache.wrapper import StoreWrapper
from kt_cache.errors import ConfigError, DecodeError

DAY = 86_400

KEYS = st.sampled_from(["a", "b", "c"])
TAGS = st.sets(st.sampled_from(["red", "green", "blue"]), max_size=2).map(sorted)
VALUES = st.none() | st.integers() | st.text(max_size=3)

ACTIONS = st.one_of(
    st.tuples(st.just("set"), KEYS, VALUES, TAGS),
    st.tuples(st.just("set_many"), st.dictionaries(KEYS, VALUES), TAGS),
    st.tuples(st.just("add"), KEYS, VALUES, TAGS),
    st.tuples(st.just("get_or_set"), KEYS, VALUES, TAGS, st.booleans()),
    st.tuples(st.just("delete"), KEYS),
    st.tuples(st.just("delete_tags"), TAGS),
    st.tuples(st.just("clear")),
)


class Model:
    """What a cache with tags does, as a dict: key -> (value, tags, whether a tag was deleted)."""

    def __init__(self):
        self.held = {}

    def values(self):
        return {key: value for key, (value, _, deleted) in self.held.items() if not deleted}

    def apply(self, cache, name, *args):
        """Do it here and there, and compare what comes back."""
        getattr(self, name)(cache, *args)

    def set(self, cache, key, value, tags):
        cache.set(key, value, 60, tags=tags)
        self.held[key] = (value, tags, False)

    def set_many(self, cache, values, tags):
        cache.set_many(values, 60, tags=tags)
        self.held.update({key: (value, tags, False) for key, value in values.items()})

    def add(self, cache, key, value, tags):
        there = key in (self.values() if tags else self.held)
        assert cache.add(key, value, 60, tags=tags) is not there
        if not there:
            self.held[key] = (value, tags, False)

    def get_or_set(self, cache, key, value, tags, lock):
        expected = self.values().get(key, value)
        if key not in self.values():
            self.held[key] = (value, tags, False)
        assert cache.get_or_set(key, lambda: value, 60, tags=tags, lock=lock) == expected

    def delete(self, cache, key):
        cache.delete(key)
        self.held.pop(key, None)

    def delete_tags(self, cache, tags):
        cache.delete_tags(tags)
        for key, (value, own, deleted) in self.held.items():
            self.held[key] = (value, own, deleted or not set(own).isdisjoint(tags))

    def clear(self, cache):
        cache.clear()
        self.held.clear()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(ACTIONS, max_size=15))
def test_like_a_dict(either_cache, actions):
    """Whatever is done in whatever order, the cache holds what a dict with tags would."""
    either_cache.flush()
    model = Model()
    for action in actions:
        model.apply(either_cache, *action)
        values = model.values()
        assert either_cache.get_many(["a", "b", "c"]) == values
        assert {key: either_cache.get(key) for key in "abc" if either_cache.has(key)} == values


class TestTags:
    def test_every_way_to_store(self, either_cache):
        """Values stored by each method are deleted by each of their tags."""
        for tag in ("t", "u"):
            either_cache.set("set", 1, 60, tags=["t", "u"])
            either_cache.set_many({"many": 2}, None, tags=["t", "u"])
            either_cache.add("add", 3, 60, tags=("t", "u"))
            either_cache.get_or_set("or set", 4, 60, tags=iter(["t", "u"]))
            either_cache.get_or_set("lock", lambda: 5, 60, tags={"t", "u"}, lock=True)
            either_cache.set("other", 6, 60, tags=["v"])
            either_cache.set("none", 7, 60, tags=[])
            names = ["set", "many", "add", "or set", "lock", "other", "none"]
            assert either_cache.get_many(names) == dict(zip(names, range(1, 8), strict=True))
            either_cache.delete_tag(tag)
            assert either_cache.get_many(names) == {"other": 6, "none": 7}

    def test_of_another_version_or_prefix(self, either_cache, cache):
        """A tag is one of its version and prefix, like a key."""
        other = Cache(cache.store, cache.codec, prefix="other")
        either_cache.set("k", 1, 60, tags=["t"])
        either_cache.set("k", 2, 60, 2, tags=["t"])
        other.set("k", 3, 60, tags=["t"])
        either_cache.delete_tag("t", version=2)
        assert (either_cache.get("k"), either_cache.get("k", version=2)) == (1, None)
        other.delete_tag("t")
        assert (either_cache.get("k"), other.get("k")) == (1, None)

    def test_a_tag_is_no_key(self, either_cache):
        """A value may have the name of a tag."""
        either_cache.set("t", "value", 60, tags=["t"])
        assert either_cache.get("t") == "value"
        either_cache.delete("t")
        either_cache.set("k", "value", 60, tags=["t"])
        assert either_cache.get("k") == "value"
        assert not either_cache.has("t")

    def test_any_text(self, either_cache):
        """A tag is any text, without a warning about its characters."""
        for tag in ["", " ", "schlüssel ☃", "new\nline", "long" * 1_000]:
            either_cache.set("k", 1, 60, tags=[tag])
            assert either_cache.get("k") == 1
            either_cache.delete_tag(tag)
            assert either_cache.get("k") is None

    def test_one_text_is_no_list(self, either_cache):
        """A forgotten pair of brackets is an error, not as many tags as there are letters."""
        with pytest.raises(ConfigError, match=r"such as \['tag'\]"):
            either_cache.set("k", 1, 60, tags="tag")
        with pytest.raises(ConfigError, match="list of names"):
            either_cache.delete_tags("tag")
        assert not either_cache.has("k")

    @pytest.mark.parametrize("tags", [["red", "blue"], {"red"}, ("red",)], ids=str)
    def test_several_are_no_tag(self, either_cache, tags):
        """Several in the place of one are an error, not a tag that no value has."""
        with pytest.raises(ConfigError, match=r"a tag must be a name.* delete_tags\(tags\)"):
            either_cache.delete_tag(tags)
        with pytest.raises(ConfigError, match="a tag must be a name"):
            either_cache.set("k", 1, 60, tags=[tags])
        assert not either_cache.has("k")

    @pytest.mark.parametrize("lock", [None, True])
    def test_deleted_while_it_is_made(self, either_cache, cache, lock):
        """A tag that is deleted while the function runs deletes what that returns."""

        def make():
            cache.delete_tag("t")
            return "made of what was there before"

        made = either_cache.get_or_set("k", make, 60, tags=["t"], lock=lock)
        assert made == "made of what was there before"
        assert not either_cache.has("k")
        assert either_cache.get_or_set("k", "new", 60, tags=["t"], lock=lock) == "new"
        assert either_cache.get("k") == "new"

    def test_calls_that_look_at_the_value(self, either_cache):
        """What was deleted by a tag is missing for each call that asks for a value."""
        either_cache.set_many({"k": 1, "l": 2}, 60, tags=["t"])
        assert sorted(either_cache.keys()) == ["k", "l"]
        assert either_cache.pop("k") == 1
        assert either_cache.replace("l", 3, 60, tags=["t", "u"]) is True
        assert either_cache.move_version("l", 1) == 2
        assert (either_cache.get("l"), either_cache.get("l", version=2)) == (None, 3)
        either_cache.set("m", 4, 60, tags=["t"])
        either_cache.delete_tag("u")
        assert either_cache.get("m") == 4
        assert 59 <= either_cache.ttl("m") <= 60
        assert not either_cache.has("l", version=2)
        either_cache.delete_tag("t")
        assert either_cache.keys() == []
        assert either_cache.ttl("m") == 0
        assert either_cache.replace("m", 5, 60) is False
        assert either_cache.move_version("m", 1) is None
        assert either_cache.pop("m", "missing") == "missing"

    def test_numbers(self, either_cache):
        """A number with tags is read as one, and is no counter."""
        either_cache.set("n", 5, 60, tags=["t"])
        assert either_cache.get("n") == 5
        with pytest.raises(DecodeError):
            either_cache.incr("n")
        assert either_cache.get("n") == 5


class TestTime:
    def test_tags_outlive_values(self, either_cache, store):
        """A tag is kept for as long as any value that has it, whatever is stored later."""

        def kept():
            (record,) = store.keys(b"kt-tag-")
            return store.get_with_ttl(record)[1]

        for timeout, least in [
            (60, DAY),
            (10 * DAY, 10 * DAY),
            (60, 10 * DAY),
            (30 * DAY, 30 * DAY),
            (None, inf),
            (60, inf),
        ]:
            either_cache.set(f"for {timeout}", 1, timeout, tags=["t"])
            assert kept() >= least - 60
        assert either_cache.get("for None") == 1

    def test_renewing_deletes_nothing(self, stopped_store, clock):
        """A tag that is kept longer for a new value stays the same for the older ones."""
        cache = Cache(stopped_store, Codec(), clock=clock)
        cache.set("first", 1, 60, tags=["t"])
        for timeout in (2 * DAY, 20 * DAY, None, 60):
            cache.set("next", 2, timeout, tags=["t"])
            assert cache.get("first") == 1

    def test_a_lost_tag_is_a_miss(self, either_cache, store):
        """Without its tags' records, or with broken ones, a value does not count."""
        either_cache.set("k", 1, 60, tags=["t"])
        (record,) = [key for key in store.keys(b"") if not key.startswith(b":")]
        store.set(record, b"broken", None)
        assert not either_cache.has("k")
        store.remove(record)
        assert not either_cache.has("k")
        either_cache.set("k", 2, 60, tags=["t"])
        assert either_cache.get("k") == 2

    def test_broken_notes(self, either_cache, store, caplog):
        """A value whose notes are broken is a miss, and a line in the log."""
        store.set(b":1:k", b"\xb1 broken", 60)
        with caplog.at_level(logging.WARNING):
            assert either_cache.get_many(["k"]) == {}
        assert "cut off" in caplog.text

    def test_prolonged(self, either_cache):
        """A value with tags can be given more time."""
        either_cache.set("k", 1, 0.3, tags=["t"])
        assert either_cache.touch("k", 60)
        time.sleep(0.35)
        assert either_cache.get("k") == 1


class Interrupted(StoreWrapper):
    """A store in which somebody else does something just before a call of some kind, once."""

    def __init__(self, store):
        super().__init__(store)
        self.strict = self
        self.before = {}

    def _run(self, operation, call, *args):
        self.before.pop(operation, list)()
        return call(*args)

    async def _arun(self, operation, call, *args):
        self.before.pop(operation, list)()
        return await call(*args)


class TestRaces:
    @pytest.mark.parametrize("way", ["blocking", "asyncio"])
    def test_somebody_else_was_faster(self, cache, store, way):
        """Whoever makes or renews a tag at the same moment as another one has the same tag."""
        interrupted = Interrupted(store)
        mine = Cache(interrupted, Codec())

        def set_mine(value, timeout):
            if way == "blocking":
                return mine.set("mine", value, timeout, tags=["t"])
            return asyncio.run(mine.aset("mine", value, timeout, tags=["t"]))

        interrupted.before["add"] = lambda: cache.set("theirs", 1, 60, tags=["t"])
        assert set_mine(2, 60)
        assert not interrupted.before
        assert cache.get_many(["mine", "theirs"]) == {"mine": 2, "theirs": 1}
        interrupted.before["swap"] = lambda: cache.delete_tag("t")
        assert set_mine(3, 30 * DAY)
        assert not interrupted.before
        assert cache.get_many(["mine", "theirs"]) == {"mine": 3}


class TestTrips:
    @pytest.mark.parametrize(
        ("call", "trips"),
        [
            (lambda cache: cache.get("plain"), 1),
            (lambda cache: cache.get("tagged"), 2),
            (lambda cache: cache.get_many(["plain", "none"]), 1),
            (lambda cache: cache.get_many(["plain", "tagged", "two", "none"]), 2),
            (lambda cache: cache.set("tagged", 1, 60, tags=["t", "u"]), 2),
            (lambda cache: cache.set("plain", 1, 60), 1),
            (lambda cache: cache.delete_tags(["t", "u"]), 1),
            (lambda cache: cache.get_or_set("plain", 1, 60), 1),
            (lambda cache: cache.get_or_set("new", 1, 60), 2),
            (lambda cache: cache.get_or_set("new", 1, 60, lock=True), 5),
        ],
        ids=range(10),
    )
    def test_how_many(self, recorded_store, proxy, call, trips):
        """Tags cost one further request for reading, and those without cost nothing."""
        cache = Cache(recorded_store, Codec())
        cache.set("plain", 1, 60)
        cache.set_many({"tagged": 1, "two": 2}, 60, tags=["t", "u"])
        proxy.forget()
        call(cache)
        assert proxy.trips == trips
