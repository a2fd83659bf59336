"""What ``flask.session`` is in apps whose sessions are on the server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask.sessions import SessionMixin
from werkzeug.datastructures import CallbackDict

from kt_cache.errors import SessionUnavailable
from kt_cache.flask.session_errors import as_http_error
from kt_cache.sessions import Origin, Owned

__all__ = ["ServerSession"]


class ServerSession(CallbackDict[str, Any], SessionMixin):
    """A session whose data is on the server; the cookie carries nothing but its id.

    :param data: the session's data.
    :param session_id: ``None`` for a session that is not stored yet.
    :param origin: what a save starts from.
    :param has_cookie: whether the visitor sent a session cookie, of whatever worth.
    :param user_key: of the user's id in the data, which nobody can remove from a read-only session.
    """

    def __init__(
        self,
        data: dict[str, Any] | None = None,
        session_id: str | None = None,
        *,
        origin: Origin | None = None,
        has_cookie: bool = False,
        user_key: str | None = None,
    ) -> None:
        super().__init__(data, ServerSession._changed)
        self._user_key = user_key
        self.session_id = session_id
        self.origin = origin
        self._loaded_from = origin
        self.owned: Owned | None = None  # whose it is, by the index of that user
        self.has_cookie = has_cookie
        self.new = session_id is None
        self.wants_new_id = False
        self.is_cleared = False  # by :meth:`clear`, not by taking out one thing after the other
        self.is_given_up = False  # nothing of it is stored any more: that failed, or it was ended
        self.modified = False
        self.accessed = False

    @property
    def is_read_only(self) -> bool:
        """Whether the store failed and what is changed here is dropped; by ``on_failure`` alone."""
        return self.origin is not None and self.origin.is_read_only

    @property
    def is_stored(self) -> bool:
        """Whether it has been stored, or prolonged, since it was loaded."""
        return self.origin is not self._loaded_from and not self.is_read_only

    @property
    def has_data(self) -> bool:
        """Whether there is anything to keep; that it would be permanent is not."""
        names = dict.keys(self)  # which does not count as an access of a view
        return len(names) > 1 or (len(names) == 1 and "_permanent" not in names)

    def goes_on_as(self, session_id: str, owned: Owned | None) -> None:
        """Note under which id, and as whose, the session has been stored."""
        self.session_id = session_id
        self.owned = owned
        self.wants_new_id = False

    def regenerate(self) -> None:
        """Give the session a new id when the request ends; its data stays, the old id is void.

        Call it where a visitor gets other rights, so that an id somebody else may know is worth
        nothing after that. Where the user changes, at login and logout, it happens by itself.

        :raises SessionUnavailable: if the session could not be loaded.
        """
        self._refuse_if_read_only("moved to a new id")
        self.wants_new_id = True
        self._changed()

    def clear(self) -> None:
        """Remove all data, which ends the session unless there is something new in it afterwards.

        :raises SessionUnavailable: if the session could not be loaded, so that nobody is told of a
            logout that did not happen.
        """
        self._refuse_if_read_only("ended")
        super().clear()
        self.is_cleared = True

    def pop(self, key: str, *default: Any) -> Any:
        """Remove a key and return its value, or the default if there is one.

        :raises SessionUnavailable: as :meth:`clear`, for the key of the user's id.
        """
        self._refuse_logout(key)
        return super().pop(key, *default)

    def __delitem__(self, key: str) -> None:
        self._refuse_logout(key)
        super().__delitem__(key)

    def _refuse_logout(self, key: str) -> None:
        if key == self._user_key:
            self._refuse_if_read_only("ended")

    def _refuse_if_read_only(self, done: str) -> None:
        if self.is_read_only:
            raise as_http_error(
                SessionUnavailable(f"the session could not be loaded, so it cannot be {done}")
            )

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
