"""What is written for users of Flask works where nothing but Flask has been imported before."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from testproject.demo.browser import Browser
from tests.docs.documents import DOCUMENTS, ROOT, blocks, examples, name_of, source_on
from tests.support.programs import run_program

FOR_FLASK = [
    document
    for document in DOCUMENTS
    if any("from flask import" in block for _, block in examples(document))
    and not any("django" in block for _, block in examples(document))
]
README = ROOT / "README.md"
TUTORIAL = ROOT / "docs" / "tutorial" / "flask.md"
SECONDS = 60.0


def test_a_process_of_their_own(included_server):
    """The examples of these pages are programs that need nothing else, and give no warning."""
    lines = [
        "from kt_cache import KyotoTycoon",
        f"client = KyotoTycoon({included_server.host!r}, {included_server.port})",
    ]
    for document in FOR_FLASK:
        source, name = source_on(document, included_server.port), name_of(document)
        lines.append("client.clear()")
        lines.append(f"exec(compile({source!r}, {name!r}, 'exec'), {{'__name__': 'example'}})")
    run_program("\n".join(lines))


def test_these_pages_are_found():
    """Those that tell users of Flask how to set it up are among them."""
    names = {document.stem for document in FOR_FLASK}
    assert names >= {"flask", "flask-caching", "from-flask-session", "from-flask-caching-redis"}


def flask_lines() -> tuple[str, str]:
    """Return the README's block for Flask, and its lines for the packages that run on it."""
    (app,) = (block for _, block in blocks(README) if "app = Flask(" in block)
    (packages,) = (block for _, block in blocks(README) if '"CACHE_TYPE"' in block)
    return app, packages


class TestReadme:
    """Each setting that the README has for Flask, in a process that has nothing else."""

    def run(self, source, server):
        server.client.clear()
        return run_program(source.replace("1978", str(server.port)))

    def test_our_extensions(self, included_server):
        """The cache and the sessions work as soon as the app is set up like that."""
        app, _ = flask_lines()
        visit = """
            from flask import session

            @app.get("/")
            def visits():
                session["visits"] = session.get("visits", 0) + 1
                return f"{session['visits']} {cache.incr('visits')}"

            for visitor in (app.test_client(), app.test_client()):
                print(visitor.get("/").text, visitor.get("/").text)
            print(visitor.get("/news").text, len(cache.keys("view/*/news")))
        """
        printed = self.run(app + inspect.cleandoc(visit), included_server)
        assert printed.splitlines() == ["1 1 2 2", "1 3 2 4", "made once a minute 1"]

    def test_flask_caching(self, included_server):
        """With its lines Flask-Caching keeps its values on the server."""
        app, packages = flask_lines()
        visit = """
            from flask_caching import Cache

            caching = Cache(app)

            @app.get("/")
            @caching.cached()
            def home():
                return "home"

            print(app.test_client().get("/").text)
        """
        assert self.run(app + packages + inspect.cleandoc(visit), included_server) == "home\n"
        assert included_server.client.match_prefix("") == ["flask_cache_:1:view//"]

    def test_flask_session(self, included_server):
        """With its lines Flask-Session keeps the sessions there."""
        app, packages = flask_lines()
        visit = """
            from flask import session
            from flask_session import Session

            Session(app)

            @app.get("/")
            def visits():
                session["visits"] = session.get("visits", 0) + 1
                return str(session["visits"])

            visitor = app.test_client()
            print(visitor.get("/").text, visitor.get("/").text)
        """
        assert self.run(app + packages + inspect.cleandoc(visit), included_server) == "1 2\n"
        (key,) = included_server.client.match_prefix("")
        assert key.startswith("sessions:1:session:")


@contextmanager
def running(command: list[str], directory: Path, started: str) -> Iterator[str]:
    """Run a program as from a terminal in that directory; gives the port that it says.

    :param started: what is printed before the port.
    """
    process = subprocess.Popen(
        [sys.executable, "-W", "error", *command],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    too_late = threading.Timer(SECONDS, process.kill)
    too_late.start()
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if found := re.search(rf"{started}(\d+)", line):
                break
        else:
            pytest.fail(f"{command} ended: {''.join(said)}")
        yield found[1]
    finally:
        too_late.cancel()
        process.terminate()
        process.communicate(timeout=SECONDS)


class TestTutorial:
    """The tutorial, as a reader goes through it: two terminals, a file and a browser."""

    def serve(self, directory: Path, port: str = "0"):
        """Type the command that starts the server, but for the port."""
        (command,) = re.findall(r"^\$ kt-cache (.*)$", TUTORIAL.read_text(), re.MULTILINE)
        start = "from kt_cache.cli import main; raise SystemExit(main())"
        words = ["-c", start, *command.split(), "--port", port]
        return running(words, directory, r"listening on 127\.0\.0\.1:")

    def test_it(self, tmp_path):
        """The pages answer as printed, and go on after a restart of the server."""
        assert re.search(r"^\$ flask run$", TUTORIAL.read_text(), re.MULTILINE)
        before, _, _ = TUTORIAL.read_text().partition("$ flask run")
        app = "".join(block for line, block in blocks(TUTORIAL) if line < before.count("\n"))
        with ExitStack() as stack:
            with self.serve(tmp_path) as port:
                (tmp_path / "app.py").write_text(app.replace("1978", port))
                flask = ["-m", "flask", "run", "--port", "0"]
                at = stack.enter_context(running(flask, tmp_path, r"http://127\.0\.0\.1:"))
                ada, bob = (Browser(f"http://127.0.0.1:{at}/") for _ in range(2))
                assert ada.get("report").body == bob.get("report").body
                sold = [each.get("buy/tea").body for each in (ada, bob)]
                assert sold == ["300 for number 1", "300 for number 2"]
                visits = [each.get("visits").body for each in (ada, ada, bob)]
                assert visits == ["visit 1", "visit 2", "visit 1"]
            assert ada.get("visits").status == 503
            with self.serve(tmp_path, port):
                assert ada.get("buy/tea").body == "300 for number 3"
                assert ada.get("visits").body == "visit 3"
