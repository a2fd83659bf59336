"""What every engine promises whose records are in order."""

from __future__ import annotations

import pytest

from kt_cache.protocol.expiry import NEVER
from kt_cache.storage import Cursor, Database, open_cursor
from tests.storage.conformance import DEAD, NOW, Conformance


class OrderedConformance(Conformance):
    """Tests of an ordered database."""

    @pytest.fixture
    def cursor(self, database: Database) -> Cursor:
        """A cursor on the records a, b, c, d."""
        database.set_bulk((key, b"", NEVER) for key in (b"c", b"a", b"d", b"b"))
        return open_cursor(database)

    def test_keys_come_in_order(self, database: Database) -> None:
        """The order is that of the bytes, taken as numbers."""
        keys = [b"\xff", b"", b"b", b"a\0", b"a", b"\x80", b"B"]
        database.set_bulk((key, b"", NEVER) for key in keys)
        assert list(database.keys()) == sorted(keys)
        assert list(database.keys(b"a\0")) == sorted(keys)[3:]
        assert database.match_prefix(b"a") == [b"a", b"a\0"]
        assert database.match_regex(b"", 2) == [b"", b"B"]

    def test_a_jump_goes_to_the_nearest_key(self, cursor: Cursor) -> None:
        """Forward to the next greater key, backward to the next smaller one."""
        assert cursor.jump(b"bb")
        assert _key(cursor) == b"c"
        assert cursor.jump_back(b"bb")
        assert _key(cursor) == b"b"
        assert cursor.jump_back()
        assert _key(cursor) == b"d"
        assert not cursor.jump_back(b"0")
        assert _key(cursor) is None

    def test_steps_set_the_direction(self, cursor: Cursor) -> None:
        """Operations that move the cursor move it the way it last went."""
        cursor.jump_back(b"c")
        assert cursor.get(NOW, step=True) == (b"c", b"", NEVER)
        assert _key(cursor) == b"b"
        assert cursor.step()
        assert cursor.get(NOW, step=True) == (b"c", b"", NEVER)
        assert _key(cursor) == b"d"
        assert cursor.step_back()
        assert cursor.seize(NOW) == (b"c", b"", NEVER)
        assert _key(cursor) == b"b"
        assert cursor.set_value(b"x", NEVER, NOW, step=True)
        assert _key(cursor) == b"a"
        assert not cursor.step_back()
        assert _key(cursor) is None

    def test_the_dead_are_skipped_in_the_cursors_direction(
        self, database: Database, cursor: Cursor
    ) -> None:
        """A cursor may stand on a dead record, but reads the next living one."""
        database.set(b"bb", b"", DEAD)
        assert cursor.jump_back(b"bb")
        assert _key(cursor) == b"b"
        assert cursor.jump(b"bb")
        assert _key(cursor) == b"c"

    def test_a_step_back_begins_where_a_removed_record_was(
        self, database: Database, cursor: Cursor
    ) -> None:
        """Though reading there goes on to the next one, or finds nothing behind the last."""
        for key, before in ((b"c", b"b"), (b"d", b"b")):
            cursor.jump(key)
            database.remove(key, NOW)
            assert cursor.step_back()
            assert _key(cursor) == before
        cursor.jump(b"b")
        database.remove(b"b", NOW)
        assert _key(cursor) is None
        assert not cursor.step_back()

    def test_a_cursor_sees_records_written_meanwhile(
        self, database: Database, cursor: Cursor
    ) -> None:
        """There is no snapshot: what lies ahead when it gets there is visited."""
        cursor.jump()
        database.set(b"aa", b"", NEVER)
        cursor.step()
        assert _key(cursor) == b"aa"


def _key(cursor: Cursor) -> bytes | None:
    entry = cursor.get(NOW)
    return entry and entry[0]
