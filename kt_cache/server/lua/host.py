"""The scripts of a server: loads them, plays them, lets them sleep."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from kt_cache.errors import ConfigError
from kt_cache.server.lua.outcome import FAILED, Outcome
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
    """Load Lua files, in that order.

    :param clock: the Unix time.
    :raises NotSupported: without the package lupa.
    :raises ConfigError: if a file cannot be read, or fails.
    """
    state = LuaState(databases, limits, clock)
    for path in paths:
        try:
            source = Path(path).read_bytes()
        except OSError as error:
            raise ConfigError(f"cannot read the script {path!r}: {error.strerror}") from error
        state.load(source, path)
    return ScriptHost(state, limits)


class ScriptHost:
    """Plays scripts' functions.

    A function that does not sleep is carried out at once and nothing comes between. One that
    sleeps lets others go on meanwhile.
    """

    def __init__(self, state: LuaState, limits: ScriptLimits) -> None:
        self._state = state
        self._limits = limits
        self._closing = asyncio.Event()

    def play(self, name: bytes, pairs: Sequence[Pair]) -> Outcome | LaterOutcome:
        """Call a function with named values.

        :return: what came of it, or a coroutine that waits for that because it sleeps. Cancelling
            the coroutine abandons the call where it is.
        """
        outcome = self._state.start(name, pairs)
        return outcome if isinstance(outcome, Outcome) else self._sleep(*outcome)

    def close(self) -> None:
        """End the calls that sleep; they fail."""
        self._closing.set()

    async def _sleep(self, number: int, seconds: Sleep) -> Outcome:
        left = self._limits.sleep
        try:
            while left > 0 and await self._pause(min(seconds, left)):
                left -= seconds
                outcome = self._state.wake(number)
                if isinstance(outcome, Outcome):
                    return outcome
                number, seconds = outcome
        finally:
            self._state.abandon(number)
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
