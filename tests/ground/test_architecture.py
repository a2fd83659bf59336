"""The house keeps its floors: who may import whom, how long a file may be, who packs frames."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = "kt_cache"
ROOT = Path(__file__).parents[2] / PACKAGE
MOST_LINES = 400

FLOORS = {
    "_version": 0,
    "errors": 0,
    "lua": 0,
    "packers": 0,
    "serializers": 0,
    "protocol": 1,
    "storage": 1,
    "transport": 2,
    "client": 3,
    "containers": 3,
    "tyrant": 3,
    "arakoon": 3,
    "sqlite": 3,
    "cache": 4,
    "sessions": 4,
    "django": 5,
    "flask": 5,
}
GROUND = {name for name, floor in FLOORS.items() if floor == 0}

# What stands beside the floors, and the package itself, with all that each may import.
BESIDE = {
    "server": {*GROUND, "protocol", "storage"},
    "embedded": {*GROUND, "client", "transport"},
    "_child": GROUND,
    "cli": {name for name, floor in FLOORS.items() if floor < 5} | {"server", "embedded"},
    "testing": {name for name, floor in FLOORS.items() if floor < 5} | {"embedded"},
    PACKAGE: {name for name, floor in FLOORS.items() if floor < 5} | {"embedded"},
}

# On one floor a part may stand on another; these are kept apart, but for one module.
APART = {("django", "flask"), ("flask", "django"), ("protocol", "storage"), ("storage", "protocol")}
EXCEPT = {("storage", f"{PACKAGE}.protocol.expiry")}

MAY_PACK = (
    f"{PACKAGE}.protocol",
    f"{PACKAGE}.storage",  # stored numbers
    f"{PACKAGE}.cache.envelope",  # the deadline in a record
    f"{PACKAGE}.cache.notes",  # what is kept beside a value
    f"{PACKAGE}.cache.generations",  # the generation in a tag's record
    f"{PACKAGE}.transport",  # socket options
    f"{PACKAGE}.testing.proxy",  # likewise
)


@dataclass(frozen=True)
class Import:
    """One import of a module by another."""

    source: str
    target: str
    line: int

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"


def part(module: str) -> str:
    """Return the part of the house that a module belongs to."""
    return module.split(".")[1] if "." in module else module


def read_modules(root: Path) -> dict[str, str]:
    """Return the source of every module of the package, by its dotted name."""
    sources = {}
    for path in sorted(root.rglob("*.py")):
        names = [root.name, *path.relative_to(root).with_suffix("").parts]
        sources[".".join(names).removesuffix(".__init__")] = path.read_text()
    return sources


def is_package(module: str) -> bool:
    """Tell whether a module of the package is a directory."""
    return ROOT.parent.joinpath(*module.split(".")).is_dir()


def find_imports(sources: dict[str, str], packages: set[str]) -> Iterator[Import]:
    """Yield every import, those for the type checker and those within functions included."""
    for source, text in sources.items():
        tree = ast.parse(text)
        for node in ast.walk(tree):
            for target in _targets(node, source, source in packages):
                if target not in sources and target.rpartition(".")[0] in sources:
                    target = target.rpartition(".")[0]
                if target != source:
                    yield Import(source, target, node.lineno)


def _targets(node: ast.AST, source: str, is_package: bool) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            levels = source.split(".")[: -node.level + is_package or None]
            base = ".".join([*levels, base] if base else levels)
        return [f"{base}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        called = node.func.id if isinstance(node.func, ast.Name) else called
        if called in ("import_module", "__import__"):
            return [str(node.args[0].value)]
    return []


def wrong_imports(imports: list[Import]) -> list[str]:
    """Return the imports that the floors do not allow."""
    found = []
    for each in imports:
        if not f"{each.target}.".startswith(f"{PACKAGE}."):
            continue
        above, below = part(each.source), part(each.target)
        if above == below != PACKAGE:
            continue
        if above in BESIDE:
            allowed = below in BESIDE[above]
        elif (above, below) in APART:
            allowed = (above, each.target) in EXCEPT
        else:
            allowed = above in FLOORS and below in FLOORS and FLOORS[below] <= FLOORS[above]
        if not allowed:
            found.append(str(each))
    return found


def cycles(imports: list[Import], modules: set[str]) -> list[list[str]]:
    """Return groups of modules that import each other, directly or around a corner."""
    edges: dict[str, set[str]] = {module: set() for module in modules}
    for each in imports:
        if each.target in modules:
            edges[each.source].add(each.target)
    reached = {module: _reachable(module, edges) for module in modules}
    return sorted(
        sorted({other for other in reached[module] if module in reached[other]})
        for module in modules
        if module in reached[module]
    )


def _reachable(module: str, edges: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [module]
    while waiting:
        new = edges[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def frame_packers(imports: list[Import]) -> list[str]:
    """Return the imports of ``struct`` by modules that may not pack frames."""
    return [
        str(each)
        for each in imports
        if each.target.split(".")[0] == "struct"
        and not any(f"{each.source}.".startswith(f"{allowed}.") for allowed in MAY_PACK)
    ]


def too_long(sources: dict[str, str]) -> list[str]:
    """Return the modules that have more lines than a file may have."""
    return [
        f"{module}: {lines} lines"
        for module, text in sources.items()
        if (lines := text.count("\n")) > MOST_LINES
    ]


# ---------------------------------------------------------------- the house as it stands


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    return read_modules(ROOT)


@pytest.fixture(scope="module")
def imports(sources: dict[str, str]) -> list[Import]:
    return list(find_imports(sources, {name for name in sources if is_package(name)}))


def test_no_file_is_too_long(sources: dict[str, str]) -> None:
    """No file of the package has more than 400 lines."""
    assert too_long(sources) == []


def test_every_module_has_its_place(sources: dict[str, str]) -> None:
    """Every module belongs to a floor, or stands beside them, as the architecture page says."""
    assert {part(module) for module in sources} - FLOORS.keys() - BESIDE.keys() == set()


def test_no_import_runs_up(imports: list[Import]) -> None:
    """A floor imports only floors below it, and what stands beside only what it may."""
    assert wrong_imports(imports) == []


def test_no_two_modules_import_each_other(imports: list[Import], sources: dict[str, str]) -> None:
    """There is no way from a module back to itself, not for the type checker either."""
    assert cycles(imports, set(sources)) == []


def test_frames_are_packed_on_the_protocol_floor(imports: list[Import]) -> None:
    """Only the protocol packs bytes of the wire; others do for what they store or set."""
    assert frame_packers(imports) == []
    packing = {part(each.source) for each in imports if each.target.split(".")[0] == "struct"}
    assert "protocol" in packing


# ---------------------------------------------------------------- the rules see what they should


def planted(*sources: str) -> list[Import]:
    """Return the imports of modules given as ``name: source``."""
    found = dict(source.split(": ", 1) for source in sources)
    modules = {f"{PACKAGE}.{name}" if name else PACKAGE: text for name, text in found.items()}
    return list(find_imports(modules, {PACKAGE, f"{PACKAGE}.server"}))


@pytest.mark.parametrize(
    "source",
    [
        "protocol.http: from kt_cache.transport import Pool",
        "protocol.http: import kt_cache.storage.memory",
        "storage.memory: from kt_cache.protocol.http import HttpRequest",
        "client.sync: from kt_cache.cache import Cache",
        "client.sync: from kt_cache.server import Server",
        "client.sync: from kt_cache import KTError",
        "client.sync: import kt_cache",
        "client.sync: from ..django import cache",
        "errors: from .protocol import framing",
        "errors: import kt_cache.unheard.of",
        "cache.core: if TYPE_CHECKING:\n  from kt_cache.django import cache",
        "cache.core: def load():\n  import kt_cache.flask",
        "cache.core: importlib.import_module('kt_cache.django.cache')",
        "django.cache: from kt_cache.flask import cache",
        "server.binary: from kt_cache.client import KyotoTycoon",
        "embedded: def start():\n  from kt_cache.server import Server",
        ": from kt_cache.django import cache",
        ": from .server import Server",
    ],
)
def test_wrong_imports_are_seen(source: str) -> None:
    """An import up the floors is found, in whatever form it is written."""
    assert len(wrong_imports(planted(source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "protocol.http: from kt_cache.errors import KTError",
        "storage.memory: from kt_cache.protocol.expiry import NEVER",
        "containers.queue: from kt_cache.client import KyotoTycoon",
        "sessions.store: from kt_cache.cache import Cache",
        "django.cache: from ..cache import Cache",
        "server.binary: from kt_cache.protocol import binary\nfrom kt_cache.storage import names",
        "server: from .binary import serve",
        "cli: from kt_cache.server import main",
        "errors: import json, kt_cached",
        ": from kt_cache.client import KyotoTycoon",
    ],
)
def test_right_imports_are_let_through(source: str) -> None:
    """An import down the floors, or within one part, is allowed."""
    expiry = "protocol.expiry: NEVER = 0"
    assert wrong_imports(planted(source, expiry)) == []


def test_cycles_are_seen() -> None:
    """Modules that import each other are found, also around a corner and in functions."""
    found = planted(
        "cache.a: from kt_cache.cache import b",
        "cache.b: def late():\n  from .c import name",
        "cache.c: import kt_cache.cache.a",
        "cache.d: import kt_cache.cache.a",
    )
    modules = {f"{PACKAGE}.cache.{name}" for name in "abcd"}
    around = [f"{PACKAGE}.cache.{name}" for name in "abc"]
    assert cycles(found, modules) == [around] * 3


def test_packing_elsewhere_is_seen() -> None:
    """An import of ``struct`` is found wherever it may not be."""
    wrong = planted("client.sync: import struct", "cache.core: from struct import pack")
    assert len(frame_packers(wrong)) == 2
    right = planted("protocol.http: import struct", "cache.envelope: from struct import pack")
    assert frame_packers(right) == []


def test_long_files_are_seen() -> None:
    """A file of 400 lines may be, one of 401 may not."""
    lines = {"short": "x\n" * MOST_LINES, "long": "x\n" * (MOST_LINES + 1)}
    assert too_long(lines) == ["long: 401 lines"]
