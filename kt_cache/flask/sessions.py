"""Server-side sessions for Flask."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from flask import Flask, Request, Response
from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SessionInterface, SessionMixin
from werkzeug.datastructures import CallbackDict

from kt_cache.cache import PAYLOAD_OPTIONS, STORE_OPTIONS, open_store, pop_codec
from kt_cache.errors import DecodeError
from kt_cache.flask.session_commands import add_commands
from kt_cache.flask.session_owners import USER_KEY, SessionOwners
from kt_cache.flask.settings import options_from, url_from
from kt_cache.flask.user_sessions import UserSessionMethods, check_user_key
from kt_cache.serializers import Serializer
from kt_cache.sessions import Origin, Owned, SessionOptions, SessionStore

__all__ = ["KTSession", "KTSessionInterface", "ServerSession"]

# An ignored error would end everybody's session.
_OPTIONS = STORE_OPTIONS - {"ignore_errors"} | PAYLOAD_OPTIONS
_SESSION_OPTIONS = frozenset({"note_visitors"})
_ID_BYTES = 32
_LONGEST_ID = 256  # characters of a cookie that are worth a look


class ServerSession(CallbackDict[str, Any], SessionMixin):
    """A session whose data is on the server; the cookie carries nothing but its id.

    :param data: the session's data.
    :param session_id: ``None`` for a session that is not stored yet.
    :param origin: what a save starts from.
    :param has_cookie: whether the visitor sent a session cookie, of whatever worth.
    """

    def __init__(
        self,
        data: dict[str, Any] | None = None,
        session_id: str | None = None,
        *,
        origin: Origin | None = None,
        has_cookie: bool = False,
    ) -> None:
        super().__init__(data, ServerSession._changed)
        self.session_id = session_id
        self.origin = origin
        self.owned: Owned | None = None  # whose it is, by the index of that user
        self.has_cookie = has_cookie
        self.new = session_id is None
        self.modified = False
        self.accessed = False

    # Flask's request context notes every access since 3.1.3; before, a session has to do it.

    def _changed(self) -> None:
        self.modified = True
        self.accessed = True

    def __getitem__(self, key: str) -> Any:
        self.accessed = True
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.accessed = True
        return super().__contains__(key)

    def __iter__(self) -> Iterator[str]:
        self.accessed = True
        return super().__iter__()

    def __len__(self) -> int:
        self.accessed = True
        return super().__len__()

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or ``default``."""
        self.accessed = True
        return super().get(key, default)

    @property
    def has_data(self) -> bool:
        """Whether there is anything to keep; that it would be permanent is not."""
        return any(name != "_permanent" for name in self)


class KTSessionInterface(SessionInterface):
    """Keeps sessions in a :class:`~kt_cache.sessions.SessionStore`.

    An id that the store does not know is never taken over: the visitor gets a new one. A session
    deleted while a request ran is not revived by that request. A failing store raises.

    :param store: where the sessions are.
    :param owners: knows whose they are; by default, those of Flask-Login's users.
    """

    session_class = ServerSession

    def __init__(self, store: SessionStore, owners: SessionOwners | None = None) -> None:
        self.store = store
        self.owners = owners or SessionOwners(store, USER_KEY, lambda _: None)

    def open_session(self, app: Flask, request: Request) -> ServerSession:
        """Return the session that the request's cookie names, or a new one."""
        session_id = request.cookies.get(self.get_cookie_name(app))
        if not session_id:
            return self.session_class(has_cookie=session_id is not None)
        found = None if len(session_id) > _LONGEST_ID else self.store.load(session_id)
        if found is None:
            return self.session_class(has_cookie=True)
        session = self.session_class(found.data, session_id, origin=found.origin, has_cookie=True)
        session.owned = self.owners.owned(session, session_id)
        return session

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Store what changed and set the cookie, as Flask's own sessions do."""
        if not isinstance(session, ServerSession):
            return  # it could not be opened, and this is the answer that says so
        if session.accessed:
            response.vary.add("Cookie")
        if not session.has_data:
            self._end(app, session, response)
        elif self.should_set_cookie(app, session) and self._store(app, session):
            response.set_cookie(
                self.get_cookie_name(app),
                session.session_id or "",
                expires=self.get_expiration_time(app, session),
                **self._cookie_scope(app),
            )
            response.vary.add("Cookie")

    def _store(self, app: Flask, session: ServerSession) -> bool:
        """Store the session; return ``False`` if it was deleted meanwhile.

        Then its cookie is left alone: the visitor may have a new one, from another request.
        """
        lifetime = app.permanent_session_lifetime.total_seconds()
        if session.session_id is None:
            self._create(session, lifetime)
            return True
        session_id, origin = session.session_id, session.origin
        if session.modified or origin is None:
            save = partial(self.store.save, session_id, session, lifetime, origin)
        else:
            save = partial(self.store.touch, session_id, lifetime, origin)
        return self._keep(session, session_id, save)

    def _create(self, session: ServerSession, lifetime: float) -> None:
        while session.session_id is None:
            session_id = secrets.token_urlsafe(_ID_BYTES)
            create = partial(self.store.create, session_id, session, lifetime)
            if self._keep(session, session_id, create):
                session.session_id = session_id

    def _keep(
        self, session: ServerSession, session_id: str, save: Callable[[], Origin | None]
    ) -> bool:
        """Call ``save`` and keep the index of the session's user right; whether it is stored."""
        if session.origin is not None and session.origin.is_read_only:
            session.origin = save()
            return session.origin is not None
        now = self.owners.owned(session, session_id)
        session.origin = self.owners.keep(now, session.owned, save)
        if session.origin is None:
            return False
        session.owned = now
        return True

    def _end(self, app: Flask, session: ServerSession, response: Response) -> None:
        """Remove a session that was emptied; one that never had data leaves no trace."""
        if not session.modified or not session.has_cookie:
            return
        if session.session_id is not None:
            self.store.delete(session.session_id)
            if session.owned is not None:
                self.owners.users.forget(session.owned.user, session.session_id)
        response.delete_cookie(self.get_cookie_name(app), **self._cookie_scope(app))
        response.vary.add("Cookie")

    def _cookie_scope(self, app: Flask) -> dict[str, Any]:
        scope = {
            "domain": self.get_cookie_domain(app),
            "path": self.get_cookie_path(app),
            "secure": self.get_cookie_secure(app),
            "httponly": self.get_cookie_httponly(app),
            "samesite": self.get_cookie_samesite(app),
        }
        if hasattr(self, "get_cookie_partitioned"):  # since Flask 3.1
            scope["partitioned"] = self.get_cookie_partitioned(app)
        return scope


class KTSession(UserSessionMethods):
    """Server-side sessions for one or several Flask apps.

    Configuration: ``KT_SESSION_URL`` (else ``KT_CACHE_URL``) and ``KT_SESSION_OPTIONS`` (timeouts,
    limits, compression and signing keys); cookie and lifetime by Flask's own settings.
    ``KT_SESSION_USER_KEY`` is the name under which sessions hold their user's id.

    :param app: as for :meth:`init_app`.
    """

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Make this the app's session interface.

        :raises ConfigError: if the configuration lacks the URL or is not understood.
        """
        url = url_from(app, "KT_SESSION_URL", "KT_CACHE_URL")
        options = options_from(app, "KT_SESSION_OPTIONS", _OPTIONS | _SESSION_OPTIONS)
        codec = pop_codec(options, _TAGGED_JSON)
        session_options = SessionOptions.read(
            {name: options.pop(name) for name in _SESSION_OPTIONS & options.keys()}
        )
        store = SessionStore(open_store(url, options), codec, session_options)
        user_key = check_user_key(app.config.get("KT_SESSION_USER_KEY", USER_KEY))
        owners = SessionOwners(
            store, user_key, lambda _: app.permanent_session_lifetime.total_seconds()
        )
        app.session_interface = KTSessionInterface(store, owners)
        add_commands(app)


_tagged = TaggedJSONSerializer()
# Django's sessions are JSON too. On a database shared with them, an id of theirs is none of ours,
# nor the other way round.
_MARK = b"flask:"


def _encode(value: Any) -> bytes:
    return _MARK + _tagged.dumps(value).encode()


def _decode(data: bytes) -> Any:
    if not data.startswith(_MARK):
        raise DecodeError("not a Flask session")
    try:
        return _tagged.loads(data[len(_MARK) :].decode())
    except Exception as error:
        raise DecodeError("not Flask's tagged JSON") from error


_TAGGED_JSON = Serializer("flask-tagged-json", _encode, _decode)
