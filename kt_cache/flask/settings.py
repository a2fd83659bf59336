"""What the extensions read from ``app.config``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flask import Flask

from kt_cache.cache import check_location, check_options
from kt_cache.cache.foreign_options import foreign_option
from kt_cache.cache.options import closest
from kt_cache.errors import ConfigError

__all__ = ["check_names", "naming", "options_from", "url_from"]

# What Django and other extensions call our settings, where that is far from our own names.
_OTHER_NAMES = {
    "host": "url",
    "location": "url",
    "s": "options",  # Django's KT_SESSIONS
    "server": "url",
    "timeout": "default_timeout",
    "ttl": "default_timeout",
}


@contextmanager
def naming(setting: str) -> Iterator[None]:
    """Say in which setting it is that something is not understood.

    :raises ConfigError: within it, with the setting's name before the message.
    """
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"app.config[{setting!r}]: {error.message}") from error


def url_from(app: Flask, *names: str) -> str:
    """Return the first of these settings that is set.

    :raises ConfigError: if none is, or it is not a location.
    """
    for name in names:
        url = app.config.get(name)
        if url:
            with naming(name):
                check_location(url)
            return str(url)
    setting = " or ".join(f"app.config[{name!r}]" for name in names)
    raise ConfigError(f"set {setting} to the server, such as 'kt://127.0.0.1:1978'")


def options_from(app: Flask, name: str, known: frozenset[str]) -> dict[str, Any]:
    """Return a setting that holds options; one that is not set holds none.

    :param known: names of the options that may be in it.
    :raises ConfigError: if there are others, or it holds something else.
    """
    options = app.config.get(name)
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise ConfigError(f"app.config[{name!r}] must be a dictionary, not {options!r}")
    with naming(name):
        check_options(options, known)
    return dict(options)


def check_names(app: Flask, prefix: str, known: Collection[str], options: Collection[str]) -> None:
    """Refuse settings that nobody reads.

    :param prefix: what the names of all settings of an extension begin with.
    :param known: those names.
    :param options: of the dictionary ``PREFIX_OPTIONS``, which may be mistaken for settings.
    :raises ConfigError: if there are others.
    """
    for name in app.config:
        if name.startswith(prefix) and name not in known:
            raise ConfigError(f"unknown setting {name!r}; {_advice(name, prefix, known, options)}")


def _advice(name: str, prefix: str, known: Collection[str], options: Collection[str]) -> str:
    """Return the end of a message about a setting that is not known: what to write instead."""
    # All names begin alike, so what is behind that has to be compared.
    settings = {each.removeprefix(prefix).strip("_").lower(): each for each in known}
    word = name.removeprefix(prefix).strip("_").lower()
    near = _OTHER_NAMES.get(word)
    if near not in settings and word not in options:
        foreign = foreign_option(word, options)
        if foreign:
            return f"{foreign} (options are in app.config['{prefix}_OPTIONS'])"
        near = closest(word, settings)
    if near in settings:
        return f"did you mean {settings[near]!r}?"
    option = closest(word, options)
    if option:
        return f"did you mean app.config['{prefix}_OPTIONS'] = {{{option!r}: ...}}?"
    return f"known are: {', '.join(sorted(known))}"
