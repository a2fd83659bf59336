"""Hashes: every method, on every server, with either client."""

from __future__ import annotations

import pytest

from kt_cache import KyotoTycoon
from kt_cache.containers import Hash
from kt_cache.errors import DecodeError, EncodeError, ServerError
from tests.containers.conftest import Make

DATA = {"a": 1, "b": ["x", None], "ü": {"k": "v"}}


def test_values_are_set_and_found(make: Make) -> None:
    """One by one and many at once; what is missing is ``None`` or left out."""
    hash_ = make("Hash", "h")
    assert hash_.set_bulk(DATA) == 3
    assert hash_.get_bulk(["a", "ü", "no"]) == {"a": 1, "ü": {"k": "v"}}
    assert hash_.get_bulk([]) == hash_.get_bulk(["no"]) == {}
    assert hash_.get_all() == DATA
    assert hash_.set("a", 2) == 1
    assert hash_.set("c", "new") == 1
    assert hash_.get("a") == 2
    assert hash_.get("no") is None
    assert hash_.setnx("a", 3) == 0
    assert hash_.setnx("d", 3) == 1
    assert hash_.length() == 5
    assert hash_.contains("d") is True
    assert hash_.contains("e") is False
    assert hash_.update({"e": 1}, f=2) == 2
    assert hash_.get_bulk(["a", "e", "f"]) == {"a": 2, "e": 1, "f": 2}


def test_values_are_removed(make: Make) -> None:
    """Each removal counts what was there."""
    hash_ = make("Hash", "h")
    assert hash_.remove("a") == hash_.remove_bulk(["a"]) == hash_.remove_bulk([]) == 0
    hash_.update(DATA)
    assert hash_.remove("a") == 1
    assert hash_.remove_bulk(["a", "b", "no"]) == 1
    assert hash_.get_all() == {"ü": {"k": "v"}}
    hash_.clear()
    assert hash_.get_all() == {}
    assert hash_.length() == 0


def test_nothing_is_stored_for_nothing(make: Make, scripted: KyotoTycoon) -> None:
    """What changes nothing makes no record."""
    hash_ = make("Hash", "h")
    assert hash_.set_bulk({}) == hash_.remove("a") == hash_.remove_bulk(["a", "b"]) == 0
    assert hash_.pack("x") == 0
    assert scripted.count() == 0


def test_any_name_may_be_used(make: Make) -> None:
    """Also those that the script's functions take for database and key."""
    names = ["db", "table_key", "key", "value", "prefix", "", "with space", "tab\t", "%s"]
    data = {name: number for number, name in enumerate(names)}
    hash_ = make("Hash", "h", db=1)
    assert hash_.set_bulk(data) == len(names)
    assert hash_.get_bulk(names) == hash_.get_all() == data
    assert [hash_.get(name) for name in names] == list(range(len(names)))
    assert hash_.remove_bulk(names) == len(names)
    assert hash_.length() == 0


@pytest.mark.parametrize("serializer", ["binary", "json", "msgpack", "none", "pickle"])
def test_serializers(make: Make, serializer: str) -> None:
    """Values pass through the client's serializer."""
    value = b"\0\xff" * 100 if serializer == "none" else "v\N{SNOWMAN}" * 100
    hash_ = make("Hash", "h", serializer=serializer)
    hash_.set("a", value)
    assert hash_.get("a") == value
    assert hash_.get_raw() == {"a": value}


def test_values_without_serializer(make: Make) -> None:
    """Encoding and decoding can be switched off, each for itself."""
    make("Hash", "h", False).set("a", '{"json": 1}')
    assert make("Hash", "h").get_all() == {"a": {"json": 1}}
    assert make("Hash", "h", True, False).get_bulk(["a"]) == {"a": b'{"json": 1}'}


def test_raw_access_is_the_same_record(make: Make) -> None:
    """What goes past the script is what the script reads and writes."""
    hash_ = make("Hash", "h")
    assert hash_.get_raw() is None
    assert hash_.set_raw(DATA) == 1
    assert hash_.get_raw() == hash_.get_all() == DATA
    assert hash_.get("b") == ["x", None]
    hash_.set("b", 0)
    assert hash_.get_raw() == {**DATA, "b": 0}


def test_unpack(make: Make, scripted: KyotoTycoon) -> None:
    """Each value becomes a record."""
    hash_ = make("Hash", "h", serializer="binary", db=1)
    assert hash_.unpack() == 0
    hash_.update(a="1", b="2")
    assert hash_.unpack() == hash_.unpack("p-") == 2
    keys = ["h:a", "h:b", "p-a", "p-b"]
    assert scripted.get_bulk(keys, db=1) == dict(zip(keys, "1212", strict=True))
    assert scripted.count(0) == 0


def test_pack(make: Make, scripted: KyotoTycoon) -> None:
    """Records become values: from start up to stop, at most count."""
    scripted.set_bulk({f"k{n}": str(n) for n in range(6)})
    hash_ = make("Hash", "z", serializer="binary")
    hash_.update(k1="old", other="kept")
    assert hash_.pack("k1", "k3") == 2
    assert hash_.get_all() == {"k1": "1", "k2": "2", "other": "kept"}
    assert hash_.pack("k3", count=2) == 2
    assert hash_.pack(stop="k1") == 1
    assert sorted(hash_.get_all()) == ["k0", "k1", "k2", "k3", "k4", "other"]
    assert hash_.pack("x", "y") == hash_.pack(count=0) == 0


def test_pack_into_lists(make: Make, scripted: KyotoTycoon) -> None:
    """Keys or values replace a list, whose time stays."""
    hash_ = make("Hash", "h", serializer="binary")
    names, values = make("List", "n", serializer="binary"), make("List", "v", serializer="binary")
    assert hash_.pack_keys("n") == 0
    assert not scripted.exists("n")
    values.append("old")
    scripted.touch("v", 500)
    expires = scripted.expire_time("v")
    hash_.update(a="1", b="2")
    assert hash_.pack_keys("n") == hash_.pack_values("v") == 2
    assert sorted(names.get_range()) == ["a", "b"]
    assert sorted(values.get_range()) == ["1", "2"]
    assert scripted.expire_time("v") == expires


def test_as_a_dictionary(scripted: KyotoTycoon) -> None:
    """The blocking hash has a dictionary's syntax."""
    hash_ = Hash(scripted, b"h")
    hash_["a"] = "1"
    assert hash_["a"] == "1"
    assert hash_["b"] is None
    assert "a" in hash_
    assert "b" not in hash_
    assert len(hash_) == 1
    assert list(hash_) == ["a"]
    del hash_["a"]
    del hash_["a"]
    assert not hash_
    assert repr(hash_) == "<Hash b'h' db=0>"


def test_the_database_is_the_clients_or_another(scripted: KyotoTycoon) -> None:
    """The client's default counts at the time of the call."""
    kt = KyotoTycoon(scripted.host, scripted.port)
    default, other = Hash(kt, "h"), Hash(kt, "h", db=0)
    kt.set_database(1)
    default.set("a", "1")
    assert other.get_all() == {}
    assert scripted.exists("h", db=1)
    default.clear()
    assert not scripted.exists("h", db=1)


def test_large_values(make: Make) -> None:
    """Many values, and long ones, in one record."""
    data = {f"k{n:064}": "v" * n * 40 for n in range(300)}
    hash_ = make("Hash", "h")
    assert hash_.set_bulk(data) == 300
    assert hash_.get_all() == hash_.get_bulk(data) == data


def test_wrong_values_are_refused_before_anything_is_sent(make: Make) -> None:
    """The error names the container's key."""
    hash_ = make("Hash", "h")
    with pytest.raises(EncodeError, match=r"key='?b?'?h'"):
        hash_.set("a", object())
    with pytest.raises(EncodeError):
        hash_.set_bulk({"a": 1, "b": object()})
    with pytest.raises(EncodeError, match="must be str or bytes"):
        hash_.get(7)
    assert hash_.get_raw() is None


def test_no_such_database(make: Make) -> None:
    """The script refuses; the error names function and key."""
    with pytest.raises(ServerError, match=r"command=hset.*key=b'h'"):
        make("Hash", "h", db=2).set("a", 1)


def test_another_kind_of_record(make: Make, scripted: KyotoTycoon) -> None:
    """A record that is no hash is not taken for one cut short."""
    scripted.set("h", "\x05\x05text", encode_value=False)
    with pytest.raises(DecodeError, match="not a whole dump"):
        make("Hash", "h").get_all()
    with pytest.raises(DecodeError, match="key="):
        scripted.set("h", "\x01\x01k{", encode_value=False)
        make("Hash", "h").get("k")
