"""What views return, as it is stored, and what of it never is."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flask import current_app
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response as BaseResponse

__all__ = [
    "answer_of",
    "is_for_all",
    "is_servers_failure",
    "settled",
    "stored_answer",
    "stored_form",
]

# A value that is a dictionary with one of these keys alone is a stored response, or a tuple, or
# such a dictionary, whose key a visitor may have chosen.
_RESPONSE = "kt_cache.flask:response"
_TUPLE = "kt_cache.flask:tuple"
_PLAIN = "kt_cache.flask:plain"
_MARKS = (_RESPONSE, _TUPLE, _PLAIN)

_MISSING_PAGES = (404, 410)
_PARTS = (206, 304)  # of a page that one visitor has already
_FOR_ONE = ("no-store", "private")


def stored_form(value: Any) -> Any:
    """Return what a function returned as it is stored.

    Tuples and responses are so in a form that every serializer can store, for they may be answers;
    all else is as the serializer has it.
    """
    if type(value) is tuple:
        return {_TUPLE: [_marked(part) for part in value]}
    return _marked(value)


def stored_answer(answer: Any) -> Any:
    """Return what a view returned in a form that every serializer can store."""
    if isinstance(answer, tuple):
        return {_TUPLE: [_part(part) for part in answer]}
    return _marked(answer)


def answer_of(stored: Any) -> Any:
    """Return what a function returned, made of its stored form."""
    if type(stored) is not dict or len(stored) != 1:
        return stored
    if _RESPONSE in stored:
        status, headers, body, is_text = stored[_RESPONSE]
        return current_app.response_class(body if is_text else b64decode(body), status, headers)
    if _TUPLE in stored:
        return tuple([answer_of(part) for part in stored[_TUPLE]])
    return stored.get(_PLAIN, stored)


def settled(answer: Any) -> Any:
    """Return what a view returned with its headers in a list if they could be read once only."""
    if isinstance(answer, tuple) and len(answer) == 3 and isinstance(answer[2], Iterator):
        return (*answer[:2], [*answer[2]])
    return answer


def is_servers_failure(answer: Any) -> bool:
    """Tell whether an answer says that the server failed.

    :param answer: a settled one.
    """
    return _parts_of(answer)[1] >= 500


def is_for_all(answer: Any, *, ask_vary: bool, may_be_none: bool) -> bool:
    """Tell whether another visitor may get this answer, and at another moment.

    :param answer: a settled one.
    :param ask_vary: whether the answers to one key may be different ones, as far as is known here.
    :param may_be_none: whether ``None`` is a value, and not what Flask refuses.
    """
    body, status, headers = _parts_of(answer)
    if status >= 400 and status not in _MISSING_PAGES:
        return False  # because of who asked, or when
    if status < 200 or status in _PARTS or (body is None and not may_be_none):
        return False
    if "Set-Cookie" in headers or (ask_vary and "Vary" in headers):
        return False
    directives = ",".join(headers.getlist("Cache-Control")).lower()
    if any(word in directives for word in _FOR_ONE):
        return False
    if isinstance(body, BaseResponse):
        return not body.is_streamed and not body.direct_passthrough
    return not (isinstance(body, Iterator) or callable(body))


def _body(response: BaseResponse) -> tuple[str, bool]:
    """Return a response's body, and whether that is its text or Base64."""
    data = response.get_data()
    try:
        return data.decode(), True
    except UnicodeDecodeError:
        return b64encode(data).decode(), False


def _marked(value: Any) -> Any:
    if isinstance(value, BaseResponse):
        return {_RESPONSE: [value.status, [[*pair] for pair in value.headers], *_body(value)]}
    if isinstance(value, dict) and len(value) == 1 and any(mark in value for mark in _MARKS):
        return {_PLAIN: value}
    return value


def _part(part: Any) -> Any:
    """Return the stored form of one of the things that a view returned in a tuple."""
    if isinstance(part, Headers):
        return [[*pair] for pair in part]
    if isinstance(part, tuple):
        return [*part]
    return _marked(part)


def _parts_of(answer: Any) -> tuple[Any, int, Headers]:
    """Return the body, status and headers of what a view returned."""
    body, status, headers = answer, 200, Headers()
    more: tuple[Any, ...] = ()
    if isinstance(answer, tuple):
        body, *rest = answer or (None,)
        more = tuple(rest)
    if isinstance(body, BaseResponse):
        status = body.status_code
        headers.extend(body.headers)
    for part in more:
        if isinstance(part, int):
            status = int(part)
        elif isinstance(part, str):
            status = _status_of(part, status)
        elif isinstance(part, Mapping | Iterable):
            headers.extend(part)
    return body, status, headers


def _status_of(line: str, otherwise: int) -> int:
    code = line.split(None, 1)[0] if line.strip() else ""
    return int(code) if code.isdigit() else otherwise
