"""Which database a name on the command line stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from kt_cache.errors import ConfigError
from kt_cache.storage import HashDatabase, SQLiteDatabase, TreeDatabase, open_database


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("-", HashDatabase, "16"),
        ("+", TreeDatabase, "17"),
        (":", HashDatabase, "24"),
        ("*", HashDatabase, "32"),
        ("%", TreeDatabase, "33"),
        ("*#capcnt=2k", HashDatabase, "32"),
        ("%#ktcapsiz=1G", TreeDatabase, "33"),
    ],
)
def test_databases_in_memory(name: str, kind: type, code: str) -> None:
    """The name's first part is what clients see; the type codes are the reference server's."""
    database = open_database(name)
    assert isinstance(database, kind)
    assert database.name == database.path == name.partition("#")[0]
    assert (database.status()["type"], database.status()["realtype"]) == (code, code)


def test_limits_are_shown(tmp_path: Path) -> None:
    """A limit not given is shown as -1; units are powers of 1024."""
    status = open_database("*#ktcapcnt=2k#ktcapsiz=3m").status()
    assert (status["ktcapcnt"], status["ktcapsiz"]) == ("2048", "3145728")
    status = open_database("*#ktcapcnt=7").status()
    assert (status["ktcapcnt"], status["ktcapsiz"]) == ("7", "-1")


def test_a_file_is_named_by_its_last_component(tmp_path: Path) -> None:
    """Clients name a file's database without its directory."""
    path = str(tmp_path / "cache.sqlite")
    database = open_database(path)
    assert isinstance(database, SQLiteDatabase)
    assert (database.path, database.name) == (path, "cache.sqlite")
    database.close()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.kch", "only ktserver opens"),
        ("a.kct", "end in .sqlite"),
        ("a.db", "no database"),
        ("", "no database"),
        ("**", "no database"),
        ("*#bnum=5", "unknown parameter bnum"),
        ("a.sqlite#ktcapcnt=5", "unknown parameter ktcapcnt"),
        ("*#capcnt", "name=value"),
        ("*#capcnt=many", "must be a number"),
        ("*#capcnt=-1", "must be a number"),
    ],
)
def test_what_is_wrong_with_a_name_is_said(name: str, message: str) -> None:
    """A wrong name is a configuration error that says what is accepted."""
    with pytest.raises(ConfigError, match=message):
        open_database(name)
