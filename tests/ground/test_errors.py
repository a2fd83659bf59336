"""Errors: what they tell, what they never tell, and that they survive a pickle."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import pytest

from kt_cache import errors
from kt_cache.errors import KTError

CLASSES = [getattr(errors, name) for name in errors.__all__]
each_class = pytest.mark.parametrize("cls", CLASSES)


def test_every_error_is_listed() -> None:
    """``__all__`` has every exception of the module."""
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    }
    assert defined == set(errors.__all__)


@each_class
def test_every_error_is_one_of_ours(cls: type[KTError]) -> None:
    """``except KTError`` catches everything kt_cache raises."""
    assert issubclass(cls, KTError)
    assert cls.__doc__


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("ConfigError", ValueError),
        ("EncodeError", ValueError),
        ("DecodeError", ValueError),
        ("LocalProtocolError", ValueError),
        ("TimeoutExceeded", TimeoutError),
        ("ConnectTimeout", TimeoutError),
        ("ReadTimeout", TimeoutError),
        ("PoolTimeout", TimeoutError),
    ],
)
def test_errors_are_also_the_builtin_ones(name: str, builtin: type[Exception]) -> None:
    """A wrong argument is a ValueError too, a passed deadline a TimeoutError."""
    assert issubclass(getattr(errors, name), builtin)


def test_timeouts_are_errors_of_their_place() -> None:
    """A timeout while connecting counts as not connected; every timeout as a broken transport."""
    assert issubclass(errors.ConnectTimeout, errors.ConnectError)
    assert not issubclass(errors.ReadTimeout, errors.ConnectError)
    assert issubclass(errors.TimeoutExceeded, errors.TransportError)


@each_class
def test_an_error_tells_where_it_happened(cls: type[KTError]) -> None:
    """Host, command and key are attributes, and stand behind the message in the text."""
    error = cls("it broke")
    assert (error.host, error.command, error.key) == (None, None, None)
    assert str(error) == "it broke"
    error.add_context(host="h:1978", command="cas", key=b"k")
    assert (error.host, error.command, error.key) == ("h:1978", "cas", b"k")
    assert str(error) == "it broke [command=cas, host=h:1978, key=b'k']"
    assert error.message == "it broke"
    assert error.args == ("it broke",)


def test_context_can_be_given_at_once() -> None:
    """Most errors take their context when they are made."""
    error = KTError("no", host="h:1", key="")
    assert str(error) == "no [host=h:1, key='']"
    server = errors.ServerError("no", status=450, connection_ok=True, command="get")
    assert (server.status, server.connection_ok, server.command) == (450, True, "get")


@each_class
def test_context_is_never_overwritten(cls: type[KTError]) -> None:
    """Who knew first knew best: a floor above only fills in what is missing."""
    error = cls("it broke")
    error.add_context(command="get", key="")
    error.add_context(host="h:1", command="other", key="other")
    error.add_context()
    assert (error.host, error.command, error.key) == ("h:1", "get", "")


@each_class
def test_an_error_has_no_room_for_a_value(cls: type[KTError]) -> None:
    """No error takes a stored value, so none can leak one into a log."""
    known = {"message", "host", "command", "key", "status", "connection_ok", "retry_after"}
    assert set(inspect.signature(cls).parameters) <= known


def complete(cls: type[KTError]) -> KTError:
    """Return an error in which every attribute has a value that is not its default."""
    error = cls("it broke")
    error.add_context(host="h:1978", command="cas", key=b"k")
    for name, value in {"status": 450, "connection_ok": True, "retry_after": 2.5}.items():
        if hasattr(error, name):
            setattr(error, name, value)
    return error


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@each_class
def test_errors_survive_a_pickle(cls: type[KTError], protocol: int) -> None:
    """An error raised in another process arrives with its class, text and every attribute."""
    check_same(complete(cls), pickle.loads(pickle.dumps(complete(cls), protocol)))


@each_class
def test_errors_can_be_copied(cls: type[KTError]) -> None:
    """A copy, as a future or a test runner makes one, has every attribute."""
    for duplicate in (copy.copy, copy.deepcopy):
        check_same(complete(cls), duplicate(complete(cls)))


def check_same(error: KTError, other: Any) -> None:
    assert type(other) is type(error)
    assert vars(other) == vars(error)
    assert (str(other), other.args) == (str(error), error.args)


def test_keyword_attributes_survive_a_pickle() -> None:
    """What can only be given by keyword is not lost either."""
    error = errors.NoSuchDatabase("no such database", status=400, connection_ok=True, host="h:1")
    other = pickle.loads(pickle.dumps(error))
    assert (other.status, other.connection_ok, other.host) == (400, True, "h:1")
    remote = pickle.loads(pickle.dumps(errors.RemoteProtocolError("no", status=413)))
    assert remote.status == 413
