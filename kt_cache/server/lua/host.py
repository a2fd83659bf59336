"""The scripts of a server: loads them, plays them, lets them sleep."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from kt_cache.errors import ConfigError, KTError
from kt_cache.server.lua.outcome import FAILED, Outcome, ReturnCode
from kt_cache.server.lua.state import LuaState, ScriptLimits, Sleep
from kt_cache.storage import Database

__all__ = ["ScriptHost", "ScriptLimits", "load_scripts"]

_log = logging.getLogger(__name__)

Pair: TypeAlias = tuple[bytes, bytes]
LaterOutcome: TypeAlias = Coroutine[Any, Any, Outcome]


def load_scripts(
    paths: Sequence[str],
    databases: Sequence[Database],
    limits: ScriptLimits,
    *,
    clock: Callable[[], float] = time.time,
) -> ScriptHost:
    """Return what plays the functions of Lua files, loaded in that order when they are needed.

    :param clock: the Unix time.
    :raises ConfigError: if a file cannot be read.
    """
    sources = [(_read(path), path) for path in paths]

    def new_state() -> LuaState:
        state = LuaState(databases, limits, clock)
        for source, path in sources:
            state.load(source, path)
        return state

    return ScriptHost(new_state, limits)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the script {path!r}: {error.strerror}") from error


class ScriptHost:
    """Plays scripts' functions.

    A function that does not sleep is carried out at once and nothing comes between. One that
    sleeps lets others go on meanwhile.

    :param new_state: returns a Lua state with the scripts in it.
    """

    def __init__(self, new_state: Callable[[], LuaState], limits: ScriptLimits) -> None:
        self._new_state = new_state
        self._state: LuaState | None = None
        self._failed = False
        self._limits = limits
        self._closing = asyncio.Event()

    def begin(self) -> None:
        """Load the scripts now instead of at the first call.

        :raises NotSupported: without the package lupa.
        :raises ConfigError: if a script fails.
        """
        self._state = self._new_state()

    def play(self, name: bytes, pairs: Sequence[Pair]) -> Outcome | LaterOutcome:
        """Call a function with named values.

        :return: what came of it, or a coroutine that waits for that because it sleeps. Cancelling
            the coroutine abandons the call where it is.
        """
        state = self._state or self._begin_late()
        if state is None:
            return Outcome(ReturnCode.NOT_IMPLEMENTED, [])
        outcome = state.start(name, pairs)
        if not isinstance(outcome, Outcome):
            return self._sleep(state, *outcome)
        if outcome is FAILED:
            self._make_room(state)
        return outcome

    def close(self) -> None:
        """End the calls that sleep; they fail."""
        self._closing.set()

    def _begin_late(self) -> LuaState | None:
        if not self._failed:
            try:
                self.begin()
            except KTError as error:
                self._failed = True
                _log.error("no scripts: %s", error.message)
        return self._state

    async def _sleep(self, state: LuaState, number: int, seconds: Sleep) -> Outcome:
        left = self._limits.sleep
        try:
            while await self._pause(min(seconds, left)) and seconds <= left:
                left -= seconds
                outcome = state.wake(number)
                if isinstance(outcome, Outcome):
                    if outcome is FAILED:
                        self._make_room(state)
                    return outcome
                number, seconds = outcome
        finally:
            state.abandon(number)
        if not self._closing.is_set():
            _log.error("a script slept for more than %g seconds", self._limits.sleep)
        return FAILED

    async def _pause(self, seconds: float) -> bool:
        """Wait; return whether nobody closed the host meanwhile."""
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except asyncio.TimeoutError:
            return True
        return False

    def _make_room(self, state: LuaState) -> None:
        """Start anew if the scripts' global variables fill the memory: no call could succeed."""
        if state is self._state and state.is_full():
            _log.error("the scripts' variables fill their memory; they are loaded anew")
            self._state = self._new_state()
            gc.collect()  # the old one is part of a cycle, and large
