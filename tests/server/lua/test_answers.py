"""Scripts see the same on the included server as on the real one."""

from __future__ import annotations

import pytest

from kt_cache import EmbeddedServer
from tests.server.lua.conftest import DATA
from tests.server.lua.evaluation import differences, evaluate, read_answers

GROUPS = read_answers((DATA / "answers.txt").read_text())


@pytest.mark.parametrize("group", GROUPS)
def test_answers(evaluator: EmbeddedServer, group: str) -> None:
    """Every line results in what the real server showed when the answers were recorded."""
    lines = GROUPS[group]
    shown = evaluate(evaluator, *(line for line, _ in lines))
    assert "\n".join(differences(lines, shown)) == ""
