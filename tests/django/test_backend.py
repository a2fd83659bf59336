"""``KyotoTycoonCache`` beyond Django's own suite."""

from __future__ import annotations

import datetime as dt
import inspect
import pickle
import threading
import time
from decimal import Decimal

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.contenttypes.models import ContentType
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.utils.functional import lazystr
from django.utils.safestring import SafeString, mark_safe

from kt_cache import NEVER, KyotoTycoon
from kt_cache.django import KyotoTycoonCache
from kt_cache.errors import KTError
from tests.django.keys import OwnKeys
from tests.support.lifetimes import watch, write
from tests.support.threads import run_threads


class Awkward:
    """Raises whatever it is told to while being pickled."""

    def __init__(self, error):
        self.error = error

    def __reduce__(self):
        raise self.error


class Local:
    """Pickled by reference to a name that then is not there."""

    __qualname__ = "NotThere"


UNPICKLABLE = {
    "lambda": lambda: None,
    "lock": threading.Lock(),
    "generator": (number for number in ()),
    "module": pickle,
    "class that is not found": Local,
    "own error": Awkward(RuntimeError("no, thanks")),
    "key error": Awkward(KeyError("k")),
    "deep inside": {"a": [1, {"b": threading.Lock()}]},
}


class TestValues:
    @pytest.mark.parametrize("name", UNPICKLABLE)
    @pytest.mark.parametrize("method", ["set", "add", "set_many", "get_or_set"])
    def test_pickling_errors_are_djangos(self, backend, name, method):
        """A value that cannot be pickled raises what it raises from Django's own backends."""
        value = UNPICKLABLE[name]

        def attempt(cache):
            args = ({"k": value},) if method == "set_many" else ("k", value)
            if method == "get_or_set":
                args = ("k", lambda: value)
            with pytest.raises(Exception) as caught:
                getattr(cache, method)(*args)
            return type(caught.value), str(caught.value)

        assert attempt(backend) == attempt(LocMemCache(name, {}))
        assert backend.get("k") is None

    def test_objects(self, backend):
        """Anything that can be pickled comes back with its type."""
        values = {
            "decimal": Decimal("1.10"),
            "when": dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.timezone.utc),
            "set": {1, 2},
            "safe": mark_safe("<b>"),
            "none": None,
            "true": True,
            "false": False,
            "anonymous": AnonymousUser(),
            "class": dict,
        }
        backend.set_many(values)
        found = backend.get_many(values)
        assert found == values
        assert type(found["safe"]) is SafeString
        assert found["true"] is True
        assert found["false"] is False

    def test_lazy_text(self, backend):
        """Lazily translated text is stored."""
        backend.set("k", lazystr("text"))
        assert str(backend.get("k")) == "text"

    def test_model_instance(self, backend):
        """A model instance comes back equal, with its fields and state."""
        user = User(pk=5, username="ü", is_staff=True)
        backend.set("user", user)
        found = backend.get("user")
        assert found == user
        assert (found.username, found.is_staff, found._state.adding) == ("ü", True, True)

    @pytest.mark.django_db
    def test_saved_instance_and_queryset(self, backend, django_assert_num_queries):
        """An instance from the database and a queryset are read without asking the database."""
        User.objects.create_user("one")
        User.objects.create_user("two")
        backend.set("user", User.objects.only("username").get(username="one"))
        backend.set("users", User.objects.order_by("username"))
        backend.set("type", ContentType.objects.get_for_model(User))
        with django_assert_num_queries(0):
            assert backend.get("user").username == "one"
            assert [user.username for user in backend.get("users")] == ["one", "two"]
            assert backend.get("type").model == "user"
        assert backend.get("user").get_deferred_fields()


class TestTimeouts:
    def test_default_and_none(self, make_backend):
        """TIMEOUT is used where a call names none; None, in either, is for ever."""
        default, ever = make_backend(TIMEOUT=50), make_backend(TIMEOUT=None, KEY_PREFIX="ever")
        key = default.make_key
        default.set("set", 1)
        default.set_many({"many": 1})
        default.add("add", 1)
        default.get_or_set("get_or_set", 1)
        default.set("touch", 1, 1_000)
        assert default.touch("touch")
        for name in ("set", "many", "add", "get_or_set", "touch"):
            assert abs(default.client.expire_time(key(name)) - time.time() - 50) < 5
        default.set("none", 1, None)
        assert default.client.expire_time(key("none")) == NEVER
        ever.set("k", 1)
        assert ever.client.expire_time(ever.make_key("k")) == NEVER

    def test_unset_is_300_seconds(self, backend):
        """Without TIMEOUT it is Django's 300 seconds."""
        backend.set("k", 1)
        assert abs(backend.client.expire_time(backend.make_key("k")) - time.time() - 300) < 5

    @pytest.mark.parametrize("timeout", [0, -1])
    def test_default_of_zero(self, make_backend, timeout):
        """TIMEOUT of zero and below stores nothing."""
        backend = make_backend(TIMEOUT=timeout)
        backend.set("k", 1)
        backend.set_many({"l": 1})
        assert backend.add("m", 1)
        assert backend.get_many(["k", "l", "m"]) == {}
        assert backend.get_or_set("k", 7) == 7

    def test_exact(self, backend):
        """A value is gone when its timeout is over, exact to a tenth of a second."""
        records = [
            write(str(timeout), timeout, lambda t=timeout: backend.set(str(t), "v", t))
            for timeout in (0.3, 1, 1.5)
        ]
        watch(records, lambda record: record.name in backend)


class TestIncr:
    def test_missing(self, backend):
        """Incr and decr of a missing key raise ValueError and make nothing."""
        for method in (backend.incr, backend.decr):
            with pytest.raises(ValueError, match="Key 'k' not found"):
                method("k")
        assert backend.client.count() == 0

    def test_past_its_deadline(self, backend, clock):
        """A value past its deadline that the server still holds is a missing key."""
        backend.store._clock = clock
        backend.set("k", "v", 30)
        clock.now += 30.1
        with pytest.raises(ValueError, match="not found"):
            backend.incr("k")
        assert not backend.touch("k")
        assert backend.add("k", "w")

    def test_keeps_the_timeout(self, make_backend):
        """The end of a counter's time is the same after incr and decr."""
        backend = make_backend(TIMEOUT=50)
        for timeout in (1_000, None):
            backend.set("n", 5, timeout)
            before = backend.client.expire_time(backend.make_key("n"))
            assert (backend.incr("n", 10), backend.decr("n", 3)) == (15, 12)
            assert backend.client.expire_time(backend.make_key("n")) == before

    def test_not_an_int(self, backend):
        """Incr of a value that is no int, and by one that is none, is a TypeError."""
        backend.set_many({"text": "x", "n": 1})
        with pytest.raises(TypeError, match="value of 'text' is not an integer"):
            backend.incr("text")
        with pytest.raises(TypeError):
            backend.incr("n", 0.5)
        assert backend.get_many(["text", "n"]) == {"text": "x", "n": 1}

    def test_versions(self, backend):
        """Incr counts in the version named; incr_version moves a value."""
        backend.set("n", 1)
        backend.set("n", 10, version=2)
        assert backend.incr("n", version=2) == 11
        assert backend.get("n") == 1
        assert backend.incr_version("n", 4) == 5
        assert (backend.get("n"), backend.get("n", version=5)) == (None, 1)


class TestClient:
    def test_sees_the_same_record(self, backend):
        """The direct client finds a record under make_key, with its bytes and its time."""
        assert isinstance(backend.client, KyotoTycoon)
        backend.set("n", 41, 100)
        assert backend.client.get_bytes(backend.make_key("n")) == b"41"
        assert abs(backend.client.expire_time(backend.make_key("n")) - time.time() - 100) < 5
        backend.set("k", {"a": 1}, None)
        record = backend.client.get_bytes(backend.make_key("k"))
        assert pickle.loads(record[1:]) == {"a": 1}
        assert backend.client.remove(backend.make_key("k")) == 1
        assert backend.get("k") is None
        assert backend.client.config == backend.store.config

    def test_uses_the_aliass_database(self, location):
        """The client works on the database of LOCATION."""
        backend = KyotoTycoonCache(f"kt://{location}/6", {})
        assert backend.client.default_db == 6


class TestClear:
    def test_only_this_prefix(self, make_backend, store):
        """clear() removes all versions of this cache's keys and nothing else."""
        mine, other = make_backend(KEY_PREFIX="mine"), make_backend(KEY_PREFIX="mine2")
        store.set(b"foreign", b"v", None)
        for version in (1, 2, 3):
            mine.set("k", "v", version=version)
        other.set("k", "v")
        assert mine.clear() is None
        assert [mine.get("k", version=version) for version in (1, 2, 3)] == [None] * 3
        assert other.get("k") == "v"
        assert store.get(b"foreign") == b"v"

    def test_custom_key_function(self, make_backend, store):
        """With a KEY_FUNCTION it is everything but the sessions; flush() is everything."""
        backend = make_backend(KEY_FUNCTION="tests.django.keys.own_key")
        backend.set("k", "v")
        store.set(b"foreign", b"v", None)
        store.set(b"kt-session-abc", b"v", None)
        backend.clear()
        assert store.keys(b"") == [b"kt-session-abc"]
        backend.flush()
        assert store.keys(b"") == []

    def test_replaced_key_function(self, backend, store):
        """A key function put in later is taken for a custom one, and taken back for none."""
        default = backend.key_func
        store.set(b"foreign", b"v", None)
        backend.key_func = lambda key, prefix, version: f"new-{key}"
        backend.key_func = default
        backend.clear()
        assert store.get(b"foreign") == b"v"
        backend.key_func = lambda key, prefix, version: f"new-{key}"
        backend.clear()
        assert store.keys(b"") == []


class TestKeys:
    """What Django's own backends let a site change, it can change here."""

    def test_prefix_and_version_are_replaced(self, backend, store):
        """A prefix and a version that are put in later count from then on."""
        backend.key_prefix, backend.version = "worker-3", 7
        backend.set("k", "v")
        assert store.keys(b"") == [backend.make_key("k").encode()] == [b"worker-3:7:k"]
        assert backend.get("k") == "v"
        assert backend.clear() is None
        assert backend.get("k") is None

    def test_own_make_key(self, any_server, store):
        """A subclass's make_key makes the stored keys, those of many, too."""
        own = OwnKeys(f"{any_server.host}:{any_server.port}", {"KEY_PREFIX": "p"})
        own.set("k", "v")
        own.set_many({"l": "w"})
        assert sorted(store.keys(b"")) == [b"own/p/1/k", b"own/p/1/l"]
        assert own.get_many(["k", "l"]) == {"k": "v", "l": "w"}
        assert own.make_key("k") == "own/p/1/k"


class TestThreads:
    def test_sixteen_thousand(self, site):
        """16 threads x 100 incr through Django's caches count exactly, and keep the timeout."""
        caches["default"].set("n", 0, 1_000)
        ends = caches["default"].client.expire_time(caches["default"].make_key("n"))
        run_threads(16, lambda me: [caches["default"].incr("n") for _ in range(100)])
        assert caches["default"].get("n") == 1_600
        assert caches["default"].client.expire_time(caches["default"].make_key("n")) == ends

    def test_one_add_wins(self, site):
        """Of 16 threads that add exactly one succeeds; get_or_set gives all of them its value."""
        for number in range(10):
            key = f"k{number}"
            assert sum(run_threads(16, lambda me, key=key: caches["default"].add(key, me))) == 1
            results = run_threads(
                16, lambda me, key=key: caches["default"].get_or_set(f"{key}x", lambda: f"by {me}")
            )
            assert set(results) == {caches["default"].get(f"{key}x")}


class TestSignatures:
    def test_same_arguments_as_django(self):
        """Each method takes the arguments of Django's, by the same names, with its defaults.

        Further ones are taken by name only.
        """
        ours = {
            name: method
            for name, method in inspect.getmembers(KyotoTycoonCache, inspect.isfunction)
            if hasattr(BaseCache, name) and name != "__init__"
        }
        assert len(ours) >= 15
        for name, method in ours.items():
            every = inspect.signature(method).parameters.values()
            mine = [each for each in every if each.kind is not each.KEYWORD_ONLY]
            theirs = inspect.signature(getattr(BaseCache, name)).parameters.values()
            assert [p.name for p in mine] == [p.name for p in theirs], name
            assert [p.default for p in mine] == [p.default for p in theirs], name


def test_server_errors_are_raised():
    """A cache that fails says so; it does not pretend to be empty."""
    backend = KyotoTycoonCache("127.0.0.1:9", {"OPTIONS": {"connect_timeout": 0.5}})
    for call in (
        lambda: backend.get("k"),
        lambda: backend.get_many(["k"]),
        lambda: backend.set("k", 1),
        lambda: backend.set_many({"k": 1}),
        lambda: backend.add("k", 1),
        lambda: backend.delete("k"),
        lambda: backend.delete_many(["k"]),
        lambda: backend.touch("k"),
        lambda: backend.incr("k"),
        lambda: backend.has_key("k"),
        backend.clear,
        backend.flush,
    ):
        with pytest.raises(KTError):
            call()
