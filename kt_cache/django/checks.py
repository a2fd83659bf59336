"""System checks: what ``manage.py check`` says about caches of ours in ``CACHES``.

They are registered by the app ``kt_cache.django`` in ``INSTALLED_APPS``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.cache.backends.base import BaseCache, default_key_func
from django.core.checks import CheckMessage, Warning  # noqa: A004 - Django's name for it

from kt_cache.django.aliases import our_caches
from kt_cache.django.cache import KyotoTycoonCache
from kt_cache.serializers import KT_PICKLE

__all__ = ["check_key_functions", "check_pickle", "check_prefixes"]


def check_key_functions(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001 - as Django calls it
    **kwargs: Any,  # noqa: ARG001
) -> list[CheckMessage]:
    """Warn of key functions with which ``clear()`` cannot tell whose a key is."""
    return [
        Warning(
            f"With its KEY_FUNCTION, clear() of the cache {alias!r} removes every record of the "
            "database but sessions, those of other sites and prefixes too.",
            hint="Give the cache a database of its own (LOCATION kt://host:port/1), or use "
            "KEY_PREFIX instead of KEY_FUNCTION.",
            obj=f"CACHES[{alias!r}]",
            id="kt_cache.W001",
        )
        for alias, cache in our_caches()
        if _has_own_keys(cache)
    ]


def check_prefixes(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001
    **kwargs: Any,  # noqa: ARG001
) -> list[CheckMessage]:
    """Warn of prefixes that one cache cannot tell from the beginning of its own keys."""
    usual = [(alias, cache) for alias, cache in our_caches() if not _has_own_keys(cache)]
    return [
        Warning(
            f"The cache {alias!r} takes the keys of the cache {other!r} for its own: the "
            f"KEY_PREFIX {inner.key_prefix!r} begins with {outer.key_prefix + ':'!r}. Its clear(), "
            "keys() and delete_pattern() reach into that cache.",
            hint="Give one of them a KEY_PREFIX without that beginning, or a database of its own "
            "(LOCATION kt://host:port/1).",
            obj=f"CACHES[{alias!r}]",
            id="kt_cache.W003",
        )
        for alias, outer in usual
        for other, inner in usual
        if inner.key_prefix.startswith(f"{outer.key_prefix}:") and _share_records(outer, inner)
    ]


def check_pickle(
    app_configs: Sequence[AppConfig] | None,  # noqa: ARG001
    **kwargs: Any,  # noqa: ARG001
) -> list[CheckMessage]:
    """Warn of pickles from other machines: whoever can write there can run code here."""
    return [
        Warning(
            f"The cache {alias!r} unpickles what a server on {cache.store.config.address} holds: "
            "whoever can write to that server can run code in this site.",
            hint="Set OPTIONS['serializer'] to 'json' or 'msgpack', or sign values with "
            "OPTIONS['signing_keys'], or see to it that this site alone can reach the server and "
            "silence this check.",
            obj=f"CACHES[{alias!r}]",
            id="kt_cache.W002",
        )
        for alias, cache in our_caches()
        if cache.codec.reads_unsigned(KT_PICKLE) and not _is_loopback(cache.get_client().host)
    ]


def _has_own_keys(cache: KyotoTycoonCache) -> bool:
    own_method = type(cache).make_key is not BaseCache.make_key
    return own_method or cache.key_func is not default_key_func


def _share_records(one: KyotoTycoonCache, other: KyotoTycoonCache) -> bool:
    mine, theirs = one.get_client(), other.get_client()
    return (mine.host, mine.port, mine.default_db) == (theirs.host, theirs.port, theirs.default_db)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
