"""The procedure that plays scripts."""

from __future__ import annotations

import re
from collections.abc import Coroutine
from typing import Any

from kt_cache.server.calls import Call, Failure, Rows
from kt_cache.server.lua import Outcome, ReturnCode

__all__ = ["PROCEDURES"]

_is_name = re.compile(rb"[A-Za-z0-9]+").fullmatch
_FAILED = "the scripting procedure failed"
_FAILURES: dict[int, tuple[int, str]] = {
    ReturnCode.NOT_IMPLEMENTED: (501, "no such scripting procedure"),
    ReturnCode.INVALID: (400, _FAILED),
    ReturnCode.LOGIC: (450, _FAILED),
    ReturnCode.TIMEOUT: (503, _FAILED),
}


def _play_script(call: Call) -> Rows | Coroutine[Any, Any, Rows]:
    scripts = call.service.scripts
    if scripts is None:
        raise Failure(501, "the scripting extention is disabled")
    name = call.required(b"name")
    if not _is_name(name):
        raise Failure(400, "invalid parameters")
    call.counts.script += 1
    outcome = scripts.play(name, list(call.underscored().items()))
    return _rows(outcome) if isinstance(outcome, Outcome) else _rows_later(outcome)


async def _rows_later(coming: Coroutine[Any, Any, Outcome]) -> Rows:
    return _rows(await coming)


def _rows(outcome: Outcome) -> Rows:
    if outcome.code != ReturnCode.SUCCESS:
        status, text = _FAILURES.get(outcome.code, (500, _FAILED))
        raise Failure(status, text)
    return {b"_" + name: value for name, value in outcome.pairs}


PROCEDURES = {b"play_script": _play_script}
