"""The embedded server: start, use, stop, and what is said when it does not start."""

from __future__ import annotations

import gc
import os
import re
import signal
import socket
import sys
import time
import weakref
from pathlib import Path
from typing import Any

import pytest

from kt_cache import KT_JSON, EmbeddedServer, KTError, KyotoTycoon
from kt_cache.errors import ConfigError, ConnectError, ServerError
from tests.embedded.processes import command_line, is_alive, listens
from tests.support.ktserver import need_ktserver
from tests.support.peers import until
from tests.support.programs import ROOT, run_program


def test_run_and_stop(kind: str) -> None:
    """``run`` waits until the server listens, ``stop`` until it is gone; both say if they did."""
    server = EmbeddedServer(kind, quiet=True)
    assert (server.port, server.pid) == (None, None)
    with pytest.raises(KTError, match=r"the server is not running; call run\(\) first"):
        _ = server.client
    assert server.run() is True
    assert listens(server.port)
    pid = server.pid
    assert pid is not None
    assert server.run() is False
    assert server.pid == pid
    assert server.client is server.client
    assert server.client.set("k", "v") == 1
    started = time.monotonic()
    assert server.stop() is True
    assert time.monotonic() - started < 5
    assert not listens(server.port)
    assert server.pid is None
    assert not is_alive(pid)
    with pytest.raises(KTError, match="not running"):
        _ = server.client
    assert server.stop() is False


def test_several_servers() -> None:
    """Each lives as long as its block, with its own port, records and serializer."""
    one, other = (
        EmbeddedServer("included", quiet=True),
        EmbeddedServer("included", serializer=KT_JSON, quiet=True),
    )
    with one as entered, other:
        assert entered is one
        assert one.port != other.port
        one.client.set("k", "one")
        other.client.set("k", {"a": None})
        assert (one.client.get("k"), other.client.get("k")) == ("one", {"a": None})
        assert other.client.get_bytes("k") == b'{"a":null}'
    assert not listens(one.port)
    assert not listens(other.port)


def test_the_port_is_kept(kind: str) -> None:
    """A server that is started again listens where it did, so old clients find it."""
    with EmbeddedServer(kind, quiet=True) as server:
        port = server.port
        kt = KyotoTycoon(server.host, port)
        kt.set("k", "v")
    with pytest.raises(ConnectError):
        kt.get("k")
    with server:
        assert server.port == port
        assert kt.get("k") is None
        assert kt.set("k", "w") == 1
        assert server.client.get("k") == "w"
    with EmbeddedServer(kind, port=port, quiet=True) as another:
        assert another.port == port
        assert kt.get("k") is None


def test_a_port_that_is_taken() -> None:
    """Somebody else's server is not taken for ours."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server = EmbeddedServer("included", port=port, quiet=True)
        with pytest.raises(KTError, match=f"can listen on 127.0.0.1:{port}: .*in use"):
            server.run()
        assert server.pid is None
        assert server.stop() is False


def test_further_arguments(kind: str) -> None:
    """``server_args`` go to the server, further databases among them."""
    with EmbeddedServer(kind, database="%", server_args=["-tout", "7", "*"], quiet=True) as server:
        assert [server.client.status(db)["path"] for db in (0, 1)] == ["*", "%"]


def test_a_server_that_dies(kind: str) -> None:
    """Is noticed, and can be started again."""
    with EmbeddedServer(kind, quiet=True) as server:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        until(lambda: server.pid is None, "its end is noticed")
        until(lambda: not listens(server.port), "the server is gone")
        assert server.stop() is False
        assert server.run() is True
        assert server.client.set("k", "v") == 1


def test_output_of_a_server_that_is_not_quiet(kind: str) -> None:
    """What the server prints is seen, unless it is to be quiet."""
    program = """
    import sys
    from kt_cache import EmbeddedServer, KTError
    for quiet in (False, True):
        print("quiet" if quiet else "loud", file=sys.stderr, flush=True)
        try:
            EmbeddedServer(sys.argv[1], server_args=["-nonsense"], quiet=quiet).run()
        except KTError as error:
            assert ("it printed" in str(error)) is quiet, error
        else:
            raise AssertionError("it started")
    """
    with pytest.raises(AssertionError, match=r"(?s)loud.*usage.*quiet$"):
        run_program(program, kind)  # which objects to anything on standard error


@pytest.mark.parametrize("options", [{"server_args": ["-nonsense"]}, {"database": "x.unknown"}])
def test_a_server_that_does_not_start(kind: str, options: dict[str, Any]) -> None:
    """The error says how it ended and what it printed, soon, and nothing is left running."""
    server = EmbeddedServer(kind, quiet=True, **options)
    started = time.monotonic()
    with pytest.raises(KTError, match=r"ended with status [12] .*; it printed: .*\w+") as caught:
        server.run()
    assert time.monotonic() - started < 5
    assert re.search(r"usage|unknown", str(caught.value))
    assert (server.pid, server.stop()) == (None, False)


def test_a_server_that_does_not_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does nothing is ended after a while, and not tried again."""
    monkeypatch.setattr("kt_cache.embedded._START_TIMEOUT", 0.5)
    program = tmp_path / "idle"
    program.write_text(
        f"#!{sys.executable}\nimport os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)\n"
    )
    program.chmod(0o755)
    started = time.monotonic()
    with pytest.raises(
        KTError, match=r"did not listen on 127.0.0.1:.*it printed: ([0-9]+)"
    ) as caught:
        EmbeddedServer(str(program), quiet=True).run()
    assert time.monotonic() - started < 5
    pid = int(re.findall("[0-9]+", str(caught.value))[-1])
    until(lambda: not is_alive(pid), "the program is ended")


def test_an_unknown_program() -> None:
    """Is a mistake in the configuration."""
    with pytest.raises(ConfigError, match="there is no program 'no-such-server' on PATH"):
        EmbeddedServer("no-such-server").run()


@pytest.mark.parametrize(
    ("name", "value"), [("port", 0), ("port", 65536), ("port", "1978"), ("host", ""), ("host", 5)]
)
def test_a_wrong_argument(name: str, value: Any) -> None:
    """Is refused by its name when the server is made."""
    with pytest.raises(ConfigError, match=f"^{name} must be"):
        EmbeddedServer(**{name: value})


def test_a_host_that_is_not_here() -> None:
    """An address of another machine cannot be listened on."""
    with pytest.raises(KTError, match=r"192.0.2.1"):
        EmbeddedServer(host="192.0.2.1", port=20000, quiet=True).run()
    with pytest.raises(KTError, match=r"no free port found on 192.0.2.1"):
        EmbeddedServer(host="192.0.2.1", quiet=True).run()


# ---------------------------------------------------------------- which server


def test_without_a_real_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where there is no ktserver the included one is started; where there is one, that."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with EmbeddedServer(quiet=True) as server:
        assert "kt_cache.server" in command_line(server.pid)
        assert server.client.get("k") is None


@pytest.mark.parametrize("server", ["ktserver", "no-such-server"])
def test_our_own_files(tmp_path: Path, server: str) -> None:
    """A ``.sqlite`` file is always served by the included server; the records are in it."""
    path = tmp_path / "records.sqlite"
    embedded = EmbeddedServer(server, database=str(path), quiet=True)
    for expected in (None, "v"):
        with embedded:
            assert "kt_cache.server" in command_line(embedded.pid)
            assert embedded.client.get("k") == expected
            embedded.client.set("k", "v")
    assert path.read_bytes().startswith(b"SQLite format 3")


def test_a_path_to_a_program(tmp_path: Path) -> None:
    """``server`` may be a path; a database called ``-`` is not taken for an option."""
    program = need_ktserver()
    copy = tmp_path / "my server"
    copy.symlink_to(program)
    with EmbeddedServer(str(copy), database="-", quiet=True) as server:
        assert str(copy) in command_line(server.pid)
        assert server.client.set("k", "v") == 1


def has_script(server: EmbeddedServer) -> bool:
    """Tell whether a server has the package's script."""
    return "ktcacheversion" in server.client.lua.hash(ktcacheversion="fnv")


def test_with_the_script_or_without(kind: str) -> None:
    """Each kind of server has the package's script, unless that is not wanted."""
    with EmbeddedServer(kind, quiet=True) as server:
        assert has_script(server)
    with EmbeddedServer(kind, quiet=True, script=False) as server, pytest.raises(ServerError):
        has_script(server)


def test_another_script(kind: str, tmp_path: Path) -> None:
    """A script of one's own comes instead, or on the included server besides."""
    path = tmp_path / "own.lua"
    path.write_text("function own(i, o) o.answer = 'yes' end")
    with EmbeddedServer(kind, quiet=True, server_args=["-scr", str(path)]) as server:
        assert server.client.raw_script("own") == {b"answer": b"yes"}
        if kind == "included":
            assert has_script(server)


def test_a_server_that_may_run_no_scripts(tmp_path: Path) -> None:
    """A program that does not look like a ktserver with Lua is started without the script."""
    program = tmp_path / "wrapper"
    program.write_text(f'#!/bin/sh\nexec {need_ktserver()} "$@"\n')
    program.chmod(0o755)
    with EmbeddedServer(str(program), quiet=True) as server:
        assert " -scr " not in command_line(server.pid)
        assert server.client.set("k", "v") == 1


@pytest.mark.parametrize("database", ["-name.sqlite", "-"])
def test_a_database_that_looks_like_an_option(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is a database all the same."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with EmbeddedServer("included", database=database, quiet=True) as server:
        assert server.client.set("k", "v") == 1


# ---------------------------------------------------------------- let go of


def test_a_server_that_nobody_holds(kind: str) -> None:
    """Is stopped with its object."""
    server = EmbeddedServer(kind, quiet=True)
    server.run()
    started = time.monotonic()  # a real server that was only just started must stop, too
    pid, port, gone = server.pid, server.port, weakref.ref(server)
    del server
    gc.collect()
    assert gone() is None
    assert time.monotonic() - started < 5
    assert not listens(port)
    assert pid is not None
    assert not is_alive(pid)
