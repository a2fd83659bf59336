"""Notices a view that was registered before it was decorated: its cache is never asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

from kt_cache.cache.call_keys import name_of
from kt_cache.cache.log_limit import warn

__all__ = ["warn_if_registered"]


def warn_if_registered(function: Callable[..., Any], apps: Iterable[Flask]) -> None:
    """Log that what is being decorated is a view already.

    That is no error, for another view may be made of the same function. Blueprints do not tell
    what they are going to register.
    """
    if not any(function in app.view_functions.values() for app in apps):
        return
    warn(
        f"registered {id(function)}",
        "the view %s was registered before cache.cached decorated it, so visitors get it without "
        "the cache: put @cache.cached(...) below @app.route(...)",
        name_of(function),
    )
