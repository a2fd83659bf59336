"""What is told of a call of a store: an event without keys and values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from kt_cache.cache.base import PROTECTED_PREFIXES, TAG_PREFIX
from kt_cache.errors import CircuitOpen

__all__ = ["READINGS", "CallEvent", "Outcome", "event_of_error", "event_of_result"]

Outcome: TypeAlias = Literal[
    "hit", "miss", "ok", "refused", "ignored", "skipped", "error", "cancelled"
]


class CallEvent(NamedTuple):
    """One call of a store, when it is over. There are neither keys nor values in it.

    New fields may be added at the end: go by their names.

    :param operation: the store's method, such as ``get_many``; its twin for event loops counts as
        the same.
    :param kind: what the first record is: a ``value``, or a ``session``, ``lock``, ``tag``,
        ``user``, which says which sessions a user has, or ``leader``, which says who makes a value
        in ``get_or_set``.
    :param outcome: ``hit`` or ``miss`` of what looks for records, whether there was any; ``ok`` or
        ``refused`` of what stores, whether it did; ``ignored``: it failed, and its caller got a
        neutral value; ``skipped``: not sent, as the circuit breaker is open; ``error``: it failed;
        ``cancelled``: its task, greenlet or program was told to stop.
    :param keys: how many it named, without the tags that were read together with a value. Listings
        and ``flush`` name none.
    :param hits: how many records it found; none if it failed.
    :param bytes: length of the payloads that were read or stored: values as they are on the
        server, compressed for instance, without keys.
    :param seconds: from the call to its end, waiting for a connection included.
    :param error: what was raised or ignored. Its text may name a key.
    """

    operation: str
    kind: str
    outcome: Outcome
    keys: int
    hits: int
    bytes: int
    seconds: float
    error: BaseException | None

    @property
    def misses(self) -> int:
        """How many records were looked for and not there; 0 if that is not known."""
        return self.keys - self.hits if self.outcome in {"hit", "miss"} else 0


def event_of_result(
    operation: str, args: tuple[Any, ...], result: Any, seconds: float
) -> CallEvent:
    """Return what is told of a call that returned.

    :param operation: name of the store's method.
    :param args: its arguments.
    :param seconds: what it took.
    """
    if operation == "get_many" and _reads_tags_beside(args[0]):
        args = (_without_tags(args[0]),)
        result = {key: result[key] for key in _without_tags(result)}
    return _event(operation, args, READINGS[operation](result, *args), seconds, None)


def event_of_error(
    operation: str, args: tuple[Any, ...], error: BaseException, seconds: float, *, ignored: bool
) -> CallEvent:
    """Return what is told of a call that failed; see :func:`event_of_result`.

    :param ignored: whether its caller gets a neutral value instead of the error.
    """
    outcome: Outcome = "ignored" if ignored else "error"
    if isinstance(error, CircuitOpen):
        outcome = "skipped"
    elif not isinstance(error, Exception):
        outcome = "cancelled"
    if operation == "get_many" and _reads_tags_beside(args[0]):
        args = (_without_tags(args[0]),)
    return _event(operation, args, (outcome, 0, 0), seconds, error)


def _reads_tags_beside(keys: Collection[bytes]) -> bool:
    """Tell whether a value is read together with its tags, which are not what was looked for."""
    return len(keys) > 1 and not next(iter(keys)).startswith(TAG_PREFIX)


def _without_tags(keys: Iterable[bytes]) -> list[bytes]:
    return [key for key in keys if not key.startswith(TAG_PREFIX)]


def _event(
    operation: str,
    args: tuple[Any, ...],
    reading: _Reading,
    seconds: float,
    error: BaseException | None,
) -> CallEvent:
    first, keys = args[0] if args else b"", 1
    if operation in _NO_KEYS:
        keys = 0
    elif not isinstance(first, bytes):
        first, keys = next(iter(first)), len(first)
    kind = "value"
    if first.startswith(PROTECTED_PREFIXES):
        kind = next(kind for prefix, kind in _KINDS.items() if first.startswith(prefix))
    outcome, hits, size = reading
    return CallEvent(operation, kind, outcome, keys, hits, size, seconds, error)


# ---------------------------------------------------------------- what results mean

_Reading: TypeAlias = tuple[Outcome, int, int]  # outcome, hits, bytes

_MISS: _Reading = "miss", 0, 0
_REFUSED: _Reading = "refused", 0, 0


def _of_payload(payload: bytes | None, _key: bytes) -> _Reading:
    return _MISS if payload is None else ("hit", 1, len(payload))


def _of_payload_and_more(found: tuple[Any, ...] | None, _key: bytes) -> _Reading:
    return _MISS if found is None else ("hit", 1, len(found[0]))


def _of_payloads(found: Mapping[bytes, bytes], _keys: Collection[bytes]) -> _Reading:
    return ("hit", len(found), _length(found)) if found else _MISS


def _of_payloads_and_ttls(
    found: Mapping[bytes, tuple[bytes, float]], _keys: Collection[bytes]
) -> _Reading:
    if not found:
        return _MISS
    return "hit", len(found), sum(len(payload) for payload, _ in found.values())


def _of_count(found: int, *_: Any) -> _Reading:
    return ("hit", int(found), 0) if found else _MISS


def _of_number(number: int | None, _key: bytes, _delta: int) -> _Reading:
    return _MISS if number is None else ("hit", 1, 0)


def _of_writing(_: Any, _key: bytes, payload: bytes, _ttl: float | None) -> _Reading:
    return "ok", 0, len(payload)


def _of_writing_many(_: Any, payloads: Mapping[bytes, bytes], _ttl: float | None) -> _Reading:
    return "ok", 0, _length(payloads)


def _of_condition(stored: bool, _key: bytes, payload: bytes, _ttl: float | None) -> _Reading:
    return ("ok", 0, len(payload)) if stored else _REFUSED


def _of_swap(
    done: bool, _key: bytes, _old: bytes, new: bytes | None, _ttl: float | None
) -> _Reading:
    return ("ok", 0, len(new or b"")) if done else _REFUSED


def _of_swap_record(
    done: bytes | None, _key: bytes, _token: bytes | None, payload: bytes, _ttl: float | None
) -> _Reading:
    return _REFUSED if done is None else ("ok", 0, len(payload))


def _of_keys(keys: list[bytes], _prefix: bytes, _most: int | None) -> _Reading:
    return "ok", len(keys), 0


def _of_page(page: tuple[list[bytes], bytes | None], *_: Any) -> _Reading:
    return "ok", len(page[0]), 0


def _of_flush(_: None) -> _Reading:
    return "ok", 0, 0


def _length(payloads: Mapping[bytes, bytes]) -> int:
    return sum(map(len, payloads.values()))


READINGS: Mapping[str, Callable[..., _Reading]] = {
    "get": _of_payload,
    "get_many": _of_payloads,
    "get_with_ttl": _of_payload_and_more,
    "get_record": _of_payload_and_more,
    "get_many_with_ttl": _of_payloads_and_ttls,
    "set": _of_writing,
    "set_many": _of_writing_many,
    "add": _of_condition,
    "replace": _of_condition,
    "swap": _of_swap,
    "swap_record": _of_swap_record,
    "touch": _of_count,
    "incr": _of_number,
    "pop": _of_payload,
    "remove": _of_count,
    "remove_many": _of_count,
    "keys": _of_keys,
    "page": _of_page,
    "flush": _of_flush,
}
"""Method of a store -> what its result and its arguments mean."""

_NO_KEYS = frozenset({"keys", "page", "flush"})
_KINDS = {prefix: prefix.split(b"-")[1].decode() for prefix in PROTECTED_PREFIXES}
