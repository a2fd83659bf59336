"""Requests that work on the same session at the same time."""

from __future__ import annotations

import json

import pytest

from kt_cache.cache import Codec
from kt_cache.cache.kyoto import KyotoStore
from kt_cache.errors import SessionConflict
from kt_cache.sessions import SessionOptions, SessionStore
from tests.support.threads import run_threads

ID = "k3yk3yk3yk3yk3yk3yk3yk3yk3yk3y42"


def two_visits(sessions, data):
    """Return what two requests load that come at the same time."""
    sessions.create(ID, data, 60)
    return sessions.load(ID), sessions.load(ID)


class TestMerge:
    def test_different_keys(self, sessions):
        """Both keep what they changed, and the one who saves later sees what the other did."""
        one, two = two_visits(sessions, {"a": 1, "b": 1, "c": 1})
        one.data["a"] = 2
        del one.data["c"]
        two.data["b"] = 2
        assert sessions.save(ID, one.data, 60, one.origin)
        assert sessions.save(ID, two.data, 60, two.origin)
        assert sessions.load(ID).data == two.data == {"a": 2, "b": 2}

    def test_same_key(self, sessions):
        """Of a key that both changed the value saved last counts."""
        one, two = two_visits(sessions, {"a": 1, "b": 1})
        one.data.update(a=2, b=2)
        two.data["a"] = 3
        sessions.save(ID, one.data, 60, one.origin)
        sessions.save(ID, two.data, 60, two.origin)
        assert sessions.load(ID).data == {"a": 3, "b": 2}

    def test_what_nobody_changed_stays_the_same_object(self, sessions):
        """Taking over the other's changes leaves the objects in hand that a view may hold."""
        one, two = two_visits(sessions, {"cart": [1], "seen": 1})
        one.data["seen"] = 2
        cart = two.data["cart"]
        cart.append(2)
        sessions.save(ID, one.data, 60, one.origin)
        origin = sessions.save(ID, two.data, 60, two.origin)
        cart.append(3)
        assert sessions.save(ID, two.data, 60, origin)
        assert sessions.load(ID).data == {"cart": [1, 2, 3], "seen": 2}

    @pytest.mark.parametrize("key", [1, 1.5, True, None])
    def test_keys_that_are_no_text(self, sessions, key):
        """What JSON stores under another name goes when others delete it, and never comes back."""
        name = json.loads(json.dumps({key: 0})).popitem()[0]
        one, two = two_visits(sessions, {key: "both", "a": 1})
        origin = sessions.save(ID, {key: "both", "a": 2}, 60, one.origin)
        two.data.pop(name)
        sessions.save(ID, two.data, 60, two.origin)
        mine = {key: "both", "a": 3}
        origin = sessions.save(ID, mine, 60, origin)
        assert mine == {"a": 3}
        assert sessions.save(ID, mine, 60, origin)
        assert sessions.load(ID).data == {"a": 3}

    def test_keys_that_are_no_text_changed(self, sessions):
        """What others stored under such a name replaces ours; what they left alone stays."""
        one, two = two_visits(sessions, {1: "both", 2: "mine"})
        two.data["1"] = "yours"
        sessions.save(ID, two.data, 60, two.origin)
        mine = {1: "both", 2: "mine", "a": 1}
        assert sessions.save(ID, mine, 60, one.origin)
        assert mine == sessions.load(ID).data == {"1": "yours", "2": "mine", "a": 1}

    def test_saved_again(self, sessions):
        """A second save starts from the first one: nothing of others is lost or undone."""
        one, two = two_visits(sessions, {"a": 1})
        one.data["mine"] = 1
        two.data["yours"] = 1
        first = sessions.save(ID, one.data, 60, one.origin)
        second = sessions.save(ID, two.data, 60, two.origin)
        one.data["mine"] = 2
        two.data["yours"] = 2
        sessions.save(ID, two.data, 60, second)
        sessions.save(ID, one.data, 60, first)
        assert sessions.load(ID).data == {"a": 1, "mine": 2, "yours": 2}

    def test_touched_meanwhile(self, sessions):
        """A save that meets a touch goes on."""
        one, two = two_visits(sessions, {"a": 1})
        two.data["a"] = 2
        assert sessions.touch(ID, 1_000, one.origin)
        assert sessions.save(ID, two.data, 60, two.origin)
        assert sessions.load(ID).data == {"a": 2}

    def test_the_same_twice(self, sessions):
        """Two who store the same are both content."""
        one, two = two_visits(sessions, {"a": 1})
        one.data["a"] = two.data["a"] = 2
        assert sessions.save(ID, one.data, 60, one.origin)
        origin = sessions.save(ID, two.data, 60, two.origin)
        assert 50 < origin.seconds_left <= 60
        assert sessions.save(ID, {"a": 3}, 60, origin)
        assert sessions.load(ID).data == {"a": 3}

    def test_deleted_meanwhile(self, sessions):
        """A session that was deleted is not revived by whoever has loaded it."""
        one, two = two_visits(sessions, {"a": 1})
        one.data["a"] = 2
        sessions.delete(ID)
        for _ in range(2):
            assert sessions.save(ID, one.data, 60, one.origin) is None
            assert sessions.touch(ID, 1_000, two.origin) is None
        assert sessions.load(ID) is None

    def test_unreadable_meanwhile(self, sessions):
        """What somebody else made unreadable counts as gone."""
        one, _ = two_visits(sessions, {"a": 1})
        one.data["a"] = 2
        sessions.store.client.set_bytes(sessions.record_key(ID), b"broken")
        assert sessions.save(ID, one.data, 60, one.origin) is None


def by_data(data):
    """A lifetime that the session itself has."""
    return data.get("seconds", 1_000)


class TestLifetime:
    """A lifetime that depends on the data is that of what is stored."""

    @pytest.mark.parametrize("mode", ["merge", "error"])
    @pytest.mark.parametrize("seconds", [50, 100_000])
    def test_by_the_merged_data(self, open_sessions, store, mode, seconds):
        """Who saves later gives the session the time that the other one gave it."""
        sessions = open_sessions(store, mode=mode)
        one, two = two_visits(sessions, {"a": 1})
        one.data["seconds"] = seconds
        two.data["a"] = 2
        assert sessions.save(ID, one.data, by_data, one.origin)
        origin = sessions.keep(ID, two.data, by_data, two.origin)
        data, found = sessions.load(ID)
        assert data == {"a": 2, "seconds": seconds}
        for left in (origin.seconds_left, found.seconds_left):
            assert seconds - 30 < left <= seconds

    @pytest.mark.parametrize("mode", ["merge", "error", "last-write"])
    def test_by_ours(self, open_sessions, store, mode):
        """Where there is nothing to merge it is that of the data in hand."""
        sessions = open_sessions(store, mode=mode)
        one, two = two_visits(sessions, {"a": 1})
        sessions.touch(ID, 5_000, one.origin)
        two.data["seconds"] = 100_000
        origin = sessions.save(ID, two.data, by_data, two.origin)
        assert 99_900 < origin.seconds_left <= 100_000
        assert 99_900 < sessions.load(ID).origin.seconds_left <= 100_000
        assert sessions.keep(ID, two.data | {"seconds": 50}, by_data, origin)
        assert sessions.load(ID).origin.seconds_left <= 50

    @pytest.mark.parametrize("name", ["save", "move"])
    def test_none_left(self, sessions, name):
        """A session that has no time by what others stored is over."""
        one, two = two_visits(sessions, {"a": 1})
        sessions.save(ID, one.data | {"seconds": -1}, 60, one.origin)
        two.data["a"] = 2
        ids = (ID, "new") if name == "move" else (ID,)
        getattr(sessions, name)(*ids, two.data, by_data, two.origin)
        assert [sessions.load(each) for each in ids] == [None] * len(ids)

    @pytest.mark.parametrize("mode", ["merge", "error"])
    def test_moved(self, open_sessions, store, mode):
        """It goes along to a new id."""
        sessions = open_sessions(store, mode=mode)
        one, two = two_visits(sessions, {"a": 1})
        sessions.save(ID, one.data | {"seconds": 100_000}, by_data, one.origin)
        two.data["a"] = 2
        assert sessions.move(ID, "new", two.data, by_data, two.origin)
        assert sessions.load("new").origin.seconds_left > 99_900


class TestError:
    def test_different_keys(self, open_sessions, store):
        """Changes of different keys are no conflict."""
        sessions = open_sessions(store, mode="error")
        one, two = two_visits(sessions, {"a": 1, "b": 1})
        one.data["a"] = two.data["b"] = 2
        sessions.save(ID, one.data, 60, one.origin)
        sessions.save(ID, two.data, 60, two.origin)
        assert sessions.load(ID).data == {"a": 2, "b": 2}

    def test_same_key(self, open_sessions, store):
        """Who saves a key later that both changed is told, and nothing of theirs is stored."""
        sessions = open_sessions(store, mode="error")
        one, two = two_visits(sessions, {"a": 1, "b": 1, "secret": "4111"})
        one.data["a"] = 2
        two.data.update(a=3, b=3)
        sessions.save(ID, one.data, 60, one.origin)
        with pytest.raises(SessionConflict, match="'a'") as caught:
            sessions.save(ID, two.data, 60, two.origin)
        assert "4111" not in str(caught.value)
        assert ID not in str(caught.value)
        assert sessions.load(ID).data == {"a": 2, "b": 1, "secret": "4111"}
        assert two.data["a"] == 3

    def test_same_value(self, open_sessions, store):
        """Both changing a key to the same value is a conflict: it may be a count."""
        sessions = open_sessions(store, mode="error")
        one, two = two_visits(sessions, {"a": 1})
        one.data["a"] = two.data["a"] = 2
        sessions.save(ID, one.data, 60, one.origin)
        with pytest.raises(SessionConflict, match="'a'"):
            sessions.save(ID, two.data, 60, two.origin)


class TestLastWrite:
    def test_replaces_all(self, open_sessions, store):
        """The one who saves last decides on everything, but never revives."""
        sessions = open_sessions(store, mode="last-write")
        one, two = two_visits(sessions, {"a": 1})
        one.data["b"] = 2
        two.data["c"] = 3
        sessions.save(ID, one.data, 60, one.origin)
        origin = sessions.save(ID, two.data, 60, two.origin)
        assert sessions.load(ID).data == {"a": 1, "c": 3}
        assert sessions.touch(ID, 1_000, origin)
        assert sessions.save(ID, {"d": 4}, 60, origin)
        sessions.delete(ID)
        assert sessions.save(ID, {"d": 4}, 60, origin) is None
        assert sessions.touch(ID, 1_000, origin) is None
        assert sessions.load(ID) is None


class TestMany:
    THREADS, TIMES = 8, 200

    def test_a_key_each(self, store):
        """Of 8 threads that count in a key of their own nobody loses anything."""
        sessions = SessionStore(store, Codec("json"))
        sessions.create(ID, {}, 60)

        def work(me):
            for _ in range(self.TIMES):
                data, origin = sessions.load(ID)
                data[f"by {me}"] = data.get(f"by {me}", 0) + 1
                assert sessions.save(ID, data, 60, origin)

        run_threads(self.THREADS, work)
        assert sessions.load(ID).data == {f"by {me}": self.TIMES for me in range(self.THREADS)}

    def test_one_key(self, store):
        """In the mode "error" they may share one: who is told of a conflict counts anew."""
        sessions = SessionStore(store, Codec("json"), SessionOptions(mode="error"))
        sessions.create(ID, {"n": 0}, 60)

        def work(me):
            for _ in range(self.TIMES):
                saved = False
                while not saved:
                    data, origin = sessions.load(ID)
                    data["n"] += 1
                    saved = self.is_saved(sessions, data, origin)

        run_threads(self.THREADS, work)
        assert sessions.load(ID).data == {"n": self.THREADS * self.TIMES}

    @staticmethod
    def is_saved(sessions, data, origin):
        try:
            return sessions.save(ID, data, 60, origin) is not None
        except SessionConflict:
            return False


class NeverStill(KyotoStore):
    """Before every swap somebody else changes the session."""

    def __init__(self, config, others):
        super().__init__(config)
        self.others = others
        self.swaps = 0

    def swap_record(self, *args):
        self.swaps += 1
        data, origin = self.others.load(ID)
        self.others.save(ID, data | {"others": self.swaps}, 60, origin)
        return super().swap_record(*args)


@pytest.mark.parametrize(("mode", "least", "most"), [("merge", 7, 10_000), ("error", 6, 6)])
def test_it_is_not_tried_for_ever(store, monkeypatch, mode, least, most):
    """A session that never stays the same is tried for a while, in the mode error six times.

    Nothing of ours is stored.
    """
    monkeypatch.setattr("kt_cache.sessions.saving._PATIENCE", 1.0)
    others = SessionStore(store, Codec("json"))
    others.create(ID, {"a": 1}, 60)
    restless = NeverStill(store.config, others)
    sessions = SessionStore(restless, Codec("json"), SessionOptions(mode=mode))
    data, origin = sessions.load(ID)
    with pytest.raises(SessionConflict, match="kept changing"):
        sessions.save(ID, data | {"a": 2}, 60, origin)
    assert least <= restless.swaps <= most
    assert others.load(ID).data == {"a": 1, "others": restless.swaps}
