"""The demonstration: it passes as shipped, says what failed, and leaves no child behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from testproject.demo.children import Child, ChildError
from testproject.demo.steps import StepError, expect, expect_between
from testproject.demo.table import Row, table
from testproject.slow import REPORT_SECONDS

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO = [sys.executable, "-m", "testproject.demo"]
DEMO_SECONDS = 120
ROWS = [
    "Django: log in",
    "Django: session",
    "Django: other sessions",
    "Django: slow report (cache_page)",
    "Django: template fragment ({% cache %})",
    "Django: hit counter (add, incr)",
    "Django: the same records, direct client",
    "Django: the counter, direct client",
    "Django: session id",
    "Flask: log in",
    "Flask: session",
    "Flask: other sessions",
    "Flask: slow report (cached)",
    "Flask: template block ({% cache %})",
    "Flask: async view (aget_or_set)",
    "Flask: prices (memoize, delete_memoized)",
    "Flask: exchange rates (get_or_set, lock)",
    "Flask: a tag (delete_tag)",
    "Flask: statistics (signals)",
    "Flask: counter of both sites (incr)",
    "Flask: session id",
    "Django: server stopped",
    "Flask: server stopped",
    "Django: server started again: session",
    "Django: server started again: report",
    "Django: server started again: counter",
    "Flask: server started again: session",
    "Flask: server started again: report",
    "Django: log out",
    "Flask: log out",
]


def demo_environment(tmp_path: Path, **more: str) -> dict[str, str]:
    # Everything the demonstration writes goes to a directory of this test.
    return {**os.environ, "TMPDIR": str(tmp_path), "ONCE": "1", **more}


def run_demo(environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        DEMO,
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEMO_SECONDS,
        check=False,
    )


def test_every_step_passes_and_is_in_the_table(tmp_path: Path) -> None:
    """ONCE=1 ends with status 0, one row for each step, and nothing left on disk."""
    done = run_demo(demo_environment(tmp_path))

    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.partition("what was seen\n")[2].splitlines()[1:]
    assert [re.split(r"\s{2,}", line)[0] for line in lines] == ROWS
    for site in ("Django", "Flask"):
        report = next(line for line in lines if line.startswith(f"{site}: slow report"))
        cold, warm = (float(ms.replace(",", "")) for ms in re.findall(r"([\d,.]+) ms", report))
        assert cold >= REPORT_SECONDS * 1000
        assert warm < cold / 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "sabotage", "messages"),
    [
        pytest.param(
            "runserver",
            "os.write(1, b'no site today'); os._exit(3)",
            ["The Django site ended with status 3", "no site today"],
            id="Django site does not start",
        ),
        pytest.param(
            "flask",
            "os.write(1, b'no site today'); os._exit(3)",
            ["The Flask site ended with status 3", "no site today"],
            id="Flask site does not start",
        ),
        pytest.param(
            "runserver",
            "time.sleep = lambda seconds: None",
            [
                f"seconds for the cold report: expected {REPORT_SECONDS:.3f} to 20.000",
                '"GET /login/ HTTP/1.1" 200',
            ],
            id="step fails",
        ),
    ],
)
def test_a_failure_is_said_with_what_the_site_printed(
    tmp_path: Path, command: str, sabotage: str, messages: list[str]
) -> None:
    """Status 1, what went wrong, the site's own words, and nothing left on disk."""
    # Python runs this file first in every process; it strikes only in one site's.
    library = tmp_path / "library"
    library.mkdir()
    (library / "sitecustomize.py").write_text(
        f"import os, sys, time\nif {command!r} in sys.orig_argv:\n    {sabotage}\n"
    )
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = run_demo(demo_environment(temporary, PYTHONPATH=str(library)))

    assert done.returncode == 1, done.stdout + done.stderr
    for message in messages:
        assert message in done.stdout
    assert "what was seen" not in done.stdout
    assert list(temporary.iterdir()) == []


@contextmanager
def running_demo(
    tmp_path: Path, until: str
) -> Iterator[tuple[subprocess.Popen[str], list[str], list[int]]]:
    """A demonstration that said ``until``, its lines, and the ports of its server and sites."""
    environment = demo_environment(tmp_path, ONCE="0")
    with subprocess.Popen(
        DEMO, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        too_late = threading.Timer(DEMO_SECONDS, process.kill)
        too_late.start()
        try:
            lines: list[str] = []
            assert process.stdout is not None
            for line in process.stdout:
                lines.append(line)
                if until in line:
                    break
            started = "".join(line for line in lines if re.match("  (kt|http)://", line))
            ports = [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", started)]
            yield process, lines, ports
        finally:
            too_late.cancel()
            process.kill()


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True


def test_it_stays_up_until_ctrl_c(tmp_path: Path) -> None:
    """Without ONCE the sites stay up after the walk; Ctrl-C ends them and the server."""
    with running_demo(tmp_path, until="Press Ctrl-C") as (process, lines, ports):
        assert len(ports) == 3
        assert all(accepts(port) for port in ports)
        said = "".join(line for line in lines if "stays up at" in line)
        assert re.findall(r"The (\w+) site stays up at http://127", said) == ["Django", "Flask"]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert not any(accepts(port) for port in ports)
    assert list(tmp_path.iterdir()) == []


def test_it_ends_in_the_middle_of_the_walk_if_told_to(tmp_path: Path) -> None:
    """SIGTERM ends everything at once, with the status that a shell expects."""
    with running_demo(tmp_path, until="ok  Django: log in") as (process, _lines, ports):
        assert len(ports) == 3
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
        assert not any(accepts(port) for port in ports)
    assert list(tmp_path.iterdir()) == []


def test_its_children_end_even_if_it_is_killed(tmp_path: Path) -> None:
    """No site and no server is left when the demonstration had no chance to end them."""
    with running_demo(tmp_path, until="Walking through") as (process, _lines, ports):
        process.kill()
        process.wait(30)
    assert len(ports) == 3
    deadline = time.monotonic() + 30
    while any(accepts(port) for port in ports):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[str], Child]]:
    """Starts Python code as a child, and ends it after the test."""
    with ExitStack() as stack:

        def start(code: str) -> Child:
            child = Child("example", [sys.executable, "-c", code], log=tmp_path / "log", env={})
            stack.callback(child.stop)
            child.start()
            return child

        yield start


def test_a_child_that_ends_too_early_is_reported_with_its_output(
    started: Callable[[str], Child],
) -> None:
    """The message has the exit status and what the child printed."""
    child = started("print('no port left'); raise SystemExit(3)")
    with pytest.raises(ChildError, match=r"ended with status 3(?s:.*)no port left"):
        child.wait_until_printed("listening", 30)
    with pytest.raises(ChildError, match=r"ended by itself with status 3(?s:.*)no port left"):
        child.check()


def test_a_child_that_says_nothing_is_given_up_in_time(started: Callable[[str], Child]) -> None:
    """A child that never gets ready fails at the deadline, and can still be ended."""
    child = started("import time; time.sleep(60)")
    with pytest.raises(ChildError, match=r"did not start within 0\.2 s"):
        child.wait_until_printed("listening", 0.2)
    with pytest.raises(ChildError, match=r"did not finish within 0\.2 s"):
        child.wait_until_done(0.2)
    child.check()
    child.stop()
    assert child.exit_status() is not None


def test_a_child_that_does_not_listen_is_killed(
    started: Callable[[str], Child], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After SIGTERM and a while comes SIGKILL."""
    monkeypatch.setattr("testproject.demo.children.STOP_SECONDS", 0.2)
    child = started(
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('on'); time.sleep(60)"
    )
    child.wait_until_printed("on", 30)
    child.stop()
    assert child.exit_status() == -signal.SIGKILL


def test_a_failed_step_says_what_was_expected() -> None:
    """Both values are in the message."""
    with pytest.raises(StepError, match="hits: expected '2', found '1'"):
        expect("hits", "2", "1")
    with pytest.raises(StepError, match=r"seconds: expected 1\.000 to 2\.000, found 3\.000"):
        expect_between("seconds", 1, 3, 2)


def test_the_table_is_aligned() -> None:
    """Times stand to the right, words to the left, and no line ends in blanks."""
    assert table([Row("a", "x", cold=1.5), Row("long name", "y", warm=0.0021)]) == (
        "               cold    warm  what was seen\n"
        "---------  --------  ------  -------------\n"
        "a          1,500 ms          x\n"
        "long name            2.1 ms  y"
    )
