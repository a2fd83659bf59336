"""What is optional stays out: the core loads no framework and needs no extra."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OPTIONAL = ("django", "flask", "cachelib", "lupa", "uvloop", "sortedcontainers", "lz4", "zstandard")

# The adapters need their framework, the included server and its engines their extra.
_NOT_CORE = ("django", "flask", "server", "storage")

_LOAD = """
import importlib, json, sys
optional, modules, blocked = json.loads(sys.argv[1])
if blocked:
    sys.modules.update(dict.fromkeys(optional))
found = {}
for module in modules:
    importlib.import_module(module)
    for name in optional:
        if sys.modules.get(name):
            found.setdefault(name, f"{module} loads {name}")
print(json.dumps(list(found.values())))
"""


def core_modules() -> list[str]:
    """Return every module that must do without what is optional."""
    names = []
    for path in sorted((ROOT / "kt_cache").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[1] not in _NOT_CORE and parts[-1] != "__main__":
            names.append(".".join(parts).removesuffix(".__init__"))
    return names


def load(*modules: str, blocked: bool = False) -> list[str]:
    """Import modules in a fresh interpreter; return which optional packages that loaded.

    :param blocked: make the optional packages impossible to import, as if not installed.
    """
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, json.dumps([OPTIONAL, modules, blocked])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("module", ["kt_cache", "kt_cache.protocol.rpc", "kt_cache.serializers"])
def test_importing_the_package_loads_no_framework(module: str) -> None:
    """``import kt_cache`` loads neither Django nor Flask nor anything that is an extra."""
    assert load(module) == []


def test_no_core_module_loads_what_is_optional() -> None:
    """No module below the adapters loads a framework, an event loop or a server's library."""
    modules = core_modules()
    assert "kt_cache.protocol.http" in modules
    assert load(*modules) == []


def test_the_core_works_without_what_is_optional() -> None:
    """Where no extra is installed, every module below the adapters can be imported."""
    assert load(*core_modules(), blocked=True) == []


def test_a_loaded_framework_is_seen() -> None:
    """The tests above can fail: an adapter, which needs its framework, is seen to load it."""
    pytest.importorskip("django")
    assert load("kt_cache.django.apps") == ["kt_cache.django.apps loads django"]


def test_the_server_starts_without_the_clients() -> None:
    """The included server is up sooner as it loads no client and nothing to start servers with."""
    script = (
        "import sys, kt_cache.server.command\n"
        "print([name for name in sys.modules if name.startswith(('kt_cache.client', "
        "'kt_cache.embedded'))])\n"
        "from kt_cache import *\n"
        "print(KyotoTycoon.__module__, AsyncKyotoTycoon.__module__, EmbeddedServer.__module__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded, names = done.stdout.splitlines()
    assert loaded == "[]"
    assert names == "kt_cache.client.sync kt_cache.client.aio kt_cache.embedded"
