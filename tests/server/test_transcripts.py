"""The included server answers as the reference server did when the transcripts were recorded."""

from __future__ import annotations

import pytest

from tests.support.process import IncludedServer
from tests.support.replay import load_cases, replay


@pytest.mark.parametrize("name", load_cases())
def test_transcript(name: str) -> None:
    """Binary replies are the same byte for byte, HTTP replies mean the same."""
    case = load_cases()[name]
    words = case["server_args"] or [":"]
    with IncludedServer("--log-level", "error", *words) as server:
        assert replay(case["steps"], server.host, server.port) == []
        status, logged = server.stop()
    assert (status, logged) == (0, "")
