"""Sliding expiry: a session in use lives on, for few writes."""

from __future__ import annotations

import time

import pytest

from kt_cache.cache import Codec
from kt_cache.errors import ConfigError
from kt_cache.sessions import SessionOptions, SessionStore

ID = "k3yk3yk3yk3yk3yk3yk3yk3yk3yk3y42"


@pytest.fixture
def recorded(open_sessions, recorded_store, proxy):
    """Make a session store whose round trips are counted, with a session that has a time left."""

    def make(left, **options):
        sessions = open_sessions(recorded_store, **options)
        sessions.create(ID, {"a": 1}, left)
        loaded = sessions.load(ID)
        proxy.forget()
        return sessions, loaded

    return make


def left_of(sessions):
    return sessions.load(ID).origin.seconds_left


class TestTouch:
    def test_fresh(self, recorded, proxy):
        """As long as nine tenths of its lifetime are left nothing is sent."""
        sessions, loaded = recorded(910)
        assert sessions.touch(ID, 1_000, loaded.origin) == loaded.origin
        assert sessions.keep(ID, loaded.data, 1_000, loaded.origin) == loaded.origin
        assert proxy.trips == 0

    def test_due(self, recorded, proxy):
        """Then it gets its whole lifetime anew in one round trip, once, and keeps its data."""
        sessions, loaded = recorded(890)
        origin = sessions.touch(ID, 1_000, loaded.origin)
        assert sessions.touch(ID, 1_000, origin) == origin
        assert proxy.trips == 1
        assert 990 < left_of(sessions) <= 1_000
        assert sessions.load(ID).data == {"a": 1}

    def test_save_behind_a_touch(self, recorded, proxy):
        """A save behind a touch is one round trip as well."""
        sessions, loaded = recorded(890)
        origin = sessions.touch(ID, 1_000, loaded.origin)
        assert sessions.save(ID, {"a": 2}, 1_000, origin)
        assert proxy.trips == 2

    def test_shortened(self, recorded, proxy):
        """A lifetime that was made shorter is given at once."""
        sessions, loaded = recorded(1_000)
        assert sessions.touch(ID, 100, loaded.origin)
        assert proxy.trips == 1
        assert 90 < left_of(sessions) <= 100

    @pytest.mark.parametrize(("part", "trips"), [(0, 1), (0.05, 1), (0.5, 0), (0.99, 0)])
    def test_another_part(self, recorded, proxy, part, trips):
        """The option touch_after says how much of it must be over; 0 is for every time."""
        sessions, loaded = recorded(900, touch_after=part)
        sessions.touch(ID, 1_000, loaded.origin)
        assert proxy.trips == trips

    def test_keep_saves_what_changed(self, recorded, proxy):
        """Keep notices a change inside of a value, and saves it."""
        sessions, loaded = recorded(1_000)
        loaded.data["a"] = [1]
        origin = sessions.keep(ID, loaded.data, 1_000, loaded.origin)
        assert proxy.trips == 1
        loaded.data["a"].append(2)
        assert sessions.keep(ID, loaded.data, 1_000, origin)
        assert sessions.load(ID).data == {"a": [1, 2]}

    def test_no_time_left(self, recorded):
        """A lifetime of zero or below ends the session."""
        for lifetime in (0, -5):
            sessions, loaded = recorded(1_000)
            assert sessions.touch(ID, lifetime, loaded.origin)
            assert sessions.load(ID) is None
            assert sessions.touch(ID, lifetime, loaded.origin) is None

    def test_touched_by_another(self, recorded, proxy):
        """Of two who touch, the second one asks whether the session is there, and is content."""
        sessions, loaded = recorded(500)
        assert sessions.touch(ID, 1_000, loaded.origin)
        proxy.forget()
        origin = sessions.touch(ID, 1_000, loaded.origin)
        assert proxy.trips == 2
        assert sessions.touch(ID, 1_000, origin) == origin
        assert proxy.trips == 2
        assert sessions.load(ID).data == {"a": 1}

    def test_changed_by_another(self, recorded):
        """A save behind a touch that came too late loses nothing of what another has stored."""
        sessions, loaded = recorded(500)
        sessions.save(ID, {"a": 1, "b": 2}, 500, sessions.load(ID).origin)
        origin = sessions.touch(ID, 1_000, loaded.origin)
        assert sessions.save(ID, {"a": 1, "c": 3}, 1_000, origin)
        assert sessions.load(ID).data == {"a": 1, "b": 2, "c": 3}

    def test_another_lifetime(self, recorded):
        """A lifetime that another request gave with its changes is not overruled."""
        sessions, loaded = recorded(500)
        sessions.save(ID, {"short": True}, 50, sessions.load(ID).origin)
        assert sessions.touch(ID, 1_000, loaded.origin)
        assert left_of(sessions) < 60

    def test_in_use(self, store):
        """A session that is used now and then outlives its lifetime; unused it ends."""
        sessions = SessionStore(store, Codec("json"))
        sessions.create(ID, {"a": 1}, 1)
        began = time.monotonic()
        while time.monotonic() - began < 1.5:
            loaded = sessions.load(ID)
            assert loaded is not None
            sessions.touch(ID, 1, loaded.origin)
            time.sleep(0.1)
        time.sleep(1.1)
        assert sessions.load(ID) is None


class TestOptions:
    @pytest.mark.parametrize("part", [-0.1, 1, 1.5, True, "0.1", None, float("nan")])
    def test_touch_after(self, part):
        """It is a part of the lifetime, and not the whole: then the session would be over."""
        with pytest.raises(ConfigError, match="touch_after"):
            SessionOptions(touch_after=part)

    @pytest.mark.parametrize("name", ["mode", "on_failure"])
    def test_choices(self, name):
        """A choice that is none names those that are."""
        with pytest.raises(ConfigError, match=f"{name}: unknown choice 'x'; known are: "):
            SessionOptions(**{name: "x"})
        with pytest.raises(ConfigError, match="did you mean 'last-write'"):
            SessionOptions(mode="last_write")

    def test_names(self):
        """A name that nobody knows comes with the nearest that is known."""
        with pytest.raises(ConfigError, match="'touch_afer'; did you mean 'touch_after'"):
            SessionOptions.read({"touch_afer": 0.5})
        with pytest.raises(ConfigError, match="dictionary"):
            SessionOptions.read(["mode"])
        assert SessionOptions.read({"mode": "error"}) == SessionOptions(mode="error")
