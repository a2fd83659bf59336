"""The RESTful interface."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from kt_cache.server.dates import format_date, parse_date
from tests.support.process import Connection

NO_RECORD = "DB: 7: no record: no record"


def test_a_record_is_a_resource(connection: Connection) -> None:
    """It is put, got, looked at and deleted under its key."""
    status, headers, body = connection.request("PUT", "/a%20key", b"\0value")
    assert (status, body) == (201, b"")
    assert headers["location"].endswith("/a%20key")
    status, headers, body = connection.request("GET", "/a+key?ignored")
    assert (status, body) == (200, b"\0value")
    assert "content-type" not in headers
    assert "x-kt-xt" not in headers
    status, headers, body = connection.request("HEAD", "/a%20key")
    assert (status, headers["content-length"], body) == (200, "6", b"")
    assert connection.request("DELETE", "/a%20key")[0] == 204
    for method in ("GET", "HEAD", "DELETE"):
        status, headers, body = connection.request(method, "/a%20key")
        assert (status, headers["x-kt-error"], body) == (404, NO_RECORD, b"")


@pytest.mark.parametrize(
    ("target", "database", "key"),
    [
        ("/", 0, ""),
        ("/k", 0, "k"),
        ("//k", 0, "k"),
        ("///k", 0, "k"),
        ("//a/b", 0, "a/b"),
        ("/0/a/b", 0, "a/b"),
        ("/1/k", 1, "k"),
        ("/1//k", 1, "k"),
        ("/*/k", 1, "k"),
        ("/%2a/k", 1, "k"),
        ("/1/", 1, ""),
        ("//rpc/void", 0, "rpc/void"),
    ],
)
def test_targets(connection: Connection, target: str, database: int, key: str) -> None:
    """A target is a key, or a database and a key behind the first slash."""
    assert connection.request("PUT", target, b"v")[0] == 201
    assert connection.call("get", DB=database, key=key) == (200, {"value": b"v"})


def test_modes(connection: Connection) -> None:
    """A header makes a put an add or a replace; any other word changes nothing."""
    status, headers, _ = connection.request("PUT", "/k", b"1", X_Kt_Mode="Replace")
    assert (status, headers["x-kt-error"]) == (450, NO_RECORD)
    assert connection.request("PUT", "/k", b"1", X_Kt_Mode="ADD")[0] == 201
    status, headers, _ = connection.request("PUT", "/k", b"2", X_Kt_Mode="add")
    assert (status, headers["x-kt-error"]) == (450, "DB: 6: record duplication: record duplication")
    assert connection.request("PUT", "/k", b"3", X_Kt_Mode="replace")[0] == 201
    assert connection.request("PUT", "/k", b"4", X_Kt_Mode="nonsense")[0] == 201
    assert connection.request("GET", "/k")[2] == b"4"


def test_other_methods_are_not_implemented(connection: Connection) -> None:
    """They say so without a body."""
    for method in ("POST", "PATCH"):
        status, _, body = connection.request(method, "/k", b"v")
        assert (status, body) == (501, b"")


def test_a_database_that_is_not_there(connection: Connection) -> None:
    """The reason is the body, which HEAD does not have, nor a length for it."""
    status, headers, body = connection.request("GET", "/9/k")
    assert (status, body) == (400, b"no such database\n")
    assert "x-kt-error" not in headers
    status, headers, body = connection.request("HEAD", "/9/k")
    assert (status, body) == (400, b"")
    assert "content-length" not in headers


@pytest.mark.parametrize(
    ("header", "xt"),
    [
        ("4000000000", 4000000000),
        ("46297d", 4000060800),
        ("0xEE6B2800", 4000000000),
        ("Tue, 02 Oct 2096 07:06:40 GMT", 4000000000),
        ("02 Oct 2096 07:06:40 +0900", 3999967600),
        ("2096-10-02T07:06:40Z", 4000000000),
        ("2096-10-02T07:06:40-01:30", 4000005400),
        ("2096/10/02 07:06:40", 4000000000),
        ("2096-10-02", 3999974400),
        ("0", None),
        ("-60", None),
        ("1099511627775", None),
        ("soon", None),
        ("2096-13-02", None),
    ],
)
def test_expiration_times(connection: Connection, header: str, xt: int | None) -> None:
    """The header is an absolute time in many forms; what cannot be read is never."""
    connection.request("PUT", "/k", b"v", X_Kt_Xt=header)
    _, rows = connection.call("get", key="k")
    assert rows.get("xt") == (None if xt is None else b"%d" % xt)
    shown = connection.request("GET", "/k")[1].get("x-kt-xt")
    assert shown == (None if xt is None else formatdate(xt, usegmt=True))


def test_a_small_number_is_a_time_long_past(connection: Connection) -> None:
    """It is not a delay: the record is dead at once."""
    assert connection.request("PUT", "/k", b"v", X_Kt_Xt="60")[0] == 201
    assert connection.request("GET", "/k")[0] == 404


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (253402300800, "Sat, 01 Jan 10000 00:00:00 GMT"),
        (1099511627774, "Mon, 20 Feb 36812 00:36:14 GMT"),
    ],
)
def test_dates_beyond_the_calendar(seconds: int, text: str) -> None:
    """Every time that can be stored can be shown, as the reference server shows it."""
    assert format_date(seconds) == text


def test_a_date_that_is_none() -> None:
    """Reading never fails."""
    for text in ("", "0x", "0000-01-01", "Tue, 99 Foo 2096", "9" * 50, "31 Dec 99999 99:99:99"):
        assert parse_date(text) is None


@pytest.mark.parametrize(
    "header", [{"Origin": "https://a.example"}, {"Sec_Fetch_Site": "cross-site"}]
)
def test_a_web_page_is_refused(connection: Connection, header: dict[str, str]) -> None:
    """A page that a visitor opens can plant nothing in the server on the visitor's machine."""
    kind = "application/x-www-form-urlencoded"
    for method, target, body in (
        ("POST", "/rpc/set", b"key=planted&value=v"),
        ("GET", "/rpc/set?key=planted&value=v", b""),
        ("PUT", "/planted", b"v"),
    ):
        status, _, _ = connection.request(method, target, body, Content_Type=kind, **header)
        assert status == 403
    assert connection.request("GET", "/planted", Sec_Fetch_Site="none")[0] == 404
