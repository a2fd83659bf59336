"""The command ``manage.py kt_sessions``."""

from __future__ import annotations

import io
import re
from importlib import import_module

import pytest
from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user_model
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError

from kt_cache.django import sessions_of
from kt_cache.django.management.commands.kt_sessions import Command
from tests.django.test_session_requests import ENGINES

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True, params=ENGINES, ids=["store alone", "database too"])
def site(request, session_site):
    session_site.SESSION_ENGINE = request.param
    return session_site


@pytest.fixture
def ada(db):
    return get_user_model().objects.create_user("ada")


def session_store():
    """Return a session of the site's engine."""
    return import_module(settings.SESSION_ENGINE).SessionStore()


def log_in(user, **noted):
    """Store a session of a user; return its id."""
    session = session_store()
    session[SESSION_KEY] = str(user.pk)
    session.save()
    return session.session_key


def handle_of(user, session_key):
    return next(each.handle for each in sessions_of(user, session_key) if each.current)


def command(*arguments):
    """Run the command; return what it prints."""
    said = io.StringIO()
    call_command(Command(), *arguments, stdout=said)
    return said.getvalue()


@pytest.mark.parametrize("option", ["--settings=x", "--pythonpath=.", "--no-color", "-v3"])
@pytest.mark.parametrize("action", [["list", "ada"], ["kill", "ada"], ["sweep"]])
def test_usual_options(ada, option, action):
    """What all of Django's commands take may stand before the action or behind it."""
    parser = Command().create_parser("manage.py", "kt_sessions")
    plain = parser.parse_args(action)
    before, behind = parser.parse_args([option, *action]), parser.parse_args([*action, option])
    assert before == behind != plain
    assert command(*action, option) == command(option, *action) == command(*action)


def test_list(ada, site):
    """Each session is a line under a heading, with the times in the site's zone."""
    site.TIME_ZONE = "Asia/Kathmandu"
    keys = [log_in(ada), log_in(ada)]
    heading, *lines = command("list", "ada").splitlines()
    assert re.split(r"\s{2,}", heading) == ["session", "logged in", "last seen"]
    assert {line.split()[0] for line in lines} == {handle_of(ada, key) for key in keys}
    created = sessions_of(ada)[0].created
    minutes = f"{(created.hour * 60 + created.minute + 345) % 60:02}"
    assert re.search(rf" \d\d:{minutes}:\d\d \+0545", lines[0])
    assert not [key for key in keys if key in heading + "".join(lines)]


def test_nothing_to_list(ada):
    """A user without sessions is no error."""
    assert command("list", "ada") == "ada has no sessions.\n"


def test_kill(ada):
    """All sessions are ended, and their number said."""
    log_in(ada)
    log_in(ada)
    assert command("kill", "ada") == "Ended 2 sessions of ada.\n"
    assert sessions_of(ada) == []
    assert command("kill", "ada") == "Ended 0 sessions of ada.\n"


def test_kill_all_but_some(ada):
    """Sessions can be spared by what they are called in the list."""
    keys = [log_in(ada) for _ in range(3)]
    handles = [handle_of(ada, key) for key in keys]
    said = command("kill", "ada", "--except", handles[0], "--except", handles[2])
    assert said == "Ended 1 session of ada.\n"
    assert [session_store().exists(key) for key in keys] == [True, False, True]


def test_kill_one(ada):
    """One session can be ended."""
    keys = [log_in(ada) for _ in range(2)]
    said = command("kill", "ada", "--only", handle_of(ada, keys[0]))
    assert said == "Ended 1 session of ada.\n"
    assert [session_store().exists(key) for key in keys] == [False, True]


@pytest.mark.parametrize("option", ["--except", "--only"])
def test_mistyped_session(ada, option):
    """A session that is not there ends the command before anything else ends."""
    log_in(ada)
    with pytest.raises(CommandError, match=r"ada has no session 0123; nothing was ended"):
        command("kill", "ada", option, "0123")
    assert len(sessions_of(ada)) == 1


def test_user_by_name_or_key(ada):
    """A user is named by the username, or else by the primary key."""
    log_in(ada)
    assert len(command("list", str(ada.pk)).splitlines()) == 2
    named = get_user_model().objects.create_user(str(ada.pk))
    log_in(named)
    log_in(named)
    assert len(command("list", str(ada.pk)).splitlines()) == 3
    assert len(command("list", str(ada.pk), "--pk").splitlines()) == 2


def test_unknown_user(ada):
    """Somebody who is not there is an error that says what to do."""
    for name in ("nobody", "999999", ""):
        with pytest.raises(CommandError, match=r"there is no user .* --pk"):
            command("kill", name)


def test_deleted_user(ada):
    """Sessions of a deleted account can be ended by its primary key."""
    log_in(ada)
    user_id = str(ada.pk)
    ada.delete()
    assert command("kill", user_id, "--pk") == f"Ended 1 session of {user_id}.\n"


def test_sweep(ada):
    """Sweeping needs no user, and leaves sessions that are live."""
    log_in(ada)
    assert command("sweep") == "Forgot 0 sessions that were over.\n"
    assert len(sessions_of(ada)) == 1


def test_restore(ada, site):
    """What the server has lost is listed again, where there is a database to put it back from."""
    log_in(ada)
    key = log_in(ada)
    if site.SESSION_ENGINE == "kt_cache.django.sessions":
        with pytest.raises(CommandError, match="sessions_cached_db"):
            command("restore")
        return
    assert command("restore") == "Put back 0 sessions.\n"
    caches["default"].flush()
    session_store().__class__(key).load()
    assert command("restore") == "Put back 1 session.\n"
    assert len(sessions_of(ada)) == 2


def test_what_cannot_be_typed():
    """Without an action, with another one, and with both options there is a message."""
    for arguments in ([], ["look"], ["kill"], ["kill", "ada", "--only", "1", "--except", "2"]):
        with pytest.raises(CommandError):
            command(*arguments)


def test_server_gone(ada, site):
    """A server that does not answer is an error and no empty list."""
    backend = "kt_cache.django.KyotoTycoonCache"
    site.CACHES = {"default": {"BACKEND": backend, "LOCATION": "127.0.0.1:9"}}
    for action in ("list", "kill"):
        with pytest.raises(CommandError, match=r"127\.0\.0\.1:9"):
            command(action, "ada")


def test_other_engine(ada, site):
    """With sessions elsewhere the command says which setting is to be changed."""
    site.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    with pytest.raises((CommandError, SystemCheckError), match="SESSION_ENGINE"):
        command("list", "ada")


def test_installed(ada, site):
    """With the app in INSTALLED_APPS manage.py knows the command."""
    site.INSTALLED_APPS = [*site.INSTALLED_APPS, "kt_cache.django"]
    said = io.StringIO()
    call_command("kt_sessions", "list", "ada", stdout=said)
    assert said.getvalue() == "ada has no sessions.\n"
