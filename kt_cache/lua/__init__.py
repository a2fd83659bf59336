"""The package's script for a server's Lua, which the containers and atomic operations stand on."""

from __future__ import annotations

from pathlib import Path

__all__ = ["SCRIPT"]

SCRIPT = Path(__file__).with_name("kt.lua")
"""Give this to a server with ``ktserver -scr FILE``; the included one has it by itself."""
