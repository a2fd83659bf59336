"""A user's sessions that are kept a second time, free of any framework."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from kt_cache.cache import Codec
from kt_cache.cache.base import USER_PREFIX
from kt_cache.errors import OutcomeUnknown
from kt_cache.serializers import KT_JSON
from kt_cache.sessions import Owned, SessionStore, UserSessions
from tests.support.over_asyncio import OverAsyncio, loop_in_a_thread
from tests.support.stores import shifted_clock

LIFETIME = 1000.0


class Full(Exception):
    """The second place fails."""


@dataclass
class Shelf:
    """A second place in memory: session ids -> data and seconds left; zero seconds are over."""

    failures: ClassVar[tuple[type[Exception], ...]] = (Full,)
    rows: dict = field(default_factory=dict)
    is_broken: bool = False
    on_remove: object = None

    def find(self, session_ids):
        self._check()
        return {key: self.rows[key] for key in session_ids if self.rows.get(key, (None, 0))[1] > 0}

    async def afind(self, session_ids):
        return self.find(session_ids)

    def remove(self, session_ids):
        self._check()
        if self.on_remove:
            self.on_remove()
        removed = {key: self.rows.pop(key) for key in session_ids if key in self.rows}
        return [key for key, (_, left) in removed.items() if left > 0]

    async def aremove(self, session_ids):
        return self.remove(session_ids)

    def _check(self):
        if self.is_broken:
            raise Full


@pytest.fixture
def sessions(store):
    return SessionStore(store, Codec(KT_JSON))


@pytest.fixture
def shelf():
    return Shelf()


def users_of(sessions, shelf, **options):
    return UserSessions(
        sessions, realm="test", lifetime_of=lambda data: LIFETIME, copies=shelf, **options
    )


@pytest.fixture(params=["blocking", "asyncio"])
def users(request, sessions, shelf):
    if request.param == "blocking":
        yield users_of(sessions, shelf)
        return
    with loop_in_a_thread() as loop:
        yield OverAsyncio(users_of(sessions, shelf), loop)


@pytest.fixture
def begin(users, sessions, shelf):
    """Store a session of a user in its record, in its copy, or in both."""

    def begin(session_id, places="rc", left=LIFETIME):
        def save():
            if "r" in places:
                assert sessions.create(session_id, {"user": 7}, LIFETIME)
            if "c" in places:
                shelf.rows[session_id] = {"user": 7}, left

        assert users.store(Owned("7", session_id), None, save, lambda: None)

    return begin


def own(users, session_id):
    return [each for each in users.sessions_of(7, session_id) if each.current]


def test_listed_in_either_place(users, begin):
    """A session is listed as long as it is anywhere; when it was seen is told by either."""
    begin("both")
    begin("record", "r")
    begin("copy", "c", left=LIFETIME - 1e-3)
    begin("over", "c", left=0)
    assert len(users.sessions_of(7)) == 3
    (session,) = own(users, "copy")
    assert abs((session.last_seen - session.created).total_seconds()) < 1


def test_killed_in_both(users, begin, sessions, shelf):
    """All are ended in both places, and counted once; but not what was over."""
    begin("both")
    begin("record", "r")
    begin("copy", "c")
    begin("over", "c", left=0)
    begin("spared")
    assert users.kill_sessions(7, "spared") == 3
    assert shelf.rows.keys() == {"spared"}
    assert [sessions.exists(key) for key in ("both", "record", "spared")] == [False, False, True]
    assert len(users.sessions_of(7)) == 1


def test_copies_go_first(users, begin, sessions, shelf):
    """When a copy is removed its record is there still, and its entry says that it is ended."""
    begin("one")
    other, seen = users_of(sessions, shelf), []
    shelf.on_remove = lambda: seen.append((sessions.exists("one"), other.knows(7, "one")))
    users.kill_sessions(7)
    assert seen == [(True, False)]
    assert not sessions.exists("one")


def test_the_second_place_fails(users, begin, sessions, shelf):
    """Then nothing is ended, the sessions are listed, and can be ended again."""
    begin("one")
    shelf.is_broken = True
    with pytest.raises(Full):
        users.kill_sessions(7)
    assert sessions.exists("one")
    shelf.is_broken = False
    assert len(own(users, "one")) == 1
    assert users.kill_sessions(7) == 1
    assert users.sessions_of(7) == []


@pytest.mark.parametrize("error", [Full("no room"), OutcomeUnknown("cut")], ids=["copy", "record"])
def test_unsure(users, sessions, error):
    """A session of which nobody knows whether it is stored stays in the index."""

    def save():
        sessions.create("one", {"user": 7}, LIFETIME)
        raise error

    with pytest.raises(Exception, match=r"no room|cut"):
        users.store(Owned("7", "one"), None, save, lambda: None)
    assert len(own(users, "one")) == 1


def test_unreadable(users, begin, sessions, shelf):
    """A record that cannot be read is no reason not to list the copy."""
    begin("one")
    sessions.store.set(sessions.record_key("one"), b"what nobody can read", None)
    assert len(own(users, "one")) == 1


def test_goes_on(users, begin, sessions):
    """A session of which only the copy is left can go on under another id."""
    begin("one", "c")
    (first,) = own(users, "one")
    assert users.note(7, "two", continues="one")
    sessions.create("two", {}, LIFETIME)
    (second,) = own(users, "two")
    assert second.created == first.created
    assert not users.note(7, "three", continues="nowhere")


def test_tidied_up(users, begin, sessions, shelf):
    """Sweeping leaves what is anywhere, and takes out what is over."""
    begin("copy", "c")
    begin("over", "c", left=0)
    later = users_of(sessions, shelf, clock=shifted_clock(90))
    assert later.sweep() == 1
    assert len(own(users, "copy")) == 1
    assert not later.knows(7, "over")


def test_ids(sessions, shelf, begin):
    """The index holds ids only where there are copies, and no message shows them."""
    begin("the-id-of-one")
    alone = UserSessions(sessions, realm="alone", lifetime_of=lambda data: None)
    alone.note(7, "the-id-of-two")
    stored = [sessions.store.get(key) for key in sessions.store.keys(USER_PREFIX)]
    assert sum(b"the-id-of-one" in payload for payload in stored) == 1
    assert not any(b"the-id-of-two" in payload for payload in stored)
    for users in (users_of(sessions, shelf), alone):
        key = users._format.key_of(7)
        entries = users._format.decode(sessions.store.get(key), key)
        assert entries
        assert "the-id" not in repr(entries)
