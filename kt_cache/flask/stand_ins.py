"""Requests that stand in for a visitor's, to find the key of what that one got."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from flask import Flask, current_app, has_request_context, request, url_for
from werkzeug.datastructures import MultiDict

from kt_cache.errors import ConfigError
from kt_cache.flask.visits import leads_to

__all__ = ["QueryArgs", "standing_in"]

QueryArgs: TypeAlias = "str | Mapping[str, Any] | Iterable[tuple[str, Any]] | None"
"""The arguments in a query: as in a URL, by name, or as pairs."""


@contextmanager
def standing_in(
    view: Callable[..., Any],
    path: str | None,
    query_args: QueryArgs,
    base_url: str | None,
    view_args: dict[str, Any],
) -> Iterator[dict[str, Any]]:
    """Let the current request be one for a view, and give its arguments.

    :param path: the request's, without the place where the app is mounted; ``None`` for that of the
        view with its arguments.
    :param base_url: scheme, host and the place where the app is mounted; ``None`` for that of the
        current request or else of the app's configuration.
    :raises ConfigError: if the path is not given and the view has none.
    """
    proxy: Any = current_app
    app: Flask = proxy._get_current_object()  # noqa: SLF001
    base = base_url or (request.url_root if has_request_context() else None)
    if path is None:
        endpoint = _endpoint_of(app, view)
        with app.test_request_context("/", base_url=base):
            parts = urlsplit(url_for(endpoint, **view_args))
            path = parts.path.removeprefix(request.script_root)
        if parts.netloc:  # the view is of another host
            base = f"{parts.scheme or 'http'}://{parts.netloc}/"
    query = query_args
    if query is not None and not isinstance(query, str | Mapping):
        query = MultiDict(query)
    with app.test_request_context(path, base_url=base, query_string=query):
        yield view_args or request.view_args or {}


def _endpoint_of(app: Flask, view: Callable[..., Any]) -> str:
    for endpoint, function in app.view_functions.items():
        if leads_to(function, view):
            return str(endpoint)
    raise ConfigError(f"{view!r} is no view of the app {app.name!r}: say which path is meant")
