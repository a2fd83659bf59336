"""What sites give decorators besides numbers: functions, asked for each call."""

from __future__ import annotations

from collections.abc import Callable
from inspect import (
    Parameter,
    isasyncgenfunction,
    iscoroutinefunction,
    isgeneratorfunction,
    signature,
)
from typing import Any

from kt_cache.errors import ConfigError

__all__ = ["Condition", "check_decorated", "check_plain"]


class Condition:
    """A function that is asked for each call; with the call's arguments if it takes any.

    One that takes them by name alone is given those that the call has named.

    :param name: of the option.
    :param function: ``None`` for one that always says no.
    :raises ConfigError: if it is none, or a coroutine function.
    """

    def __init__(self, name: str, function: Callable[..., Any] | None) -> None:
        check_plain(name, function)
        self._function = function
        self._takes, self._takes_names = (False, False) if function is None else _taken_by(function)

    def holds(self, /, *args: Any, **kwargs: Any) -> bool:
        """Ask the function."""
        if self._function is None:
            return False
        if self._takes:
            return bool(self._function(*args, **kwargs))
        return bool(self._function(**kwargs) if self._takes_names else self._function())


def check_plain(name: str, function: Any) -> None:
    """Refuse what is given as an option in place of a plain function; ``None`` may be.

    :raises ConfigError: if it cannot be called, or is a coroutine function.
    """
    if function is None:
        return
    if not callable(function):
        raise ConfigError(f"{name} must be a function, not {function!r}")
    if iscoroutinefunction(function):
        raise ConfigError(f"{name} must be a plain function, and {function!r} is a coroutine one")


def check_decorated(decorator: str, function: Any) -> None:
    """Refuse functions whose results cannot be kept.

    :raises ConfigError: if it is none, or a generator function.
    """
    if isinstance(function, classmethod | staticmethod):
        raise ConfigError(f"put @{decorator}(...) below @{type(function).__name__}")
    if not hasattr(function, "__qualname__") or isinstance(function, type):
        raise ConfigError(f"@{decorator}(...) is for functions, not for {function!r}")
    if isgeneratorfunction(function) or isasyncgenfunction(function):
        raise ConfigError(
            f"@{decorator}(...) cannot keep what the generator {function.__qualname__} yields: "
            "return a list, or join the parts"
        )


def _taken_by(function: Callable[..., Any]) -> tuple[bool, bool]:
    """Tell whether a function takes arguments by position, and whether any by name."""
    try:
        parameters = signature(function).parameters.values()
    except ValueError:  # some that are written in C do not tell
        return False, False
    kinds = {parameter.kind for parameter in parameters}
    return bool(
        kinds - {Parameter.KEYWORD_ONLY, Parameter.VAR_KEYWORD}
    ), Parameter.VAR_KEYWORD in kinds
