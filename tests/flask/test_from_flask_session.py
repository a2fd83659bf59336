"""Sessions that Flask-Session has stored in Redis go on in ours, as the documentation shows."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

import pytest
from flask import session
from flask_session import Session

from kt_cache.flask import KTSession
from tests.flask.sites import make_site, session_id

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "from-flask-session.md"


@pytest.fixture
def redis_client(redis_port):
    from redis import Redis  # it may not be there

    with Redis("127.0.0.1", redis_port) as client:
        client.flushdb()
        yield client


def snippet(beginning: str) -> str:
    """Return the code of the page that begins like this."""
    block = re.compile(rf"^```\w+\n({beginning}.*?)^```", re.MULTILINE | re.DOTALL)
    return block.search(GUIDE.read_text())[1]


def test_carried_over(redis_client, any_url):
    """Visitors stay logged in, under a new id; the earlier one is worth nothing any more."""
    before = make_site(SESSION_TYPE="redis", SESSION_REDIS=redis_client)
    Session(before)

    @before.post("/fill")
    def fill():
        session["seen"] = [datetime(2026, 1, 2, tzinfo=timezone.utc)]
        return "filled"

    visitor = before.test_client()
    visitor.post("/login/ada")
    visitor.post("/fill")
    earlier = session_id(visitor)

    now = make_site(KT_CACHE_URL=any_url)
    KTSession(now)
    names = {"app": now, "session": session, "__name__": "example"}
    exec(snippet("from msgspec").replace('Redis("cache.example")', "None"), names)
    names["redis"] = redis_client
    exec(snippet("from flask import request"), names)

    visitor, thief = now.test_client(), now.test_client()
    for each in (visitor, thief):
        each.set_cookie("session", earlier)
    assert visitor.get("/").text == "ada"
    assert session_id(visitor) != earlier
    with visitor:
        visitor.get("/")
        assert session["seen"] == [datetime(2026, 1, 2, tzinfo=timezone.utc)]
        assert session.permanent
    assert thief.get("/").text == "nobody"
    assert redis_client.keys() == []


def test_nothing_to_carry_over(any_url):
    """A cookie that neither server knows is left alone, for it may just have been exchanged."""
    now = make_site(KT_CACHE_URL=any_url)
    KTSession(now)
    names = {"app": now, "session": session, "take_old_session": lambda session_id: {}}
    exec(snippet("from flask import request"), names)
    visitor = now.test_client()
    visitor.set_cookie("session", "unknown")
    assert visitor.get("/").headers.getlist("Set-Cookie") == []
