"""The public face: code written for the earlier client finds the same methods and arguments."""

from __future__ import annotations

import inspect

import pytest

from kt_cache import EmbeddedServer, KyotoTycoon

CLIENT = {
    "__init__": (
        "host='127.0.0.1', port=1978, timeout=None, default_db=0, decode_keys=True,"
        " serializer=None, encode_value=None, decode_value=None, max_age=3600"
    ),
    "set_database": "db=0",
    "close_all": "",
    "get_bulk": "keys, db=None, decode_values=True",
    "get_bulk_details": "db_key_list, decode_values=True",
    "get": "key, db=None, decode_value=True",
    "get_bytes": "key, db=None",
    "set_bulk": "data, db=None, expire_time=None, no_reply=False, encode_values=True",
    "set_bulk_details": "data, no_reply=False, encode_values=True",
    "set": "key, value, db=None, expire_time=None, no_reply=False, encode_value=True",
    "set_bytes": "key, value, db=None, expire_time=None, no_reply=False",
    "remove_bulk": "keys, db=None, no_reply=False",
    "remove_bulk_details": "db_key_list, no_reply=False",
    "remove": "key, db=None, no_reply=False",
    "script": "name, data=None, no_reply=False, encode_values=True, decode_values=True",
    "report": "",
    "status": "db=None",
    "clear": "db=None",
    "add": "key, value, db=None, expire_time=None, encode_value=True",
    "replace": "key, value, db=None, expire_time=None, encode_value=True",
    "increment": "key, n=1, orig=None, db=None, expire_time=None",
    "cas": "key, old_val, new_val, db=None, expire_time=None, encode_value=True",
    "exists": "key, db=None",
    "length": "key, db=None",
    "seize": "key, db=None, decode_value=True",
    "match_prefix": "prefix, max_keys=None, db=None",
    "count": "db=None",
    "expire_time": "key, db=None",
}
SERVER = {
    "__init__": (
        "server='ktserver', host='127.0.0.1', port=None, database='*', serializer=None,"
        " server_args=None, quiet=False"
    ),
    "run": "",
    "stop": "",
}
METHODS = [
    (cls, *item)
    for cls, m in ((KyotoTycoon, CLIENT), (EmbeddedServer, SERVER))
    for item in m.items()
]


@pytest.mark.parametrize(("cls", "name", "expected"), METHODS)
def test_signature(cls: type, name: str, expected: str) -> None:
    """Names, order and defaults of the arguments; more may only be added by keyword."""
    parameters = list(inspect.signature(getattr(cls, name)).parameters.values())[1:]
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    shown = [str(p.replace(annotation=p.empty)) for p in positional]
    assert ", ".join(shown) == expected
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters[len(positional) :])


def test_properties() -> None:
    """The embedded server's client is a property."""
    assert isinstance(inspect.getattr_static(EmbeddedServer, "client"), property)


@pytest.mark.parametrize("cls", [KyotoTycoon, EmbeddedServer])
def test_everything_public_is_described(cls: type) -> None:
    """Every public method and property has a docstring."""
    for name, value in inspect.getmembers(cls):
        if not name.startswith("_"):
            assert inspect.getdoc(value), name
