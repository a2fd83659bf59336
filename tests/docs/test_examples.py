"""The examples in the README and the documentation work as printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.cache import caches

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(?:#[^)]*)?\)")


def examples(document: Path) -> list[tuple[int, str]]:
    """Return the document's Python blocks with the lines they start on."""
    text = document.read_text()
    return [(text.count("\n", 0, match.start(1)), match[1]) for match in BLOCK.finditer(text)]


WITH_EXAMPLES = [document for document in DOCUMENTS if examples(document)]


@pytest.mark.parametrize("document", WITH_EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples(document, included_server, settings):
    """A document's Python blocks run one after the other, on a server where it says 1978."""
    included_server.client.clear()
    namespace = {}
    for line, block in examples(document):
        source = "\n" * line + block.replace("1978", str(included_server.port))
        exec(compile(source, str(document), "exec"), namespace)
        if "CACHES" in namespace:
            settings.CACHES = namespace["CACHES"]
            for alias in settings.CACHES:
                assert caches[alias] is not None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links(document):
    """Every relative link leads to a file."""
    for target in LINK.findall(document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), target


def test_there_are_examples():
    """The extraction finds the examples that the tests above are about."""
    assert len(WITH_EXAMPLES) >= 5
