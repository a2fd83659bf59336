"""Making a value that is missing or due: one caller does, others wait or have the old one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from math import inf, isinf
from typing import Any, NamedTuple

from kt_cache.cache.base import MISSING, is_over
from kt_cache.cache.claims import (
    claim,
    give_up_anyway,
    is_open,
    new_token,
    open_to_all,
    seconds_open,
)
from kt_cache.cache.entries import NOTHING, Entry, EntryMethods, Task
from kt_cache.cache.log_limit import warn
from kt_cache.cache.notes import Notes, attach, detach
from kt_cache.cache.protection import Protection, growing_pauses
from kt_cache.cache.steps import Ask, Compute, FunctionStopped, Steps, Wait
from kt_cache.errors import ConfigError, EncodeError, KTError, PoolTimeout

__all__ = ["Failed", "KeptIfPossible", "MakingMethods", "Unkept"]

# Seconds for which nobody waits after a value that is not to be stored, and after a failure.
_OPEN_TO_ALL = 10.0
_OPEN_AFTER_FAILURE = 2.0

_led: ContextVar[frozenset[bytes]] = ContextVar("kt_cache_led", default=frozenset())
"""The leaders' keys of the values that are being made around what runs now."""


class _Thread(threading.local):
    """The leaders' keys of the values that are being made in this thread, by any task."""

    def __init__(self) -> None:
        self.led: set[bytes] = set()


_thread = _Thread()


@dataclass(frozen=True)
class Unkept:
    """What a function returns instead of a value that is not to be stored.

    Its caller gets the value. Those who waited for it call the function at once, and for a while
    nobody waits for another one's call.

    :param value: the value.
    """

    value: Any


@dataclass(frozen=True)
class KeptIfPossible:
    """What a function returns instead of a value that its caller gets though it cannot be stored.

    If the codec cannot encode it, it is as if the function had returned :class:`Unkept`.

    :param value: the value.
    :param refused: called with the codec's error then.
    """

    value: Any
    refused: Callable[[EncodeError], object]


class Failed(Exception):
    """Raised by a function, it lets those who waited call the function all at once.

    After any other error they do so one by one, which takes long where failing does.

    :param cause: the error itself.
    """

    def __init__(self, cause: Exception) -> None:
        super().__init__(cause)
        self.cause = cause


class Made(NamedTuple):
    """What a function returned.

    :param payload: without notes.
    :param noted: what is to be stored; ``None`` if nothing is.
    """

    value: Any
    payload: bytes
    noted: bytes | None


class _KeepOld(Exception):
    """A function failed, and there is an old value.

    :param cause: its error.
    """

    def __init__(self, cause: Exception) -> None:
        super().__init__(cause)
        self.cause = cause


class MakingMethods(EntryMethods):
    """The part of the cache that makes values, in steps."""

    def _getting_or_setting(
        self,
        task: Task,
        payload: bytes | None,
        found: Mapping[bytes, bytes],
        entry: Entry | None,
    ) -> Steps[Any]:
        """Go on from what is stored.

        :param found: what was read together with the payload.
        :param entry: what the payload means, if that is known already.
        """
        if entry is None:
            entry = yield from self._entry(task.raw, payload, (), found)
            if not self._must_make(entry, task.protection):
                return entry.value
        if task.protection is None or is_over(task.timeout):  # nobody gets what another one makes
            value = yield from self._making_if_missing(task, entry)
        else:
            value = yield from self._taking_turns(task, task.protection, entry)
        return _bare(value)

    def _making_anew(self, task: Task) -> Steps[Any]:
        """Make a value, whatever is stored."""
        return _bare((yield from self._making_and_storing(task, NOTHING)))

    def _making_if_missing(self, task: Task, entry: Entry) -> Steps[Any]:
        """Make a value, store it unless somebody else was faster, and return what counts."""
        made = yield from self._making(task, NOTHING, entry.tag_records)
        value, payload = made.value, made.noted
        if payload is None or is_over(task.timeout):
            return value
        store = Ask("add", task.raw, payload, task.ttl)
        if entry.payload is not None:  # what counts as missing may be there all the same
            store = Ask("swap", task.raw, entry.payload, payload, task.ttl)
        try:
            if (yield store):
                return self._as_stored(task, made)
        except KTError as error:
            if not self._ignores(error):
                raise
            return value
        other = yield from self._reading(task)
        return value if other.value is MISSING else other.value

    def _taking_turns(self, task: Task, protection: Protection, entry: Entry) -> Steps[Any]:
        """Make a value if it is this caller's turn; get it from whose turn it is if not."""
        if _is_led_from_here(task):
            return entry.value if entry.value is not MISSING else (yield Compute(task.make))
        token = new_token()
        deadline = time.monotonic() + protection.patience
        pauses = growing_pauses()
        while time.monotonic() < deadline:
            sure_until = time.monotonic() + protection.turn
            try:
                leads = yield from claim(task.leader, token, protection.turn)
            except KTError as error:
                if not self._ignores(error):
                    raise
                if entry.value is not MISSING:
                    return entry.value
                if not isinstance(error, PoolTimeout):
                    break
                leads = False
            if leads:
                return (yield from self._leading(task, entry, token, sure_until))
            mark = None
            if entry.value is MISSING:
                entry, mark = yield from self._watching(task, deadline, pauses)
            if entry.value is not MISSING:
                return entry.value
            if mark is not None:
                return (yield from self._passing(task, entry, mark))
        return (yield from self._making_and_storing(task, entry))

    def _passing(self, task: Task, entry: Entry, mark: bytes) -> Steps[Any]:
        """Make a value without a turn, as nobody waits, and see to it that nobody will.

        :param mark: the token of the claim that is nobody's.
        """
        value = yield from self._making_and_storing(task, entry)
        now = self._clock()
        left = seconds_open(mark, now)
        if isinstance(value, Unkept):
            if left < _OPEN_TO_ALL / 2:
                yield from open_to_all(task.leader, mark, _OPEN_TO_ALL, now)
        elif left > 0 and not is_open((yield Ask("get", task.leader))):
            yield Ask("remove", task.raw)  # it was deleted while it was being made: see discard()
        return value

    def _leading(self, task: Task, before: Entry, token: bytes, sure_until: float) -> Steps[Any]:
        """Make a value, unless somebody else did since the caller looked.

        :param sure_until: monotonic time before which the server does not end the claim by itself.
        """
        led, led_in_thread = _led.get(), _thread.led
        _led.set(led | {task.leader})
        led_in_thread.add(task.leader)
        try:
            entry = yield from self._reading(task)
            if entry.value is MISSING or entry.payload == before.payload:
                value = yield from self._making_and_storing(task, entry)
            else:
                value = entry.value
        except GeneratorExit:
            raise
        except (Failed, EncodeError):
            yield from open_to_all(task.leader, token, _OPEN_AFTER_FAILURE, self._clock())
            raise
        except BaseException:
            yield from give_up_anyway(task.leader, token)
            raise
        finally:
            led_in_thread.discard(task.leader)
            _led.set(led)
        if isinstance(value, Unkept):
            yield from open_to_all(task.leader, token, _OPEN_TO_ALL, self._clock())
            return value
        owned = yield from give_up_anyway(task.leader, token)
        if not owned and time.monotonic() < sure_until:
            yield Ask("remove", task.raw)  # it was deleted while it was being made: see discard()
        return value

    def _watching(
        self, task: Task, deadline: float, pauses: Iterator[float]
    ) -> Steps[tuple[Entry, bytes | None]]:
        """Wait until there is a value, or nobody who makes it, or no time left.

        The second result is the token of a claim that is nobody's, so that nobody waits.
        """
        while True:
            # An observer takes the kind of the first key for that of the call.
            found = yield Ask("get_many", (task.leader, task.raw, *task.tag_keys))
            entry = yield from self._entry_among(task, found)
            token = found.get(task.leader)
            if is_open(token):
                return entry, token
            if entry.value is not MISSING or time.monotonic() >= deadline:
                return entry, None
            yield Wait(max(0.0, min(next(pauses), deadline - time.monotonic())))
            if task.leader not in found:
                return entry, None

    def _making_and_storing(self, task: Task, old: Entry) -> Steps[Any]:
        try:
            made = yield from self._making(task, old, old.tag_records)
        except _KeepOld as failed:
            error = failed.cause
        else:
            return (yield from self._storing(task, made))
        return (yield from self._keeping(task, old, error))

    def _storing(self, task: Task, made: Made) -> Steps[Any]:
        if made.noted is None or is_over(task.timeout):
            return made.value
        if (yield Ask("set", task.raw, made.noted, task.ttl)) is False:
            return made.value  # it is not stored
        return self._as_stored(task, made)

    def _keeping(self, task: Task, old: Entry, error: Exception) -> Steps[Any]:
        """Let a value count as fresh until it is time to try again, as making it anew failed."""
        found = yield Ask("get_with_ttl", task.raw)
        payload, left = found or (None, 0.0)
        entry = yield from self._entry(task.raw, payload)
        if payload is None or entry.value is MISSING:  # deleted in the meantime
            raise error
        if payload != old.payload or task.protection is None:
            return entry.value
        text = "making a value anew failed: %s; the old one is kept in use for now"
        cause = error.cause if isinstance(error, FunctionStopped | Failed) else error
        warn("kept", text, type(cause).__name__)
        plain, notes = detach(payload)
        fresh = replace(notes, fresh_until=self._clock() + task.protection.turn)
        ttl = None if isinf(left) else left
        try:
            yield Ask("swap", task.raw, payload, attach(plain, fresh), ttl)
        except KTError as second:
            if not self._ignores(second):
                raise
        return old.value

    def _as_stored(self, task: Task, made: Made) -> Any:
        """Return a value as all others will get it, and as one that is nobody else's."""
        return self._decode(task.raw, made.payload, made.value)

    def _making(
        self, task: Task, old: Entry, tag_records: Mapping[bytes, bytes] | None
    ) -> Steps[Made]:
        """Call the function.

        :param old: what is stored, and is returned should the function fail.
        :param tag_records: those of the task's tags as they were found, if somebody looked.
        """
        # Before the function: what it reads may change, and a tag be deleted, while it runs.
        tags = yield from self._generations(task.tag_keys, task.ttl, tag_records)
        began = time.monotonic()
        try:
            value = (yield Compute(task.make)) if callable(task.make) else task.make
        except ConfigError:
            raise
        except Exception as error:
            if old.value is MISSING:
                raise
            raise _KeepOld(error) from error
        if isinstance(value, Unkept):
            return Made(value, b"", None)
        seconds = time.monotonic() - began
        refused = None
        if isinstance(value, KeptIfPossible):
            value, refused = value.value, value.refused
        try:
            payload = noted = self.codec.encode(value, task.raw)
        except EncodeError as error:
            if refused is None:
                raise
            refused(error)
            return Made(Unkept(value), b"", None)
        fresh_until = inf
        if task.timeout is not None and task.protection is not None and task.protection.needs_notes:
            fresh_until = self._clock() + task.timeout
        if tags or fresh_until != inf:
            noted = attach(payload, Notes(fresh_until, seconds, tags))
        return Made(value, payload, noted)

    def _must_make(self, entry: Entry, protection: Protection | None) -> bool:
        if entry.value is MISSING:
            return True
        if protection is None or entry.notes.fresh_until == inf:
            return False
        return protection.is_due(entry.notes, self._clock())


def _bare(value: Any) -> Any:
    return value.value if isinstance(value, Unkept | KeptIfPossible) else value


def _is_led_from_here(task: Task) -> bool:
    """Tell whether to wait for the leader would be to wait for oneself.

    So it is for the function of the very value; and for a blocking call in the thread of the event
    loop on which a task makes it.
    """
    if task.leader in _led.get():
        return True
    return not task.is_on_loop and task.leader in _thread.led
