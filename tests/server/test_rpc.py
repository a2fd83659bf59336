"""Procedures of TSV-RPC, where the transcripts leave something to say."""

from __future__ import annotations

import pytest

from tests.support.process import Connection, IncludedServer

NO_RECORD = (450, {"ERROR": b"DB: 7: no record: no record"})
NOT_ORDERED = (501, {"ERROR": b"DB: 1: not implemented: not implemented"})
NO_CURSOR = (400, {"ERROR": b"no such cursor"})
DONE = (200, {})


@pytest.fixture
def filled(connection: Connection) -> Connection:
    """The records a, b, c, d in the ordered database; c expires in 2096."""
    connection.call("set_bulk", _a=1, _b=2, _d=4)
    connection.call("set", key="c", value=3, xt=-4000000000)
    return connection


# ---------------------------------------------------------------- cursors


def test_a_cursor_walks_forward(filled: Connection) -> None:
    """Getting with ``step``, whatever it says, moves on; past the end there is no record."""
    assert filled.call("cur_get", CUR=1) == NO_RECORD
    assert filled.call("cur_jump", CUR=1) == DONE
    assert filled.call("cur_get", CUR=1) == (200, {"key": b"a", "value": b"1"})
    assert filled.call("cur_get_key", CUR=1, step=0) == (200, {"key": b"a"})
    assert filled.call("cur_get_value", CUR=1, step="") == (200, {"value": b"2"})
    shown = {"key": b"c", "value": b"3", "xt": b"4000000000"}
    assert filled.call("cur_get", CUR=1) == (200, shown)
    assert filled.call("cur_step", CUR=1) == DONE
    assert filled.call("cur_step", CUR=1) == NO_RECORD
    assert filled.call("cur_step_back", CUR=1) == NO_RECORD


def test_a_cursor_walks_backward(filled: Connection) -> None:
    """The direction of the last jump or step holds for what moves by itself."""
    assert filled.call("cur_jump_back", CUR=1, key="cc") == DONE
    assert filled.call("cur_remove", CUR=1) == DONE
    assert filled.call("cur_seize", CUR=1) == (200, {"key": b"b", "value": b"2"})
    assert filled.call("cur_set_value", CUR=1, value="x", xt=-4000000000) == DONE
    assert filled.call("get", key="a") == (200, {"value": b"x", "xt": b"4000000000"})
    assert filled.call("cur_step_back", CUR=1) == NO_RECORD
    assert filled.call("cur_jump_back", CUR=1) == DONE
    assert filled.call("cur_get_key", CUR=1) == (200, {"key": b"d"})
    assert filled.call("cur_jump_back", CUR=1, key="0") == NO_RECORD


def test_a_hash_cannot_be_walked_backward(connection: Connection) -> None:
    """Without order there are exact keys only, and one direction."""
    connection.call("set", DB=1, key="k", value="v")
    assert connection.call("cur_jump", CUR=1, DB=1, key="j") == NO_RECORD
    assert connection.call("cur_jump", CUR=1, key="k") == DONE
    assert connection.call("cur_jump_back", CUR=1) == NOT_ORDERED
    assert connection.call("cur_step_back", CUR=1) == NOT_ORDERED
    assert connection.call("cur_get", CUR=1) == (200, {"key": b"k", "value": b"v"})


def test_cursors_belong_to_a_connection(server: IncludedServer, filled: Connection) -> None:
    """Another connection's cursor of the same number is another one."""
    assert filled.call("cur_jump", CUR=7) == DONE
    assert server.call("cur_get", CUR=7) == NO_RECORD
    assert filled.call("cur_get_key", CUR=7) == (200, {"key": b"a"})


def test_any_call_makes_a_cursor(connection: Connection) -> None:
    """Deleting one that is not there makes it as well, so that it can be deleted then."""
    connection.call("void", CUR=3)
    assert connection.call("cur_delete", CUR=3) == DONE
    missing = (501, {"ERROR": b"not implemented: cur_delete"})
    assert connection.call("cur_delete", CUR=3) == missing
    assert connection.call("cur_delete", CUR=3) == DONE
    assert connection.call("cur_delete") == missing


def test_a_connection_has_so_many_cursors(connection: Connection) -> None:
    """One more cannot be made until another one is deleted."""
    for number in range(100):
        connection.call("void", CUR=number)
    assert connection.call("cur_jump", CUR=100) == NO_CURSOR
    connection.call("cur_delete", CUR=5)
    assert connection.call("cur_jump", CUR=100) == NO_RECORD


# ---------------------------------------------------------------- the rest


def test_report_counts_what_was_done() -> None:
    """Reads, writes and removals with their misses, by all protocols, bulk ones per record."""
    with IncludedServer(":") as server, server.connect() as connection:
        call = connection.call
        call("set", key="k", value="v")
        call("add", key="k", value="v")
        call("increment", key="k", num=1)
        call("cas", key="k", oval="x")
        call("set_bulk", _a=1, _b=2)
        call("get", key="k")
        call("check", key="no")
        call("get_bulk", _a=1, _no=2)
        call("seize", key="no")
        call("remove", key="no")
        call("remove_bulk", _a=1, _no=1)
        call("match_prefix", prefix="")
        call("cur_jump", CUR=1)
        call("get")
        connection.request("PUT", "/k", b"v")
        connection.request("GET", "/k")
        connection.request("DELETE", "/no")
        connection.send(b"\xba\0\0\0\0\0\0\0\2\0\0\0\0\0\1k\0\7\0\0\0\1k")
        connection.read(5 + 18 + 2)
        _, report = call("report")
        counted = {name: int(value) for name, value in report.items() if name[:4] == "cnt_"}
        assert counted == {
            "cnt_get": 7,
            "cnt_get_misses": 3,
            "cnt_set": 7,
            "cnt_set_misses": 3,
            "cnt_remove": 5,
            "cnt_remove_misses": 4,
            "cnt_script": 0,
            "cnt_misc": 2,
        }


def test_databases_may_be_named(tmp_path: object) -> None:
    """By index, or by the last component of the path; a file is ordered."""
    path = f"{tmp_path}/named.sqlite"
    with IncludedServer("*", path) as server, server.connect() as connection:
        connection.call("set", DB=1, key="b", value="in the file")
        connection.call("set", DB="named.sqlite", key="a", value="too")
        assert connection.call("get", DB="1", key="a") == (200, {"value": b"too"})
        assert connection.call("get", DB="*", key="a") == NO_RECORD
        assert connection.call("match_regex", DB=1, regex="")[1]["_a"] == b"0"
        status = connection.call("status", DB=1)[1]
        assert (status["path"].decode(), status["count"]) == (path, b"2")
        assert connection.call("get", DB="other.sqlite", key="a")[0] == 400


def test_vacuum_takes_steps(connection: Connection) -> None:
    """A step above one is a number of records, anything else is all of them."""
    connection.call("set_bulk", xt=-1, **{f"_{number}": "" for number in range(10)})
    assert connection.call("vacuum", step=4) == DONE
    assert connection.call("status")[1]["count"] == b"6"
    assert connection.call("vacuum", step=1) == DONE
    assert connection.call("status")[1]["count"] == b"0"
