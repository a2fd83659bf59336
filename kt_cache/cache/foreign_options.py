"""Options of other cache packages, for those who come from one: what is said about each of them."""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["foreign_option"]

_RENAMED = {
    # django-redis
    "ignore_exceptions": "ignore_errors",
    "socket_connect_timeout": "connect_timeout",
    "socket_timeout": "read_timeout",
    # redis-py, as Django's RedisCache passes it on
    "max_connections": "max_size",
    # pymemcache
    "ignore_exc": "ignore_errors",
    "max_pool_size": "max_size",
    "pool_idle_timeout": "max_idle",
    "serde": "serializer",
    "timeout": "read_timeout",
}

_POOL = "connections are always pooled; the pool's limits are max_size, max_waiting and max_idle"
_ALWAYS_OPEN = "connections stay open over requests in any case"
_NO_PARSER = "there is one parser, and nothing to choose"
_NO_USERS = "the server knows no users; see to it that only your sites can reach it"
_NO_REPLICAS = "a cache has one server, that of the location"
_NO_CULLING = "the server, not the client, decides what to throw away"
_RETRIES = "what may be sent twice is, once, without an option"
_DATABASE = "the database is in the location: kt://host:port/1"
_NO_TLS = "there is no TLS to the server yet"

_NOT_NEEDED = {
    "client_class": "there is one client; a ready-made one is the option 'client'",
    "close_connection": _ALWAYS_OPEN,
    "connection_factory": _POOL,
    "connection_pool_class": _POOL,
    "connection_pool_kwargs": _POOL,
    "cull_frequency": _NO_CULLING,
    "db": _DATABASE,
    "default_noreply": "every call waits for the server's answer",
    "deserializer": "the option 'serializer' is for both directions",
    "health_check_interval": "an idle connection is looked at before it is used",
    "max_entries": _NO_CULLING,
    "no_delay": "it is set in any case",
    "parser_class": _NO_PARSER,
    "password": _NO_USERS,
    "pickle_version": "pickles have the highest protocol of this Python",
    "pool_class": _POOL,
    "redis_client_class": "there is one client; a ready-made one is the option 'client'",
    "redis_client_kwargs": "its options stand beside this one",
    "replica_read_only": _NO_REPLICAS,
    "retry_attempts": _RETRIES,
    "retry_on_error": _RETRIES,
    "retry_on_timeout": _RETRIES,
    "sentinel_kwargs": _NO_REPLICAS,
    "sentinels": _NO_REPLICAS,
    "socket_keepalive": "an idle connection is looked at before it is used",
    "ssl": _NO_TLS,
    "tls_context": _NO_TLS,
    "use_pooling": _POOL,
    "username": _NO_USERS,
}


def foreign_option(name: str, known: Collection[str]) -> str | None:
    """Return what to do about an option of another package; ``None`` for one that is none.

    :param name: in any letters, large or small.
    :param known: the options that are taken here; only these are recommended.
    """
    small = name.lower()
    ours = _RENAMED.get(small)
    if ours in known:
        return f"kt_cache calls it {ours!r}"
    reason = _NOT_NEEDED.get(small)
    return f"remove it: {reason}" if reason else None
