"""A cursor on an ordered database does what a finger in a sorted list would do."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from kt_cache import EmbeddedServer, KyotoTycoon
from tests.support.databases import ORDERED

# Few letters, so that keys meet and are neighbours; bytes, as these are what the order is about.
keys = st.binary(max_size=3).map(lambda raw: bytes(b"\0aA\xff"[byte % 4] for byte in raw))
values = st.binary(max_size=8)


class CursorMachine(RuleBasedStateMachine):
    """The model: a dict, the key that the cursor is on, and the direction of its last move.

    If others remove that record, the cursor is on the first one behind it, whenever it is asked.
    """

    kt: KyotoTycoon

    def __init__(self) -> None:
        super().__init__()
        self.kt.clear()
        self.records: dict[bytes, bytes] = {}
        self.at: bytes | None = None
        self.forward = True
        self.jumped = False
        self.cursor = self.kt.cursor(decode_values=False, encode_values=False)

    def teardown(self) -> None:
        self.cursor.close()

    # ------------------------------------------------------------ the model

    def place(self, index: int, *, forward: bool) -> bool:
        order = sorted(self.records)
        self.forward = forward
        self.jumped = True
        self.at = order[index] if 0 <= index < len(order) else None
        return self.at is not None

    def record(self) -> tuple[bytes, bytes] | None:
        """Find out where the cursor is by now."""
        order = sorted(self.records)
        if self.at is None or self.at not in order:
            index = len(order) if self.at is None else bisect_left(order, self.at)
            self.at = order[index] if index < len(order) else None
        return None if self.at is None else (self.at, self.records[self.at])

    def move(self, *, forward: bool) -> bool:
        if self.at is None:
            return False
        if not forward:
            return self.place(bisect_left(sorted(self.records), self.at) - 1, forward=False)
        if self.record() is None:
            return False
        return self.place(sorted(self.records).index(self.at) + 1, forward=True)

    def go_on(self) -> None:
        self.move(forward=self.forward)

    # ------------------------------------------------------------ others

    @initialize(records=st.dictionaries(keys, values, max_size=8))
    def fill(self, records: dict[bytes, bytes]) -> None:
        self.records = dict(records)
        self.kt.set_bulk(records, encode_values=False)

    @rule(key=keys, value=values)
    def others_set(self, key: bytes, value: bytes) -> None:
        self.records[key] = value
        self.kt.set_bytes(key, value)

    @precondition(lambda self: self.records)
    @rule(data=st.data())
    def others_remove(self, data: Any) -> None:
        key = data.draw(st.sampled_from(sorted(self.records)))
        del self.records[key]
        assert self.kt.remove(key) == 1

    # ------------------------------------------------------------ moving

    @rule(key=st.none() | keys)
    def jump(self, key: bytes | None) -> None:
        index = 0 if key is None else bisect_left(sorted(self.records), key)
        assert self.cursor.jump(key) is self.place(index, forward=True)

    @rule(key=st.none() | keys)
    def jump_back(self, key: bytes | None) -> None:
        order = sorted(self.records)
        index = (len(order) if key is None else bisect_right(order, key)) - 1
        assert self.cursor.jump_back(key) is self.place(index, forward=False)

    @rule()
    def step(self) -> None:
        assert self.cursor.step() is self.move(forward=True)

    @rule()
    def step_back(self) -> None:
        assert self.cursor.step_back() is self.move(forward=False)

    @rule()
    def close(self) -> None:
        was_there = self.cursor.is_valid()
        assert was_there or self.at is None  # it may not know yet that others removed its record
        assert self.cursor.close() is was_there
        self.at = None

    # ------------------------------------------------------------ reading and changing

    @rule()
    def get(self) -> None:
        assert self.cursor.get() == self.record()

    @rule()
    def key_and_value(self) -> None:
        found = self.record()
        assert self.cursor.key() == (found[0] if found else None)
        assert self.cursor.value() == (found[1] if found else None)

    @rule(which=st.sampled_from(["get", "key", "value"]))
    def read_and_step(self, which: str) -> None:
        found = self.record()
        self.go_on()
        key, value = found or (None, None)
        wanted = {"get": found, "key": key, "value": value}
        assert getattr(self.cursor, which)(step=True) == wanted[which]

    @rule(value=values, step=st.booleans())
    def set_value(self, value: bytes, step: bool) -> None:
        found = self.record()
        if found is not None:
            self.records[found[0]] = value
        if step:
            self.go_on()
        assert self.cursor.set_value(value, step=step) is (found is not None)

    @rule(seize=st.booleans())
    def remove(self, seize: bool) -> None:
        found = self.record()
        self.go_on()
        if found is not None:
            del self.records[found[0]]
        if seize:
            assert self.cursor.seize() == found
        else:
            assert self.cursor.remove() is (found is not None)

    @rule()
    def iterate(self) -> None:
        if not self.jumped:
            self.place(0, forward=True)
        order = sorted(self.records)
        if self.record() is None:
            wanted = []
        elif self.forward:
            wanted = order[order.index(self.at) :]
        else:
            wanted = order[order.index(self.at) :: -1]
        self.at = None
        assert list(self.cursor) == [(key, self.records[key]) for key in wanted]

    @invariant()
    def nothing_else_changed(self) -> None:
        assert self.kt.count() == len(self.records)


@pytest.fixture
def machine(two_databases: EmbeddedServer) -> type[CursorMachine]:
    """The machine on a client whose keys are bytes."""

    class Here(CursorMachine):
        kt = KyotoTycoon(port=two_databases.port, default_db=ORDERED, decode_keys=False)

    return Here


def test_cursor_model(machine: type[CursorMachine]) -> None:
    """On each kind of server."""
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=50, stateful_step_count=30, report_multiple_bugs=False),
    )
    stats = machine.kt.pool_stats
    assert stats.open == stats.idle
