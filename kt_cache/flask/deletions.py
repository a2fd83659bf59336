"""Deleting what decorated functions returned."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kt_cache.cache.call_keys import CallKeys
from kt_cache.errors import ConfigError
from kt_cache.flask.request_keys import RequestKeys
from kt_cache.flask.stand_ins import QueryArgs, key_of

if TYPE_CHECKING:
    from kt_cache.flask.backend import KyotoTycoonCache

__all__ = ["DeletionMethods"]


class DeletionMethods:
    """The calls that delete what the decorators keep."""

    @property
    def backend(self) -> KyotoTycoonCache:
        """The current app's cache, as a cachelib backend."""
        raise NotImplementedError

    def delete_cached(
        self,
        function: Callable[..., Any],
        /,
        path: str | None = None,
        query_args: QueryArgs = None,
        *,
        base_url: str | None = None,
        **view_args: Any,
    ) -> bool:
        """Delete what a function that ``cached`` has decorated returned for a request.

        :param path: the request's; not needed for a view whose arguments are given.
        :param query_args: those in the request's query: text, names and values, or pairs.
        :param base_url: scheme and host, and the place where the app is mounted, if these are not
            the ones of the current request, or without one of the app's configuration.
        :param view_args: the view's arguments.
        :return: whether there was anything, or it was being made.
        :raises ConfigError: if it is not such a function, or no view and the path is not given.
        """
        keys = getattr(function, "request_keys", None)
        if not isinstance(keys, RequestKeys):
            raise ConfigError(f"{function!r} is no function that cache.cached has decorated")
        cache, make_key = self.backend.cache, function.make_cache_key  # type: ignore[attr-defined]
        if keys.is_fixed:
            return cache.discard(make_key())
        return cache.discard(key_of(make_key, function, path, query_args, base_url, view_args))

    def delete_memoized(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        """Delete results of a function that ``memoize`` has decorated.

        Without arguments all of them, or if it is the method of an object that object's; with
        arguments that of a call with these, or also all of them, if a decorator between hides which
        arguments are the same. What is being made is deleted, too.

        :raises ConfigError: if it is not such a function.
        :raises TypeError: if it does not take such arguments.
        """
        keys = getattr(function, "call_keys", None)
        if not isinstance(keys, CallKeys):
            raise ConfigError(f"{function!r} is no function that cache.memoize has decorated")
        owner = getattr(function, "__self__", None)
        cache = self.backend.cache
        if (args or kwargs) and keys.is_exact:
            for key in _keys_meant(function, owner, args, kwargs):
                cache.discard(key)
        elif owner is None or isinstance(owner, type) or not keys.is_method:
            cache.delete_tag(keys.tag)
        else:
            cache.delete_tag(keys.tag_of(owner))


def _keys_meant(
    function: Any, owner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> set[str]:
    """Return the keys that a call with these arguments may have.

    If the method of an object is given that object as its first argument, that is ``self``, as
    Flask-Caching has it, or what comes after it. Where both fit, both are meant.
    """
    if owner is None:
        return {function.make_cache_key(*args, **kwargs)}
    ways = [(owner, *args)]
    if args and args[0] is owner:
        ways.append(args)
    keys = set()
    for number, way in enumerate(ways, 1):
        try:
            keys.add(function.make_cache_key(*way, **kwargs))
        except TypeError:
            if number == len(ways) and not keys:
                raise
    return keys
