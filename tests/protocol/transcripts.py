"""The golden transcripts: what the reference server was sent and what it answered.

Each case is a list of steps; a step's fields used here are ``conn``, ``send_hex`` or ``send_gen``,
``proto`` (``http``, ``head``, ``bin``, or ``none`` if nothing may arrive), the answer as
``recv_hex`` (for big ones its length and hash), ``closes`` and ``half_close``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

PATH = Path(__file__).parents[1] / "data" / "kyoto-tycoon.vectors.json"


@dataclass
class Answer:
    """A recorded answer; ``data`` is empty where only its hash was recorded."""

    note: str
    proto: str
    data: bytes
    step: dict[str, Any]

    @property
    def closes(self) -> bool:
        """Whether the server closed the connection behind it."""
        return bool(self.step.get("closes"))

    def matches(self, data: bytes) -> bool:
        """Tell whether these bytes are the recorded answer, by its hash if need be."""
        step = self.step
        if "recv_sha256" in step:
            return (len(data), _sha256(data)) == (step["recv_len"], step["recv_sha256"])
        if "body_sha256" in step:
            head = bytes.fromhex(step["recv_head_hex"])
            body = data[len(head) :]
            return data.startswith(head) and (len(body), _sha256(body)) == (
                step["body_len"],
                step["body_sha256"],
            )
        return data == self.data


@dataclass
class Conversation:
    """Everything on one connection, from its opening to its end.

    :param closed: whether the server closed it.
    """

    case: str
    sent: list[bytes] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    closed: bool = False


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sent(step: dict[str, Any]) -> bytes:
    if "send_gen" not in step:
        return bytes.fromhex(step.get("send_hex", ""))
    return b"".join(
        bytes.fromhex(part["hex"])
        if "hex" in part
        else bytes.fromhex(part["repeat_hex"]) * part["count"]
        for part in step["send_gen"]
    )


def _conversations(case: dict[str, Any]) -> list[Conversation]:
    made: list[Conversation] = []
    open_ones: dict[str, Conversation] = {}
    for step in case["steps"]:
        name = step.get("conn", "a")
        if name not in open_ones:
            open_ones[name] = Conversation(case["name"])
            made.append(open_ones[name])
        conversation = open_ones[name]
        sent = _sent(step)
        conversation.sent.append(sent)
        if step["proto"] != "none":
            data = bytes.fromhex(step.get("recv_hex", ""))
            conversation.answers.append(Answer(step["note"], step["proto"], data, step))
        if step.get("closes"):
            conversation.closed = True
            del open_ones[name]
    return made


@cache
def load() -> dict[str, list[Conversation]]:
    """Return the conversations of every case by its name.

    Left out are cases in which more than requests and replies goes over the wire.
    """
    cases = json.loads(PATH.read_text())
    return {
        case["name"]: _conversations(case)
        for case in cases
        if not any(step["proto"] in ("repl", "raw") for step in case["steps"])
    }
