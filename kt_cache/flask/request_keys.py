"""The keys of answers to requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from flask import Request, request

from kt_cache.cache.call_keys import digest_of
from kt_cache.errors import ConfigError

__all__ = ["RequestKeys"]

_LONGEST = 200  # characters of a URL that are in a key as they are


class RequestKeys:
    """Makes the keys of one decorated function.

    :param name: the function's: two of them may be called in one request.
    :param prefix: the key, in which ``%s`` stands for the name and the request's URL without its
        query; or a function that returns the key.
    :param query_string: whether requests with other arguments in their query have other keys.
    :param make_key: takes the function's arguments, returns the key; instead of all that.
    """

    def __init__(
        self,
        name: str,
        prefix: str | Callable[[], str],
        *,
        query_string: bool,
        make_key: Callable[..., str] | None,
    ) -> None:
        self._name = name
        self._prefix = prefix
        self._query_string = query_string
        self._make_key = make_key
        self.is_own = make_key is not None
        """Whether the site says what the answer depends on."""
        is_text = not self.is_own and isinstance(prefix, str)
        self.is_of_request = is_text and "%s" in str(prefix)
        """Whether a request's URL makes the key."""
        self.is_fixed = is_text and not self.is_of_request and not query_string
        """Whether there is one key only."""

    def key(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """Return the key of a call in the current request.

        :raises ConfigError: if a function that makes it does not return text.
        """
        if self._make_key is not None:
            return _text(self._make_key(*args, **kwargs))
        prefix = self._prefix
        key = _text(prefix()) if callable(prefix) else prefix
        if not self.is_of_request and not self._query_string:
            return key
        asked: Request = _current_request(self._name)
        if self.is_of_request:
            key = key.replace("%s", f"{self._name}/{_url_of(asked)}")
        if self._query_string:
            key = f"{key}?{_query_of(asked)}"
        return key


def _current_request(name: str) -> Request:
    try:
        # Each attribute of the proxy takes longer than that of the request.
        asked: Request = request._get_current_object()  # type: ignore[attr-defined] # noqa: SLF001
    except RuntimeError as error:
        raise RuntimeError(
            f"{name} is kept for the URL of a request, and there is none. For a function that is "
            "not a view give cache.cached a fixed key, key_prefix='...', without query_string; or "
            "use cache.memoize"
        ) from error
    return asked


def _url_of(asked: Request) -> str:
    """Return the URL without its query.

    Links and redirections in an answer may depend on each part of it, the host included, which
    a visitor can choose.
    """
    url = f"{asked.scheme}://{asked.host}{quote(asked.root_path + asked.path)}"
    return url if len(url) <= _LONGEST else f"{url[:_LONGEST]}#{digest_of(url)}"


def _query_of(asked: Request) -> str:
    """Return what stands for the arguments in the query; only the order of their names is free."""
    if not asked.query_string:
        return ""
    pairs = sorted(asked.args.items(multi=True), key=lambda pair: pair[0])
    return digest_of(repr(pairs))


def _text(key: Any) -> str:
    if isinstance(key, str):
        return key
    raise ConfigError(f"a cache key must be text, not {type(key).__name__}")
