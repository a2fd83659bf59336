"""A server that is killed loses nothing it has acknowledged, and clients find it again."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from kt_cache import EmbeddedServer
from tests.faults.load import Load, Worker

WORKERS = 4


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_kill_under_load(tmp_path, kills):
    """After SIGKILL at a random moment every acknowledged write is there, and work goes on."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    server = EmbeddedServer(database=str(tmp_path / "crash.sqlite"), quiet=True)
    with server:
        client = server.client
        workers = [Worker(f"w{number}", client, seed + number) for number in range(WORKERS)]
        load = Load(workers)
        try:
            for _ in range(kills):
                load.go()
                time.sleep(chance.uniform(0.05, 0.5))
                os.kill(server.pid, signal.SIGKILL)
                time.sleep(chance.uniform(0.0, 0.1))
                start_again(server)
                wait_for_progress(workers)
                load.hold()
                problems = [line for worker in workers for line in worker.problems()]
                assert not problems, "\n".join(problems)
        finally:
            load.end()
        assert sum(worker.acknowledged for worker in workers) > 20 * kills
        assert client.pool_stats.open <= WORKERS


def start_again(server):
    """Start a server that was killed; it takes a moment to be gone."""
    deadline = time.monotonic() + 15
    while not server.run():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_for_progress(workers):
    """Wait until every worker has made a call on the new server."""
    before = [worker.acknowledged for worker in workers]
    deadline = time.monotonic() + 15
    while any(worker.acknowledged <= old for worker, old in zip(workers, before, strict=True)):
        assert time.monotonic() < deadline, "a worker does not recover"
        time.sleep(0.01)


def test_restart_under_load(tmp_path):
    """A clean stop and start under load costs failures while it is away, and no write."""
    server = EmbeddedServer(database=str(tmp_path / "restart.sqlite"), quiet=True)
    with server:
        workers = [Worker(f"w{number}", server.client, number) for number in range(WORKERS)]
        load = Load(workers)
        try:
            for _ in range(2):
                load.go()
                time.sleep(0.3)
                server.stop()
                server.run()
                wait_for_progress(workers)
                load.hold()
                assert [line for worker in workers for line in worker.problems()] == []
        finally:
            load.end()
