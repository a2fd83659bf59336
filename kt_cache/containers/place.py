"""Where a container is and how its values are turned into bytes. No I/O.

What containers do is written as operations on a place, once for the blocking classes and those for
asyncio. Functions of ``kt_cache/lua/kt.lua`` do the work on the server.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from kt_cache.client import records
from kt_cache.client.base import ClientBase, as_bytes
from kt_cache.client.command import Command
from kt_cache.client.operation import Operation
from kt_cache.errors import ConfigError, ServerError
from kt_cache.protocol.expiry import NEVER_GIVEN
from kt_cache.serializers import encode_key

__all__ = [
    "Key",
    "Output",
    "Pairs",
    "Place",
    "as_index",
    "as_number",
    "given",
    "in_order",
    "number_in",
    "numbered",
]

Key: TypeAlias = "str | bytes"
Pairs = list[tuple[bytes, bytes]]
Output = dict[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Place:
    """One container of one client.

    :param client: whose settings are used.
    :param key: of the container.
    :param db: database index.
    :param key_input: the name under which the server's functions take the key.
    :param encode_values: whether values are serialized.
    :param decode_values: whether values are deserialized.
    """

    client: ClientBase
    key: bytes
    db: int
    key_input: bytes
    encode_values: bool
    decode_values: bool

    def encoded(self, value: Any) -> bytes:
        """Return a value's bytes."""
        return self.client._encoded(self.key, value, self.encode_values)

    def decoded(self, data: bytes) -> Any:
        """Return the value of bytes."""
        return self.client._decoded(self.key, data) if self.decode_values else data

    def shown(self, name: bytes) -> Any:
        """Return a name within the container as the client shows keys."""
        return self.client._shown_key(name)

    def command(
        self,
        function: str,
        inputs: Iterable[tuple[bytes, bytes]] = (),
        *,
        repeatable: bool = False,
    ) -> Command[Pairs | None]:
        """Return the call of a function of the server's script on this container.

        :param inputs: beside database and key.
        :param repeatable: whether calling it twice leaves the same state and answers the same.
        """
        pairs = [(b"db", b"%d" % self.db), (self.key_input, self.key), *inputs]
        _, request, decode, _, _ = records.play_script(function.encode(), pairs)
        # Made anew, for the sake of messages that name the function and the key.
        return function, request, decode, repeatable, self.key

    def call(
        self,
        function: str,
        inputs: Iterable[tuple[bytes, bytes]] = (),
        *,
        repeatable: bool = False,
    ) -> Operation[Output]:
        """Call a function of the server's script on this container; see :meth:`command`."""
        output: Pairs = yield self.command(function, inputs, repeatable=repeatable)
        return dict(output)

    def read(self) -> Operation[bytes | None]:
        """Read the container's record as it is."""
        found = yield records.get(self.db, self.key)
        return None if found is None else found[0]

    def replace(self, data: bytes) -> Operation[int]:
        """Store the container's record as it is; it will not expire. 1."""
        stored: int = yield records.set_one(self.db, self.key, data, NEVER_GIVEN)
        return stored

    def remove(self) -> Operation[None]:
        """Remove the container's record."""
        yield records.remove(self.db, self.key)


# ---------------------------------------------------------------- inputs


def given(**inputs: Key | int | None) -> Pairs:
    """Return the inputs that are not ``None``.

    :raises TypeError: if a number is not whole, as with Python's own sequences.
    """
    return [
        (name.encode(), encode_key(value) if isinstance(value, str | bytes) else as_index(value))
        for name, value in inputs.items()
        if value is not None
    ]


def as_index(value: Any) -> bytes:
    """Return the input for a whole number.

    :raises TypeError: if it is none.
    """
    return b"%d" % operator.index(value)


def as_number(name: str, value: Any) -> bytes:
    """Return the input for a number.

    :raises ConfigError: if it is none, or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{name} must be a finite number, not {value!r}")
    return as_bytes(value)


def numbered(values: Iterable[bytes]) -> Pairs:
    """Return values as the inputs ``0``, ``1`` and so on."""
    return [(b"%d" % number, value) for number, value in enumerate(values)]


# ---------------------------------------------------------------- outputs


def in_order(output: Output) -> list[bytes]:
    """Return the outputs ``0``, ``1`` and so on."""
    try:
        return [output[number] for number in sorted(output, key=int)]
    except ValueError:
        raise ServerError("the script did not answer with numbered values") from None


def number_in(output: Output, name: bytes = b"num") -> int:
    """Return an output that is a whole number."""
    try:
        return int(output[name])
    except (KeyError, ValueError):
        raise ServerError(f"the script did not answer with {name.decode()!r}") from None
