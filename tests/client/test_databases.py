"""Lists of keys, statistics and maintenance, on each kind of server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from kt_cache import EmbeddedServer, KyotoTycoon
from kt_cache.errors import NoSuchDatabase, ServerError
from tests.support.clients import ClientFor
from tests.support.databases import ORDERED, UNORDERED
from tests.support.ktserver import need_ktserver
from tests.support.peers import Peer, ScriptedServer, until
from tests.support.replies import rpc

# ---------------------------------------------------------------- lists of keys


@pytest.fixture
def ordered(two_databases: EmbeddedServer) -> KyotoTycoon:
    """A client whose default database is ordered, and empty as the other one."""
    client = KyotoTycoon(two_databases.host, two_databases.port, default_db=ORDERED)
    client.clear(UNORDERED)
    client.clear()
    return client


def test_match_regex(ordered: KyotoTycoon) -> None:
    """Found anywhere in the key, in the order of the database."""
    ordered.set_bulk(dict.fromkeys(["b1", "a1", "a2", "ab", b"\xff1"], ""))
    assert ordered.match_regex("[ab]1$") == ordered.match_regex(b"[ab]1$") == ["a1", "b1"]
    assert ordered.match_regex("^a", 2) == ordered.match_regex("^a", max_keys=2) == ["a1", "a2"]
    assert ordered.match_regex("1") == ["a1", "b1", b"\xff1"]
    assert ordered.match_regex("none") == ordered.match_regex("a", 0) == []
    assert len(ordered.match_regex("")) == 5
    assert ordered.match_regex("", db=UNORDERED) == []
    with pytest.raises(ServerError, match="compilation failed"):
        ordered.match_regex("(")


def test_match_similar(ordered: KyotoTycoon) -> None:
    """Within so many changes of a character, the nearest first."""
    ordered.set_bulk(dict.fromkeys(["table", "cable", "tables", "tab", "t\u00e4ble"], ""))
    assert ordered.match_similar("table") == ["table", "cable", "tables", "t\u00e4ble"]
    assert ordered.match_similar("table", 0) == ["table"]
    assert ordered.match_similar("table", distance=2) == [
        "table", "cable", "tables", "t\u00e4ble", "tab",
    ]  # fmt: skip
    assert ordered.match_similar("table", 2, 1) == ["table"]
    assert ordered.match_similar("table", max_keys=0) == []
    assert ordered.match_similar("table", db=UNORDERED) == []


def test_keys_nonlazy(ordered: KyotoTycoon) -> None:
    """All at once, in order."""
    ordered.set_bulk({"b": "", "a": "", b"\xff": ""})
    ordered.set("other", "", db=UNORDERED)
    assert ordered.keys_nonlazy() == ["a", "b", b"\xff"]
    assert ordered.keys_nonlazy(UNORDERED) == ordered.keys_nonlazy(db=UNORDERED) == ["other"]


# ---------------------------------------------------------------- statistics


def test_several_databases(ordered: KyotoTycoon) -> None:
    """What the server says of each of them."""
    ordered.set("k", "v")
    assert ordered.databases == ["*", "%"]
    assert ordered.path == "%"
    paths, statuses = zip(*ordered.list_databases(), strict=True)
    assert list(paths) == ["*", "%"]
    assert [status["count"] for status in statuses] == [0, 1]
    assert (ordered.count(), ordered.count(UNORDERED), len(ordered)) == (1, 0, 1)
    assert ordered.size() == ordered.status()["size"] > 0
    assert ordered.size(UNORDERED) != ordered.size()
    for call in (ordered.count, ordered.size, ordered.status, ordered.clear, ordered.vacuum):
        with pytest.raises(NoSuchDatabase):
            call(db=2)


@pytest.mark.parametrize("call", [KyotoTycoon.count, KyotoTycoon.size, KyotoTycoon.__len__])
def test_a_database_that_does_not_count(client_for: ClientFor, call: Any) -> None:
    """What is not in the status is an error of the server's, not a number."""

    def answer(peer: Peer) -> None:
        for _ in peer.requests():
            peer.send(rpc(path="a.kcx"))

    with ScriptedServer(answer) as server, pytest.raises(ServerError, match="does not say the"):
        call(client_for(server.port))


# ---------------------------------------------------------------- maintenance


def test_vacuum(kt: KyotoTycoon) -> None:
    """Sweeps what is dead and nothing else."""
    kt.set_bulk({"a": "1", "b": "2"}, expire_time=-1_000_000_000)
    kt.set("c", "3")
    assert kt.vacuum() is kt.vacuum(0) is kt.vacuum(-1) is kt.vacuum(step=5) is True
    assert (kt.count(), kt.get("c")) == (1, "3")


def test_synchronize(kt: KyotoTycoon) -> None:
    """Softly or hard; a command that the server does not have is an error."""
    assert kt.synchronize() is kt.synchronize(True) is kt.synchronize(hard=True, db=0) is True
    with pytest.raises(ServerError, match="postprocessing failed") as caught:
        kt.synchronize(command="none")
    assert caught.value.status == 500


# ---------------------------------------------------------------- update log and replication


def test_no_update_log(kt: KyotoTycoon) -> None:
    """A server without one says so."""
    for call in (kt.ulog_list, kt.ulog_remove):
        with pytest.raises(ServerError, match="no update log"):
            call()
    with pytest.raises(ServerError, match="RTS"):
        kt.tune_replication("127.0.0.1")


@pytest.fixture(scope="module")
def logging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A real server with an update log in small files, ready to follow another one."""
    need_ktserver()
    folder = tmp_path_factory.mktemp("ulog")
    words = ["-ulog", str(folder / "log"), "-ulim", "1", "-sid", "7", "-rts", str(folder / "rts")]
    with EmbeddedServer("ktserver", database="*", server_args=words, quiet=True) as server:
        yield server


def test_update_log(logging: EmbeddedServer) -> None:
    """Its files, the oldest first, and how to remove those that are not needed any more."""
    kt = logging.client
    before = datetime.now() - timedelta(seconds=1)  # noqa: DTZ005 - as documented

    def write() -> int:
        kt.set("k", "v")
        return len(kt.ulog_list())

    until(lambda: write() >= 4, "the log has four files")
    files = kt.ulog_list()
    names = [Path(path).name for path, _, _ in files]
    assert names[0] == "0000000001.ulog"
    assert names == sorted(names)
    assert all(type(size) is int and size > 0 for _, size, _ in files)
    with_entries = [(path, moment) for path, _, moment in files if moment.year > 1970]
    path, moment = with_entries[0]
    assert before < moment < datetime.now() + timedelta(seconds=1)  # noqa: DTZ005
    assert kt.ulog_remove(before) is True
    assert path in [found for found, _, _ in kt.ulog_list()]
    write()
    assert kt.ulog_remove(moment.astimezone(timezone.utc) + timedelta(milliseconds=1)) is True
    assert path not in [found for found, _, _ in kt.ulog_list()]
    time.sleep(0.01)
    assert kt.ulog_remove() is True
    assert len(kt.ulog_list()) <= 2


def test_tune_replication(logging: EmbeddedServer) -> None:
    """Whom the server follows is in its report."""
    kt = logging.client
    assert kt.tune_replication("127.0.0.1", 9, timestamp=5, interval=20.5) is True
    report = kt.report()
    assert (report["repl_master_host"], report["repl_master_port"]) == ("127.0.0.1", 9)
    assert report["repl_interval"] == pytest.approx(20.5)
    assert kt.tune_replication("localhost", timestamp="now") is True
    report = kt.report()
    assert (report["repl_master_host"], report["repl_master_port"]) == ("localhost", 1978)
    assert kt.tune_replication() is True
    assert "repl_master_host" not in kt.report()


@pytest.mark.parametrize("said", ["", "5", "5:", ":5", "five:5", "5:1" + "0" * 30])
def test_a_log_that_cannot_be_read(client_for: ClientFor, said: str) -> None:
    """Nonsense is the server's error."""

    def answer(peer: Peer) -> None:
        for _ in peer.requests():
            peer.send(rpc(**{"log/0000000001.ulog": said}))

    with ScriptedServer(answer) as server, pytest.raises(ServerError, match="not readable"):
        client_for(server.port).ulog_list()
