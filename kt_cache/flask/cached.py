"""One call of a view, or of another function whose result is kept under a key of the request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from kt_cache.cache.base import MISSING
from kt_cache.cache.call_keys import name_of
from kt_cache.cache.log_limit import warn
from kt_cache.cache.making import Unkept
from kt_cache.flask.answers import (
    answer_of,
    is_for_all,
    is_servers_failure,
    settled,
    stored_answer,
    stored_form,
)
from kt_cache.flask.calls import Call
from kt_cache.flask.request_keys import RequestKeys
from kt_cache.flask.visits import SessionWatch, is_current_view, watch_session

__all__ = ["CachedCall", "Place"]

_READING = frozenset({"GET", "HEAD"})


class _FailedAnswer(Exception):
    """A view returned an answer that says that the server failed.

    :param answer: what it returned.
    """

    def __init__(self, answer: Any) -> None:
        super().__init__(answer)
        self.answer = answer


@dataclass(frozen=True)
class Place:
    """A decorated function's place in the app.

    :param wrapper: what the decorator has made.
    :param keys: of its results.
    :param ignore_session: whether that is kept, too, which may be for its visitor alone.
    """

    wrapper: Callable[..., Any]
    keys: RequestKeys
    ignore_session: bool

    def is_view(self) -> bool:
        """Tell whether a result is an answer to the current request."""
        return self.keys.is_of_request or is_current_view(self.wrapper)

    def is_passed_by(self, method: str | None) -> bool:
        """Tell whether the current request changes something, and the keys are those of reading.

        :param method: the request's; ``None`` without one.
        """
        if method is None or method in _READING or self.keys.is_own:
            return False
        return self.is_view()


class CachedCall(Call):
    """See :class:`~kt_cache.flask.calls.Call`.

    The caller for whom a view runs gets what it returned, and not what was stored of it: a response
    may have functions to be called when it is closed.

    :param place: the function's.
    :param method: the current request's; ``None`` without one.
    """

    __slots__ = ("answer", "error", "method", "place")

    def __init__(self, *call: Any, place: Place, method: str | None, **settings: Any) -> None:
        super().__init__(*call, **settings)
        self.place = place
        self.method = method
        self.answer: Any = MISSING  # what the function returned, if it was called
        self.error: HTTPException | None = None  # what it raised instead

    def result(self) -> Any:
        """Return what is stored, or else run the function."""
        if self._is_head():
            stored = MISSING if self._is_forced() else self.backend.cache.get(self.key, MISSING)
            if stored is MISSING:
                return self.function(*self.args, **self.kwargs)
            return answer_of(stored)
        try:
            stored = super().result()
        except _FailedAnswer as failed:
            return failed.answer
        return self._outcome(stored)

    async def aresult(self) -> Any:
        """Do so on an event loop, with a coroutine function."""
        if self._is_head():
            stored = MISSING
            if not self._is_forced():
                stored = await self.backend.blocking_cache.aget(self.key, MISSING)
            if stored is MISSING:
                return await self.function(*self.args, **self.kwargs)
            return answer_of(stored)
        try:
            stored = await super().aresult()
        except _FailedAnswer as failed:
            return failed.answer
        return self._outcome(stored)

    def _is_head(self) -> bool:
        """Tell whether the answer needs no body, so that it is none to be stored."""
        return self.method == "HEAD" and self.place.is_view()

    def _outcome(self, stored: Any) -> Any:
        if self.error is not None:
            raise self.error
        return answer_of(stored) if self.answer is MISSING else self.answer

    def _make(self) -> Any:
        with watch_session() as watch:
            try:
                answer = self.function(*self.args, **self.kwargs)
            except HTTPException as error:
                return self._unkept_error(error)
        return self._judged_answer(answer, watch)

    async def _amake(self) -> Any:
        with watch_session() as watch:
            try:
                answer = await self.function(*self.args, **self.kwargs)
            except HTTPException as error:
                return self._unkept_error(error)
        return self._judged_answer(answer, watch)

    def _unkept_error(self, error: HTTPException) -> Unkept:
        """Return that there is nothing to store, for the error is an answer."""
        if error.get_response().status_code >= 500:
            raise error
        self.error = error
        return Unkept(None)

    def _judged_answer(self, answer: Any, watch: SessionWatch) -> Any:
        """Return an answer as it is to be stored, or that it is not."""
        if not self.place.is_view() and not isinstance(answer, Response):
            form = stored_form(answer)
            is_kept = not self._is_for_one(watch.was_asked) and self._passes_filter(answer)
            return self._as_kept(form) if is_kept else Unkept(form)
        answer = settled(answer)
        if is_servers_failure(answer):
            raise _FailedAnswer(answer)
        self.answer = answer
        is_kept = (
            self._is_for_all(answer)
            and not self._is_for_one(watch.is_for_one)
            and not self._is_unfinished(watch)
            and self._passes_filter(answer)
        )
        return self._as_kept(stored_answer(answer)) if is_kept else Unkept(None)

    def _is_for_all(self, answer: Any) -> bool:
        place = self.place
        is_helpers = not is_current_view(place.wrapper)
        return is_for_all(answer, ask_vary=not place.keys.is_own, may_be_none=is_helpers)

    def _is_unfinished(self, watch: SessionWatch) -> bool:
        """Tell whether an answer is not kept because more will be done to it; log it if so."""
        if not watch.adds_later or self.place.keys.is_own:
            return False
        warn(
            f"unfinished {id(self.function)}",
            "the answer of %s is not cached, for it called after_this_request: what that does to "
            "the answer, later visitors would miss",
            name_of(self.function),
        )
        return True

    def _is_for_one(self, is_suspect: bool) -> bool:
        """Tell whether what may be for one visitor is not kept therefore; log it if so."""
        place = self.place
        if not is_suspect or place.ignore_session or place.keys.is_own:
            return False
        warn(
            f"session {id(self.function)}",
            "what %s returned is not cached, for it may be for one visitor alone: the session was "
            "asked for something, somebody is logged in, or the request has an Authorization; see "
            "ignore_session of cache.cached",
            name_of(self.function),
        )
        return True
