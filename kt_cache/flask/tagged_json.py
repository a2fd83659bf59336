"""Flask's own way to write a session: JSON in which the types that JSON lacks are tagged.

Most sessions hold nothing that needs a tag. Flask looks at every value with every tag to find that
out, which takes longer than a round trip to the server; a look at the types does, too.
"""

from __future__ import annotations

import json
from typing import Any

from flask.json.tag import TaggedJSONSerializer

from kt_cache.errors import DecodeError
from kt_cache.serializers import Serializer

__all__ = ["TAGGED_JSON"]

_tagged = TaggedJSONSerializer()
_plain_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_plain_decode = json.JSONDecoder().decode
_PLAIN = frozenset({str, int, float, bool, type(None)})
# Django's sessions are JSON too. On a database shared with them, an id of theirs is none of ours,
# nor the other way round.
_MARK = b"flask:"
# Whatever is tagged is an object with one name, which begins with a blank.
_MAY_BE_TAGGED = b'" '


def _encode(value: Any) -> bytes:
    text = _plain_encode(value) if _is_plain(value) else _tagged.dumps(value)
    return _MARK + text.encode()


def _decode(data: bytes) -> Any:
    if not data.startswith(_MARK):
        raise DecodeError("not a Flask session")
    try:
        text = data[len(_MARK) :].decode()
        return _tagged.loads(text) if _MAY_BE_TAGGED in data else _plain_decode(text)
    except Exception as error:
        raise DecodeError("not Flask's tagged JSON") from error


def _is_plain(value: Any) -> bool:
    """Tell whether JSON alone gives a value back as it is."""
    kind = type(value)
    if kind in _PLAIN:
        return True
    inner = value
    if kind is dict:
        for name in value:
            if type(name) is not str or name[:1] == " ":
                return False
        inner = value.values()
    elif kind is not list:
        return False
    return all(map(_is_plain, inner))


TAGGED_JSON = Serializer("tagged-json", _encode, _decode)
"""What Flask's cookie sessions can hold: JSON, and tuple, bytes, datetime, UUID and Markup."""
