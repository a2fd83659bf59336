"""Runs the tests inside ukt in another way: ``python ukt_suite.py CLIENT SCRIPT [TEST ...]``.

CLIENT is ``ukt``, or ``kt_cache`` to run them as if ``ukt`` in their import were changed to that.
SCRIPT is given to the servers instead of the script in ukt. The rest is as unittest takes it; a
name after ``-`` is left out.
"""

from __future__ import annotations

import importlib
import sys
import unittest
from importlib.util import find_spec
from types import ModuleType

import kt_cache
from kt_cache import errors

# What a program that changes the import has to change besides.
RENAMED = {
    "ImproperlyConfigured": errors.ConfigError,
    "ProtocolError": errors.ServerError,
    "ServerConnectionError": errors.TransportError,
    "ServerTimeoutError": errors.TimeoutExceeded,
}


def load_tests_for(client: str) -> ModuleType:
    """Import the tests, with our client under ukt's name if that is wanted."""
    if client == "kt_cache":
        stand_in = ModuleType("ukt")
        stand_in.__path__ = find_spec("ukt").submodule_search_locations
        names = {name: getattr(kt_cache, name) for name in kt_cache.__all__}
        vars(stand_in).update(names, SignalTimeout=errors.SignalTimeout, **RENAMED)
        sys.modules["ukt"] = stand_in
    return importlib.import_module("ukt.tests")


def replace_script(tests: ModuleType, script: str) -> int:
    """Put a script in the place of ukt's own in every server's arguments; return in how many."""
    replaced = 0
    for case in vars(tests).values():
        arguments = (getattr(case, "server_kwargs", None) or {}).get("server_args", [])
        for position, argument in enumerate(arguments):
            if argument == tests.BaseLuaTestCase.lua_script:
                arguments[position] = script
                replaced += 1
    return replaced


def leave_out(tests: ModuleType, name: str) -> None:
    """Forget a class of tests, or one test: ``CLASS`` or ``CLASS.test``."""
    case, _, test = name.partition(".")
    if test:
        delattr(getattr(tests, case), test)
    else:
        delattr(tests, case)


if __name__ == "__main__":
    program, client, script, *words = sys.argv
    tests = load_tests_for(client)
    if not replace_script(tests, script):
        sys.exit("no test of ukt starts a server with a script")
    for word in words:
        if word.startswith("-Test"):
            leave_out(tests, word[1:])
    words = [word for word in words if not word.startswith("-Test")]
    unittest.main(module=tests, argv=[program, *words])
