"""The session engine that the database keeps sessions for, too."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.backends.db import SessionStore as Rows
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.db import OperationalError, connection, transaction
from django.test import Client
from django.utils import timezone

from kt_cache.django.sessions import SessionStore as OnServer
from kt_cache.django.sessions_cached_db import SessionStore
from kt_cache.errors import SessionUnavailable
from kt_cache.sessions import SessionStore as Records
from tests.support.failing import dead_port

__all__ = ["dead_port"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def site(session_site):
    session_site.SESSION_ENGINE = "kt_cache.django.sessions_cached_db"
    session_site.MIDDLEWARE = ["kt_cache.django.session_middleware.SessionMiddleware"]
    return session_site


class Blocking:
    """The engine by its blocking methods."""

    def __init__(self, key=None):
        self.session = SessionStore(key)

    def __getattr__(self, name):
        return getattr(self.session, name)

    def data(self):
        return dict(self.session.items())


class OnLoops(Blocking):
    """The same by its a-methods."""

    def __getattr__(self, name):
        if hasattr(self.session, "a" + name):
            return async_to_sync(getattr(self.session, "a" + name))
        return getattr(self.session, name)

    def data(self):
        return dict(async_to_sync(self.session.aitems)())


@pytest.fixture(params=[Blocking, OnLoops], ids=["blocking", "asyncio"])
def visit(request):
    """Open a session."""
    return request.param


@pytest.fixture
def made(visit):
    """Make a session, and return its id."""

    def make(**data):
        session = visit()
        session.update(data)
        session.save()
        return session.session_key

    return make


def on_server(key):
    return dict(OnServer(key).items())


def in_database(key):
    return dict(Rows(key).items())


def lose_all():
    """Let the server have lost everything."""
    caches["default"].flush()


class TestBoth:
    def test_every_write(self, visit, made):
        """Whatever is stored is in both places, for the same time; the end is an end in both."""
        key = made(a=1)
        assert on_server(key) == in_database(key) == {"a": 1}
        session = visit(key)
        session.update({"b": 2})
        session.set_expiry(1_000)
        session.save()
        assert on_server(key) == in_database(key) == {"a": 1, "b": 2, "_session_expiry": 1_000}
        left = Session.objects.get(pk=key).expire_date - timezone.now()
        assert abs(left.total_seconds() - 1_000) < 5
        session.flush()
        assert caches["default"].client.count() == Session.objects.count() == 0

    def test_reading_asks_the_server_alone(self, visit, made, django_assert_num_queries):
        """The database is not asked as long as the server has the session."""
        key = made(a=1)
        with django_assert_num_queries(0):
            assert visit(key).data() == {"a": 1}
            assert visit(key).exists(key)

    def test_merged(self, visit, made):
        """Two requests that change different keys both keep their changes, in both places."""
        key = made(a=1)
        one, two = visit(key), visit(key)
        assert one.data() == two.data() == {"a": 1}
        one.update({"b": 2})
        two.update({"c": 3})
        one.save()
        two.save()
        assert on_server(key) == in_database(key) == {"a": 1, "b": 2, "c": 3}

    def test_renewed(self, visit, made, django_assert_num_queries, site):
        """A session that is not due is written in neither place; one that is, in both."""
        site.SESSION_COOKIE_AGE = 1_000
        key = made(a=1)
        session = visit(key)
        session.data()
        with django_assert_num_queries(0):
            session.save()
        caches["default"].store.touch(Records.record_key(key), 500)
        Session.objects.update(expire_date=timezone.now() + timezone.timedelta(seconds=500))
        session = visit(key)
        session.data()
        session.save()
        left = Session.objects.get(pk=key).expire_date - timezone.now()
        assert left.total_seconds() > 900

    def test_cycle_key(self, visit, made):
        """A new id takes the data along, in both places."""
        old = made(a=1)
        session = visit(old)
        session.cycle_key()
        new = session.session_key
        assert new != old
        assert on_server(new) == in_database(new) == {"a": 1}
        session.update({"b": 2})
        session.save()
        assert on_server(new) == in_database(new) == {"a": 1, "b": 2}
        assert not visit().exists(old)
        assert Session.objects.count() == 1

    def test_create_of_a_taken_id(self, visit, made):
        """An id that only the database still has is taken, and its session left alone."""
        key = made(a=1)
        lose_all()
        session = visit()
        session.session._session_key = key
        with pytest.raises(CreateError):
            session.save(must_create=True)
        assert in_database(key) == {"a": 1}
        assert caches["default"].client.count() == 0

    def test_clear_expired(self, visit, made):
        """Clearsessions removes the rows whose time is over."""
        key, old = made(a=1), made(a=2)
        Session.objects.filter(pk=old).update(expire_date=timezone.now())
        (
            async_to_sync(SessionStore.aclear_expired)
            if visit is OnLoops
            else SessionStore.clear_expired
        )()
        assert [row.pk for row in Session.objects.all()] == [key]


class TestLost:
    def test_loaded_again(self, visit, made, django_assert_num_queries):
        """A session that the server has lost comes from the database, and is put back."""
        key = made(a=1)
        lose_all()
        assert visit().exists(key)
        assert visit(key).data() == {"a": 1}
        with django_assert_num_queries(0):
            assert visit(key).data() == {"a": 1}
        session = visit(key)
        session.update({"b": 2})
        session.save()
        assert on_server(key) == in_database(key) == {"a": 1, "b": 2}

    @pytest.fixture
    def signed_from_now_on(self, site, made):
        """A session from before the site signs its sessions."""
        key = made(a=1)
        usual = site.CACHES["default"]
        options = {**usual.get("OPTIONS", {}), "signing_keys": ["0123456789abcdef"]}
        site.CACHES = {"default": {**usual, "OPTIONS": options}}
        return key

    def test_unreadable(self, visit, signed_from_now_on, django_assert_num_queries):
        """A session that is unreadable on the server comes from the database, too."""
        key = signed_from_now_on
        assert visit(key).data() == {"a": 1}
        with django_assert_num_queries(0):
            assert visit(key).data() == {"a": 1}
        session = visit(key)
        session.update({"b": 2})
        session.save()
        assert on_server(key) == in_database(key) == {"a": 1, "b": 2}

    def test_unreadable_and_ended(self, visit, signed_from_now_on):
        """What is unreadable and has no row is no session."""
        Session.objects.all().delete()
        session = visit(signed_from_now_on)
        assert session.data() == {}
        assert session.session_key is None

    def test_unreadable_meanwhile(self, visit, made):
        """If it becomes unreadable while it is in use, the next save makes it readable."""
        key = made(a=1)
        session = visit(key)
        session.update({"b": 2})
        caches["default"].client.set_bytes(Records.record_key(key), b"what nobody can read")
        session.save()
        assert on_server(key) == in_database(key) == {"a": 1, "b": 2}

    def test_lost_before_a_new_id(self, visit, made):
        """A session that the server has lost, but the database has, can get a new id."""
        key = made(a=1)
        session = visit(key)
        session.data()
        lose_all()
        session.cycle_key()
        assert session.session_key != key
        assert on_server(session.session_key) == in_database(session.session_key) == {"a": 1}
        assert Session.objects.count() == caches["default"].client.count() == 1

    def test_cleared_and_renewed(self, visit, made):
        """One that was cleared before it was loaded leaves nothing under its earlier id."""
        key = made(a=1)
        session = visit(key)
        session.clear()
        session.update({"b": 2})
        session.cycle_key()
        assert on_server(session.session_key) == in_database(session.session_key) == {"b": 2}
        assert Session.objects.count() == caches["default"].client.count() == 1

    def test_its_time_goes_on(self, visit, made):
        """It is put back for the time that it has left."""
        key = made(a=1)
        Session.objects.update(expire_date=timezone.now() + timezone.timedelta(seconds=50))
        lose_all()
        visit(key).data()
        left = caches["default"].store.get_with_ttl(Records.record_key(key))[1]
        assert 40 < left <= 50

    def test_lost_while_in_use(self, visit, made):
        """A save behind the loss stores the session anew."""
        key = made(a=1)
        session = visit(key)
        session.update({"b": 2})
        lose_all()
        session.save()
        assert on_server(key) == in_database(key) == {"a": 1, "b": 2}
        session.update({"c": 3})
        session.save()
        assert on_server(key) == in_database(key) == {"a": 1, "b": 2, "c": 3}

    def test_expired_in_the_database(self, visit, made):
        """A row whose time is over is no session."""
        key = made(a=1)
        Session.objects.update(expire_date=timezone.now())
        lose_all()
        session = visit(key)
        assert session.data() == {}
        assert session.session_key is None

    def test_of_djangos_own_engine(self, visit):
        """Sessions of Django's database engines are taken over, and can be handed back."""
        theirs = Rows()
        theirs["a"] = 1
        theirs.save()
        assert visit(theirs.session_key).data() == {"a": 1}
        session = visit(theirs.session_key)
        session.update({"b": 2})
        session.save()
        assert in_database(theirs.session_key) == {"a": 1, "b": 2}

    @pytest.mark.parametrize(
        "key", ["x" * 41, "sitzung-☃-é", "lone-\ud800-one", "a\x00bcdefgh", "../etc/x"]
    )
    def test_strange_ids(self, visit, key):
        """An id that no row can have is an unknown one, and no error of the database's."""
        session = visit(key)
        assert not session.exists(key)
        session.delete(key)
        assert session.data() == {}
        session.update({"a": 1})
        session.save()
        assert session.session_key != key


class Meanwhile(Records):
    """Lets another request pass before or after a session is put back."""

    def __init__(self, records, when, other_request):
        super().__init__(records.store, records.codec, records.options)
        self.when, self.other_request = when, other_request

    def create(self, *args, **options):
        if self.when == "before":
            self.other_request()
        origin = super().create(*args, **options)
        if self.when == "after":
            self.other_request()
        return origin


class TestEnded:
    def test_never_revived(self, visit, made):
        """A session that another request has ended stays ended in both places: UpdateError."""
        key = made(a=1)
        session = visit(key)
        session.update({"b": 2})
        visit(key).flush()
        with pytest.raises(UpdateError):
            session.save()
        assert caches["default"].client.count() == Session.objects.count() == 0

    @pytest.mark.parametrize("how", ["flush", "delete the row", "set_expiry"])
    def test_no_new_id(self, visit, made, how):
        """A session that another request has ended gets no new id: it would go on under that."""
        key = made(a=1)
        session = visit(key)
        session.data()
        other = visit(key)
        if how == "flush":
            other.flush()
        elif how == "delete the row":
            Session.objects.all().delete()
        else:
            other.set_expiry(-1)
            other.save()
        with pytest.raises(SessionInterrupted):
            session.cycle_key()
        assert visit(session.session_key).data() == {}
        assert not Session.objects.exclude(pk=key).exists()
        with pytest.raises(UpdateError):
            session.save()
        assert visit(session.session_key).data() == {}

    def test_new_ids_at_the_same_time(self, visit, made):
        """Of two requests that give the session a new id, one does."""
        key = made(a=1)
        one, two = visit(key), visit(key)
        assert one.data() == two.data() == {"a": 1}
        one.cycle_key()
        with pytest.raises(SessionInterrupted):
            two.cycle_key()
        assert on_server(one.session_key) == in_database(one.session_key) == {"a": 1}
        assert caches["default"].client.count() == Session.objects.count() == 1

    @pytest.mark.parametrize("key", ["x" * 32, "../etc/x"])
    def test_new_id_of_an_unknown_one(self, visit, key):
        """A session that begins just gets its id; also if it was cleared without being loaded."""
        session = visit(key)
        session.cycle_key()
        cleared = visit(key)
        cleared.clear()
        cleared.cycle_key()
        assert len({session.session_key, cleared.session_key, key}) == 3
        assert Session.objects.count() == caches["default"].client.count() == 2

    def test_row_gone(self, visit, made):
        """A session whose row was removed is ended on the server with the next save."""
        key = made(a=1)
        session = visit(key)
        session.update({"b": 2})
        Session.objects.all().delete()
        with pytest.raises(UpdateError):
            session.save()
        assert caches["default"].client.count() == Session.objects.count() == 0

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("what", ["load", "save"])
    def test_logged_out_while_it_is_put_back(self, when, what):
        """Whoever puts a session back that is ended at that moment does not revive it."""
        session = SessionStore()
        session["a"] = 1
        session.save()
        key = session.session_key
        session = SessionStore(key)
        if what == "save":
            session["b"] = 2
        lose_all()
        session._records = Meanwhile(session._records, when, SessionStore(key).flush)
        if what == "load":
            assert session.load() == {}
            assert session.session_key is None
        else:
            with pytest.raises(UpdateError):
                session.save()
        assert caches["default"].client.count() == Session.objects.count() == 0

    def test_two_put_it_back(self):
        """If another request has put the session back and changed it, that is what counts."""
        session = SessionStore()
        session["a"] = 1
        session.save()
        lose_all()

        def other_request():
            other = SessionStore(session.session_key)
            other["b"] = 2
            other.save()

        one = SessionStore(session.session_key)
        one._records = Meanwhile(one._records, "before", other_request)
        assert one.load() == {"a": 1, "b": 2}
        one["c"] = 3
        one.save()
        assert on_server(one.session_key) == {"a": 1, "b": 2, "c": 3}

    def test_logged_out_in_a_transaction(self):
        """Until its end others may see the row: the record is removed again behind that."""
        session = SessionStore()
        session["a"] = 1
        session.save()
        key = session.session_key
        with transaction.atomic():
            SessionStore(key).flush()
            caches["default"].client.set_bytes(Records.record_key(key), b"put back")
        assert caches["default"].client.count() == Session.objects.count() == 0

    def test_no_session_of_another(self):
        """After a logout the browser sees nothing of what was, in either place."""
        visitor = Client()
        visitor.get("/put?key=a&value=1")
        key = visitor.cookies["sessionid"].value
        visitor.get("/logout")
        lose_all()
        visitor.cookies["sessionid"] = key
        assert visitor.get("/show").json() == {}


class TestDatabaseFails:
    @pytest.fixture
    def failing(self):
        """Let the database fail at statements that begin with one of some words."""

        def fails_at(*words):
            def execute(run, sql, *args):
                if sql.startswith(words):
                    raise OperationalError("database is locked")
                return run(sql, *args)

            return connection.execute_wrapper(execute)

        return fails_at

    def test_a_new_session(self, visit, failing):
        """A session without a row is none: its record goes, and the error is the database's."""
        session = visit()
        session.update({"a": 1})
        with failing("INSERT"), pytest.raises(OperationalError, match="locked"):
            session.save()
        assert caches["default"].client.count() == Session.objects.count() == 0

    @pytest.mark.parametrize("words", [("UPDATE",), ("UPDATE", "SELECT")], ids=["write", "all"])
    @pytest.mark.parametrize("server", ["has it", "has lost it"])
    def test_a_save(self, visit, made, failing, words, server):
        """Nobody has ended the session, so nobody is told that; the next change is in both."""
        key = made(a=1)
        session = visit(key)
        session.update({"b": 2})
        if server == "has lost it":
            lose_all()
        with failing(*words), pytest.raises(OperationalError, match="locked"):
            session.save()
        assert in_database(key) == {"a": 1}
        session = visit(key)
        session.update({"c": 3})
        session.save()
        assert on_server(key) == in_database(key)
        assert on_server(key).items() >= {"a": 1, "c": 3}.items()

    def test_a_visitor_is_told_of_an_error(self, made, failing):
        """A site whose database fails does not say that the session was ended."""
        visitor = Client(raise_request_exception=False)
        visitor.get("/put?key=a&value=1")
        with failing("UPDATE"):
            assert visitor.get("/put?key=a&value=2").status_code == 500
        assert visitor.get("/put?key=a&value=3").status_code == 200


class TestServerDown:
    @pytest.fixture
    def key(self, made):
        return made(a=1)

    @pytest.fixture
    def down(self, site, key, dead_port):
        """The server is gone."""
        site.CACHES = {"default": {**site.CACHES["default"], "LOCATION": f"127.0.0.1:{dead_port}"}}

    @pytest.mark.usefixtures("down")
    def test_raises(self, visit, key):
        """What the server may know better than the database is not guessed."""
        for call in (visit(key).load, lambda: visit(key).exists(key), visit(key).flush):
            with pytest.raises(SessionUnavailable):
                call()

    def test_read_only(self, visit, site, key, dead_port):
        """With on_failure "read-only" visitors see what the database has, and change nothing."""
        site.KT_SESSIONS = {"on_failure": "read-only"}
        site.CACHES = {"default": {**site.CACHES["default"], "LOCATION": f"127.0.0.1:{dead_port}"}}
        session = visit(key)
        assert session.data() == {"a": 1}
        assert session.is_read_only
        session.update({"b": 2})
        session.save()
        assert in_database(key) == {"a": 1}
        with pytest.raises(SessionUnavailable):
            session.cycle_key()
        assert session.session_key == key
