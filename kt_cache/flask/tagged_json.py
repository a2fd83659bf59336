"""Flask's own way to write a session: JSON in which the types that JSON lacks are tagged."""

from __future__ import annotations

from typing import Any

from flask.json.tag import TaggedJSONSerializer

from kt_cache.errors import DecodeError
from kt_cache.serializers import Serializer

__all__ = ["TAGGED_JSON"]

_tagged = TaggedJSONSerializer()
# Django's sessions are JSON too. On a database shared with them, an id of theirs is none of ours,
# nor the other way round.
_MARK = b"flask:"


def _encode(value: Any) -> bytes:
    return _MARK + _tagged.dumps(value).encode()


def _decode(data: bytes) -> Any:
    if not data.startswith(_MARK):
        raise DecodeError("not a Flask session")
    try:
        return _tagged.loads(data[len(_MARK) :].decode())
    except Exception as error:
        raise DecodeError("not Flask's tagged JSON") from error


TAGGED_JSON = Serializer("tagged-json", _encode, _decode)
"""What Flask's cookie sessions can hold: JSON, and tuple, bytes, datetime, UUID and Markup."""
