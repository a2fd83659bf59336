"""Server-side sessions for Flask."""

from __future__ import annotations

from typing import Any

from flask import Flask, Request, Response
from flask.sessions import SessionInterface, SessionMixin

from kt_cache.cache import CODEC_OPTIONS, STORE_OPTIONS, open_store, pop_codec
from kt_cache.errors import SessionConflict, SessionUnavailable
from kt_cache.flask.server_session import ServerSession
from kt_cache.flask.session_commands import add_commands
from kt_cache.flask.session_errors import UnloadedSession, answer_instead
from kt_cache.flask.session_keeper import SessionKeeper
from kt_cache.flask.session_owners import USER_KEY, SessionOwners
from kt_cache.flask.settings import check_app, check_names, naming, options_from, url_from
from kt_cache.flask.tagged_json import TAGGED_JSON
from kt_cache.flask.user_sessions import UserSessionMethods, check_user_key
from kt_cache.sessions import SESSION_OPTIONS, SessionOptions, SessionStore
from kt_cache.sessions.outage import note_dropped_write

__all__ = ["KTSession", "KTSessionInterface", "ServerSession"]

# An ignored error would end everybody's session.
_OPTIONS = STORE_OPTIONS - {"ignore_errors"} | CODEC_OPTIONS | SESSION_OPTIONS
_SETTINGS = frozenset({"KT_SESSION_URL", "KT_SESSION_OPTIONS", "KT_SESSION_USER_KEY"})
_LONGEST_ID = 256  # characters of a cookie that are worth a look


class KTSessionInterface(SessionInterface):
    """Keeps sessions in a :class:`~kt_cache.sessions.SessionStore`.

    An id that the store does not know is never taken over: the visitor gets a new one. A session
    that was ended while a request ran is not revived by that request; its answer goes out, without
    a cookie.

    If the store fails, whatever asks something of the session, or has something to store in it, is
    answered by the app's handler of :class:`~kt_cache.errors.SessionUnavailable`, of ``KTError`` or
    of 503, by default with a plain 503; a conflict in the mode ``error`` by that of
    :class:`~kt_cache.errors.SessionConflict` or 409. Cookies stay as they are.

    :param store: where the sessions are.
    :param owners: knows whose they are; by default, those of Flask-Login's users.
    """

    session_class = ServerSession

    def __init__(self, store: SessionStore, owners: SessionOwners | None = None) -> None:
        self.store = store
        self.owners = owners or SessionOwners(store, USER_KEY, lambda _: None)
        self._keeper = SessionKeeper(store, self.owners)

    def open_session(self, app: Flask, request: Request) -> SessionMixin:
        """Return the session that the request's cookie names, or a new one."""
        session_id = request.cookies.get(self.get_cookie_name(app))
        if not session_id:
            return self.session_class(has_cookie=session_id is not None)
        try:
            found = None if len(session_id) > _LONGEST_ID else self.store.load(session_id)
        except SessionUnavailable as error:
            return UnloadedSession(error)
        if found is None:
            return self.session_class(has_cookie=True)
        session = self.session_class(
            found.data,
            session_id,
            origin=found.origin,
            has_cookie=True,
            user_key=self.owners.user_key,
        )
        session.owned = self.owners.owned(session, session_id)
        return session

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Store what changed and set the cookie, as Flask's own sessions do."""
        if not isinstance(session, ServerSession):  # it could not be opened
            if session.modified:
                note_dropped_write()
            if session.accessed:
                _keep_from_caches(response)
            return
        if session.is_given_up:
            return
        depends_on_cookie = session.accessed
        try:
            if self._store_or_end(app, session, response):
                depends_on_cookie = True
        except (SessionUnavailable, SessionConflict) as error:
            session.is_given_up = True
            answer_instead(app, session, response, error)
            _keep_from_caches(response)
            return
        if depends_on_cookie and session.is_read_only:
            _keep_from_caches(response)
        elif depends_on_cookie:
            _vary_by_cookie(response)

    @staticmethod
    def regenerate(session: SessionMixin) -> None:
        """See :meth:`KTSession.regenerate`."""
        regenerate = getattr(session, "regenerate", None)
        if regenerate is None:
            raise RuntimeError("this session is not kept by kt_cache: call KTSession(app) first")
        regenerate()

    def _store_or_end(self, app: Flask, session: ServerSession, response: Response) -> bool:
        """Store the session, or remove it; whether the response sets or removes its cookie."""
        if not session.has_data:
            return self._end(app, session, response)
        if not self.should_set_cookie(app, session):
            return False
        if not self._keeper.keep(session, app.permanent_session_lifetime.total_seconds()):
            return False
        response.set_cookie(
            self.get_cookie_name(app),
            session.session_id or "",
            expires=self.get_expiration_time(app, session),
            **self._cookie_scope(app),
        )
        return True

    def _end(self, app: Flask, session: ServerSession, response: Response) -> bool:
        """Remove a session that was emptied; whether the response removes its cookie.

        One that never had data leaves no trace. A cookie that names none is removed by ``clear()``
        only: the visitor may have another one by now, and who puts something into the session and
        takes it out again wants no logout.
        """
        if not session.modified or not session.has_cookie or session.is_read_only:
            return False
        is_over = self._keeper.end(session) if session.session_id else session.is_cleared
        if is_over:
            response.delete_cookie(self.get_cookie_name(app), **self._cookie_scope(app))
        return is_over

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

    Configuration: ``KT_SESSION_URL`` (else ``KT_CACHE_URL``) and ``KT_SESSION_OPTIONS`` (the fields
    of :class:`~kt_cache.sessions.SessionOptions`, the serializer, compression and signing keys,
    timeouts and limits); cookie and lifetime by Flask's own settings. ``KT_SESSION_USER_KEY`` is
    the name under which sessions hold their user's id.

    :param app: as for :meth:`init_app`.
    """

    def __init__(self, app: Flask | None = None) -> None:
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Make this the app's session interface.

        :raises ConfigError: if the configuration lacks the URL or is not understood.
        """
        check_app(app, "KTSession", "KT_SESSION_URL")
        check_names(app, "KT_SESSION", _SETTINGS, _OPTIONS)
        url = url_from(app, "KT_SESSION_URL", "KT_CACHE_URL")
        options = options_from(app, "KT_SESSION_OPTIONS", _OPTIONS)
        with naming("KT_SESSION_OPTIONS"):
            chosen = {name: options.pop(name) for name in SESSION_OPTIONS & options.keys()}
            codec = pop_codec(options, TAGGED_JSON, further=[TAGGED_JSON])
            store = SessionStore(open_store(url, options), codec, SessionOptions.read(chosen))
        user_key = check_user_key(app.config.get("KT_SESSION_USER_KEY", USER_KEY))
        owners = SessionOwners(
            store, user_key, lambda _: app.permanent_session_lifetime.total_seconds()
        )
        app.session_interface = KTSessionInterface(store, owners)
        add_commands(app)

    @staticmethod
    def regenerate(session: SessionMixin) -> None:
        """Give a session a new id when the request ends; its data stays, the old id is void.

        Call it where a visitor gets other rights, so that an id somebody else may know is worth
        nothing after that. Where the user changes, at login and logout, it happens by itself.
        ``session.regenerate()`` is the same.

        :param session: ``flask.session``.
        :raises RuntimeError: if the session is not one of kt_cache's.
        :raises SessionUnavailable: if it could not be loaded.
        """
        KTSessionInterface.regenerate(session)


def _vary_by_cookie(response: Response) -> None:
    if response.headers.getlist("Vary"):
        response.vary.add("Cookie")
    else:  # the same, without parsing a header that is not there
        response.headers.add("Vary", "Cookie")


def _keep_from_caches(response: Response) -> None:
    """See to it that nobody finds a page without the login in a cache when the store is back."""
    _vary_by_cookie(response)
    response.cache_control.no_store = True
