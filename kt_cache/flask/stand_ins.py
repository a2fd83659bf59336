"""Requests that stand in for a visitor's, to find the key of what that one got."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextvars import copy_context
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from flask import Flask, current_app, has_request_context, request, url_for
from werkzeug.datastructures import MultiDict

from kt_cache.errors import ConfigError
from kt_cache.flask.visits import is_current_view, leads_to

__all__ = ["QueryArgs", "key_of"]

QueryArgs: TypeAlias = "str | Mapping[str, Any] | Iterable[tuple[str, Any]] | None"
"""The arguments in a query: as in a URL, by name, or as pairs."""


def key_of(
    make_key: Callable[..., str],
    view: Callable[..., Any],
    path: str | None,
    query_args: QueryArgs,
    base_url: str | None,
    view_args: dict[str, Any],
) -> str:
    """Return the key that a view's answer to a request has.

    :param make_key: is called as within that request, with the view's arguments.
    :param path: the request's, without the place where the app is mounted; ``None`` for that of the
        view with its arguments.
    :param base_url: scheme, host and the place where the app is mounted; ``None`` for that of the
        current request or else of the app's configuration.
    :raises ConfigError: if the path is not given and the view has none.
    """
    proxy: Any = current_app
    app: Flask = proxy._get_current_object()  # noqa: SLF001
    base = base_url or (request.url_root if has_request_context() else None)
    # A request that is left calls the site's teardown functions, which close what the current
    # request may still use: they share `g`. So it is not left, but lost with a copied context.
    if path is None:
        path, base = copy_context().run(_place_of, app, view, base, view_args)
    return copy_context().run(_key_within, app, path, base, query_args, view, view_args, make_key)


def _place_of(
    app: Flask, view: Callable[..., Any], base: str | None, view_args: dict[str, Any]
) -> tuple[str, str | None]:
    """Return a view's path, and the base of its URL."""
    endpoint = _endpoint_of(app, view)
    app.test_request_context("/", base_url=base).push()
    parts, root = urlsplit(url_for(endpoint, **view_args)), request.script_root
    if parts.netloc:  # the view is of another host
        base = f"{parts.scheme or request.scheme}://{parts.netloc}{root}/"
    return parts.path.removeprefix(root), base


def _key_within(
    app: Flask,
    path: str,
    base: str | None,
    query: QueryArgs,
    view: Callable[..., Any],
    view_args: dict[str, Any],
    make_key: Callable[..., str],
) -> str:
    if query is not None and not isinstance(query, str | Mapping):
        query = MultiDict(query)
    app.test_request_context(path, base_url=base, query_string=query).push()
    # A visitor's arguments are what the URL's converters make of them.
    arguments = request.view_args if is_current_view(view) else None
    return make_key(**(arguments or view_args))


def _endpoint_of(app: Flask, view: Callable[..., Any]) -> str:
    for endpoint, function in app.view_functions.items():
        if leads_to(function, view):
            return str(endpoint)
    raise ConfigError(f"{view!r} is no view of the app {app.name!r}: say which path is meant")
