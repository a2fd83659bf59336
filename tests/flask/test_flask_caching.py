"""Flask-Caching on our backend, from end to end: cached views, its own calls, its template tag."""

from __future__ import annotations

import itertools
import logging

import pytest
from flask import Flask, Response, abort, current_app, render_template_string, request
from flask_caching import CachedResponse, make_template_fragment_key
from werkzeug.test import TestResponse

from kt_cache import EmbeddedServer, KyotoTycoon
from kt_cache.errors import KTError
from tests.flask.caching_site import SINCE_2_5, app, cache, make_site, seconds_left
from tests.flask.conftest import url_of
from tests.support.peers import nobody_listens

__all__ = ["app", "cache"]  # fixtures


def visited(app: Flask, *paths: str) -> list[str]:
    """Visit pages one after the other and return their texts."""
    visitor = app.test_client()
    return [visitor.get(path).text for path in paths]


class TestCachedViews:
    def test_a_view_runs_once(self, app, cache):
        """``cached`` keeps a view's answer; each path has its own."""
        runs = itertools.count(1)

        @app.get("/page/<name>")
        @cache.cached(timeout=60)
        def page(name):
            return f"{name} {next(runs)}"

        assert visited(app, "/page/a", "/page/a", "/page/b") == ["a 1", "a 1", "b 2"]

    def test_any_path(self, app, cache):
        """Paths may be long and hold anything; memcached's rules for keys are not ours."""
        runs = itertools.count(1)

        @app.get("/<path:name>")
        @cache.cached()
        def page(name):
            return str(next(runs))

        paths = ["/" + "long/" * 600, "/größe 1", "/größe\t1", "/%00"]
        assert visited(app, *paths, *paths) == list("12341234")

    def test_headers_and_status_are_kept(self, app, cache):
        """A cached answer has the status and headers of the first one."""

        @app.get("/")
        @cache.cached()
        def teapot():
            return {"tea": True}, 418, {"X-Tea": "Earl Grey"}

        answers = [app.test_client().get("/") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [418, 418]
        assert [answer.headers["X-Tea"] for answer in answers] == ["Earl Grey"] * 2
        assert answers[1].json == {"tea": True}

    def test_query_strings(self, app, cache):
        """With ``query_string`` each set of arguments has an answer, in whatever order."""
        runs = itertools.count(1)

        @app.get("/")
        @cache.cached(query_string=True)
        def search():
            return f"{request.args['q']} {next(runs)}"

        assert visited(app, "/?q=a&p=1", "/?p=1&q=a", "/?q=b") == ["a 1", "a 1", "b 2"]

    def test_a_key_of_ones_own(self, app, cache):
        """``make_cache_key`` decides which requests share an answer."""
        runs = itertools.count(1)

        @app.get("/<name>")
        @cache.cached(make_cache_key=lambda name: f"page {name.lower()}")
        def page(name):
            return str(next(runs))

        assert visited(app, "/a", "/A", "/b") == ["1", "1", "2"]
        assert cache.get("page a") == "1"

    def test_unless_and_response_filter(self, app, cache):
        """An answer is kept only if ``unless`` and ``response_filter`` let it."""
        runs = itertools.count(1)

        @app.get("/")
        @cache.cached(
            unless=lambda: "fresh" in request.args,
            response_filter=lambda answer: answer != "1",
        )
        def page():
            return str(next(runs))

        assert visited(app, "/", "/", "/", "/?fresh") == ["1", "2", "2", "3"]

    def test_forced_update(self, app, cache):
        """``forced_update`` makes the answer anew and keeps the new one."""
        runs = itertools.count(1)

        @app.get("/")
        @cache.cached(forced_update=lambda: "anew" in request.args)
        def page():
            return str(next(runs))

        assert visited(app, "/", "/?anew", "/") == ["1", "2", "2"]

    @SINCE_2_5
    def test_a_generator(self, app, cache):
        """What a view yields is kept as a whole."""
        runs = itertools.count(1)

        @app.get("/")
        @cache.cached()
        def page():
            yield "run "
            yield str(next(runs))

        assert visited(app, "/", "/") == ["run 1", "run 1"]

    def test_an_answer_with_a_timeout_of_its_own(self, app, cache):
        """A view that returns a ``CachedResponse`` decides how long that is kept."""

        @app.get("/")
        @cache.cached(timeout=60)
        def page():
            return CachedResponse(current_app.make_response("long"), timeout=4000)

        assert visited(app, "/", "/") == ["long", "long"]
        assert 3900 < seconds_left(cache, "view//") <= 4002

    @SINCE_2_5
    def test_an_error_page(self, app, cache):
        """What a view gave by ``abort`` is kept like an answer."""
        runs = itertools.count(1)

        @app.get("/")
        @cache.cached()
        def page():
            abort(404, f"nothing here {next(runs)}")

        answers = [app.test_client().get("/") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert all("nothing here 1" in answer.text for answer in answers)

    @SINCE_2_5
    def test_deleted(self, app, cache):
        """``delete_cached`` forgets one path and one query."""
        runs = itertools.count(1)

        @app.get("/<name>")
        @cache.cached(query_string=True)
        def page(name):
            return str(next(runs))

        paths = ["/a?q=1", "/a?q=2", "/b?q=1"]
        assert visited(app, *paths) == ["1", "2", "3"]
        assert cache.delete_cached(page, "/a", {"q": 1}) is True
        assert cache.delete_cached(page, "/a", {"q": 1}) is False
        assert visited(app, *paths) == ["4", "2", "3"]

    def test_async_views(self, app, cache):
        """``cached`` keeps the answer of an ``async def`` view."""
        runs = itertools.count(1)

        @app.get("/")
        @cache.cached()
        async def page():
            return str(next(runs))

        assert visited(app, "/", "/") == ["1", "1"]

    def test_an_answer_that_cannot_be_stored(self, app, cache, caplog):
        """An answer that no serializer takes is served each time, and the log says why."""
        runs = itertools.count(1)

        @app.get("/")
        @cache.cached()
        def page():
            return Response(str(part) for part in [next(runs)])

        assert visited(app, "/", "/") == ["1", "2"]
        assert "cannot pickle" in caplog.text

    def test_a_value_that_cannot_be_read(self, app, cache, kt, caplog):
        """A value that was damaged is made anew, once; it does not fail at every visit."""
        runs = itertools.count(1)

        @app.get("/")
        @cache.cached()
        def page():
            return str(next(runs))

        assert visited(app, "/", "/") == ["1", "1"]
        (key,) = kt.match_prefix("flask_cache_")
        kt.set(key, b"damaged", expire_time=60)
        assert visited(app, "/", "/") == ["2", "2"]
        assert [record.levelno for record in caplog.records] == [logging.WARNING]

    def test_all_processes_share_the_answers(self, any_url):
        """A second app with the same settings, as in another worker, finds what the first kept."""

        def answer(text: str) -> TestResponse:
            app, cache = make_site(CACHE_KT_URL=any_url)
            app.add_url_rule("/", view_func=cache.cached(timeout=60)(lambda: text), endpoint="page")
            return app.test_client().get("/")

        assert [answer("first").text, answer("second").text] == ["first", "first"]


class TestCalls:
    def test_they_are_the_backends(self, cache):
        """The extension passes its calls on, with cachelib's answers."""
        assert cache.set("a", 1)
        assert cache.set_many({"b": 2}) == ["b"]
        assert cache.add("b", 3) is False
        assert cache.get_many("b", "missing", "a") == [2, None, 1]
        assert cache.get_dict("a") == {"a": 1}
        assert cache.has("a") is True
        assert cache.delete("a") is True
        assert cache.delete_many("b") == ["b"]
        assert cache.cache.inc("n") == 1

    def test_unlink(self, cache):
        """What is ``UNLINK`` in Redis deletes here, too."""
        cache.set_many({"a": 1, "b": 2})
        assert cache.unlink("a", "b") == ["a", "b"]
        assert cache.get_many("a", "b") == [None, None]

    def test_clear(self, cache, kt: KyotoTycoon):
        """``clear`` removes what this cache stored and nothing else."""
        kt.set("by hand", "kept")
        cache.set("k", 1)
        cache.memoize()(lambda number: number)(1)
        assert len(kt.match_prefix("")) == 4
        assert cache.clear() is True
        assert cache.clear() is True
        assert kt.match_prefix("") == ["by hand"]


class TestTemplates:
    def show(self, source: str, **context) -> str:
        with current_app.test_request_context():
            return render_template_string(source, **context)

    def test_a_block_is_made_once(self, app, cache):
        """The ``{% cache %}`` block is kept, what is beside it is not."""
        runs = itertools.count(1)
        source = "{% cache 60, 'block' %}<b>{{ next(runs) }}</b>{% endcache %} {{ next(runs) }}"
        pages = [self.show(source, next=next, runs=runs) for _ in range(2)]
        assert pages == ["<b>1</b> 2", "<b>1</b> 3"]

    def test_a_block_for_each_value(self, app, cache):
        """A block may vary, and be deleted from Python or by the template."""
        runs = itertools.count(1)

        def show(user, timeout=60):
            source = "{% cache timeout, 'block', user %}{{ next(runs) }}{% endcache %}"
            return self.show(source, next=next, runs=runs, user=user, timeout=timeout)

        assert [show("ada"), show("bob"), show("ada")] == ["1", "2", "1"]
        assert cache.delete(make_template_fragment_key("block", vary_on=["ada"])) is True
        assert [show("ada"), show("bob")] == ["3", "2"]
        assert [show("ada", timeout="del"), show("ada"), show("bob")] == ["4", "5", "2"]

    @pytest.mark.parametrize(("timeout", "seconds"), [(None, 300), (4000, 4000)])
    def test_timeouts(self, app, cache, timeout, seconds):
        """``None`` is the default timeout, and a number the record's."""
        self.show("{% cache timeout, 'block' %}{% endcache %}", timeout=timeout)
        left = seconds_left(cache, make_template_fragment_key("block"))
        assert seconds - 60 < left <= seconds + 2


class TestServerAway:
    def test_decorators_go_on(self, caplog):
        """Decorators answer without a cache, as with every backend; direct calls raise."""
        with nobody_listens() as port:
            app, cache = make_site(CACHE_KT_URL=f"127.0.0.1:{port}")
            app.add_url_rule("/", view_func=cache.cached()(lambda: "fresh"), endpoint="page")
            answer = app.test_client().get("/")
            assert (answer.status_code, answer.text) == (200, "fresh")
            assert "possibly due to cache backend" in caplog.text
            with app.app_context(), pytest.raises(KTError):
                cache.get("k")

    def test_errors_that_are_ignored(self, caplog):
        """With ``ignore_errors`` direct calls find nothing, too."""
        with nobody_listens() as port:
            app, cache = make_site(
                CACHE_KT_URL=f"127.0.0.1:{port}", CACHE_OPTIONS={"ignore_errors": True}
            )
            app.add_url_rule("/", view_func=cache.cached()(lambda: "fresh"), endpoint="page")
            assert app.test_client().get("/").text == "fresh"
            with app.app_context():
                assert cache.get("k") is None
                assert cache.set("k", 1) is False
            assert "possibly due to cache backend" not in caplog.text

    def test_a_restart_in_the_middle(self, stopping_server: EmbeddedServer):
        """When the server is back the app goes on by itself, with what was stored."""
        app, cache = make_site(CACHE_KT_URL=url_of(stopping_server))
        runs = itertools.count(1)

        @app.get("/")
        @cache.cached(timeout=600)
        def page():
            return f"page {next(runs)}"

        @app.get("/sum/<int:number>")
        def sum_of(number):
            return str(total(number))

        @cache.memoize(timeout=600)
        def total(number):
            return [number, next(runs)]

        assert visited(app, "/", "/sum/1") == ["page 1", "[1, 2]"]
        stopping_server.stop()
        assert visited(app, "/", "/sum/1") == ["page 3", "[1, 4]"]
        stopping_server.run()
        assert visited(app, "/", "/sum/1") == ["page 1", "[1, 2]"]
