"""Listing and ending a user's sessions that the database keeps, too."""

from __future__ import annotations

import contextlib
import io
import itertools

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.db import SessionStore as Rows
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from kt_cache.cache.base import USER_PREFIX
from kt_cache.django import (
    akill_session,
    akill_sessions,
    asessions_of,
    kill_session,
    kill_sessions,
    sessions_of,
)
from kt_cache.django.management.commands.kt_sessions import Command
from kt_cache.django.sessions_cached_db import SessionStore
from kt_cache.errors import SessionUnavailable
from kt_cache.sessions import SessionStore as Records
from tests.django.session_tools import without_index
from tests.support.failing import dead_port
from tests.support.stores import shifted_clock
from tests.support.threads import run_threads
from tests.support.turns import Turns

__all__ = ["dead_port"]

pytestmark = pytest.mark.django_db(transaction=True)

ADA, BOB = "7", "8"


@pytest.fixture(autouse=True)
def site(session_site):
    session_site.SESSION_ENGINE = "kt_cache.django.sessions_cached_db"
    return session_site


class Blocking:
    """The functions and the methods of sessions that block."""

    sessions_of = staticmethod(sessions_of)
    kill_sessions = staticmethod(kill_sessions)
    kill_session = staticmethod(kill_session)

    @staticmethod
    def call(session, name, *arguments):
        return getattr(session, name)(*arguments)


class OnLoops:
    """Their twins."""

    sessions_of = staticmethod(async_to_sync(asessions_of))
    kill_sessions = staticmethod(async_to_sync(akill_sessions))
    kill_session = staticmethod(async_to_sync(akill_session))

    @staticmethod
    def call(session, name, *arguments):
        return async_to_sync(getattr(session, "a" + name))(*arguments)


@pytest.fixture(params=[Blocking, OnLoops], ids=["blocking", "asyncio"])
def way(request):
    return request.param


def log_in(user, engine=SessionStore, **data):
    """Store a user's session; return its id."""
    session = engine()
    session.update({SESSION_KEY: user, **data})
    session.save()
    return session.session_key


def listed(user):
    """Return which of some sessions are listed, as a function of their ids."""
    return lambda key: any(each.current for each in sessions_of(user, key))


def is_live(key):
    """Tell whether the next request with this id has a user."""
    return SESSION_KEY in dict(SessionStore(key).items())


def lose_records(*keys):
    """Let the server have lost some sessions, for instance as it was full."""
    for key in keys:
        caches["default"].client.remove(Records.record_key(key))


def lose_all():
    """Let the server have lost everything."""
    caches["default"].flush()


def records():
    """Return the keys of session records."""
    return [key for key in caches["default"].store.keys(b"") if not key.startswith(USER_PREFIX)]


def failing(*words):
    """Let the database fail at statements that begin with one of some words."""

    def execute(run, sql, *args):
        if sql.startswith(words):
            raise OperationalError("database is locked")
        return run(sql, *args)

    return connection.execute_wrapper(execute)


@contextlib.contextmanager
def connection_of_a_thread():
    """Close it in the end: Django keeps those of databases in memory."""
    connection.ensure_connection()
    try:
        yield
    finally:
        connection.connection.close()


class TestKilled:
    def test_everywhere(self, way):
        """A killed session is in neither place, so it does not come back; others stay."""
        one, two, other = log_in(ADA), log_in(ADA), log_in(BOB)
        assert way.kill_sessions(ADA, except_key=one) == 1
        assert [is_live(key) for key in (one, two, other)] == [True, False, True]
        lose_all()
        assert [is_live(key) for key in (one, two, other)] == [True, False, True]
        assert Session.objects.count() == 2

    def test_one(self, way):
        """Nor does one that was ended by its handle, by its own user only."""
        one, two = log_in(ADA), log_in(ADA)
        (handle,) = (each.handle for each in way.sessions_of(ADA, two) if each.current)
        assert way.kill_session(BOB, handle) is False
        assert way.kill_session(ADA, handle) is True
        assert way.kill_session(ADA, handle) is False
        assert [is_live(one), is_live(two)] == [True, False]
        assert [row.pk for row in Session.objects.all()] == [one]

    def test_of_which_the_server_has_lost_some(self, way):
        """Sessions that only the database has by now are listed, ended, and counted once."""
        keys = [log_in(ADA) for _ in range(3)]
        lose_records(*keys[:2])
        Session.objects.filter(pk=keys[2]).delete()
        assert len(way.sessions_of(ADA)) == 3
        assert way.kill_sessions(ADA) == 3
        assert way.sessions_of(ADA) == []
        assert [is_live(key) for key in keys] == [False] * 3
        assert Session.objects.count() == caches["default"].client.count() == 0

    @pytest.mark.parametrize("server", ["has it", "has lost it"])
    def test_saved_by_a_slow_request(self, way, server):
        """A request that was overtaken by a kill does not bring the session back."""
        session = SessionStore(log_in(ADA))
        way.call(session, "load")
        session["more"] = 1
        if server == "has lost it":
            lose_records(session.session_key)
        assert way.kill_sessions(ADA) == 1
        with pytest.raises(UpdateError):
            way.call(session, "save")
        with pytest.raises(SessionInterrupted):
            way.call(session, "cycle_key")
        assert Session.objects.count() == caches["default"].client.count() == 0

    def test_in_a_transaction(self):
        """Who sees the row until the transaction's end may put the record back: it goes again."""
        key = log_in(ADA)
        with transaction.atomic():
            assert kill_sessions(ADA) == 1
            caches["default"].client.set_bytes(Records.record_key(key), b"put back")
        assert not is_live(key)
        assert records() == []
        assert Session.objects.count() == 0

    def test_more_than_fit(self):
        """A user who has too many sessions loses the oldest in both places."""
        keys = [log_in(ADA) for _ in range(3)]
        users = SessionStore().users
        users._most = 3
        users.note(ADA, "one more")
        assert [is_live(key) for key in keys] == [False, True, True]
        assert Session.objects.count() == 2

    def test_the_database_fails(self, way):
        """A kill whose rows cannot be removed is an error, and can be done again."""
        key = log_in(ADA)
        with failing("DELETE"), pytest.raises(OperationalError, match="locked"):
            way.kill_sessions(ADA)
        assert listed(ADA)(key)
        assert way.kill_sessions(ADA) == 1
        lose_records(key)
        assert not is_live(key)

    def test_half_done(self, way):
        """What somebody has begun to end is not put back, even while its row is there."""
        key = log_in(ADA)
        with failing("DELETE"), pytest.raises(OperationalError, match="locked"):
            way.kill_sessions(ADA)
        lose_records(key)
        session = SessionStore(key)
        assert way.call(session, "load") == {}
        assert session.session_key is None
        assert records() == []


class TestLost:
    def test_everything(self, way):
        """After the server has lost all, a session is listed and can be ended once it was seen."""
        one, two = log_in(ADA), log_in(ADA)
        lose_all()
        assert way.sessions_of(ADA) == []
        session = SessionStore(one)
        assert way.call(session, "load") == {SESSION_KEY: ADA}
        assert [each.current for each in way.sessions_of(ADA, one)] == [True]
        assert way.kill_sessions(ADA) == 1
        assert [is_live(one), is_live(two)] == [False, True]

    def test_everything_while_it_was_in_use(self, way):
        """So it is behind a save by a request that had loaded it before."""
        session = SessionStore(log_in(ADA))
        way.call(session, "load")
        session["more"] = 1
        lose_all()
        way.call(session, "save")
        assert [each.current for each in way.sessions_of(ADA, session.session_key)] == [True]
        assert way.kill_sessions(ADA) == 1
        assert not is_live(session.session_key)

    def test_of_djangos_own_engine(self, way):
        """Sessions of Django's database engines come into the list with their next request."""
        key = log_in(ADA, Rows)
        assert way.sessions_of(ADA) == []
        way.call(SessionStore(key), "load")
        assert len(way.sessions_of(ADA)) == 1
        assert way.kill_sessions(ADA) == 1
        assert not is_live(key)

    def test_before_a_new_id(self, way):
        """A session that only the database has goes on under a new id, as one of the same login."""
        session = SessionStore(log_in(ADA, a=1))
        way.call(session, "load")
        (first,) = way.sessions_of(ADA)
        lose_records(session.session_key)
        way.call(session, "cycle_key")
        (now,) = way.sessions_of(ADA, session.session_key)
        assert now.current
        assert now.created == first.created
        assert way.kill_sessions(ADA) == 1
        assert Session.objects.count() == caches["default"].client.count() == 0

    def test_remembered(self, way):
        """As long as there is a row its session stays in the list, whoever tidies that up."""
        one, two = log_in(ADA), log_in(ADA)
        lose_records(one, two)
        Session.objects.filter(pk=two).update(expire_date=timezone.now())
        users = SessionStore().users
        users._clock = shifted_clock(90)
        assert way.call(users, "sweep") == 1
        assert [each.current for each in way.call(users, "sessions_of", ADA, one)] == [True]
        assert way.kill_sessions(ADA) == 1
        assert [is_live(one), is_live(two)] == [False, False]

    def test_last_seen(self, way):
        """When a session was stored last is told by its row as well."""
        key = log_in(ADA)
        lose_records(key)
        half = timezone.now() + timezone.timedelta(seconds=1_209_600 / 2)
        Session.objects.update(expire_date=half)
        (session,) = way.sessions_of(ADA)
        assert session.last_seen == session.created  # it cannot be before the login
        assert abs((timezone.now() - session.created).total_seconds()) < 10

    def test_of_somebody_else(self, way):
        """A row whose session has another user by now is not listed."""
        key = log_in(ADA)
        lose_records(key)
        row = Rows(key)
        row[SESSION_KEY] = BOB
        row.save()
        assert way.sessions_of(ADA) == []


class TestRestored:
    def test_all(self):
        """Everything that the server has lost is put back at once, and can be ended then."""
        keys = [log_in(ADA), log_in(ADA), log_in(BOB), log_in(ADA, Rows)]
        visitor = SessionStore()
        visitor["a"] = 1
        visitor.save()
        lose_all()
        assert SessionStore.restore() == 5
        assert len(records()) == 5
        assert [len(sessions_of(user)) for user in (ADA, BOB)] == [3, 1]
        assert kill_sessions(ADA) == 3
        assert [is_live(key) for key in keys] == [False, False, True, False]
        assert SessionStore.restore() == 0

    def test_the_lists(self):
        """So are the lists alone."""
        log_in(ADA)
        for index in caches["default"].store.keys(USER_PREFIX):
            caches["default"].client.remove(index)
        assert SessionStore.restore() == 1
        assert len(sessions_of(ADA)) == 1

    def test_what_is_over(self):
        """What has ended is not put back."""
        log_in(ADA)
        Session.objects.update(expire_date=timezone.now())
        lose_all()
        assert SessionStore.restore() == 0
        assert caches["default"].client.count() == 0

    def test_server_gone(self, site, dead_port):
        """Without the server it is an error, whatever visitors see then."""
        log_in(ADA)
        site.KT_SESSIONS = {"on_failure": "read-only"}
        site.CACHES = {"default": {**site.CACHES["default"], "LOCATION": f"127.0.0.1:{dead_port}"}}
        with pytest.raises(SessionUnavailable):
            SessionStore.restore()


class Overtaken(Records):
    """Lets somebody end the user's sessions before or after a session is put back."""

    def __init__(self, records, when):
        super().__init__(records.store, records.codec, records.options)
        self.when = when

    def create(self, *args, **options):
        if self.when == "before":
            kill_sessions(ADA)
        origin = super().create(*args, **options)
        if self.when == "after":
            kill_sessions(ADA)
        return origin


class TestAtTheSameTime:
    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("what", ["load", "save"])
    @pytest.mark.parametrize("lose", [lose_all, lose_records], ids=["all", "the record"])
    def test_killed_while_it_is_put_back(self, when, what, lose):
        """Whoever puts a session back that is killed at that moment does not revive it."""
        key = log_in(ADA)
        session = SessionStore(key)
        if what == "save":
            session["more"] = 1
        lose_all() if lose is lose_all else lose_records(key)
        session._records = Overtaken(session._records, when)
        if what == "load":
            assert session.load() == {}
            assert session.session_key is None
        else:
            with pytest.raises(UpdateError):
                session.save()
        assert not is_live(key)
        assert records() == []
        assert Session.objects.count() == 0

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_login_overtaken(self, when):
        """A login that is overtaken by a kill is none, in either place."""
        session = SessionStore()
        session[SESSION_KEY] = ADA
        session._records = Overtaken(session._records, when)
        with pytest.raises(SessionInterrupted, match="ended"):
            session.save()
        assert Session.objects.count() == caches["default"].client.count() == 0

    def test_all_put_back_at_once(self):
        """Requests that put the sessions of one user back at the same time list every one."""
        keys = [log_in(ADA) for _ in range(8)]
        lose_all()

        def work(me):
            with connection_of_a_thread():
                for key in keys[me % 2 :: 2]:
                    SessionStore(key).load()

        run_threads(4, work)
        assert len(sessions_of(ADA)) == 8
        assert kill_sessions(ADA) == 8
        assert Session.objects.count() == caches["default"].client.count() == 0


class Pausing:
    """A store, and a hook of the database, that hand over to somebody else before one call.

    :param session: whose store it is from now on.
    :param number: of the call.
    """

    def __init__(self, session, number, turns):
        own = session._records
        session._records = Records(own.store, own.codec, own.options)
        self._store, session._records.store = own.store, self
        self._left, self._turns = number, turns
        self.happened = False

    def __getattr__(self, name):
        def call(*args):
            self._count()
            return getattr(self._store, name)(*args)

        return call

    def watched(self, work):
        """Return a function that does the same, handing over; who is told of an end is content."""

        def do():
            with (
                connection_of_a_thread(),
                connection.execute_wrapper(self._execute),
                contextlib.suppress(UpdateError, SessionInterrupted),
            ):
                work()

        return do

    def _execute(self, run, *args):
        if not connection.in_atomic_block:  # in which nobody else could write
            self._count()
        return run(*args)

    def _count(self):
        self._left -= 1
        if self._left == 0:
            self.happened = True
            self._turns.hand_over()


def load(key):
    session = SessionStore(key)
    return session, session.load


def save(key):
    session = SessionStore(key)
    session["more"] = 1
    return session, session.save


def lose_and_cycle_key(key):
    session = SessionStore(key)
    session.get("")
    lose_records(key)
    return session, session.cycle_key


def begin(_key):
    session = SessionStore()
    session[SESSION_KEY] = ADA
    return session, session.save


class TestInterleaved:
    @pytest.mark.parametrize(
        ("lose", "what"),
        [
            (lose_records, load),
            (lambda _: lose_all(), load),
            (lambda _: lose_all(), save),
            (lambda _: None, lose_and_cycle_key),
            (lambda _: None, begin),
        ],
        ids=["record lost, load", "all lost, load", "all lost, save", "new id", "login"],
    )
    def test_request_and_kill(self, lose, what):
        """However both interleave, no session is live then that is not listed, so can be ended.

        The request stops before each of its calls of the store and the database in turn; the kill
        then goes on up to each of its own, and to its end when the request is done.
        """
        for asked in itertools.count(1):
            for killed in itertools.count(1):
                key = log_in(ADA)
                session, work = what(key)
                lose(key)
                killer, turns = SessionStore(), Turns()
                request, kill = Pausing(session, asked, turns), Pausing(killer, killed, turns)
                turns.run(
                    request.watched(work),
                    kill.watched(lambda killer=killer: killer.users.kill_sessions(ADA)),
                )
                self.check(key, session.session_key)
                if not kill.happened:
                    break
            if not request.happened:
                break

    def check(self, *keys):
        keys = {*filter(None, keys), *Session.objects.values_list("pk", flat=True)}
        live = set(filter(is_live, keys))
        assert set(filter(listed(ADA), live)) == live
        assert kill_sessions(ADA) == len(live)
        assert not set(filter(is_live, keys))
        assert records() == []


class TestFailures:
    def test_new_id(self, way):
        """A new id that is not taken because the database fails leaves the session as it was."""
        session = SessionStore(log_in(ADA, a=1))
        way.call(session, "load")
        key = session.session_key
        with failing(f'DELETE FROM "{Session._meta.db_table}"'), pytest.raises(OperationalError):
            way.call(session, "cycle_key")
        assert session.session_key == key
        assert is_live(key)
        assert len(records()) == 1
        session["b"] = 2
        way.call(session, "save")
        assert dict(SessionStore(key).items()) == {SESSION_KEY: ADA, "a": 1, "b": 2}

    def test_new_id_once(self, way):
        """If it only fails for a moment, nothing stays of the new id."""
        session = SessionStore(log_in(ADA, a=1))
        way.call(session, "load")
        key, failed = session.session_key, []

        def execute(run, sql, *args):
            if sql.startswith("DELETE") and not failed:
                failed.append(sql)
                raise OperationalError("database is locked")
            return run(sql, *args)

        with connection.execute_wrapper(execute), pytest.raises(OperationalError):
            way.call(session, "cycle_key")
        assert [row.pk for row in Session.objects.all()] == [key]
        assert records() == [Records.record_key(key)]
        assert [each.current for each in way.sessions_of(ADA, key)] == [True]

    def test_a_login_is_listed_though_its_row_is_not_written(self, way):
        """No session has a user without being listed, also if the database fails meanwhile."""
        session = SessionStore()
        session["a"] = 1
        session.save()
        session[SESSION_KEY] = ADA
        with failing("UPDATE"), pytest.raises(OperationalError, match="locked"):
            way.call(session, "save")
        assert is_live(session.session_key)
        assert way.kill_sessions(ADA) == 1
        assert not is_live(session.session_key)

    def test_the_index_alone(self, way, dead_port):
        """A session whose user's index cannot be had is not put back, for it could not be ended."""
        key = log_in(ADA)
        lose_all()
        session = without_index(SessionStore, dead_port)(key)
        with pytest.raises(SessionUnavailable):
            way.call(session, "load")
        assert records() == []
        assert is_live(key)

    def test_command(self):
        """The command says that the database has failed."""
        log_in(ADA)
        with failing("DELETE"), pytest.raises(CommandError, match="locked"):
            call_command(Command(), "kill", ADA, "--pk", stdout=io.StringIO())


def test_clear_expired(way):
    """What clearsessions calls removes rows that are over, and their entries in the lists."""
    one, two = log_in(ADA), log_in(ADA)
    Session.objects.filter(pk=two).update(expire_date=timezone.now())
    lose_records(two)
    way.call(SessionStore, "clear_expired")
    assert [row.pk for row in Session.objects.all()] == [one]
    assert [each.current for each in way.sessions_of(ADA, one)] == [True]


def test_ids_are_in_no_key_and_no_message():
    """The index holds ids, but shows none."""
    key = log_in(ADA)
    store = caches["default"].store
    assert not [name for name in store.keys(b"") if key.encode() in name]
    assert key not in repr(sessions_of(ADA, key))
    users = SessionStore().users
    index = users._format.key_of(ADA)
    assert key not in repr(users._format.decode(store.get(index), index))
