"""How the server starts and stops."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from kt_cache._version import __version__
from kt_cache.cli import main
from kt_cache.protocol.binary import encode_set
from kt_cache.protocol.expiry import NEVER_GIVEN
from kt_cache.server import Server
from tests.support.process import ROOT, TIMEOUT, IncludedServer


def _run(*words: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def hangup() -> Iterator[Callable[[signal.Handlers], object]]:
    """Set what processes started from here do about SIGHUP; the tests may run under ``nohup``."""
    before = signal.getsignal(signal.SIGHUP)
    yield partial(signal.signal, signal.SIGHUP)
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("words", [("--loop", "asyncio"), ("--loop", "uvloop")])
def test_signals_stop_it_cleanly(
    number: signal.Signals,
    words: tuple[str, ...],
    hangup: Callable[[signal.Handlers], object],
) -> None:
    """It ends with status 0 while connections are open, and closes those."""
    hangup(signal.SIG_DFL)
    with IncludedServer("--log-level", "error", *words) as server:
        idle, busy = server.connect(), server.connect()
        busy.send(encode_set([(0, b"k", b"v", 0)])[:-1])
        assert idle.call("set", key="k", value="v") == (200, {})
        assert server.stop(number) == (0, "")
        assert idle.read_rest() == b""
        assert busy.read_rest() == b"\xbf"
        idle.close()
        busy.close()


def test_it_survives_its_terminal_under_nohup(
    hangup: Callable[[signal.Handlers], object],
) -> None:
    """A hangup that it was started to ignore does not stop it."""
    hangup(signal.SIG_IGN)
    with IncludedServer("--log-level", "error") as server, server.connect() as connection:
        server.process.send_signal(signal.SIGHUP)
        assert connection.is_silent(0.3)
        assert connection.call("void")[0] == 200


def test_a_signal_while_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no interruption: the server ends as it does later."""
    start = Server.start

    async def start_and_be_told_to_stop(server: Server) -> None:
        signal.raise_signal(signal.SIGINT)
        await start(server)

    monkeypatch.setattr(Server, "start", start_and_be_told_to_stop)
    assert main(["serve", "--port", "0", "--log-level", "none"]) == 0


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    """It is named, in one line."""
    path = str(tmp_path / "missing" / "log")
    status, _, printed = _run("kt_cache.server", "--log", path)
    assert (status, printed) == (1, f"error: cannot log to {path!r}: No such file or directory\n")


def test_what_was_received_is_carried_out_before_it_stops(tmp_path: Path) -> None:
    """Requests that a client sent before the signal get their replies."""
    with IncludedServer(str(tmp_path / "a.sqlite")) as server, server.connect() as connection:
        connection.send(b"PUT /k HTTP/1.1\r\nContent-Length: 1\r\n\r\nv" * 200)
        server.process.terminate()
        replies = connection.read_rest()
        assert server.wait()[0] == 0
    assert replies.count(b"HTTP/1.1 201 Created") == 200


def test_a_file_keeps_its_records(tmp_path: Path) -> None:
    """After a clean stop there is one file, and another server finds everything in it."""
    path = tmp_path / "cache.sqlite"
    with IncludedServer(str(path)) as server:
        assert server.call("set", key="k", value="v", xt=-4000000000) == (200, {})
        assert server.call("get", DB="cache.sqlite", key="k")[0] == 200
        assert server.stop()[0] == 0
    assert os.listdir(tmp_path) == ["cache.sqlite"]
    with IncludedServer(str(path)) as server:
        assert server.call("get", key="k") == (200, {"value": b"v", "xt": b"4000000000"})


def test_acknowledged_writes_survive_a_kill(tmp_path: Path) -> None:
    """Once the reply has arrived, the record is safe from whatever happens to the process."""
    path = str(tmp_path / "cache.sqlite")
    with IncludedServer(path) as server, server.connect() as connection:
        for number in range(500):
            connection.send(encode_set([(0, b"%d" % number, b"v", NEVER_GIVEN)]))
            assert connection.read(5) == b"\xb8\0\0\0\1"
        assert server.stop(signal.SIGKILL)[0] == -signal.SIGKILL
    with IncludedServer(path) as server:
        assert server.call("status")[1]["count"] == b"500"


def test_two_servers_do_not_share_a_file(tmp_path: Path) -> None:
    """The second one says so and does not start."""
    path = str(tmp_path / "cache.sqlite")
    with IncludedServer(path):
        status, output, errors = _run("kt_cache.server", "--port", "0", path)
    assert (status, output) == (1, "")
    assert errors == f"error: {path!r} is in use by another process\n"


def test_a_port_in_use_is_named(server: IncludedServer) -> None:
    """It does not start, and says on which address it could not listen."""
    status, output, errors = _run("kt_cache.server", "--port", str(server.port))
    assert (status, output) == (1, "")
    address = f"127.0.0.1:{server.port}"
    assert errors == f"error: cannot listen on {address}: Address already in use\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("data.kch",), "only ktserver opens"),
        (("--port", "70000"), "port must be from 0 to 65535"),
        (("--max-connections", "0"), "max_connections must be above 0"),
        (("--timeout", "-1"), "read_timeout must be above 0"),
        (("--host", "no such host"), "cannot listen on no such host"),
        (("/nowhere/a.sqlite",), "cannot open '/nowhere/a.sqlite'"),
    ],
)
def test_what_keeps_it_from_starting_is_said(words: tuple[str, ...], message: str) -> None:
    """One line on standard error, and status 1."""
    status, output, errors = _run("kt_cache.server", "--port", "0", *words)
    assert (status, output) == (1, "")
    assert errors.startswith("error: ")
    assert message in errors
    assert errors.count("\n") == 1


def test_it_ends_with_standard_input() -> None:
    """A child whose parent is gone, however that came about, goes too."""
    with IncludedServer("--exit-with-stdin", stdin=subprocess.PIPE) as server:
        with server.connect() as connection:
            assert connection.call("void")[0] == 200
            server.end_stdin()
            assert connection.read_rest() == b""
        assert server.wait()[0] == 0


def test_the_reference_servers_options_are_understood(tmp_path: Path) -> None:
    """The words that start ktserver start the included server; no database is the hash."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = tmp_path / "log"
    words = ["-host", "127.0.0.1", "-port", str(port), "-tout", "5", "-th", "4", "-log", str(log)]
    with IncludedServer(*words, "-li") as server:
        assert server.port == port
        assert server.call("status")[1]["path"] == b":"
        server.call("set", key="secret key", value="secret value")
        assert server.stop() == (0, "")
    logged = log.read_text()
    assert "-th is ignored" in logged
    assert "stopped" in logged
    assert "secret" not in logged


def test_quiet_says_nothing() -> None:
    """Not even where it listens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kt_cache.server", "--port", "0", "--quiet", "--exit-with-stdin"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.communicate(b"", timeout=TIMEOUT) == (b"", None)
    assert process.returncode == 0


def test_the_command_serves(tmp_path: Path) -> None:
    """``kt-cache serve`` is the same server."""
    program = "from kt_cache.cli import main; raise SystemExit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "serve", "--port", "0", "--exit-with-stdin", "%"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().startswith("listening on 127.0.0.1:")
    process.communicate("", timeout=TIMEOUT)
    assert process.returncode == 0


def test_the_command_tells_its_version() -> None:
    """``kt-cache --version`` names the package's version."""
    program = "from kt_cache.cli import main; main(['--version'])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"kt-cache {__version__}\n"


def test_the_server_stands_on_no_client() -> None:
    """Its files, and those of the storage floor, import nothing above storage."""
    allowed = {"errors", "_version", "lua", "protocol", "storage", "server"}
    for directory in ("server", "storage"):
        for file in (ROOT / "kt_cache" / directory).rglob("*.py"):
            imported = re.findall(
                r"^ *(?:from|import) kt_cache\.?(\w*)", file.read_text(), re.MULTILINE
            )
            assert set(imported) <= allowed - ({"server"} if directory == "storage" else set())


def test_starting_loads_nothing_optional() -> None:
    """A server of a hash needs neither the packages of the extras nor a framework."""
    program = "import sys, kt_cache.server.command; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "kt_cache.server.connection" in loaded
    assert loaded & {"django", "flask", "lupa", "uvloop", "sortedcontainers"} == set()
