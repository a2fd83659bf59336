"""A Lua state with the scripts in it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from typing import Any, NoReturn, TypeAlias

from kt_cache._version import __version__
from kt_cache.errors import ConfigError, NotSupported
from kt_cache.protocol.lua_dump import dump_array, dump_map
from kt_cache.protocol.lua_pack import pack_numbers
from kt_cache.server.lua.databases import DatabaseFunctions
from kt_cache.server.lua.functions import FUNCTIONS
from kt_cache.server.lua.guard import CHUNK, Guard
from kt_cache.server.lua.outcome import FAILED, Outcome, ReturnCode
from kt_cache.storage import Database

Pair: TypeAlias = tuple[bytes, bytes]

__all__ = ["LuaState", "ScriptLimits", "Sleep", "has_lua"]

_log = logging.getLogger(__name__)
_script_log = logging.getLogger(f"{__name__}.script")

_PACKAGE = "kt_cache.server.lua"
_RESERVE = 2**25  # bytes above the memory limit, so that what the host hands over always fits
_SLACK = 2**23  # bytes of these that stay free
_SMALL = 2**16  # bytes that fit into the slack without looking
_ITEM = 128  # bytes that a name or value takes up at most in Lua, besides its own
_FULL = 0.9  # of the memory limit, kept by scripts between calls
_LONGEST_MESSAGE = 1000  # of an error, in the log
_KINDS = {
    b"debug": logging.DEBUG,
    b"info": logging.INFO,
    b"system": logging.WARNING,
    b"error": logging.ERROR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptLimits:
    """What scripts may use up.

    :param time: processor time of one call, in seconds; sleep does not count.
    :param sleep: seconds that one call may sleep altogether.
    :param memory: bytes of all that scripts keep.
    :param output: bytes of one call's output.
    :param cursors: cursors that all scripts hold at a time.
    :param files: whether scripts may use files and other programs (Lua's ``io`` and ``os``).
    """

    time: float
    sleep: float
    memory: int
    output: int
    cursors: int
    files: bool


class Sleep(float):
    """Seconds after which a call is to be woken."""


class LuaState:
    """Runs functions of scripts, one at a time; those that sleep wait for :meth:`wake`.

    :param clock: the Unix time.
    :raises NotSupported: without the package lupa.
    """

    def __init__(
        self, databases: Sequence[Database], limits: ScriptLimits, clock: Callable[[], float]
    ) -> None:
        self._full = int(_FULL * limits.memory)
        self._most = limits.memory + _RESERVE
        self._runtime, self._lua_error = _new_runtime(self._most)
        self._databases = databases
        self._clock = clock
        self._limits = limits
        self._guard = Guard(self._has_room)
        self._functions = DatabaseFunctions(
            lambda: int(clock()), self._guard.collected, max_cursors=limits.cursors
        )
        self._calls = self._set_up()
        self._next_number = 0

    # ------------------------------------------------------------ calls

    def load(self, source: bytes, name: str) -> None:
        """Run a script once, for the functions it defines.

        :param name: its path, for error messages.
        :raises ConfigError: if it fails.
        """
        if source.startswith(b"#"):
            source = b"--" + source
        if source.startswith(b"\x1b"):
            raise ConfigError(f"script {name!r} is compiled Lua; give its source")
        message = self._calls["load"](source, b"@" + name.encode())
        self._functions.abort_transactions()
        if message is not None:
            raise ConfigError(f"script {name!r}: {_readable(message)}")

    def start(self, name: bytes, pairs: Sequence[Pair]) -> Outcome | tuple[int, Sleep]:
        """Call a script's function.

        :return: how it ended, or the call's number and how long it sleeps.
        """
        self.is_full()  # collects what a call left that ran out of memory: arguments need room
        flat = [item for pair in pairs for item in pair]
        size = sum(map(len, flat)) + _ITEM * len(flat)
        if size > _SMALL and not self._has_room(size):
            _log.error("script %s: the input does not fit into its memory", _readable(name))
            return FAILED
        self._next_number += 1
        if len(flat) <= CHUNK:
            return self._run("start", self._next_number, name, *flat)
        for first in range(CHUNK, len(flat), CHUNK):
            self._calls["add_input"](*flat[first : first + CHUNK])
        return self._run("start", self._next_number, name, *flat[:CHUNK])

    def wake(self, number: int) -> Outcome | tuple[int, Sleep]:
        """Let a call go on; returns as :meth:`start` does."""
        return self._run("wake", number)

    def abandon(self, number: int) -> None:
        """Forget a call that sleeps."""
        self._calls["abandon"](number)

    def is_full(self) -> bool:
        """Tell whether what scripts keep leaves too little memory for their calls."""
        if self._runtime.get_memory_used() <= self._full:
            return False
        self._runtime.gccollect()
        return bool(self._runtime.get_memory_used() > self._full)

    def _run(self, how: str, number: int, *args: bytes) -> Outcome | tuple[int, Sleep]:
        try:
            result = self._calls[how](number, *args)
        except self._lua_error as error:  # memory ran out where no script could have caught it
            result = b"failed", str(error).encode()
        kind, *rest = result if isinstance(result, tuple) else (result,)
        if kind == b"sleeping":
            return number, Sleep(rest[0])
        if self._functions.abort_transactions():
            _log.error("a script left a transaction open; it was undone")
        if kind == b"done":
            return self._take_output(*rest)
        if kind == b"missing":
            return Outcome(ReturnCode.NOT_IMPLEMENTED, [])
        self._guard.collected()  # what the call had handed over when it was stopped
        _log.error("a script failed: %s", _readable(rest[0]))
        return FAILED

    def _take_output(self, code: float, left: int, *items: bytes) -> Outcome:
        if left:
            output = list(items)
            while left > 0:
                more = self._calls["more_output"]()
                output += more
                left -= len(more)
            items = tuple(output)
        return Outcome(int(code), list(zip(items[::2], items[1::2], strict=True)))

    # ------------------------------------------------------------ what Lua is given

    def _has_room(self, size: int) -> bool:
        return bool(self._runtime.get_memory_used() + size < self._most - _SLACK)

    def _set_up(self) -> Mapping[str, Callable[..., Any]]:
        """Run our Lua code; return the functions it has for us, by name."""
        runtime, limits = self._runtime, self._limits
        settings = runtime.table_from(
            {
                b"time": limits.time,
                b"memory": limits.memory,
                b"output": limits.output,
                b"io": limits.files,
                b"chunk": CHUNK,
                b"databases": len(self._databases),
                b"version": __version__.encode(),
            }
        )
        host = runtime.table_from(self._host_functions())
        sources = {
            path.name.removesuffix(".lua").encode(): path.read_bytes()
            for path in files(_PACKAGE).iterdir()
            if path.name.endswith(".lua")
        }
        calls = runtime.execute(
            sources[b"main"], host, settings, runtime.table_from(sources), name=b"=main.lua"
        )
        return {name.decode(): calls[name] for name in calls}

    def _host_functions(self) -> dict[bytes, Callable[..., Any]]:
        functions: dict[str, Callable[..., Any]] = {
            **FUNCTIONS,
            **self._functions.functions(),
            "codec": lambda mode, data: FUNCTIONS["codec"](mode, data, self._limits.memory),
            "database": self._database,
            "dump_array": lambda *items: dump_array((*self._guard.collected(), *items)),
            "dump_map": lambda *items: dump_map(_pair_up((*self._guard.collected(), *items))),
            "log": _write_log,
            "pack": self._pack,
            "time": self._clock,
        }
        protected = {
            name.encode(): self._guard.protect(function) for name, function in functions.items()
        }
        return {**protected, b"collect": self._guard.collect, b"more": self._guard.more}

    def _database(self, index: int) -> tuple[Database, bytes]:
        database = self._databases[index - 1]
        return database, database.name.encode()

    def _pack(self, form: bytes, *numbers: float) -> bytes:
        return pack_numbers(form, (*self._guard.collected(), *numbers))


def has_lua() -> bool:
    """Tell whether the package that scripts need is installed, without loading it."""
    try:
        return find_spec("lupa.lua51") is not None
    except ImportError:
        return False


def _new_runtime(memory: int) -> tuple[Any, type[Exception]]:
    try:
        from lupa.lua51 import LuaError, LuaRuntime  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        raise NotSupported(
            'scripts need the package lupa: pip install "kt-cache[server]"'
        ) from error
    runtime = LuaRuntime(
        encoding=None,
        attribute_filter=_refuse_attribute,
        register_eval=False,
        register_builtins=False,
        unpack_returned_tuples=True,
        max_memory=memory,
    )
    return runtime, LuaError


def _refuse_attribute(*_: object) -> NoReturn:
    raise AttributeError("nothing of Python's is open to scripts")


def _write_log(kind: bytes, text: bytes) -> None:
    level = _KINDS.get(kind.lower())
    if level is not None:
        _script_log.log(level, "%s", _readable(text))


def _pair_up(items: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(items[::2], items[1::2], strict=True))


def _readable(text: bytes) -> str:
    return text[:_LONGEST_MESSAGE].decode(errors="replace")
