"""From an entry of the ``CACHES`` setting to what the cache is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.cache.backends.base import default_key_func

from kt_cache.cache import (
    CODEC_OPTIONS,
    STORE_OPTIONS,
    KeyFunction,
    ReverseKeyFunction,
    Store,
    check_options,
    default_key,
    open_store,
    store_of,
)
from kt_cache.cache.options import hint, imported
from kt_cache.errors import ConfigError

__all__ = ["checked_options", "key_function", "reverse_key_function", "store_at"]

_OPTIONS = STORE_OPTIONS | CODEC_OPTIONS | {"client"}

_ENTRIES = frozenset(
    {
        *("BACKEND", "LOCATION", "TIMEOUT", "KEY_PREFIX", "VERSION", "KEY_FUNCTION", "OPTIONS"),
        "REVERSE_KEY_FUNCTION",
    }
)
_OLD_ENTRIES = frozenset({"timeout", "max_entries", "cull_frequency"})  # Django takes them, too


def key_function(function: KeyFunction) -> KeyFunction:
    """Return Django's default function as ours, which :meth:`Cache.clear` knows."""
    return default_key if function is default_key_func else function


def checked_options(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of OPTIONS.

    :param params: an entry of the setting.
    :raises ConfigError: if it, or OPTIONS, has a name that nobody knows.
    """
    for name in params:
        if name not in _ENTRIES | _OLD_ENTRIES:
            raise ConfigError(f"unknown entry {name!r} beside OPTIONS; {_entry_hint(str(name))}")
    options = params.get("OPTIONS", {})
    if not isinstance(options, Mapping):
        raise ConfigError(f"OPTIONS must be a dictionary, not {options!r}")
    for name in options:
        entry = str(name).upper()
        if entry in _ENTRIES:
            raise ConfigError(f"unknown option {name!r}; {_option_hint(entry)}")
    check_options(options, _OPTIONS)
    return dict(options)


def _entry_hint(name: str) -> str:
    if name.lower() in _OPTIONS:
        return f"{name.lower()!r} belongs into OPTIONS"
    return hint(name, _ENTRIES | _OPTIONS)


def _option_hint(entry: str) -> str:
    place = f"{entry!r} stands beside OPTIONS"
    if entry != "TIMEOUT":
        return place
    return f"{place}, and how long to wait for the server's answers is 'read_timeout'"


def store_at(location: str, options: dict[str, Any]) -> Store:
    """Return the store at LOCATION, or that of a client among the options.

    :param options: without those that are about values.
    :raises ConfigError: if one is not understood, or if they say two things at once.
    """
    client = options.pop("client", None)
    if client is None:
        return open_store(location, options)
    if location:
        raise ConfigError("the option 'client' says where the server is; remove LOCATION")
    if isinstance(client, str):
        client = imported("client", client)
    return store_of(client, options)


def reverse_key_function(function: Any) -> ReverseKeyFunction | None:
    """Return REVERSE_KEY_FUNCTION, which may be named by where to import it from.

    :raises ConfigError: if it is not a function.
    """
    if isinstance(function, str):
        function = imported("REVERSE_KEY_FUNCTION", function)
    if function is None or callable(function):
        return function  # type: ignore[no-any-return]
    raise ConfigError(f"REVERSE_KEY_FUNCTION must be a function, not {function!r}")
