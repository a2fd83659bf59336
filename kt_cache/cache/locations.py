"""From a location string to the store it names; its scheme picks the engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeAlias
from urllib.parse import SplitResult, urlsplit

from kt_cache.cache.failure_policy import FAILURE_OPTIONS, FailurePolicy
from kt_cache.cache.kyoto import KyotoStore
from kt_cache.cache.observed import OBSERVER_OPTIONS, observe, observer_of
from kt_cache.cache.options import check_options
from kt_cache.cache.store import Store
from kt_cache.cache.tolerant import apply_policy
from kt_cache.client import KyotoTycoon
from kt_cache.errors import ConfigError
from kt_cache.transport import PoolConfig

__all__ = ["POOL_OPTIONS", "STORE_OPTIONS", "check_location", "open_store", "store_of"]

_Opener: TypeAlias = "Callable[[Mapping[str, Any]], Store]"

_DEFAULT_PORT = 1978
_LAST_DATABASE = 65535
_IPV6_HINT = "write an IPv6 address in brackets, as in '[::1]:1978'"
_strange = re.compile(r"[\s@,;]").search

POOL_OPTIONS = frozenset(
    field.name for field in fields(PoolConfig) if field.name not in {"host", "port"}
)
"""Names of the options for the connections."""

_AROUND = FAILURE_OPTIONS | OBSERVER_OPTIONS  # what is done around the calls of any engine

STORE_OPTIONS = POOL_OPTIONS | _AROUND
"""Names of the options that a store takes."""


def open_store(location: str, options: Mapping[str, Any] | None = None) -> Store:
    """Return the store at a location. Nothing is connected yet.

    :param location: ``host:port``, or ``kt://host:port/db`` with the database's index. The port
        may be left out and is 1978 then.
    :param options: fields of :class:`~kt_cache.transport.PoolConfig` such as ``read_timeout``,
        those of :class:`~kt_cache.cache.failure_policy.FailurePolicy` such as ``ignore_errors``,
        and an ``observer``, a function or where to import it from.
    :raises ConfigError: if the location or an option is not understood.
    """
    opener = _opener_at(location)
    options = options or {}
    check_options(options, STORE_OPTIONS)
    wrap, options = _wrapping(options)
    return wrap(opener(options))


def check_location(location: object) -> None:
    """Look at a location without making its store, so that an error can name the setting.

    :raises ConfigError: if it is not understood.
    """
    _opener_at(location)


def _opener_at(location: object) -> _Opener:
    """Return what makes the store at a location, of options."""
    if not isinstance(location, str) or not location.strip():
        raise ConfigError(
            f"the location must be 'host:port' or 'kt://host:port/db', not {location!r}"
        )
    location = location.strip()
    try:
        parts = urlsplit(location if "://" in location else f"kt://{location}")
    except ValueError as error:
        raise ConfigError(f"the location is not understood: {error}; {_IPV6_HINT}") from error
    engine = _ENGINES.get(parts.scheme)
    if engine is None:
        raise ConfigError(
            f"unknown scheme {parts.scheme!r} in the location; "
            f"known are: {', '.join(sorted(_ENGINES))}"
        )
    return engine(parts)


def store_of(client: KyotoTycoon, options: Mapping[str, Any] | None = None) -> Store:
    """Return the store at the server and database of a ready-made client, on its connections.

    :param options: those of :class:`~kt_cache.cache.failure_policy.FailurePolicy`, and an
        ``observer``.
    :raises ConfigError: if it is not a client, or an option is not understood.
    """
    if not isinstance(client, KyotoTycoon):
        raise ConfigError(f"client must be a kt_cache.KyotoTycoon, not {client!r}")
    wrap, options = _wrapping(options or {})
    for name in POOL_OPTIONS.intersection(options):
        raise ConfigError(f"the client was made with a {name!r} of its own; remove this option")
    check_options(options, _AROUND)
    return wrap(KyotoStore(client.config, db=client.default_db))


def _wrapping(options: Mapping[str, Any]) -> tuple[Callable[[Store], Store], dict[str, Any]]:
    """Return what puts around a store what some of the options ask for, and the other options."""
    policy, rest = FailurePolicy.taken_from(options)
    observer = observer_of(rest.pop("observer", None))
    return lambda store: observe(apply_policy(store, policy), observer), rest


def _kyoto(parts: SplitResult) -> _Opener:
    if parts.query or parts.fragment or _strange(parts.netloc):
        raise ConfigError("a kt:// location has a host, a port and a database, nothing else")
    if (parts.netloc.count(":") > 1) != ("[" in parts.netloc):
        raise ConfigError(f"the location's host and port are not understood; {_IPV6_HINT}")
    try:
        port = _DEFAULT_PORT if parts.port is None else parts.port
    except ValueError as error:
        raise ConfigError("the location's port must be a number from 1 to 65535") from error
    host = parts.hostname
    if not host:
        raise ConfigError("the location lacks a host")
    index = parts.path.strip("/") or "0"
    if not (index.isascii() and index.isdigit() and int(index) <= _LAST_DATABASE):
        raise ConfigError(
            f"the database in the location must be its index, 0 to {_LAST_DATABASE}, not {index!r}"
        )
    return lambda options: KyotoStore(PoolConfig(host=host, port=port, **options), db=int(index))


_ENGINES: dict[str, Callable[[SplitResult], _Opener]] = {"kt": _kyoto}
