"""Listing a user's sessions and ending them, free of any framework."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kt_cache.cache import Cache, Codec, pop_codec
from kt_cache.cache.base import USER_PREFIX
from kt_cache.cache.kyoto import KyotoStore
from kt_cache.cache.signing import Signer
from kt_cache.errors import (
    ConfigError,
    ConnectionClosed,
    DecodeError,
    EncodeError,
    OutcomeUnknown,
    SessionConflict,
    SessionUnavailable,
)
from kt_cache.serializers import KT_JSON
from kt_cache.sessions import Owned, SessionOptions, SessionStore, UserSessions
from kt_cache.sessions.user_index import Entry, UserIndexFormat
from kt_cache.transport import PoolConfig
from tests.support.over_asyncio import OverAsyncio, loop_in_a_thread
from tests.support.stores import shifted_clock
from tests.support.threads import run_threads

LIFETIME = 1000.0
ADDRESS = "2001:db8::7"
AGENT = "Mozilla/5.0 (X11; Linux x86_64)"


NOTING = SessionOptions(note_visitors=["address", "agent"])


class Login:
    """What a framework does with sessions of users.

    :param users: the user sessions, or the same over asyncio.
    """

    def __init__(self, users: Any, sessions: SessionStore) -> None:
        self.users = users
        self.sessions = sessions

    def begin(self, user: object, session_id: str, **noted: Any) -> bool:
        """Begin a session; whether it was not ended at once."""
        assert self.users.note(user, session_id, **noted)
        assert self.sessions.create(session_id, {"user": user}, LIFETIME)
        return self._still_known(user, session_id)

    def end(self, user: object, session_id: str) -> None:
        self.sessions.delete(session_id)
        self.users.forget(user, session_id)

    def change_id(self, user: object, old: str, new: str) -> bool:
        """Go on under a new id; whether the session had not been ended."""
        if not self.users.note(user, new, continues=old):
            return False
        self.sessions.create(new, {"user": user}, LIFETIME)
        known = self._still_known(user, new)
        self.end(user, old)
        return known

    def _still_known(self, user: object, session_id: str) -> bool:
        known = self.users.knows(user, session_id)
        if not known:
            self.sessions.delete(session_id)
        return known


@pytest.fixture
def sessions(store):
    return SessionStore(store, Codec(KT_JSON), NOTING)


def users_of(sessions, realm="test", lifetime=LIFETIME, **options):
    return UserSessions(sessions, realm=realm, lifetime_of=lambda data: lifetime, **options)


@pytest.fixture(params=["blocking", "asyncio"])
def users(request, sessions):
    """The user sessions, once with the blocking methods and once with the a-methods."""
    if request.param == "blocking":
        yield users_of(sessions)
        return
    with loop_in_a_thread() as loop:
        yield OverAsyncio(users_of(sessions), loop)


@pytest.fixture
def login(users, sessions):
    return Login(users, sessions)


def index_records(store):
    return store.keys(USER_PREFIX)


def raising(error):
    def save():
        raise error

    return save


class TestList:
    def test_each_user_has_their_own(self, login, users):
        """A user's sessions are listed with what is known of them, and nobody else's."""
        before = datetime.now(timezone.utc)
        login.begin(7, "at home", address=ADDRESS, agent=AGENT)
        login.begin(7, "on the phone")
        login.begin(8, "of another")
        after = datetime.now(timezone.utc)
        listed = users.sessions_of(7, current="at home")
        assert len(listed) == 2
        (home,) = (session for session in listed if session.current)
        (phone,) = (session for session in listed if not session.current)
        assert (home.address, home.agent) == (ADDRESS, AGENT)
        assert (phone.address, phone.agent) == (None, None)
        for session in listed:
            assert before <= session.created <= session.last_seen
            assert session.created <= after
        assert len(users.sessions_of(8)) == 1
        assert users.sessions_of(9) == []

    @pytest.mark.parametrize("notes", [[], ["address"], ["agent"], ("agent", "address")])
    def test_only_what_is_to_be_noted(self, store, notes):
        """Of visitors nothing is kept but what the options name."""
        sessions = SessionStore(store, Codec(KT_JSON), SessionOptions(note_visitors=notes))
        users = users_of(sessions)
        Login(users, sessions).begin(7, "one", address=ADDRESS, agent=AGENT)
        (session,) = users.sessions_of(7)
        assert session.address == (ADDRESS if "address" in notes else None)
        assert session.agent == (AGENT if "agent" in notes else None)

    def test_ids_count_as_text(self, login, users):
        """Whether an id is a number or its text, it is the same user."""
        login.begin(7, "one")
        assert len(users.sessions_of("7")) == 1
        login.begin("käthe ☃", "two")
        assert len(users.sessions_of("käthe ☃")) == 1

    @pytest.mark.parametrize("nobody", [None, ""])
    def test_nobody(self, users, nobody):
        """Who has no id has no sessions, and asking for them is a mistake."""
        for call in (users.sessions_of, users.kill_sessions):
            with pytest.raises(ConfigError, match="whose sessions"):
                call(nobody)
        with pytest.raises(ConfigError):
            users.note(nobody, "id")

    def test_realms_are_apart(self, login, users, sessions):
        """User 7 of one kind of site is not user 7 of another."""
        login.begin(7, "one")
        other = users_of(sessions, "another realm")
        assert other.sessions_of(7) == []
        assert other.kill_sessions(7) == 0
        assert sessions.exists("one")

    def test_long_texts_are_cut(self, login, users):
        """What a browser sends takes little room."""
        login.begin(7, "one", address="a" * 10_000, agent="b" * 10_000)
        (session,) = users.sessions_of(7)
        assert (len(session.address), len(session.agent)) == (64, 200)

    def test_texts_control_no_terminal(self, login, users):
        """What a browser sends is shown in terminals, too, and holds nothing that controls one."""
        login.begin(7, "one", address="1.2.3.4\n", agent="a\x1b[2Jb\x00\ud800ü☃")
        (session,) = users.sessions_of(7)
        assert session.address == "1.2.3.4\ufffd"
        assert session.agent == "a\ufffd[2Jb\ufffd\ufffdü☃"

    def test_handles(self, login, users, sessions):
        """A handle names one session, and is neither its id nor part of its record's key."""
        for number in range(5):
            login.begin(7, f"id-{number}")
        handles = {session.handle for session in users.sessions_of(7)}
        assert len(handles) == 5
        keys = b"".join(sessions.store.keys(b"")).decode()
        for handle in handles:
            assert len(handle) == 16
            assert handle not in keys

    def test_no_id_is_stored(self, login, users, sessions):
        """Neither the index nor what is listed holds a session's id."""
        login.begin(7, "secret-session-id", agent=AGENT)
        (key,) = index_records(sessions.store)
        assert b"secret" not in key + sessions.store.get(key)
        assert "secret" not in repr(users.sessions_of(7))
        assert "secret" not in repr(Owned("7", "a secret id"))

    def test_current_is_none_of_them(self, login, users):
        """An id of somebody else's session, or of none, marks nothing."""
        login.begin(7, "one")
        for current in (None, "", "two", "x" * 100_000):
            assert [session.current for session in users.sessions_of(7, current)] == [False]


class TestLastSeen:
    def make(self, sessions, lifetime):
        """A session whose login was 5000 s ago, and that has 600 s left now."""
        users_of(sessions, clock=shifted_clock(-5_000)).note(7, "one")
        sessions.create("one", {"a": 1}, 600)
        (session,) = users_of(sessions, lifetime=lifetime).sessions_of(7)
        now = time.time()
        return now - session.created.timestamp(), now - session.last_seen.timestamp()

    def test_by_what_it_has_left(self, sessions):
        """Of 1000 s there are 600 left: it was stored 400 s ago."""
        created, seen = self.make(sessions, LIFETIME)
        assert 4_990 < created < 5_030
        assert 398 < seen < 430

    def test_whole_seconds(self, sessions):
        """It is told by the second: what a session has left cannot be told by the microsecond."""
        users_of(sessions, clock=shifted_clock(-5_000)).note(7, "one")
        sessions.create("one", {"a": 1}, 600.5)
        (session,) = users_of(sessions, lifetime=LIFETIME).sessions_of(7)
        assert session.last_seen.microsecond == 0

    @pytest.mark.parametrize("lifetime", [None, 100_000])
    def test_not_before_the_login(self, sessions, lifetime):
        """Where the lifetime cannot be told, or is another one now, it is the login."""
        created, seen = self.make(sessions, lifetime)
        assert seen == created

    def test_not_in_the_future(self, sessions):
        """A session that has more left than its lifetime was seen just now."""
        _, seen = self.make(sessions, 10)
        assert -1 < seen < 30

    def test_order(self, sessions):
        """Those last seen come first."""
        for left in (300, 900, 600):
            users_of(sessions, clock=shifted_clock(-5_000)).note(7, f"{left}")
            sessions.create(f"{left}", {}, left)
        ages = [
            time.time() - one.last_seen.timestamp() for one in users_of(sessions).sessions_of(7)
        ]
        assert [round(age, -2) for age in ages] == [100, 400, 700]


class TestKill:
    def test_all(self, login, users, sessions):
        """All of a user's sessions end at once, and nobody else's."""
        for number in range(3):
            login.begin(7, f"id-{number}")
        login.begin(8, "other")
        assert users.kill_sessions(7) == 3
        assert [sessions.load(f"id-{number}") for number in range(3)] == [None] * 3
        assert users.sessions_of(7) == []
        assert sessions.exists("other")
        assert users.kill_sessions(7) == 0

    def test_all_others(self, login, users, sessions):
        """One can be spared."""
        for number in range(3):
            login.begin(7, f"id-{number}")
        assert users.kill_sessions(7, "id-1") == 2
        assert [sessions.exists(f"id-{number}") for number in range(3)] == [False, True, False]
        assert [session.current for session in users.sessions_of(7, "id-1")] == [True]

    def test_all_but_some(self, login, users, sessions):
        """Several can be spared by their handles."""
        for number in range(4):
            login.begin(7, f"id-{number}")
        (handle,) = (one.handle for one in users.sessions_of(7, "id-2") if one.current)
        assert users.kill_sessions(7, "id-0", except_handles=[handle]) == 2
        assert [sessions.exists(f"id-{number}") for number in range(4)] == [True, False] * 2

    def test_one(self, login, users, sessions):
        """One can be ended by its handle, by its own user only."""
        login.begin(7, "one")
        login.begin(7, "two")
        login.begin(8, "other")
        (handle,) = (one.handle for one in users.sessions_of(7, "one") if one.current)
        assert users.kill_session(8, handle) is False
        assert users.kill_session(7, "no handle") is False
        assert sessions.exists("one")
        assert users.kill_session(7, handle) is True
        assert users.kill_session(7, handle) is False
        assert [sessions.exists(name) for name in ("one", "two", "other")] == [False, True, True]

    def test_a_slow_request_revives_nothing(self, login, users, sessions):
        """What a request saves whose session was killed meanwhile is not stored."""
        login.begin(7, "one")
        origin = sessions.load("one").origin
        users.kill_sessions(7)
        assert sessions.save("one", {"user": 7, "more": 1}, LIFETIME, origin) is None
        assert sessions.save("one", {"user": 7, "more": 1}, LIFETIME) is None
        assert sessions.touch("one", 5 * LIFETIME, origin) is None
        assert sessions.store.keys(b"") == []

    def test_interrupted(self, store):
        """A kill that fails half way leaves the sessions listed, and can be done again."""

        class Failing(KyotoStore):
            is_failing = True

            def remove_many(self, keys):
                if self.is_failing:
                    raise ConnectionClosed("gone")
                return super().remove_many(keys)

        failing = Failing(store.config)
        sessions = SessionStore(failing, Codec(KT_JSON))
        users = users_of(sessions)
        assert Login(users, sessions).begin(7, "one")
        with pytest.raises(SessionUnavailable):
            users.kill_sessions(7)
        assert len(users.sessions_of(7)) == 1
        assert users.note(7, "two", continues="one") is False
        failing.is_failing = False
        assert users.kill_sessions(7) == 1
        assert sessions.store.keys(b"") == []

    def test_a_login_that_is_overtaken(self, login, users, sessions):
        """A kill between the note and the record: the login finds out and is refused."""
        users.note(7, "one")
        assert users.kill_sessions(7) == 0
        sessions.create("one", {}, LIFETIME)
        assert users.knows(7, "one") is False


class FailingIndex(KyotoStore):
    """Writes no index record while it ``is_failing``."""

    is_failing = False

    def swap(self, key, *arguments):
        self._fail(key)
        return super().swap(key, *arguments)

    def swap_record(self, key, *arguments):
        self._fail(key)
        return super().swap_record(key, *arguments)

    def _fail(self, key):
        if self.is_failing and key.startswith(USER_PREFIX):
            raise ConnectionClosed("gone")


class TestStore:
    """What the adapters call: note, save, look again."""

    def store(self, users, save, now=None, before=None):
        return users.store(now or Owned("7", "one"), before, save, lambda: None)

    def test_stored(self, sessions):
        """The session is in the index before it is stored, and afterwards."""
        users = users_of(sessions)
        noted = []

        def save():
            noted.append(users.knows(7, "one"))
            sessions.create("one", {}, LIFETIME)

        assert self.store(users, save)
        assert noted == [True]
        assert len(users.sessions_of(7)) == 1

    @pytest.mark.parametrize("error", [SessionConflict, EncodeError, TypeError, RuntimeError])
    def test_refused(self, sessions, error):
        """A session that could not be stored is not in the index; the error is raised."""
        users = users_of(sessions)
        with pytest.raises(error):
            self.store(users, raising(error))
        assert not users.knows(7, "one")

    def test_refused_while_the_index_fails(self, store):
        """Nor is that error hidden by another one."""
        failing = FailingIndex(store.config)

        def save():
            failing.is_failing = True
            raise SessionConflict("others changed the session")

        with pytest.raises(SessionConflict):
            self.store(users_of(SessionStore(failing, Codec(KT_JSON))), save)

    @pytest.mark.parametrize("error", [SessionUnavailable, OutcomeUnknown, KeyboardInterrupt])
    def test_perhaps_stored(self, sessions, error):
        """One that may have been stored stays there, so that it can be ended."""
        users = users_of(sessions)
        with pytest.raises(BaseException) as caught:
            self.store(users, raising(error))
        assert isinstance(caught.value.__cause__ or caught.value, error)
        assert users.knows(7, "one")

    def test_other_user(self, sessions):
        """A session that changes its user changes from list to list."""
        users = users_of(sessions)
        sessions.create("one", {}, LIFETIME)
        assert self.store(users, lambda: None)
        assert self.store(users, lambda: None, Owned("8", "one"), Owned("7", "one"))
        assert (users.sessions_of(7), len(users.sessions_of(8))) == ([], 1)
        assert users.store(None, Owned("8", "one"), lambda: None, lambda: None)
        assert users.sessions_of(8) == []

    def test_new_id(self, sessions):
        """One that has moved to another id is listed under that alone, as the one that it was."""
        users = users_of(sessions)
        assert self.store(users, lambda: sessions.create("one", {}, LIFETIME))
        (before,) = users.sessions_of(7)

        def move():
            sessions.create("two", {}, LIFETIME)
            sessions.delete("one")

        assert self.store(users, move, Owned("7", "two"), Owned("7", "one"))
        assert not users.knows(7, "one")
        (after,) = users.sessions_of(7, "two")
        assert (after.current, after.created) == (True, before.created)

    @pytest.mark.parametrize("now", [None, Owned("8", "one"), Owned("7", "two")])
    def test_stored_though_the_index_fails_then(self, store, now):
        """What is stored counts as stored, also if its earlier entry cannot be removed."""
        failing = FailingIndex(store.config)
        sessions = SessionStore(failing, Codec(KT_JSON))
        users = users_of(sessions, owner_of=lambda data: data["user"])
        assert self.store(users, lambda: sessions.create("one", {"user": 7}, LIFETIME))

        def save():
            sessions.delete("one")
            if now is not None:
                sessions.create(now.session_id, {"user": now.user}, LIFETIME)
            failing.is_failing = True

        assert users.store(now, Owned("7", "one"), save, lambda: None)
        failing.is_failing = False
        assert users.knows(7, "one")  # it could not be removed
        is_theirs = now is not None and now.user == "7"
        assert len(users.sessions_of(7)) == is_theirs

    def test_coroutine_functions(self, sessions):
        """On an event loop saving and discarding may be awaited."""
        users = users_of(sessions)
        done = []

        async def save():
            await sessions.acreate("one", {}, LIFETIME)
            await users.akill_sessions(7)
            done.append("saved")

        async def discard():
            done.append("discarded")

        assert asyncio.run(users.astore(Owned("7", "one"), None, save, discard)) is False
        assert done == ["saved", "discarded"]


class TestEnds:
    def test_logout(self, login, users, sessions):
        """A session that was ended is not listed; the last one takes the index with it."""
        login.begin(7, "one")
        login.begin(7, "two")
        login.end(7, "one")
        assert len(users.sessions_of(7)) == 1
        assert users.forget(7, "one") is False
        login.end(7, "two")
        assert sessions.store.keys(b"") == []

    def test_over(self, login, users, sessions):
        """What is over is not listed, and after a while not in the index any more."""
        login.begin(7, "one")
        users_of(sessions, clock=shifted_clock(-100)).note(7, "two")
        sessions.create("two", {}, LIFETIME)
        sessions.delete("one")
        assert len(users.sessions_of(7)) == 1
        assert users.knows(7, "one")  # it may be one that is not stored yet
        sessions.delete("two")
        assert users.sessions_of(7) == []
        assert not users.knows(7, "two")
        users_of(sessions, clock=shifted_clock(100)).sessions_of(7)
        assert sessions.store.keys(b"") == []

    @pytest.mark.parametrize("data", [{"cart": 1}, {"user": "8"}, {"user": None}])
    def test_written_over(self, store, sessions, data):
        """A session that has lost its user, or has another one, is not listed any more.

        Whoever wrote it may not have known whose it was. After a while it leaves the index, too.
        """
        users = users_of(sessions, owner_of=lambda data: data.get("user"))
        late = users_of(sessions, owner_of=lambda data: data.get("user"), clock=shifted_clock(100))
        for name in ("one", "two"):
            users.note(7, name)
            sessions.create(name, {"user": "7"}, LIFETIME)
        sessions.save("one", data, LIFETIME)
        assert len(users.sessions_of(7)) == 1
        assert users.knows(7, "one")  # it may be about to be stored with the user
        assert len(late.sessions_of(7)) == 1
        assert not users.knows(7, "one")
        assert users.knows(7, "two")

    def test_unreadable_sessions(self, login, users, sessions):
        """A session that nobody can read is not listed, and can be ended."""
        for number, record in enumerate([b"garbage", b"\x82[1]", b"17"]):
            login.begin(7, f"id-{number}")
            sessions.store.client.set_bytes(sessions.record_key(f"id-{number}"), record)
        assert users.sessions_of(7) == []
        assert users.kill_sessions(7) == 3
        assert sessions.store.keys(b"") == []

    def test_sweep(self, login, users, sessions):
        """Sweeping leaves those sessions in the indexes that still are, of all users."""
        early = users_of(sessions, clock=shifted_clock(-100))
        for user, number in itertools.product(range(30), range(2)):
            early.note(user, f"{user}-{number}")
            if user < 10 and number:
                sessions.create(f"{user}-{number}", {}, LIFETIME)
        users.note(99, "just being stored")
        assert users.sweep() == 50
        assert len(index_records(sessions.store)) == 11
        assert [len(users.sessions_of(user)) for user in range(30)] == [1] * 10 + [0] * 20
        assert users.sweep() == 0


class TestNewId:
    def test_just_being_stored(self, login, users, sessions):
        """An old session has as long as a new one to be stored under its new id."""
        early = users_of(sessions, clock=shifted_clock(-5_000))
        assert early.note(7, "old")
        sessions.create("old", {}, LIFETIME)
        assert users.note(7, "new", continues="old")
        sessions.delete("old")
        assert users.sweep() == 1
        assert users.knows(7, "new")

    def test_goes_on(self, login, users, sessions):
        """A session under a new id is still the one that began then and there."""
        login.begin(7, "old", address=ADDRESS, agent=AGENT)
        (before,) = users.sessions_of(7)
        assert login.change_id(7, "old", "new")
        (after,) = users.sessions_of(7, "new")
        assert after.current
        assert (after.created, after.address, after.agent) == (before.created, ADDRESS, AGENT)
        assert not users.knows(7, "old")

    def test_not_after_a_kill(self, login, users, sessions):
        """A killed session does not go on under another id."""
        login.begin(7, "old")
        users.kill_sessions(7)
        assert login.change_id(7, "old", "new") is False
        assert users.sessions_of(7) == []
        assert sessions.store.keys(b"") == []

    def test_not_after_its_end(self, login, users, sessions):
        """Nor does one whose record is gone, though whoever ended it left it in the index."""
        login.begin(7, "old")
        sessions.delete("old")
        assert login.change_id(7, "old", "new") is False
        assert users.sessions_of(7) == []

    def test_killed_between_the_steps(self, login, users, sessions):
        """A kill between the note and the record ends the new session as well as the old one."""
        login.begin(7, "old")
        assert users.note(7, "new", continues="old")
        users.kill_sessions(7)
        sessions.create("new", {}, LIFETIME)
        assert not users.knows(7, "new")

    def test_not_in_the_index(self, login, users, sessions):
        """A session that was stored without the index comes into it."""
        sessions.create("old", {}, LIFETIME)
        assert login.change_id(7, "old", "new")
        assert len(users.sessions_of(7)) == 1


class TestMost:
    def test_the_oldest_ends(self, sessions):
        """One session too many ends the oldest: none is live that cannot be listed."""
        users = users_of(sessions, most=3)
        for number in range(5):
            Login(users, sessions).begin(7, f"id-{number}")
        assert [sessions.exists(f"id-{number}") for number in range(5)] == [False] * 2 + [True] * 3
        assert len(users.sessions_of(7)) == 3

    def test_those_that_are_over_go_first(self, sessions):
        """Sessions that are over make room before live ones have to."""
        early = users_of(sessions, most=3, clock=shifted_clock(-100))
        for number in range(3):
            Login(early, sessions).begin(7, f"id-{number}")
        sessions.delete("id-1")
        assert Login(users_of(sessions, most=3), sessions).begin(7, "new")
        names = ["id-0", "id-2", "new"]
        assert [sessions.exists(name) for name in names] == [True] * 3

    def test_a_login_tidies_up(self, sessions):
        """What is over does not pile up, also if nobody ever lists the sessions."""
        early = users_of(sessions, clock=shifted_clock(-100))
        for number in range(120):
            early.note(7, f"id-{number}")
            if number == 20:
                sessions.create("id-20", {}, LIFETIME)
        users = users_of(sessions)
        for number in range(120, 160):
            assert Login(users, sessions).begin(7, f"id-{number}")
        known = [number for number in range(160) if users.knows(7, f"id-{number}")]
        assert known == [20, *range(120, 160)]

    def test_the_usual_limit(self, sessions):
        """A thousand sessions are listed and ended in a few round trips."""
        users = users_of(sessions)
        keys = [f"id-{number}" for number in range(1_000)]
        for name in keys:
            sessions.create(name, {}, LIFETIME)
        index = UserIndexFormat(sessions.codec, "test")
        now = time.time()
        entries = {
            sessions.record_key(name).removeprefix(b"kt-session-"): Entry(now + age, now)
            for age, name in enumerate(keys)
        }
        key = index.key_of(7)
        sessions.store.set(key, index.encode(entries, key), None)
        assert len(users.sessions_of(7)) == 1_000
        assert Login(users, sessions).begin(7, "one more")
        assert not sessions.exists("id-0")
        assert users.kill_sessions(7, "one more") == 999


class TestAtOnce:
    def test_logins_and_logouts(self, sessions):
        """Of eight who log in and out all the time each finds their own sessions, and no other."""
        users = users_of(sessions)
        login = Login(users, sessions)

        def work(me):
            for number in range(10):
                assert login.begin(7, f"{me}-{number}")
                if number % 2:
                    login.end(7, f"{me}-{number}")

        run_threads(8, work)
        kept = [f"{me}-{number}" for me in range(8) for number in range(0, 10, 2)]
        assert all(users.knows(7, name) for name in kept)
        assert len(users.sessions_of(7)) == len(kept) == 40
        assert users.kill_sessions(7) == 40
        assert sessions.store.keys(b"") == []

    def test_kills_meet_logins_and_new_ids(self, sessions):
        """However they interleave, no session is live that is not listed, and so can be ended."""
        users = users_of(sessions)
        login = Login(users, sessions)
        ended = []

        def log_in(me):
            try:
                for number in range(15):
                    name = f"{me}-{number}"
                    if login.begin(7, name):
                        login.change_id(7, name, name + "-new")
            finally:
                ended.append(me)

        def work(me):
            if me:
                log_in(me)
            while not me and len(ended) < 3:
                users.kill_sessions(7)

        run_threads(4, work)
        live = [key for key in sessions.store.keys(b"") if not key.startswith(USER_PREFIX)]
        assert len(users.sessions_of(7)) == len(live)
        users.kill_sessions(7)
        assert sessions.store.keys(b"") == []

    def test_endless_change(self, store, monkeypatch):
        """Whoever loses every race gives up, and says why."""

        class Losing(KyotoStore):
            def swap(self, key, old, new, ttl):
                return False

            def swap_record(self, key, token, payload, ttl):
                return None if token else super().swap_record(key, token, payload, ttl)

        monkeypatch.setattr("kt_cache.sessions.user_steps._ATTEMPTS", 5)
        users = users_of(SessionStore(Losing(store.config), Codec(KT_JSON)))
        users.note(7, "one")
        for call in (
            lambda: users.note(7, "two"),
            lambda: users.forget(7, "one"),
            lambda: users.kill_sessions(7),
        ):
            with pytest.raises(SessionUnavailable, match="changed by others 5 times"):
                call()


class TestRecord:
    def test_no_clear_touches_it(self, login, users, sessions):
        """No ``clear()`` removes the index and no listing shows it."""
        login.begin(7, "one")
        for prefix in ("", "kt", "kt-user"):
            for key_function in (None, lambda key, prefix, version: key):
                cache = Cache(sessions.store, Codec(), prefix=prefix, key_function=key_function)
                cache.clear()
        assert len(users.sessions_of(7)) == 1

    def test_it_never_ends(self, login, sessions):
        """Sessions may be prolonged for ever, so the index has no time of its own."""
        login.begin(7, "one")
        (key,) = index_records(sessions.store)
        assert sessions.store.get_with_ttl(key)[1] == float("inf")

    @pytest.mark.parametrize(
        "record",
        [b"", b"4111", b"\x83\xc4\x04411", b"\x83\x81\xa1a\xa44111", b"\x82{}", b"\x914111"],
    )
    def test_broken(self, login, users, sessions, record, caplog):
        """A broken index is an error for who lists or ends sessions, and nobody's at a login."""
        login.begin(7, "one")
        (key,) = index_records(sessions.store)
        sessions.store.client.set_bytes(key, record)
        for call in (users.sessions_of, users.kill_sessions):
            with pytest.raises(DecodeError, match="cannot be read") as caught:
                call(7)
            assert "411" not in str(caught.value)
        assert users.sweep() == 0
        assert sessions.store.client.get_bytes(key) == record
        assert login.begin(7, "two")
        assert len(users.sessions_of(7)) == 1
        assert {(line.name, line.levelno) for line in caplog.records} == {
            ("kt_cache.sessions", logging.WARNING)
        }
        assert "411" not in caplog.text

    def test_signed(self, store):
        """Signed sessions have signed indexes: no one can move a user's index to another."""
        codec = Codec(KT_JSON, signer=Signer(["s" * 32]))
        sessions = SessionStore(store, codec)
        users = users_of(sessions)
        assert Login(users, sessions).begin(7, "one")
        assert len(users.sessions_of(7)) == 1
        (key,) = index_records(store)
        assert Login(users, sessions).begin(8, "two")
        (other,) = set(index_records(store)) - {key}
        store.set(other, store.get(key), None)
        with pytest.raises(DecodeError):
            users.kill_sessions(8)
        assert sessions.exists("one")

    def test_new_key(self, store):
        """After a sweep an index is signed by the new key alone, though nobody has logged in."""
        old, new = "o" * 32, "n" * 32

        def users_signed_by(*keys):
            return users_of(SessionStore(store, Codec(KT_JSON, signer=Signer([*keys]))))

        users = users_signed_by(old)
        sessions = SessionStore(store, Codec(KT_JSON, signer=Signer([new, old])))
        assert Login(users, sessions).begin(7, "one")
        with pytest.raises(DecodeError, match="bring it back"):
            users_signed_by(new).sessions_of(7)
        assert users_signed_by(new, old).sweep() == 0
        users = users_signed_by(new)
        assert len(users.sessions_of(7)) == 1
        assert users.kill_sessions(7) == 1

    def test_compressed(self, store):
        """A long index is compressed as the sessions are."""
        codec = pop_codec({"compressor": "zlib", "compress_threshold": 100}, KT_JSON)
        sessions = SessionStore(store, codec, NOTING)
        users = users_of(sessions)
        for number in range(30):
            users.note(7, f"id-{number}", agent=6 * AGENT)
        (key,) = index_records(store)
        assert len(store.get(key)) < 30 * len(6 * AGENT) / 2
        assert all(users.knows(7, f"id-{number}") for number in range(30))

    @settings(max_examples=40)
    @given(
        entries=st.dictionaries(
            st.binary(max_size=64),
            st.builds(
                Entry,
                st.floats(allow_nan=False),
                st.floats(allow_nan=False),
                st.none() | st.text(max_size=20),
                st.none() | st.text(max_size=20),
                st.booleans(),
                st.none() | st.text(max_size=20),
            ),
            max_size=5,
        )
    )
    def test_round_trip(self, entries):
        """What is written is read."""
        index = UserIndexFormat(Codec(KT_JSON), "test")
        assert index.decode(index.encode(entries, b"k"), b"k") == entries

    @given(payload=st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: b"\x83" + tail))
    def test_any_bytes(self, payload):
        """Whatever is stored is read as entries, or a DecodeError."""
        with suppress(DecodeError):
            assert isinstance(UserIndexFormat(Codec(KT_JSON), "test").decode(payload, b"k"), dict)


def test_no_server():
    """Without a server every call raises; no user has silently no sessions."""
    store = KyotoStore(PoolConfig(port=9, connect_timeout=0.3))
    users = users_of(SessionStore(store, Codec(KT_JSON)))
    for call in (
        lambda: users.note(7, "one"),
        lambda: users.knows(7, "one"),
        lambda: users.forget(7, "one"),
        lambda: users.sessions_of(7),
        lambda: users.kill_sessions(7),
        lambda: users.kill_session(7, "handle"),
        users.sweep,
    ):
        with pytest.raises(SessionUnavailable):
            call()


@pytest.mark.parametrize("notes", ["address", 7, None, ["adress"], [7]])
def test_options(notes):
    """What is to be noted is a list of names that are known."""
    with pytest.raises(ConfigError, match="note_visitors"):
        SessionOptions(note_visitors=notes)
