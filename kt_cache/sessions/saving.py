"""How a session is written, in steps: created, saved, moved, touched, deleted.

A record that is not there is never made by any of them but the first. Every write is one swap from
the record as it was found to the new one; only if that is refused the record is read again.

A connection that breaks when a swap has been sent leaves it unknown whether it was carried out.
Reading the record tells: it holds what we wanted to store, and all is done; or what it held before,
and the swap is tried again, which does no harm even if the first one is still under way, for only
one of the two can meet the record it names.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from contextlib import suppress
from itertools import count
from time import monotonic
from typing import Any

from kt_cache.cache.codec import Codec
from kt_cache.cache.steps import Ask, Steps, Wait
from kt_cache.client.operation import Pause
from kt_cache.errors import DecodeError, OutcomeUnknown, SessionConflict
from kt_cache.sessions.lifetimes import Lifetime, seconds_of
from kt_cache.sessions.merging import merge, take_over
from kt_cache.sessions.origin import Origin
from kt_cache.sessions.outage import FAILURES

__all__ = [
    "create",
    "create_over_unreadable",
    "delete",
    "end",
    "leave",
    "move",
    "replace",
    "save",
    "touch",
]

_RETRIES = 5
_PATIENCE = 5.0  # seconds for further ones, where no change of others is a reason to give up


def create(key: bytes, payload: bytes, lifetime: float) -> Steps[Origin | None]:
    """Store a new session; ``None`` if there is one already. Without time nothing is stored."""
    if lifetime <= 0:
        taken = yield Ask("get", key)
        return None if taken is not None else _over(payload)
    ends = monotonic() + lifetime
    try:
        token = yield Ask("swap_record", key, None, payload, lifetime)
    except OutcomeUnknown:
        found = yield Ask("get_record", key)
        if found is None:
            token = yield Ask("swap_record", key, None, payload, lifetime)
        else:
            token = found[1] if found[0] == payload else None
    return None if token is None else Origin(payload, token, ends)


def create_over_unreadable(
    key: bytes, payload: bytes, lifetime: float, codec: Codec
) -> Steps[Origin | None]:
    """Store a new session, also in place of a record that nobody can read."""
    made = yield from create(key, payload, lifetime)
    if made is not None:
        return made
    found = yield Ask("get_record", key)
    if found is None or _decode(codec, found[0], key) is not None:
        return None
    if lifetime <= 0:
        return (yield from end(key, payload))
    ends = monotonic() + lifetime
    token = yield Ask("swap_record", key, found[1], payload, lifetime)
    return None if token is None else Origin(payload, token, ends)


def save(
    key: bytes,
    data: MutableMapping[str, Any],
    payload: bytes,
    lifetime: Lifetime,
    seconds: float,
    origin: Origin,
    codec: Codec,
    *,
    refuse_conflicts: bool,
) -> Steps[Origin | None]:
    """Store a session, with what others have stored since it was loaded; ``None`` if it is gone.

    What is taken over from others is changed in ``data``, too.

    :param data: the session's.
    :param payload: the same, encoded.
    :param lifetime: asked again for merged data, of which a session can turn out to have none.
    :param seconds: what that is for ``data``; more than zero.
    :param origin: has a token.
    :param refuse_conflicts: raise ``SessionConflict`` for a key that both have changed, and after
        six attempts.
    """
    token, wanted = origin.token, payload
    began = monotonic()
    unknown: OutcomeUnknown | None = None
    merged: dict[str, Any] | None = None
    for lost in count(1):
        ends = monotonic() + seconds
        try:
            new_token = yield Ask("swap_record", key, token, payload, seconds)
        except OutcomeUnknown as error:
            new_token, unknown = None, error
        if new_token is not None:
            break
        found = yield Ask("get_record", key)
        if found is None:
            return None
        stored, token, left = found
        if unknown and stored == payload:  # it was carried out
            new_token, ends = token, monotonic() + left
            break
        is_patient = not refuse_conflicts and monotonic() < began + _PATIENCE
        if lost > _RETRIES and not is_patient:
            raise unknown or SessionConflict(
                f"others kept changing the session while it was saved ({lost} attempts)"
            )
        if lost > 1:
            yield Wait(Pause(lost).seconds)
        if stored == origin.payload:  # it was touched only, or nothing has happened to it yet
            payload, merged, seconds = wanted, None, seconds_of(lifetime, data)
            continue
        theirs = _decode(codec, stored, key)
        if theirs is None:
            return None
        merged, conflicts = merge(
            codec.decode(origin.payload, key), codec.decode(wanted, key), theirs
        )
        if conflicts and refuse_conflicts:
            # If one of our swaps may have been carried out, "nothing was stored" may be wrong.
            raise unknown or SessionConflict(
                f"others changed the same keys of the session: {', '.join(map(repr, conflicts))}"
            )
        payload, seconds = codec.encode(merged, key), seconds_of(lifetime, merged)
        if seconds <= 0:
            return (yield from end(key, payload))
    if merged is not None:
        take_over(data, codec.decode(wanted, key), merged)
    return Origin(payload, new_token, ends)


def replace(key: bytes, payload: bytes, lifetime: float) -> Steps[Origin | None]:
    """Store a session whatever it held before; ``None`` if it is gone."""
    ask = Ask("replace", key, payload, lifetime)
    ends = monotonic() + lifetime
    try:
        replaced = yield ask
    except OutcomeUnknown:
        replaced = yield ask
    return Origin(payload, None, ends) if replaced else None


def move(
    key: bytes,
    new_key: bytes,
    data: MutableMapping[str, Any],
    payload: bytes,
    lifetime: Lifetime,
    origin: Origin,
    codec: Codec,
    *,
    last_write: bool,
) -> Steps[Origin | None]:
    """Store a session under another key instead of its own; ``None`` if it is gone.

    The new record comes first, and goes again if the earlier one has been removed by others, or
    cannot be: a session that was ended does not go on under another id, and none stays whose id
    nobody is told.

    :param data: the session's; what others have stored since it was loaded is changed in it, too.
    :param payload: the same, encoded for the new key.
    :param last_write: drop what others have stored instead.
    """
    try:
        made = yield from create(new_key, payload, seconds_of(lifetime, data))
    except FAILURES:
        # It may be there all the same. Somebody else's under that key is another one.
        with suppress(*FAILURES):
            yield Ask("swap", new_key, payload, None, None)
        raise
    if made is None:
        raise SessionConflict("the new id of the session is taken")
    try:
        stored = yield Ask("pop", key)
        if stored == origin.payload or (last_write and stored is not None):
            return made
        theirs = None if stored is None else _decode(codec, stored, key)
        if theirs is not None:
            ours = codec.decode(payload, new_key)
            merged, _ = merge(codec.decode(origin.payload, key), ours, theirs)
            take_over(data, ours, merged)
            together = codec.encode(merged, new_key)
            seconds = seconds_of(lifetime, merged)
            if seconds <= 0:
                return (yield from end(new_key, together))
            # Only who ends all sessions of a user can meet this record by now.
            return (
                yield from save(
                    new_key,
                    data,
                    together,
                    lifetime,
                    seconds,
                    made,
                    codec,
                    refuse_conflicts=False,
                )
            )
    except GeneratorExit:
        raise
    except BaseException:
        # After an unknown outcome nobody can tell who has removed the earlier record.
        with suppress(*FAILURES):
            yield from delete(new_key)
        raise
    yield from delete(new_key)
    return None


def touch(key: bytes, lifetime: float, origin: Origin) -> Steps[Origin | None]:
    """Give a session a new lifetime; ``None`` if it is gone.

    One that others have changed meanwhile got its lifetime from them, and keeps that.
    """
    ends = monotonic() + lifetime
    if origin.token is None:
        touched = yield Ask("touch", key, lifetime)
        return origin._replace(ends=ends) if touched else None
    try:
        token = yield Ask("swap_record", key, origin.token, origin.payload, lifetime)
    except OutcomeUnknown:
        token = None
    if token is not None:
        return origin._replace(token=token, ends=ends)
    found = yield Ask("get_record", key)
    if found is None:
        return None
    stored, token, left = found
    if stored != origin.payload:
        return origin
    return origin._replace(token=token, ends=monotonic() + left)


def leave(origin: Origin) -> Steps[Origin | None]:
    """Do nothing."""
    return origin
    yield  # makes it steps


def end(key: bytes, payload: bytes) -> Steps[Origin | None]:
    """Remove a session that has no time left; ``None`` if it is gone already."""
    removed = yield from delete(key)
    return _over(payload) if removed else None


def delete(key: bytes) -> Steps[bool]:
    """End a session; whether there was one, or may have been."""
    try:
        removed = yield Ask("remove", key)
    except OutcomeUnknown:
        yield Ask("remove", key)
        return True
    return bool(removed)


def _over(payload: bytes) -> Origin:
    """Return the origin of a session of which nothing is stored."""
    return Origin(payload, None, monotonic())


def _decode(codec: Codec, payload: bytes, key: bytes) -> dict[str, Any] | None:
    """Return the data that others stored; ``None`` if it is no session any more."""
    try:
        data = codec.decode(payload, key)
    except DecodeError:
        return None
    return data if isinstance(data, dict) else None
