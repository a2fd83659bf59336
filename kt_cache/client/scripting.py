"""Inputs and outputs of kt.lua's functions on expiration times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from kt_cache.client.command import Command
from kt_cache.errors import ConfigError, ServerError
from kt_cache.protocol import binary
from kt_cache.protocol.expiry import ExpireTime, to_script
from kt_cache.serializers import encode_key

__all__ = ["moment", "moments", "relative_input", "script_error", "touch_input", "touch_one"]

Pairs = list[tuple[bytes, bytes]]


def touch_one(db: int, key: bytes, xt: ExpireTime) -> Command[Pairs | None]:
    """Call ``touch_bulk`` for one record.

    :param xt: as callers give it.
    """
    if key == b"db":
        raise _taken()
    pairs = ((b"db", b"%d" % db), (key, b"%d" % to_script(xt)))
    request = binary.encode_script(b"touch_bulk", pairs)
    return "script", request, binary.decode_script_reply, True, key


def touch_input(db: int, keys: Iterable[str | bytes], xt: ExpireTime) -> Pairs:
    """Return the input of ``touch_bulk``.

    :param xt: as callers give it.
    """
    return _for_each(db, keys, to_script(xt))


def relative_input(db: int, keys: Iterable[str | bytes], n: int) -> Pairs:
    """Return the input of ``touch_bulk_relative``.

    :param n: seconds.
    """
    if isinstance(n, bool) or not isinstance(n, int):
        raise ConfigError(f"n must be a whole number of seconds, not {n!r}")
    return _for_each(db, keys, n)


def _for_each(db: int, keys: Iterable[str | bytes], number: int) -> Pairs:
    names = [encode_key(key) for key in keys]
    if b"db" in names:
        raise _taken()
    text = b"%d" % number
    return [(b"db", b"%d" % db), *[(name, text) for name in names]]


def _taken() -> ConfigError:
    return ConfigError('the script takes a record called "db" for the database index')


def moment(output: Sequence[tuple[bytes, bytes]] | None) -> int | None:
    """Return the time that a script answered for one key, if it knows the key."""
    if not output:
        return None
    key, xt = output[0]
    return int(xt) if xt.isdigit() else dict(moments(output))[key]


def moments(output: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, int]]:
    """Return the keys and times that a script answered."""
    for key, value in output:
        try:
            yield key, int(value)
        except ValueError:
            raise ServerError("the script did not answer with times", key=key) from None


def script_error(output: Iterable[tuple[bytes, bytes]] | None) -> tuple[int, str]:
    """Return code and message that ``get_error`` answered."""
    found = dict(output or ())
    try:
        return int(found[b"code"]), found[b"message"].decode(errors="replace")
    except (KeyError, ValueError):
        raise ServerError("the script did not answer with an error code") from None
