"""A mixed load that remembers what the server has acknowledged."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from kt_cache import KTError, KyotoTycoon


class Worker:
    """Writes to keys of its own, one call after the other, through failures.

    For every key it knows which values are possible: the one last acknowledged, and those of later
    calls that failed, of which nobody knows whether they were carried out.
    """

    def __init__(self, name: str, client: KyotoTycoon, seed: int) -> None:
        self.name = name
        self.client = client
        self.possible: dict[str, set[str | None]] = {}
        self.counted = [0, 0]  # acknowledged and unknown increments
        self.acknowledged = 0
        self.failed = 0
        self._random = random.Random(seed)
        self._serial = 0

    def step(self) -> None:
        """Make one call; a failure is counted, not raised."""
        action = self._random.choice(
            [self._set, self._set_bulk, self._add, self._remove, self._count]
        )
        try:
            action()
        except KTError:
            self.failed += 1
        else:
            self.acknowledged += 1

    def problems(self) -> list[str]:
        """Compare with what the server holds now."""
        found = self.client.get_bulk(list(self.possible))
        wrong = [
            f"{key}: {found.get(key)!r} is not one of {values}"
            for key, values in self.possible.items()
            if found.get(key) not in values
        ]
        count = self.client.get_bytes(f"{self.name}-count")
        number = int.from_bytes(count, "big") if count else 0
        least, more = self.counted
        if not least <= number <= least + more:
            wrong.append(f"{self.name} counted {number}, not {least} to {least + more}")
        for key in self.possible:
            self.possible[key] = {found.get(key)}
        self.counted = [number, 0]
        return wrong

    def _value(self) -> str:
        self._serial += 1
        return f"{self._serial}-" + "x" * self._random.randrange(200)

    def _key(self) -> str:
        return f"{self.name}-{self._random.randrange(50)}"

    def _write(self, values: dict[str, str | None], call: Callable[[], object]) -> None:
        for key, value in values.items():
            self.possible.setdefault(key, {None}).add(value)
        call()
        for key, value in values.items():
            self.possible[key] = {value}

    def _set(self) -> None:
        key, value = self._key(), self._value()
        self._write({key: value}, lambda: self.client.set(key, value))

    def _set_bulk(self) -> None:
        values = {self._key(): self._value() for _ in range(10)}
        self._write(values, lambda: self.client.set_bulk(values))

    def _remove(self) -> None:
        key = self._key()
        self._write({key: None}, lambda: self.client.remove(key))

    def _add(self) -> None:
        key, value = f"{self.name}-add-{self._serial}", self._value()
        self._write({key: value}, lambda: self.client.add(key, value))

    def _count(self) -> None:
        self.counted[1] += 1
        self.client.increment(f"{self.name}-count")
        self.counted[0] += 1
        self.counted[1] -= 1


class Load:
    """Runs workers in threads; can be held to look at the server in peace."""

    def __init__(self, workers: list[Worker]) -> None:
        self.workers = workers
        self._going = threading.Event()
        self._ended = False
        self._busy = [threading.Lock() for _ in workers]
        self._threads = [
            threading.Thread(target=self._run, args=pair, daemon=True)
            for pair in zip(workers, self._busy, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, worker: Worker, busy: threading.Lock) -> None:
        while not self._ended:
            self._going.wait(1.0)
            with busy:
                if self._going.is_set():
                    worker.step()

    def go(self) -> None:
        self._going.set()

    def hold(self) -> None:
        """Return when no call is under way any more."""
        self._going.clear()
        for busy in self._busy:
            assert busy.acquire(timeout=30)
            busy.release()

    def end(self) -> None:
        self._ended = True
        self._going.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()
