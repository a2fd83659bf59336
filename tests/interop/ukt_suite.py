"""Runs the tests inside ukt on a script of one's own: ``python ukt_suite.py SCRIPT [TEST ...]``."""

from __future__ import annotations

import sys
import unittest

from ukt import tests


def _replace_script(script: str) -> int:
    """Put a script in the place of ukt's own in every server's arguments; return in how many."""
    replaced = 0
    for case in vars(tests).values():
        arguments = (getattr(case, "server_kwargs", None) or {}).get("server_args", [])
        for position, argument in enumerate(arguments):
            if argument == tests.BaseLuaTestCase.lua_script:
                arguments[position] = script
                replaced += 1
    return replaced


if __name__ == "__main__":
    if not _replace_script(sys.argv.pop(1)):
        sys.exit("no test of ukt starts a server with a script")
    unittest.main(module=tests)
