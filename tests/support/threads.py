"""Running the same thing in many threads at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


def run_threads(count: int, work: Callable[[int], Any], timeout: float = 300) -> list[Any]:
    """Call ``work(number)`` in that many threads at the same moment; return the results.

    The first exception of any of them is raised here.
    """
    start = threading.Barrier(count)
    results: list[Any] = [None] * count
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            start.wait(timeout)
            results[number] = work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout)
    assert not any(thread.is_alive() for thread in threads), "a thread did not come to an end"
    if errors:
        raise errors[0]
    return results
