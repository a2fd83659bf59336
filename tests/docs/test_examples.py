"""The examples in the README and the documentation work as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from django.core.cache import caches

from tests.docs.documents import DOCUMENTS, ROOT, examples, name_of, pytest_files

LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(?:#[^)]*)?\)")

WITH_EXAMPLES = [document for document in DOCUMENTS if examples(document)]
WITH_TEST_FILES = [document for document in DOCUMENTS if pytest_files(document)]


@pytest.mark.parametrize("document", WITH_EXAMPLES, ids=name_of)
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


@pytest.mark.parametrize("document", WITH_TEST_FILES, ids=name_of)
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


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links(document):
    """Every relative link leads to a file."""
    for target in LINK.findall(document.read_text()):
        if "://" not in target:
            assert (document.parent / target).exists(), target


def test_there_are_examples():
    """The extraction finds the examples that the tests above are about."""
    assert len(WITH_EXAMPLES) >= 8
    assert WITH_TEST_FILES
