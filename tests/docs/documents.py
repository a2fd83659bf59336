"""The README and the documentation, and the examples in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ((?:conftest|test_\w+)\.py)\n")


def name_of(document: Path) -> str:
    """Return a document's path within the project, to name tests by it."""
    return str(document.relative_to(ROOT))


def blocks(document: Path) -> list[tuple[int, str]]:
    """Return the document's Python blocks with the lines they start on."""
    text = document.read_text()
    return [(text.count("\n", 0, match.start(1)), match[1]) for match in _BLOCK.finditer(text)]


def examples(document: Path) -> list[tuple[int, str]]:
    """Return the blocks that are run one after the other."""
    return [(line, block) for line, block in blocks(document) if not _FILE.match(block)]


def pytest_files(document: Path) -> dict[str, str]:
    """Return the blocks that are test files, whose first line names them."""
    named = ((_FILE.match(block), block) for _, block in blocks(document))
    return {match[1]: block for match, block in named if match}


def source_on(document: Path, port: int) -> str:
    """Return all examples as one program, each on its own lines, that finds its server there."""
    lines: list[str] = []
    for line, block in examples(document):
        lines += [""] * (line - len(lines)) + block.splitlines()
    return "\n".join(lines).replace("1978", str(port)) + "\n"
