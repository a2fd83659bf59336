"""From an entry of the ``CACHES`` setting to what the cache is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.cache.backends.base import default_key_func
from django.utils.module_loading import import_string

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
from kt_cache.errors import ConfigError

__all__ = ["checked_options", "key_function", "reverse_key_function", "store_at"]

_OPTIONS = STORE_OPTIONS | CODEC_OPTIONS | {"client"}


def key_function(function: KeyFunction) -> KeyFunction:
    """Return Django's default function as ours, which :meth:`Cache.clear` knows."""
    return default_key if function is default_key_func else function


def checked_options(options: Any) -> dict[str, Any]:
    """Return a copy of OPTIONS.

    :raises ConfigError: if it has a name that nobody knows.
    """
    if not isinstance(options, Mapping):
        raise ConfigError(f"OPTIONS must be a dictionary, not {options!r}")
    check_options(options, _OPTIONS)
    return dict(options)


def store_at(location: str, options: dict[str, Any]) -> Store:
    """Return the store at LOCATION, or that of a client among the options.

    :param options: without those that are about values.
    :raises ConfigError: if one is not understood, or if they say two things at once.
    """
    if "client" not in options:
        return open_store(location, options)
    client = options.pop("client")
    if location:
        raise ConfigError("the option 'client' says where the server is; remove LOCATION")
    if isinstance(client, str):
        client = _imported("client", client)
    return store_of(client, options)


def reverse_key_function(function: Any) -> ReverseKeyFunction | None:
    """Return REVERSE_KEY_FUNCTION, which may be named by where to import it from.

    :raises ConfigError: if it is not a function.
    """
    if isinstance(function, str):
        function = _imported("REVERSE_KEY_FUNCTION", function)
    if function is None or callable(function):
        return function  # type: ignore[no-any-return]
    raise ConfigError(f"REVERSE_KEY_FUNCTION must be a function, not {function!r}")


def _imported(name: str, path: str) -> Any:
    try:
        return import_string(path)
    except ImportError as error:
        raise ConfigError(f"{name}: {error}") from error
