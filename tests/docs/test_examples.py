"""The examples in the README and the documentation work as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.cache import caches

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ((?:conftest|test_\w+)\.py)\n")
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(?:#[^)]*)?\)")


def blocks(document: Path) -> list[tuple[int, str]]:
    """Return the document's Python blocks with the lines they start on."""
    text = document.read_text()
    return [(text.count("\n", 0, match.start(1)), match[1]) for match in BLOCK.finditer(text)]


def examples(document: Path) -> list[tuple[int, str]]:
    """Return the blocks that are run one after the other."""
    return [(line, block) for line, block in blocks(document) if not FILE.match(block)]


def pytest_files(document: Path) -> dict[str, str]:
    """Return the blocks that are test files, whose first line names them."""
    named = ((FILE.match(block), block) for _, block in blocks(document))
    return {match[1]: block for match, block in named if match}


WITH_EXAMPLES = [document for document in DOCUMENTS if examples(document)]
WITH_TEST_FILES = [document for document in DOCUMENTS if pytest_files(document)]


@pytest.mark.parametrize("document", WITH_EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples(document, included_server, settings):
    """A document's Python blocks run one after the other, on a server where it says 1978."""
    included_server.client.clear()
    namespace = {"__name__": "example"}
    for line, block in examples(document):
        source = "\n" * line + block.replace("1978", str(included_server.port))
        exec(compile(source, str(document), "exec"), namespace)
        if "CACHES" in namespace:
            settings.CACHES = namespace["CACHES"]
            for alias in settings.CACHES:
                assert caches[alias] is not None


@pytest.mark.parametrize("document", WITH_TEST_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_example_tests(document, tmp_path):
    """A document's test files, put into one directory, pass."""
    files = pytest_files(document)
    for name, source in files.items():
        (tmp_path / name).write_text(source)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pytest", "-q", "-W", "error", "--rootdir", "."],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    expected = sum(source.count("\ndef test_") for source in files.values())
    assert f"{expected} passed" in done.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links(document):
    """Every relative link leads to a file."""
    for target in LINK.findall(document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), target


def test_there_are_examples():
    """The extraction finds the examples that the tests above are about."""
    assert len(WITH_EXAMPLES) >= 8
    assert WITH_TEST_FILES
