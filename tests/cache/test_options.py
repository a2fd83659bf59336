"""What is said about options that nobody knows, and about dotted paths that lead nowhere."""

from __future__ import annotations

import pytest

from kt_cache.cache import CODEC_OPTIONS, STORE_OPTIONS, check_options
from kt_cache.cache import foreign_options as foreign
from kt_cache.cache.options import imported
from kt_cache.errors import ConfigError

KNOWN = STORE_OPTIONS | CODEC_OPTIONS


def message(option, known=KNOWN):
    with pytest.raises(ConfigError) as caught:
        check_options({option: 1}, known)
    return caught.value.message


@pytest.mark.parametrize(
    ("option", "near"),
    [
        ("SERIALIZER", "serializer"),
        ("SIGNING_KEY", "signing_keys"),
        ("Compressors", "compressor"),
        ("read_timout", "read_timeout"),
    ],
)
def test_nearest(option, near):
    """The nearest right name is named, whichever letters are large."""
    assert message(option) == f"unknown option {option!r}; did you mean {near!r}?"


def test_none_near():
    """If none is near, all are named."""
    assert message("colour", {"b", "A"}) == "unknown option 'colour'; known are: A, b"
    assert message(5, {"b", "A"}) == "unknown option 5; known are: A, b"


def test_other_packages():
    """An option of another package is told its name here, or why there is none."""
    assert message("SOCKET_TIMEOUT").endswith("; kt_cache calls it 'read_timeout'")
    assert "; remove it: connections are always pooled" in message("CONNECTION_POOL_KWARGS")


def test_other_packages_lead_somewhere():
    """What they are said to be called here is an option; none is one of ours itself."""
    assert set(foreign._RENAMED.values()) <= KNOWN
    assert not (foreign._RENAMED.keys() | foreign._NOT_NEEDED.keys()) & KNOWN
    assert not foreign._RENAMED.keys() & foreign._NOT_NEEDED.keys()


def test_only_what_is_taken_is_recommended():
    """Where an option is not taken, nobody is sent to it."""
    assert "ignore_errors" not in message("IGNORE_EXCEPTIONS", {"read_timeout"})


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("name", "a dotted path names a module first"),
        (".name", "a dotted path names a module first"),
        ("kt_cache.", "a dotted path names a module first"),
        ("..cache.name", "relative import"),
        ("no_such_module.name", "No module named 'no_such_module'"),
        ("kt_cache.errors.nothing", "'kt_cache.errors' has nothing named 'nothing'"),
    ],
)
def test_paths_that_lead_nowhere(path, problem):
    """The error names the option, and why the path cannot be followed."""
    with pytest.raises(ConfigError, match=f"^observer: .*{problem}"):
        imported("observer", path)


def test_paths():
    """A path leads to something in a module, or to a module."""
    assert imported("observer", "kt_cache.errors.ConfigError") is ConfigError
    assert imported("observer", "kt_cache.cache.foreign_options") is foreign
