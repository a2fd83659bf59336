"""The session engine ``kt_cache.django.sessions``: a session's life and its end."""

from __future__ import annotations

import asyncio
import datetime as dt
from importlib import import_module

import pytest
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.cache import caches
from django.utils import timezone

from kt_cache.django.sessions import SessionStore
from kt_cache.sessions import SessionStore as Records
from tests.django.session_tools import TWO_WEEKS, ends, made
from tests.support.lifetimes import watch, write
from tests.support.threads import run_threads


@pytest.fixture(autouse=True)
def site(session_site):
    return session_site


class TestLife:
    def test_round_trip(self):
        """What a session holds is there under its id, for the time of the cookie."""
        key = made(user=7, text="ü☃", nested={"a": [1, None, True]})
        assert dict(SessionStore(key).items()) == {
            "user": 7,
            "text": "ü☃",
            "nested": {"a": [1, None, True]},
        }
        assert abs(ends(key) - TWO_WEEKS) < 5
        assert SessionStore().exists(key)

    def test_setting(self, settings):
        """SESSION_ENGINE and SESSION_COOKIE_AGE are what counts."""
        settings.SESSION_COOKIE_AGE = 1_000
        engine = import_module(settings.SESSION_ENGINE)
        session = engine.SessionStore()
        session["a"] = 1
        session.save()
        assert abs(ends(session.session_key) - 1_000) < 5

    def test_unknown_id(self):
        """An id that nobody has is an empty session and gets a new id on saving."""
        session = SessionStore("0" * 32)
        assert session.get("user") is None
        session["user"] = 7
        session.save()
        assert session.session_key not in (None, "0" * 32)
        assert not SessionStore().exists("0" * 32)

    def test_create_is_atomic(self):
        """Of 16 sessions made under one id at the same moment one is; the others are told."""

        def work(me):
            session = SessionStore("a" * 32)
            session._session_cache = {"by": me}
            try:
                session.save(must_create=True)
            except CreateError:
                return False
            return True

        results = run_threads(16, work)
        assert results.count(True) == 1
        assert SessionStore("a" * 32)["by"] == results.index(True)

    def test_create_looks_for_a_free_id(self, monkeypatch):
        """An id that is taken is passed over, and its session left alone."""
        taken = made(user=7)
        fresh = iter([taken, taken, "f" * 32])
        monkeypatch.setattr(SessionStore, "_get_new_session_key", lambda self: next(fresh))
        session = SessionStore()
        session.create()
        assert session.session_key == "f" * 32
        assert SessionStore(taken)["user"] == 7

    def test_ids_are_djangos(self):
        """A new id is 32 of Django's characters, and never the same twice."""
        keys = {made() for _ in range(50)}
        assert len(keys) == 50
        assert all(len(key) == 32 and key.isalnum() and key == key.lower() for key in keys)

    def test_save_never_revives(self):
        """A session deleted meanwhile, by whatever means, stays deleted: UpdateError."""
        for end in (
            lambda key: SessionStore(key).flush(),
            lambda key: SessionStore().delete(key),
            lambda key: caches["default"].flush(),
            lambda key: SessionStore(key).cycle_key(),
        ):
            key = made(user=7)
            mine = SessionStore(key)
            mine["user"] = 8
            end(key)
            with pytest.raises(UpdateError):
                mine.save()
            assert not SessionStore().exists(key)

    def test_save_of_what_was_never_read(self):
        """Saving a session that is gone and was not even read is an UpdateError as well."""
        with pytest.raises(UpdateError):
            SessionStore("0" * 32).save()
        key = made(user=7)
        caches["default"].client.set_bytes(Records.record_key(key), b"unreadable")
        with pytest.raises(UpdateError):
            SessionStore(key).save()
        SessionStore(made(user=7)).save()

    def test_parallel_delete(self):
        """Of requests that save while one logs out none brings the session back."""
        for _ in range(15):
            key = made(n=0)

            sessions = [SessionStore(key) for _ in range(5)]
            assert [session["n"] for session in sessions] == [0] * 5  # all have read it

            def work(me, sessions=sessions):
                if me == 0:
                    sessions[me].delete()
                    return
                with pytest.raises(UpdateError):
                    while True:
                        sessions[me]["n"] = me
                        sessions[me].save()

            run_threads(5, work)
            assert caches["default"].client.count() == 0

    def test_cycle_key(self):
        """A new id takes over the data, and the old one is gone."""
        old = made(user=7)
        session = SessionStore(old)
        session.cycle_key()
        assert session.session_key != old
        assert not session.exists(old)
        assert SessionStore(session.session_key)["user"] == 7

    @pytest.mark.parametrize("is_async", [False, True])
    def test_cycle_key_of_an_ended_session(self, is_async):
        """A session that was ended meanwhile does not go on under a new id, whoever has it."""
        old = made(pin_ok=True)
        session = SessionStore(old)
        assert session["pin_ok"]
        SessionStore().delete(old)
        with pytest.raises(SessionInterrupted):
            asyncio.run(session.acycle_key()) if is_async else session.cycle_key()
        assert session.session_key == old
        assert caches["default"].store.keys(b"") == []

    def test_cycle_key_takes_along(self):
        """What others have changed since the session was loaded goes along to the new id."""
        old = made(a=1)
        session, other = SessionStore(old), SessionStore(old)
        session["b"] = 2
        other["c"] = 3
        other.save()
        session.cycle_key()
        assert dict(session.items()) == {"a": 1, "b": 2, "c": 3}
        assert SessionStore(session.session_key).load() == {"a": 1, "b": 2, "c": 3}

    def test_cycle_key_of_a_new_session(self):
        """A session that was not stored, or whose id nobody has, is stored under a new id."""
        for session in (SessionStore(), SessionStore("0" * 32)):
            session["a"] = 1
            session.cycle_key()
            assert SessionStore(session.session_key).load() == {"a": 1}
        cleared = SessionStore("0" * 32)
        cleared.clear()
        cleared.cycle_key()
        assert cleared.session_key != "0" * 32

    def test_flush(self):
        """Flushing ends the session and forgets its data and id."""
        key = made(user=7)
        session = SessionStore(key)
        assert session["user"] == 7
        session.flush()
        assert session.session_key is None
        assert session.get("user") is None
        assert not session.exists(key)

    def test_delete(self):
        """delete() ends the session named, or this one, or, without an id, nothing."""
        one, two = made(a=1), made(a=2)
        SessionStore(one).delete(two)
        assert SessionStore().exists(one)
        assert not SessionStore().exists(two)
        SessionStore(one).delete()
        assert not SessionStore().exists(one)
        SessionStore().delete()
        SessionStore().delete("0" * 32)

    def test_clear_expired(self):
        """Django's clearsessions has nothing to do, and does not fail."""
        key = made(a=1)
        SessionStore.clear_expired()
        asyncio.run(SessionStore.aclear_expired())
        assert SessionStore().exists(key)

    def test_async(self):
        """The asynchronous methods do the same."""

        async def work():
            session = SessionStore()
            await session.aset("user", 7)
            await session.asave()
            key = session.session_key
            other = SessionStore(key)
            assert await other.aget("user") == 7
            assert await other.aexists(key)
            await other.acycle_key()
            assert not await other.aexists(key)
            assert (await SessionStore(other.session_key).aload()) == {"user": 7}
            await session.aset("user", 8)
            with pytest.raises(UpdateError):
                await session.asave()
            await other.aflush()
            assert other.session_key is None

        asyncio.run(work())


class TestExpiry:
    @pytest.mark.parametrize(
        ("value", "seconds", "browser"),
        [
            (100, 100, False),
            (0, TWO_WEEKS, True),
            (None, TWO_WEEKS, False),
            (dt.timedelta(minutes=5), 300, False),
            (lambda: timezone.now() + dt.timedelta(hours=1), 3_600, False),
            (lambda: dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=30), 2_592_000, False),
        ],
        ids=["seconds", "browser close", "None", "timedelta", "datetime", "aware datetime"],
    )
    def test_set_expiry(self, value, seconds, browser):
        """Each form of set_expiry gives the record that time on the server."""
        key = made(a=1)
        session = SessionStore(key)
        session.set_expiry(value() if callable(value) else value)
        session.save()
        assert abs(ends(key) - seconds) < 5
        assert SessionStore(key).get_expire_at_browser_close() is browser
        assert SessionStore(key)["a"] == 1

    @pytest.mark.parametrize(
        "value",
        [-1, -100_000, dt.timedelta(seconds=-5), dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)],
        ids=["-1", "-100000", "timedelta", "datetime"],
    )
    def test_in_the_past(self, value):
        """An expiry in the past ends the session with the save, a new one is not stored."""
        key = made(a=1)
        session = SessionStore(key)
        session.set_expiry(value)
        session.save()
        assert not SessionStore().exists(key)
        assert ends(key) is None
        fresh = SessionStore()
        fresh.set_expiry(value)
        fresh.save()
        assert not SessionStore().exists(fresh.session_key)

    def test_exact(self):
        """A session is gone when its time is over, exact to a tenth of a second."""
        records = []
        for expiry in (1, 2):
            session = SessionStore()
            session.set_expiry(expiry)
            records.append(write(session, expiry, session.save))
        watch(records, lambda record: SessionStore().exists(record.name.session_key))

    def test_browser_close_setting(self, settings):
        """SESSION_EXPIRE_AT_BROWSER_CLOSE is about the cookie; the record lives its time."""
        settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True
        key = made(a=1)
        assert SessionStore(key).get_expire_at_browser_close()
        assert abs(ends(key) - TWO_WEEKS) < 5

    def test_every_save_starts_anew(self):
        """Saving gives the full time again."""
        key = made(a=1)
        caches["default"].client.set_bytes(
            Records.record_key(key),
            caches["default"].client.get_bytes(Records.record_key(key)),
            expire_time=50,
        )
        session = SessionStore(key)
        session["a"] = 2
        session.save()
        assert abs(ends(key) - TWO_WEEKS) < 5
