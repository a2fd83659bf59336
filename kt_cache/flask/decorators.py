"""Decorators that keep what functions return."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property, partial, wraps
from inspect import iscoroutine, iscoroutinefunction, unwrap
from typing import Any, TypeVar

from flask import Flask, has_request_context, request

from kt_cache.cache.call_keys import CallKeys, name_of
from kt_cache.cache.namesakes import Namesakes
from kt_cache.cache.protection import make_protection
from kt_cache.errors import ConfigError
from kt_cache.flask.cached import CachedCall, Place
from kt_cache.flask.calls import Call, Options, Tags
from kt_cache.flask.conditions import Condition, check_decorated, check_plain
from kt_cache.flask.deletions import DeletionMethods
from kt_cache.flask.registration import warn_if_registered
from kt_cache.flask.request_keys import RequestKeys
from kt_cache.flask.terms import Timeout, check_timeout, seconds_of

__all__ = ["DecoratorMethods"]

F = TypeVar("F", bound=Callable[..., Any])


class DecoratorMethods(DeletionMethods):
    """The decorators, and what deletes what they keep."""

    _apps: Iterable[Flask]  # that know this cache

    @cached_property
    def _namesakes(self) -> Namesakes:
        return Namesakes()

    def cached(
        self,
        timeout: Timeout = None,
        key_prefix: str | Callable[[], str] = "view/%s",
        *,
        unless: Callable[..., Any] | None = None,
        forced_update: Callable[..., Any] | None = None,
        response_filter: Callable[[Any], Any] | None = None,
        query_string: bool = False,
        make_cache_key: Callable[..., str] | None = None,
        ignore_session: bool = False,
        lock: float | bool | None = True,
        stale: float | None = None,
        beta: float | None = None,
        tags: Tags = None,
    ) -> Callable[[F], F]:
        """Keep what a view or another function without arguments returns.

        Of views, answers to GET are kept, which HEAD gets as well; other methods pass by, unless
        the site makes the key. Never kept is what is not for everybody: answers that set a cookie,
        vary, say ``private`` or ``no-store``, are streamed or a part, have a status of 400 and
        above other than 404 and 410, what is raised, and what a view returns that may be for its
        visitor alone: it asked the session for something; the session holds data and was asked
        before; Flask-Login has somebody logged in; the request has an ``Authorization`` header. Nor
        is what a view returns that called ``after_this_request``.
        What cannot be stored is returned and not kept.

        The function that this makes has the attributes ``uncached``, ``cache_timeout`` and
        ``make_cache_key``.

        :param timeout: as of ``set``.
        :param key_prefix: the key, in which ``%s`` stands for the function's name and the request's
            URL without its query; or a function that returns the key.
        :param unless: if it returns true, the function runs and nothing is read or stored. Takes
            the function and its arguments, or nothing.
        :param forced_update: if it returns true, the function runs and its result is stored. Takes
            the function's arguments, or nothing.
        :param response_filter: takes what the function returned; if it returns false, that is not
            stored.
        :param query_string: whether requests with other arguments in their query have answers of
            their own.
        :param make_cache_key: takes the function's arguments and returns the key, for requests of
            any method; it says what the answer depends on, the session included.
        :param ignore_session: whether to keep also what may be for its visitor alone, by the
            session, a login or ``Authorization``.
        :param lock: seconds that the one who runs the function has while others wait for its
            result, ``True`` for 30, ``None`` for no waiting.
        :param stale: seconds for which a result is kept beyond its timeout: meanwhile one call
            makes it anew and the others get the old one.
        :param beta: also make it anew before its timeout, by chance; 1.0 is a good value.
        :param tags: of the result, or a function that takes the function's arguments and returns
            them.
        :raises ConfigError: if an option is not understood, or the function is a generator.
        """
        _check_called("cached", timeout)
        check_plain("make_cache_key", make_cache_key)
        if not isinstance(key_prefix, str) and not callable(key_prefix):
            raise ConfigError(f"key_prefix must be text or a function, not {key_prefix!r}")
        check_plain("key_prefix", key_prefix if callable(key_prefix) else None)
        options = _options(unless, forced_update, response_filter, lock, stale, beta, tags)

        def decorate(function: F) -> F:
            check_decorated("cache.cached", function)
            warn_if_registered(function, self._apps)
            called = _without_coroutines(function)
            keys = RequestKeys(
                name_of(function), key_prefix, query_string=query_string, make_key=make_cache_key
            )

            def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> CachedCall | None:
                method = request.method if has_request_context() else None
                if place.is_passed_by(method) or options.unless.holds(function, *args, **kwargs):
                    return None
                backend = self.backend
                return CachedCall(
                    called,
                    args,
                    kwargs,
                    options=options,
                    backend=backend,
                    key=wrapper.make_cache_key(*args, **kwargs),
                    seconds=seconds_of(wrapper.cache_timeout, backend.default_timeout),
                    tags=options.tags_of(args, kwargs),
                    place=place,
                    method=method,
                )

            wrapper = _wrapper(function, begin, timeout)
            place = Place(wrapper, keys, ignore_session)
            wrapper.make_cache_key = lambda *args, **kwargs: keys.key(args, kwargs)
            wrapper.request_keys = keys
            return wrapper  # type: ignore[no-any-return]

        return decorate

    def memoize(
        self,
        timeout: Timeout = None,
        *,
        make_name: Callable[[str], str] | None = None,
        unless: Callable[..., Any] | None = None,
        forced_update: Callable[..., Any] | None = None,
        response_filter: Callable[[Any], Any] | None = None,
        args_to_ignore: Iterable[str] = (),
        lock: float | bool | None = True,
        stale: float | None = None,
        beta: float | None = None,
        tags: Tags = None,
    ) -> Callable[[F], F]:
        """Keep what a function or method returns, for each set of arguments.

        Arguments are told apart by what they are, not by how they are given. An object must have a
        ``__caching_id__()`` or a ``repr`` that says which one it is. What cannot be stored is
        returned and not kept.

        :param make_name: takes the function's name, returns the one to use in keys.
        :param args_to_ignore: names of parameters that do not count.
        :raises ConfigError: if an option is not understood, or the function is a generator; when
            the function is called, if an argument cannot be told from others.

        The other options are those of :meth:`cached`.
        """
        _check_called("memoize", timeout)
        check_plain("make_name", make_name)
        options = _options(unless, forced_update, response_filter, lock, stale, beta, tags)

        def decorate(function: F) -> F:
            check_decorated("cache.memoize", function)
            called = _without_coroutines(function)
            keys = CallKeys(function, make_name=make_name, ignore=args_to_ignore)
            self._namesakes.add(keys.name, unwrap(function))

            def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
                if options.unless.holds(function, *args, **kwargs):
                    return None
                backend = self.backend
                return Call(
                    called,
                    args,
                    kwargs,
                    options=options,
                    backend=backend,
                    key=wrapper.make_cache_key(*args, **kwargs),
                    seconds=seconds_of(wrapper.cache_timeout, backend.default_timeout),
                    tags=(*keys.tags(args), *options.tags_of(args, kwargs)),
                )

            wrapper = _wrapper(function, begin, timeout)
            wrapper.make_cache_key = lambda *args, **kwargs: keys.key(args, kwargs)
            wrapper.call_keys = keys
            wrapper.delete_memoized = partial(self.delete_memoized, wrapper)
            return wrapper  # type: ignore[no-any-return]

        return decorate


def _options(
    unless: Callable[..., Any] | None,
    forced_update: Callable[..., Any] | None,
    response_filter: Callable[[Any], Any] | None,
    lock: float | bool | None,
    stale: float | None,
    beta: float | None,
    tags: Tags,
) -> Options:
    make_protection(lock, stale, beta)  # which says what is wrong with them
    return Options(
        unless=Condition("unless", unless),
        forced_update=Condition("forced_update", forced_update),
        response_filter=response_filter,
        lock=lock,
        stale=stale,
        beta=beta,
        tags=tags,
    )


def _wrapper(
    function: Callable[..., Any],
    begin: Callable[[tuple[Any, ...], dict[str, Any]], Call | None],
    timeout: Timeout,
) -> Any:
    """Return what stands in place of a function."""
    wrapper: Any
    if iscoroutinefunction(function):

        @wraps(function)
        async def on_a_loop(*args: Any, **kwargs: Any) -> Any:
            call = begin(args, kwargs)
            return await (function(*args, **kwargs) if call is None else call.aresult())

        wrapper = on_a_loop
    else:

        @wraps(function)
        def blocking(*args: Any, **kwargs: Any) -> Any:
            call = begin(args, kwargs)
            return function(*args, **kwargs) if call is None else call.result()

        wrapper = blocking
    wrapper.uncached = function
    wrapper.cache_timeout = timeout
    return wrapper


def _without_coroutines(function: F) -> F:
    """Return a function that says so if it returns a coroutine, which cannot be kept.

    A plain function that a decorator has put in place of a coroutine function may await it, or not.
    """
    if iscoroutinefunction(function) or not iscoroutinefunction(unwrap(function)):
        return function

    @wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if not iscoroutine(result):
            return result
        result.close()
        raise ConfigError(
            f"{name_of(function)} is 'async def', which the decorator below the cache's hides: put "
            "the cache's next to the function"
        )

    return called  # type: ignore[return-value]


def _check_called(name: str, timeout: Any) -> None:
    if callable(timeout):
        raise ConfigError(f"write @cache.{name}() with brackets")
    hint = "; a key is key_prefix='...'" if name == "cached" else ""
    check_timeout(timeout, hint if isinstance(timeout, str) else "")
