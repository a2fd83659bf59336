"""ukt, the client to be replaced, where it could be installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

__all__ = ["need_ukt", "ukt_script"]


def need_ukt() -> Any:
    """Return the module, or skip."""
    return pytest.importorskip("ukt", reason="ukt is not installed (it is built from C)")


def ukt_script() -> Path | None:
    """Return the script for a server that it brings along."""
    found = find_spec("ukt")
    return Path(found.origin).parent / "scripts" / "kt.lua" if found and found.origin else None
