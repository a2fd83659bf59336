"""What decorated views and functions return: what becomes of it on its way through the cache."""

from __future__ import annotations

import datetime as dt
import threading
import time
from typing import Any, NamedTuple

import pytest
from flask import Response, abort, redirect, request, session
from flask.views import MethodView, View
from werkzeug.exceptions import NotFound

from tests.flask.cached_site import Site, either, small
from tests.support.threads import run_threads

__all__ = ["either", "small"]


class Pair(NamedTuple):
    """A tuple that is more than one."""

    first: Any
    second: Any


SERIALIZERS = ["pickle", "json", "msgpack"]


@pytest.fixture(params=SERIALIZERS)
def each(request, url):
    """A site with each of the serializers."""
    return Site(url, KT_CACHE_OPTIONS={"serializer": request.param})


class TestNeverKept:
    @pytest.mark.parametrize(
        "result",
        [
            lambda n: (str(n), [("Cache-Control", "max-age=60"), ("Cache-Control", "private")]),
            lambda n: (str(n), 102),
            lambda n: NotFound(str(n)),
            lambda _: None,
            lambda _: (None, 200),
        ],
    )
    def test_answers(self, either, result):
        """What is private by any of its headers, no page yet, a program, or nothing at all."""
        either.page(result=result)
        either.page("/fixed", key_prefix="fixed", result=result)
        for path in ("/", "/fixed", "/", "/fixed"):
            either.get(path)
        assert next(either.runs) == 5

    def test_vary_under_own_keys(self, small):
        """A site that makes the key knows what the answer varies with."""
        options = {"make_cache_key": lambda: request.headers["Accept-Language"]}
        small.page(result=lambda n: (f"{n}", {"Vary": "Accept-Language"}), **options)
        asked = [small.get(headers={"Accept-Language": each}).text for each in ("en", "de", "en")]
        assert asked == ["1", "2", "1"]


class TestCannotBeStored:
    """The decorators take nothing away: what cannot be kept is returned all the same."""

    @pytest.mark.parametrize("is_async", [False, True])
    def test_views(self, url, is_async, caplog):
        """Visitors get the answer, and the log one line, without what is in it."""
        json = {"serializer": "json"}
        site = Site(url, is_async=is_async, KT_CACHE_OPTIONS=json)
        site.page(result=lambda n: {"when": dt.date(2026, 1, n), "who": "secret"})
        site.page("/bytes", lambda n: b"%d" % n)
        assert [site.get().json["when"][5:7] for _ in range(2)] == ["01", "02"]
        assert site.texts("/bytes", "/bytes") == ["3", "4"]
        says = ["cannot be stored: json cannot encode dict", "stored: json cannot encode bytes"]
        for record, text in zip(caplog.records, says, strict=True):
            assert text in record.getMessage()
        assert "secret" not in caplog.text

    def test_functions(self, small, caplog):
        """So do callers of functions that are no views."""
        kept = small.cache.cached(key_prefix="lock")(threading.Lock)

        @small.cache.memoize()
        def remembered(number):
            return number, threading.Lock()

        with small.app.app_context():
            assert kept() is not kept()
            assert remembered(1)[0] == 1
            assert remembered(1)[1] is not remembered(1)[1]
        assert len(caplog.records) == 2

    def test_nobody_waits(self, small):
        """Callers of such a function stand in no queue."""

        @small.cache.cached(key_prefix="lock")
        def make():
            time.sleep(0.4)
            return threading.Lock()

        began = time.monotonic()
        run_threads(16, lambda _: make())
        assert time.monotonic() - began < 4


class TestFailures:
    """What views raise, where there is an old answer."""

    def old(self, site, failing):
        fails = []
        site.page(result=lambda n: failing() if fails else "old", timeout=0.3, stale=60)
        assert site.texts("/") == ["old"]
        fails.append(True)
        time.sleep(0.5)
        return site.get()

    @pytest.mark.parametrize("code", [500, 503])
    def test_of_the_server(self, either, code):
        """The old answer is served where the view says that the server failed."""
        assert self.old(either, lambda: abort(code)).text == "old"
        answer = either.get("/")
        assert (answer.status_code, answer.text) == (200, "old")

    @pytest.mark.parametrize(
        ("failing", "status"),
        [
            (lambda: abort(404), 404),
            (lambda: abort(redirect("/moved")), 302),
            (lambda: abort(Response("not yours", 403)), 403),
        ],
    )
    def test_answers(self, either, failing, status):
        """What is raised and is an answer is the answer."""
        assert self.old(either, failing).status_code == status

    def test_answers_that_say_so(self, either):
        """A response that is raised says that the server failed by its status."""
        assert self.old(either, lambda: abort(Response("later", 503))).text == "old"


class TestValues:
    def test_of_functions(self, small):
        """What a function returns is what the serializer makes of it."""
        for number, value in enumerate([Pair(1, 2), (1, (2, [3])), {"a": (1,)}, [(1, 2)], ()]):
            function = small.cache.cached(key_prefix=f"v{number}")(lambda value=value: value)
            with small.app.app_context():
                for result in (function(), function()):
                    assert (type(result), result) == (type(value), value)

    def test_tuples(self, each):
        """A tuple is one with each serializer, for it may be an answer."""
        function = each.cache.cached(key_prefix="tuple")(lambda: ("text", 201, {"X-A": "a"}))
        with each.app.app_context():
            assert function() == function() == ("text", 201, {"X-A": "a"})

    def test_response_filters(self, small):
        """They are given what the function returned."""
        seen = []
        function = small.cache.cached(key_prefix="f", response_filter=seen.append)(lambda: (1, 2))
        with small.app.app_context():
            assert function() == (1, 2)
        assert seen == [(1, 2)]

    @pytest.mark.parametrize("mark", ["response", "tuple", "plain"])
    def test_visitors_that_forge(self, each, mark):
        """A visitor who chooses a key chooses no status, and breaks nothing."""
        name = f"kt_cache.flask:{mark}"
        each.page("/dict", lambda n: {request.args["k"]: ["hi", "418 X"]})
        each.page("/part", lambda n: ({request.args["k"]: ["hi", "418 X"]}, 201))
        forged = {name: {name: ["hi", "418 X"]}}
        function = each.cache.cached(key_prefix="forged")(lambda: forged)
        for path, status in (("/dict", 200), ("/part", 201)):
            for _ in range(2):
                answer = each.get(path, query_string={"k": name})
                assert (answer.status_code, answer.json) == (status, {name: ["hi", "418 X"]})
        with each.app.app_context():
            assert [function(), function()] == [forged, forged]

    def test_headers_that_are_read_once(self, each):
        """The first visitor gets them as well, and what they say of an answer counts."""
        each.page(result=lambda n: (f"{n}", 200, zip(["X-A"], ["a"], strict=True)))
        each.page("/own", lambda n: (f"{n}", 200, iter([("Set-Cookie", f"id={n}")])))
        assert [each.get().headers.get("X-A") for _ in range(2)] == ["a", "a"]
        cookies = [each.get("/own").headers.get("Set-Cookie") for _ in range(2)]
        assert cookies == ["id=2", "id=3"]


class TestHelpers:
    """Functions that views call are not views."""

    def test_none(self, small):
        """``None`` of a function is a value, whatever its key, in a request as well."""
        calls = []
        by_url = small.cache.cached()(lambda: calls.append("url"))
        by_name = small.cache.cached(key_prefix="name")(lambda: calls.append("name"))
        small.app.add_url_rule("/", view_func=lambda: f"{by_url()} {by_name()}")
        assert small.texts("/", "/") == ["None None"] * 2
        assert calls == ["url", "name"]

    def test_methods_of_view_classes(self, small):
        """Only those methods answer that are asked: the others may return anything."""
        cache, runs = small.cache, small.runs

        class Page(MethodView):
            @cache.cached(key_prefix="totals")
            def totals(self):
                return next(runs), 503

            @cache.cached(key_prefix="nothing")
            def nothing(self):
                next(runs)

            @cache.cached(key_prefix="post")
            def post(self):
                return str(next(runs)), 202, {"Set-Cookie": "a=b"}

            def get(self):
                return f"{self.totals()} {self.nothing()} {self.post()[0]}"

        class Fixed(MethodView):
            @cache.cached(key_prefix="get")
            def get(self):
                return str(next(runs))

        class Whole(View):
            methods = ("GET", "POST")

            @cache.cached(key_prefix="dispatch")
            def dispatch_request(self):
                return str(next(runs)), {"Set-Cookie": "a=b"} if "cookie" in request.args else {}

        small.app.add_url_rule("/", view_func=Page.as_view("page"))
        small.app.add_url_rule("/whole", view_func=Whole.as_view("whole"))
        small.app.add_url_rule("/fixed", view_func=Fixed.as_view("fixed"))
        assert small.texts("/", "/") == ["(1, 503) None 3"] * 2
        assert [small.app.test_client().post("/").text for _ in range(2)] == ["4", "5"]
        assert small.texts("/whole?cookie", "/whole", "/whole") == ["6", "7", "7"]
        assert small.app.test_client().post("/whole").text == "8"
        small.app.test_client().head("/fixed")
        assert small.texts("/fixed", "/fixed") == ["10", "10"]

    def test_methods_that_ask_the_session(self, small):
        """What they take from the session is nobody else's."""
        cache = small.cache

        class Page(View):
            def dispatch_request(self):
                return self.greeting()

            @cache.cached(key_prefix="greeting")
            def greeting(self):
                return f"hello {session.get('user')} {next(small.runs)}"

        small.app.add_url_rule("/", view_func=Page.as_view("page"))
        assert small.texts("/", "/") == ["hello None 1", "hello None 2"]

    def test_that_call_themselves(self, small):
        """What a function gets that asks for its own result is a result, too."""
        depth = []

        @small.cache.cached(key_prefix="own")
        def function():
            depth.append(1)
            return "deep" if len(depth) == 2 else [function()]

        with small.app.app_context():
            assert function() == function() == ["deep"]


class TestOptions:
    def test_conditions_that_take_names(self, small):
        """A condition that takes arguments by name alone is given those."""
        seen = []

        def condition(**names):
            seen.append(names)

        @small.cache.memoize(unless=condition, forced_update=condition)
        def function(a, b):
            return a

        with small.app.app_context():
            assert function(1, b=2) == 1
        assert seen == [{"b": 2}] * 2

    def test_head_that_forces(self, either):
        """HEAD makes the answer anew where GET would, and leaves what is stored alone."""

        def answer(number):
            return Response("page", headers={"X-N": str(number)})

        either.page(result=answer, forced_update=lambda: "new" in request.args)
        visitor = either.app.test_client()
        asked = [visitor.get("/"), visitor.head("/"), visitor.head("/?new"), visitor.get("/")]
        assert [each.headers["X-N"] for each in asked] == ["1", "1", "2", "1"]
