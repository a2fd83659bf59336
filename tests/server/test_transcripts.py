"""The included server answers as the reference server did when the transcripts were recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.process import IncludedServer
from tests.support.replay import load_cases, replay


@pytest.mark.parametrize("name", load_cases())
def test_transcript(name: str, tmp_path: Path) -> None:
    """Binary replies are the same byte for byte, HTTP replies mean the same."""
    case = load_cases()[name]
    words = case["server_args"] or [":"]
    files = case.get("files", {})
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    words = [str(tmp_path / word) if word in files else word for word in words]
    # What scripts are made to do wrong in these is logged.
    level = "none" if files else "error"
    with IncludedServer("--no-cache-script", "--log-level", level, *words) as server:
        assert replay(case["steps"], server.host, server.port) == []
        status, logged = server.stop()
    assert (status, logged) == (0, "")
