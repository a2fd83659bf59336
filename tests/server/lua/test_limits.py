"""Scripts that never end or take too much are stopped, and the server goes on."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from kt_cache.protocol.binary import encode_script
from kt_cache.server.lua import ReturnCode, ScriptLimits, load_scripts
from kt_cache.storage import HashDatabase
from tests.server.lua.conftest import DATA
from tests.support.process import IncludedServer

SCRIPT = DATA / "limits.lua"
TIME = 0.2
MEMORY = 2 * 10**7


def names_in(table: str) -> list[str]:
    """Return the names of the functions in a table of the script."""
    block = re.search(rf"^{table} = {{\n(.*?)^}}", SCRIPT.read_text(), re.MULTILINE | re.DOTALL)
    return re.findall(r"^  (\w+) = ", block[1], re.MULTILINE)


@pytest.fixture(scope="module")
def server() -> Iterator[IncludedServer]:
    words = ["--script-timeout", str(TIME), "--script-memory", str(MEMORY)]
    with IncludedServer(*words, "--log-level", "none", "-scr", str(SCRIPT), "%") as server:
        yield server


def play(server: IncludedServer, name: str, **given: str) -> bytes:
    """Call a function, and another one behind it; return the first byte that comes."""
    pairs = [(key.encode(), value.encode()) for key, value in given.items()]
    with server.connect() as connection:
        connection.send(encode_script(name.encode(), pairs) + encode_script(b"fine"))
        first = connection.read(1)
        if first == b"\xbf":
            assert connection.read(5 + 8 + 7)[-7:] == b"fineyes"
        return first


@pytest.mark.parametrize("which", names_in("endless"))
def test_endless(server: IncludedServer, which: str) -> None:
    """Whatever a script does not to end, it is stopped; its connection and others go on."""
    started = time.monotonic()
    assert play(server, "run_endless", which=which) == b"\xbf"
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("which", names_in("greedy"))
def test_greedy(server: IncludedServer, which: str) -> None:
    """Whatever a script fills its memory with, it is stopped, and the next one has memory."""
    assert play(server, "run_greedy", which=which) == b"\xbf"
    assert play(server, "churn") == b"\xb4"


def test_over_http(server: IncludedServer) -> None:
    """Over HTTP the end of a script that was stopped is a failure of the server."""
    with server.connect() as connection:
        status, rows = connection.call("play_script", name="endlessly")
        assert (status, rows) == (500, {"ERROR": b"the scripting procedure failed"})
        assert connection.call("play_script", name="fine") == (200, {"_fine": b"yes"})


def test_variables_that_fill_the_memory_are_forgotten(server: IncludedServer) -> None:
    """Scripts are loaded anew when what they keep would let no call succeed."""
    assert play(server, "run_greedy", which="global") == b"\xbf"
    with server.connect() as connection:
        assert connection.call("play_script", name="hoarded")[1] == {"_count": b"0"}


def test_memory_of_the_process_is_bounded(server: IncludedServer) -> None:
    """What scripts were stopped for is given back."""
    for _ in range(5):
        play(server, "run_greedy", which="global")
        play(server, "run_greedy", which="tables")
    with open(f"/proc/{server.process.pid}/status") as status:
        (size,) = re.findall(r"VmRSS:\s+([0-9]+) kB", status.read())
    assert int(size) * 1024 < 12 * MEMORY


def test_large_input_and_output(server: IncludedServer) -> None:
    """Maps of thousands of names go in and come out whole."""
    pairs = sorted((b"%d" % number, b"v" * (number % 50)) for number in range(5000))
    frame = encode_script(b"echo", pairs)
    with server.connect() as connection:
        connection.send(frame)
        # The reply is the request without its flags, its name and the name's size.
        assert connection.read(len(frame) - 4 - 4 - 4)[5:] == frame[13 + 4 :]


@pytest.mark.parametrize("count", [1, 400_000])
def test_input_that_does_not_fit(server: IncludedServer, count: int) -> None:
    """An input that fills more than the scripts' memory is refused, and nothing of it stays."""
    size = 5 * MEMORY if count == 1 else 1
    pairs = [(b"%d" % number, b"v" * size) for number in range(count)]
    with server.connect() as connection:
        connection.send(encode_script(b"echo", pairs))
        assert connection.read(1) == b"\xbf"
        connection.send(encode_script(b"echo"))
        assert connection.read(5) == b"\xb4" + bytes(4)


def test_output_above_the_largest_reply() -> None:
    """An output larger than a reply may be is refused."""
    limits = ScriptLimits(time=1.0, sleep=1.0, memory=MEMORY, output=10_000, cursors=5, files=False)
    host = load_scripts([str(SCRIPT)], [HashDatabase()], limits)
    codes = [
        host.play(b"large_output", [(b"count", count), (b"size", b"1")]).code
        for count in (b"50", b"90")
    ]
    assert codes == [ReturnCode.SUCCESS, ReturnCode.INTERNAL]


def test_cursors_are_bounded() -> None:
    """Scripts can hold so many cursors; those nobody refers to do not count."""
    limits = ScriptLimits(time=1.0, sleep=1.0, memory=MEMORY, output=10_000, cursors=5, files=False)
    host = load_scripts([str(SCRIPT)], [HashDatabase()], limits)
    answers = [dict(host.play(b"open_cursors", [(b"keep", keep)]).pairs) for keep in (b"", b"1")]
    assert answers == [
        {b"opened": b"50", b"walked": b"true"},
        {b"opened": b"5", b"walked": b"false"},
    ]
