"""Every command there is, with a reply to it: what tests of all commands go through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from kt_cache.client import administration, bulk_procedures, call, procedures, records
from kt_cache.client.command import Command
from kt_cache.protocol.binary import encode_script_reply
from tests.support.replies import NEVER, REMOVED, STORED, found, rpc, stored

VALUE = b"a secret value"


@dataclass(frozen=True)
class Case:
    """One command.

    :param name: as errors name it.
    :param make: makes it anew.
    :param reply: what a server answers.
    :param result: what the caller gets for that.
    :param repeatable: whether the design lets it be sent twice.
    :param other_reply: a longer answer with other contents.
    :param key: as errors name it.
    """

    name: str
    make: Callable[[], Command[Any]]
    reply: bytes
    result: Any
    repeatable: bool
    other_reply: bytes
    key: bytes | None = b"k"

    @property
    def request(self) -> bytes:
        """What is sent."""
        return self.make()[1]


LONG = "x" * 40

CASES = {
    "records.get": Case(
        "get",
        lambda: records.get(0, b"k"),
        found(("k", "v")),
        (b"v", NEVER),
        True,
        found(("k", LONG)),
    ),
    "records.get_bulk": Case(
        "get_bulk",
        lambda: records.get_bulk([(0, b"a"), (0, b"b"), (0, b"c")]),
        found(("a", "1"), ("c", "3")),
        [(0, b"a", b"1", NEVER), (0, b"c", b"3", NEVER)],
        True,
        found(("a", LONG), ("b", LONG), ("c", "4")),
        None,
    ),
    "records.get_many": Case(
        "get_bulk",
        lambda: records.get_many(0, ["a", "b", "c"], 3, str.encode),
        found(("a", "1"), ("c", "3")),
        ([b"a", b"c"], [b"1", b"3"]),
        True,
        found(("a", LONG), ("b", LONG), ("c", "4")),
        None,
    ),
    "records.set_one": Case(
        "set", lambda: records.set_one(0, b"k", VALUE, 9), STORED, 1, True, STORED
    ),
    "records.set_bulk": Case(
        "set_bulk",
        lambda: records.set_bulk([(0, b"k", VALUE, 9), (0, b"l", VALUE, 9)]),
        stored(2),
        2,
        True,
        stored(2),
        None,
    ),
    "records.set_many": Case(
        "set_bulk",
        lambda: records.set_many(0, {"k": VALUE, "l": VALUE}.items(), 2, 9, str.encode, bytes),
        stored(2),
        2,
        True,
        stored(2),
        None,
    ),
    "records.remove": Case("remove", lambda: records.remove(0, b"k"), REMOVED, 1, False, REMOVED),
    "records.remove_bulk": Case(
        "remove_bulk", lambda: records.remove_bulk([(0, b"k")]), REMOVED, 1, False, REMOVED, None
    ),
    "records.play_script": Case(
        "script",
        lambda: records.play_script(b"f", [(b"k", VALUE)]),
        encode_script_reply([(b"out", b"1")]),
        [(b"out", b"1")],
        False,
        encode_script_reply([(b"out", LONG.encode())]),
        None,
    ),
    "procedures.add": Case(
        "add", lambda: procedures.add(0, b"k", VALUE, 9), rpc(), True, False, rpc(450, ERROR="no")
    ),
    "procedures.replace": Case(
        "replace",
        lambda: procedures.replace(0, b"k", VALUE, 9),
        rpc(450, ERROR="no record"),
        False,
        False,
        rpc(),
    ),
    "procedures.cas": Case(
        "cas", lambda: procedures.cas(0, b"k", VALUE, b"new", 9), rpc(), True, False, rpc()
    ),
    "procedures.increment": Case(
        "increment",
        lambda: procedures.increment(0, b"k", 1, None, 9),
        rpc(num="5"),
        5,
        False,
        rpc(num="500000"),
    ),
    "procedures.increment_double": Case(
        "increment_double",
        lambda: procedures.increment_double(0, b"k", 0.5, None, 9),
        rpc(num="1.500000"),
        1.5,
        False,
        rpc(num="15000000000.000000"),
    ),
    "procedures.append": Case(
        "append", lambda: procedures.append(0, b"k", VALUE, 9), rpc(), True, False, rpc()
    ),
    "procedures.get": Case(
        "get", lambda: procedures.get(0, b"k"), rpc(value="v"), b"v", True, rpc(value=LONG)
    ),
    "procedures.set_one": Case(
        "set", lambda: procedures.set_one(0, b"k", VALUE, 9), rpc(), True, True, rpc()
    ),
    "procedures.remove": Case(
        "remove", lambda: procedures.remove(0, b"k"), rpc(450, ERROR="no"), False, False, rpc()
    ),
    "procedures.check": Case(
        "check", lambda: procedures.check(0, b"k"), rpc(vsiz="7"), 7, True, rpc(vsiz="7" * 19)
    ),
    "procedures.seize": Case(
        "seize", lambda: procedures.seize(0, b"k"), rpc(value="v"), b"v", False, rpc(value=LONG)
    ),
    "procedures.take": Case(
        "seize",
        lambda: procedures.take(0, b"t"),
        rpc(value="v", xt="9"),
        (b"v", 9),
        False,
        rpc(value=LONG, xt="9"),
        b"t",
    ),
    "bulk_procedures.match_prefix": Case(
        "match_prefix",
        lambda: bulk_procedures.match_prefix(0, b"p"),
        rpc(num="2", _pb="1", _pa="0"),
        [b"pa", b"pb"],
        True,
        rpc(num="3", _pa="0", _pb="2", **{"_p" + LONG: "1"}),
        None,
    ),
    "bulk_procedures.match_regex": Case(
        "match_regex",
        lambda: bulk_procedures.match_regex(0, b"p"),
        rpc(num="1", _pb="0"),
        [b"pb"],
        True,
        rpc(num="2", _pb="0", **{"_p" + LONG: "1"}),
        None,
    ),
    "bulk_procedures.match_similar": Case(
        "match_similar",
        lambda: bulk_procedures.match_similar(0, b"p", 1),
        rpc(num="0"),
        [],
        True,
        rpc(num="1", **{"_p" + LONG: "0"}),
        None,
    ),
    "bulk_procedures.get_bulk": Case(
        "get_bulk",
        lambda: bulk_procedures.get_bulk(0, [b"a", b"b"], atomic=True),
        rpc(num="1", _a="1"),
        {b"a": b"1"},
        True,
        rpc(num="2", _a=LONG, _b=LONG),
        None,
    ),
    "bulk_procedures.set_bulk": Case(
        "set_bulk",
        lambda: bulk_procedures.set_bulk(0, [(b"k", VALUE)], 9, atomic=True),
        rpc(num="1"),
        1,
        True,
        rpc(num="100000"),
        None,
    ),
    "bulk_procedures.remove_bulk": Case(
        "remove_bulk",
        lambda: bulk_procedures.remove_bulk(0, [b"k"], atomic=False),
        rpc(num="1"),
        1,
        False,
        rpc(num="100000"),
        None,
    ),
    "administration.synchronize": Case(
        "synchronize",
        lambda: administration.synchronize(0, hard=True, command=None),
        rpc(),
        True,
        True,
        rpc(),
        None,
    ),
    "administration.vacuum": Case(
        "vacuum", lambda: administration.vacuum(0, 5), rpc(), True, True, rpc(), None
    ),
    "administration.ulog_list": Case(
        "ulog_list",
        administration.ulog_list,
        rpc(**{"log/0000000001.ulog": "9:5"}),
        {b"log/0000000001.ulog": b"9:5"},
        True,
        rpc(**{LONG: "9:5"}),
        None,
    ),
    "administration.ulog_remove": Case(
        "ulog_remove", lambda: administration.ulog_remove(5), rpc(), True, True, rpc(), None
    ),
    "administration.tune_replication": Case(
        "tune_replication",
        lambda: administration.tune_replication("host", 1978, "now", 10.0),
        rpc(),
        True,
        True,
        rpc(),
        None,
    ),
    "administration.clear": Case(
        "clear", lambda: administration.clear(0), rpc(), True, False, rpc(), None
    ),
    "administration.status": Case(
        "status",
        lambda: administration.status(0),
        rpc(count="1"),
        {b"count": b"1"},
        True,
        rpc(count="1", path=LONG),
        None,
    ),
    "administration.report": Case(
        "report",
        administration.report,
        rpc(db_0="count=1"),
        {b"db_0": b"count=1"},
        True,
        rpc(db_0=LONG, db_1=LONG),
        None,
    ),
    "call.call": Case(
        "void",
        lambda: call.call("void", [], lambda reply: reply.status, repeatable=True),
        rpc(),
        200,
        True,
        rpc(a=LONG),
        None,
    ),
}

REPEATABLE = [name for name, case in CASES.items() if case.repeatable]
FINAL = [name for name, case in CASES.items() if not case.repeatable]

each_command = pytest.mark.parametrize("name", CASES)
each_repeatable = pytest.mark.parametrize("name", REPEATABLE)
each_final = pytest.mark.parametrize("name", FINAL)
