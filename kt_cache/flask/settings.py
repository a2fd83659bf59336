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

__all__ = [
    "check_app",
    "check_names",
    "naming",
    "options_from",
    "refuse_unread",
    "url_from",
]

# What Django and other extensions call our settings, where that is far from our own names.
_OTHER_NAMES = {
    "host": "url",
    "location": "url",
    "prefix": "key_prefix",
    "s": "options",  # Django's KT_SESSIONS
    "server": "url",
    "timeout": "default_timeout",
    "ttl": "default_timeout",
}


def check_app(app: object, extension: str, setting: str) -> None:
    """Refuse what an extension is given in place of an app.

    :param extension: its name, for the message.
    :param setting: that of the server.
    :raises ConfigError: if it is none.
    """
    if not isinstance(app, Flask):
        raise ConfigError(
            f"{extension} takes the app, not {app!r}; where the server is says "
            f"app.config[{setting!r}]"
        )


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
    settings = {_word_of(name, prefix): name for name in known}
    refuse_unread(app.config, prefix, settings, options)


def refuse_unread(
    config: Mapping[str, Any], prefix: str, settings: Mapping[str, str], options: Collection[str]
) -> None:
    """Refuse settings that begin with a prefix and that nobody reads.

    :param settings: those that are read: what each is about, in small letters, and its name.
    :param options: of the dictionary that is the setting about ``options``.
    :raises ConfigError: if there are others.
    """
    for name in config:
        if name.startswith(prefix) and name not in settings.values():
            advice = _advice(_word_of(name, prefix), settings, options)
            raise ConfigError(f"unknown setting {name!r}; {advice}")


def _word_of(name: str, prefix: str) -> str:
    """Return what a setting is about: all names begin alike, so the rest has to be compared."""
    return name.removeprefix(prefix).strip("_").lower()


def _advice(word: str, settings: Mapping[str, str], options: Collection[str]) -> str:
    """Return the end of a message about a setting that is not known: what to write instead."""
    holder = f"app.config[{settings['options']!r}]"
    near = _OTHER_NAMES.get(word)
    if near not in settings and word not in options:
        foreign = foreign_option(word, options)
        if foreign:
            return f"{foreign} (options are in {holder})"
        near = closest(word, settings)
    if near is not None and near in settings:
        return f"did you mean {settings[near]!r}?"
    option = closest(word, options)
    if option:
        return f"did you mean {holder} = {{{option!r}: ...}}?"
    return f"known are: {', '.join(sorted(settings.values()))}"
