"""ukt's containers and ours are the same containers, whichever script the server has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from kt_cache import EmbeddedServer, KyotoTycoon, containers
from tests.support.ukt import need_ukt

ukt = need_ukt()
SERIALIZERS = ["binary", "json", "msgpack", "pickle"]


class Clients(NamedTuple):
    """Ours and theirs, on one server."""

    our: KyotoTycoon
    their: Any

    def both(self, name: str, *arguments: Any) -> list[tuple[Any, Any]]:
        """Return a container of that kind twice: once by ours and once by theirs, either first."""
        ours = getattr(containers, name)(self.our, *arguments)
        theirs = getattr(self.their, name)(*arguments)
        return [(ours, theirs), (theirs, ours)]


@pytest.fixture(params=SERIALIZERS)
def clients(request: pytest.FixtureRequest, either_server: EmbeddedServer) -> Iterator[Clients]:
    """Clients of the same serializer, on an empty database."""
    either_server.client.clear()
    at = (either_server.host, either_server.port)
    their = ukt.KyotoTycoon(*at, serializer=request.param)
    yield Clients(KyotoTycoon(*at, serializer=request.param), their)
    their.close_all()


def test_hash(clients: Clients) -> None:
    """Values of one are values of the other."""
    for one, other in clients.both("Hash", "h"):
        one.clear()
        assert one.set_bulk({"a": "1", "ü": "☃"}) == 2
        assert other.get_all() == other.get_raw() == {"a": "1", "ü": "☃"}
        assert other["a"] == "1"
        assert other.set("b", "2") == 1
        assert one.get_bulk(["a", "b", "no"]) == {"a": "1", "b": "2"}
        assert one.setnx("b", "3") == 0
        assert other.remove("a") == 1
        assert "a" not in one
        assert len(one) == len(other) == 2
        one.set_raw({"raw": "x" * 300})
        assert other.get("raw") == "x" * 300
        assert one.remove_bulk(["raw", "no"]) == 1
        assert other.get_all() == {}


def test_list(clients: Clients) -> None:
    """Either end, any index."""
    for one, other in clients.both("List", "l"):
        one.clear()
        assert one.extend(["a", "b", "c"]) == 3
        assert other.appendleft("first") == 4
        assert one[:] == other[:] == list(one) == list(other) == ["first", "a", "b", "c"]
        assert other.find("b") == one.rfind("b") == 2
        one[1] = "new"
        assert other[1] == "new"
        assert other.popright() == "c"
        assert one.popleft() == "first"
        assert other.insert(1, "in") == 3
        assert one.get_raw() == other.get_raw() == ["new", "in", "b"]
        assert other.lpoprpush() == "new"
        with pytest.raises(IndexError):
            one[9]
        with pytest.raises(IndexError):
            other[9]
        one.set_raw(["raw"])
        assert other.pop() == "raw"
        assert one.pop() is None


def test_set(clients: Clients) -> None:
    """Members of one are members of the other."""
    for one, other in clients.both("Set", "s"):
        one.clear()
        assert one.add("a", "b") == 2
        assert other.add("b", "c") == 1
        assert one.members() == other.members() == {"a", "b", "c"}
        assert "c" in one
        assert "c" in other
        assert one & "s" == other | "s" == {"a", "b", "c"}
        assert other.remove("a") == 1
        assert one.remove("a") == 0
        assert {one.pop(), other.pop()} == {"b", "c"}
        assert one.pop() is other.pop() is None


def test_queue(clients: Clients) -> None:
    """Items, scores and numbers."""
    for one, other in clients.both("Queue", "q"):
        assert one.add("a") == 1
        assert other.add("b", 5) == 2
        assert one.extend(["c", "d"], -1) == 2
        assert other.peek(9) == one.peek(9) == ["b", "a", "c", "d"]
        assert other.rpeek(2, min_score=0) == one.rpeek(2, min_score=0) == ["a", "b"]
        assert one.set_priority("d", 9) == 1
        assert other.pop() == "d"
        assert one.bpop(1) == "b"
        assert other.transfer("q2", 1) == "a"
        assert one.transfer("q2", 5) == ["c"]
        assert other.remove("c") == 0
        assert len(one) == len(other) == 0
        assert one.bpop(0) is None
        assert other.clear() == 0
        (second, _), _ = clients.both("Queue", "q2")
        assert second.pop(2) == ["a", "c"]
        second.clear()


def test_schedule(clients: Clients) -> None:
    """Items that one adds the other reads when they are due."""
    for one, other in clients.both("Schedule", "s"):
        assert one.add("late", 1_700_000_000) == b"s\t001700000000000000000001"
        assert other.add("early", 5) == b"s\t000000000005000000000002"
        assert one.items() == other.items() == ["early", "late"]
        assert other.read(4) == one.read(4) == []
        assert one.read(5) == ["early"]
        assert len(one) == len(other) == 1
        assert other.read() == ["late"]
        assert one.clear() == 1


def test_signal_queue(clients: Clients) -> None:
    """Items that one produces the other consumes in turn."""
    for one, other in clients.both("SignalQueue", "q"):
        assert one.produce("a") == (True, 0)
        assert other.produce("b") == (True, 0)
        assert other.consume(1) == "a"
        assert one.consume(1) == "b"
        other.produce("c")
        assert one.flush() == 1
        assert other.flush() == 0


def test_values_without_serializer(clients: Clients) -> None:
    """Both leave them alone if told to."""
    our, their = clients.our, clients.their
    for one, other in (
        (containers.Hash(our, "h", False, False), their.Hash("h", False, False)),
        (their.Hash("h", False, False), containers.Hash(our, "h", False, False)),
    ):
        one.set("a", b"\xff")
        assert other.get("a") == b"\xff"
        assert one.get_all() == other.get_all() == {"a": b"\xff"}


def test_dumps(clients: Clients) -> None:
    """The bytes of mappings and lists are the same, where a mapping's order is."""
    our, their = clients
    mapping, items = {"a": "1", "b" * 200: "x" * 20_000, "": ""}, ["a", "", "x" * 20_000]
    assert our.serialize_dict(mapping) == their.serialize_dict(mapping)
    assert our.serialize_list(items) == their.serialize_list(items)
    assert our.deserialize_dict(their.serialize_dict(mapping)) == mapping
    assert their.deserialize_dict(our.serialize_dict(mapping)) == mapping
    assert our.deserialize_list(their.serialize_list(items)) == items
    assert our.deserialize_dict(their.serialize_dict(mapping, False), False) == {
        key: value.encode() for key, value in mapping.items()
    }
