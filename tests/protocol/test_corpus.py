"""The inputs that fuzzing found worth keeping still do no harm."""

from __future__ import annotations

import pytest

from tests.protocol.corpus import CHECKS, load

CORPUS = load()


@pytest.mark.parametrize("name", CHECKS)
def test_corpus(name: str) -> None:
    """Every input kept is decoded, waited on or refused with our own errors, in any pieces."""
    assert CORPUS[name]
    for data in CORPUS[name]:
        CHECKS[name](data)
