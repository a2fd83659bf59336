"""What stands between Lua and the functions it is given.

A function for Lua takes and returns bytes, numbers, booleans, ``None`` and handles: objects that
Lua code of ours keeps where scripts do not reach. What it returns reaches Lua behind a number: 0,
the code of a database error, or -1 and a message that becomes a Lua error. An exception never gets
there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from enum import IntEnum
from functools import wraps
from itertools import islice
from typing import Any, TypeAlias

from kt_cache.errors import NotSupported, StorageError

__all__ = ["CHUNK", "DatabaseFailure", "ErrorCode", "Guard", "LuaFailure"]

_log = logging.getLogger(__name__)

CHUNK = 200
"""Values handed to Lua at once; a list's further ones wait until Lua fetches them."""

_SMALL = 2**16  # bytes; what is larger must fit into the memory there is
_RAISE = -1

Answer: TypeAlias = "tuple[Any, ...]"


class ErrorCode(IntEnum):
    """Codes of database errors, as scripts see them."""

    NOT_IMPLEMENTED = 1
    INVALID = 2
    NO_REPOSITORY = 3
    NO_PERMISSION = 4
    DUPLICATE = 6
    NO_RECORD = 7
    LOGIC = 8
    SYSTEM = 9


class DatabaseFailure(Exception):
    """A database operation's negative end.

    :param message: what ``error():message()`` says; ``None`` for the code's name.
    """

    def __init__(self, code: ErrorCode, message: bytes | None = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


class LuaFailure(Exception):
    """What becomes a Lua error.

    :param message: its message.
    """

    def __init__(self, message: bytes) -> None:
        super().__init__(message)
        self.message = message


class Guard:
    """Makes functions fit for Lua.

    :param has_room: tells whether so many bytes more fit into Lua's memory. Lua ends the process if
        a function's result does not.
    """

    def __init__(self, has_room: Callable[[int], bool]) -> None:
        self._has_room = has_room
        self._rest: Iterator[Any] = iter(())
        self._collected: list[Any] = []

    def protect(self, function: Callable[..., object]) -> Callable[..., Answer]:
        """Return the function as Lua may call it."""

        @wraps(function)
        def protected(*args: Any) -> Answer:
            try:
                result = function(*args)
                if isinstance(result, tuple):
                    return self._check((0, *result))
                if isinstance(result, list):
                    self._rest = iter(result)
                    return self._take()
                return self._check((0, result))
            except DatabaseFailure as failure:
                return (int(failure.code), failure.message)
            except LuaFailure as failure:
                return (_RAISE, failure.message)
            except NotSupported:
                return (int(ErrorCode.NOT_IMPLEMENTED), None)
            except StorageError as error:
                _log.error("a script's operation failed: %s", error.message)
                return (int(ErrorCode.SYSTEM), None)
            except Exception:  # noqa: BLE001 - Lua would be handed the exception itself
                _log.exception("a function for scripts failed")
                return (_RAISE, b"internal error; the server's log says more")
            finally:
                if self._collected:  # a function that failed did not take it
                    self._collected = []

        return protected

    def collect(self, *values: Any) -> Answer:
        """Take in a part of a list; the function that is called next takes the list."""
        self._collected += values
        return (0,)

    def collected(self) -> list[Any]:
        """Return what was taken in, and forget it."""
        collected, self._collected = self._collected, []
        return collected

    def more(self) -> Answer:
        """Return the next values of the list that was returned last."""
        try:
            return self._take()
        except LuaFailure as failure:
            return (_RAISE, failure.message)

    def _take(self) -> Answer:
        return self._check((0, *islice(self._rest, CHUNK)))

    def _check(self, answer: Answer) -> Answer:
        for value in answer:
            if isinstance(value, bytes) and len(value) > _SMALL:
                size = sum(len(each) for each in answer if isinstance(each, bytes))
                if not self._has_room(size):
                    raise LuaFailure(b"not enough memory")
                break
        return answer
