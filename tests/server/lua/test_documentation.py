"""The scripts in the documentation work as printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kt_cache.errors import ServerError
from tests.server.lua.conftest import SERVERS, scripted

DOCS = Path(__file__).parents[3] / "docs"


def script_in(document: str, directory: Path) -> Path:
    """Write the document's script into a file of its own."""
    (source,) = re.findall(
        r"^```lua\n(.*?)^```", (DOCS / document).read_text(), re.MULTILINE | re.DOTALL
    )
    path = directory / "script.lua"
    path.write_text(source)
    return path


@pytest.mark.parametrize("kind", SERVERS)
def test_the_visits_of_the_guide(kind: str, tmp_path: Path) -> None:
    """It counts, and keeps the time of the first visit."""
    with scripted(kind, script_in("how-to/server.md", tmp_path)) as server:
        given = {"key": "visits:10.0.0.7", "most": 2, "seconds": 60}
        answers = [server.client.raw_script("visit", given) for _ in range(3)]
        server.client.raw_script("visit", given | {"seconds": 9999})
        left = int(server.client.status(0)["count"])
    assert answers == [{b"allowed": b"yes"}, {b"allowed": b"yes"}, {b"allowed": b"no"}]
    assert left == 1


@pytest.mark.parametrize("kind", SERVERS)
def test_the_function_of_the_reference(kind: str, tmp_path: Path) -> None:
    """It renames a record and keeps its time, or says that there is none."""
    with scripted(kind, script_in("reference/server.md", tmp_path)) as server:
        client = server.client
        client.set_bulk({"a": b"value"}, db=0, expire_time=5_000_000_000, encode_values=False)
        assert client.raw_script("rename", {"from": "a", "to": "b"}) == {b"size": b"5"}
        found = client.get_bulk_details([(0, "b")], decode_values=False)
        assert [(value, xt) for _, _, value, xt in found] == [(b"value", 5_000_000_000)]
        with pytest.raises(ServerError):
            client.raw_script("rename", {"from": "a", "to": "b"})
