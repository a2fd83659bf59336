"""``@cache.cached``: which answers are kept, under which keys, and for whom."""

from __future__ import annotations

import itertools
import threading
import time

import pytest
from flask import (
    Blueprint,
    Response,
    abort,
    after_this_request,
    g,
    jsonify,
    make_response,
    redirect,
    request,
    stream_with_context,
)
from flask.views import MethodView

from kt_cache.errors import ConfigError, TransportError
from kt_cache.flask import KTCache
from tests.flask.cached_site import Site, either, site, small
from tests.flask.conftest import make_app
from tests.support.failing import dead_port, own
from tests.support.threads import run_threads

__all__ = ["dead_port", "either", "site", "small"]

SERIALIZERS = ["pickle", "json", "msgpack"]


class TestAnswers:
    def test_runs_once(self, site):
        """A page runs once for all its visitors; other pages have their own answers."""
        site.page("/<name>")
        assert site.texts("/a", "/a", "/b", "/a") == ["1", "1", "2", "1"]

    @pytest.mark.parametrize("serializer", SERIALIZERS)
    @pytest.mark.parametrize("is_async", [False, True])
    def test_all_that_views_return(self, url, serializer, is_async):
        """Status, headers and body are the same from the cache, whatever stores them."""
        site = Site(url, KT_CACHE_OPTIONS={"serializer": serializer})
        answers = {
            "text": lambda n: f"text <ü> {n}",
            "dict": lambda n: {"n": n},
            "list": lambda n: [n, "n"],
            "status": lambda n: (f"{n}", 201),
            "headers": lambda n: (f"{n}", {"X-N": str(n)}),
            "pairs": lambda n: ({"n": n}, 202, [("X-N", str(n)), ("X-N", "again")]),
            "line": lambda n: (f"{n}", "203 NEARLY"),
            "page": lambda n: Response(f"n {n}", 404, {"X-N": str(n)}, mimetype="text/plain"),
            "image": lambda n: Response(bytes(range(256)) + bytes([n]), mimetype="image/png"),
            "nothing": lambda _: Response(status=204),
            "both": lambda n: (Response(f"{n}", headers={"X-A": "a"}), 201, {"X-N": str(n)}),
            "json": lambda n: jsonify(n=n),
            "elsewhere": lambda n: redirect(f"/{n}", 301),
        }
        for name, result in answers.items():

            def view(result=result):
                return result(next(site.runs))

            async def on_a_loop(result=result):
                return result(next(site.runs))

            decorated = site.cache.cached()(on_a_loop if is_async else view)
            site.app.add_url_rule(f"/{name}", name, decorated)
        for name in answers:
            first, second = site.get(f"/{name}"), site.get(f"/{name}")
            assert (second.status, second.data) == (first.status, first.data)
            assert sorted(second.headers) == sorted(first.headers)
        assert next(site.runs) == len(answers) + 1

    def test_the_first_visitor_gets_the_very_response(self, either):
        """What a response does when it is closed is done."""
        closed = []

        def answer(number):
            response = make_response(str(number))
            response.call_on_close(lambda: closed.append(number))
            return response

        either.page(result=answer)
        for _ in range(2):
            either.get().close()
        assert closed == [1]

    def test_none_is_a_value(self, small):
        """A function that returns None is not called again."""
        nothing = small.cache.cached(key_prefix="nothing")(lambda: next(small.runs) and None)
        with small.app.app_context():
            assert [nothing(), nothing()] == [None, None]
        assert next(small.runs) == 2

    @pytest.mark.parametrize("serializer", SERIALIZERS)
    def test_functions(self, url, serializer):
        """Outside of a request a function is kept under its key, as a value like any other."""
        site = Site(url, KT_CACHE_OPTIONS={"serializer": serializer})

        @site.cache.cached(key_prefix="numbers")
        def numbers():
            return [next(site.runs), {"a": None}]

        with site.app.app_context():
            assert numbers() == numbers() == [1, {"a": None}] == site.cache.get("numbers")
            site.cache.delete("numbers")
            assert numbers() == [2, {"a": None}]


class TestNeverKept:
    @pytest.mark.parametrize(
        "result",
        [
            lambda n: (str(n), 500),
            lambda n: (str(n), "503 LATER"),
            lambda n: (str(n), 401),
            lambda n: (str(n), 403, {}),
            lambda n: (str(n), 429),
            lambda n: (str(n), 206),
            lambda n: Response(str(n), 304),
            lambda n: (str(n), {"Set-Cookie": "a=b"}),
            lambda n: (str(n), {"Cache-Control": "private, max-age=60"}),
            lambda n: Response(str(n), headers={"Cache-Control": "No-Store"}),
            lambda n: (str(n), [("Vary", "Accept-Language")]),
            lambda n: Response(iter([str(n)])),
            lambda n: iter([str(n)]),
            lambda n: (iter([str(n)]), 200),
            lambda n: Response(str(n), direct_passthrough=True),
            lambda n: stream_with_context(iter([str(n)])),
            lambda n: abort(404, str(n)),
            lambda n: abort(redirect(f"/{n}")),
        ],
    )
    def test_answers(self, either, result):
        """Answers for one visitor, of one moment or that cannot be kept are made each time."""
        either.page(result=result)
        for _ in range(3):
            either.get()
        assert next(either.runs) == 4

    def test_cookies(self, either):
        """Nobody gets another visitor's cookie."""

        def answer(number):
            response = make_response(str(number))
            response.set_cookie("id", str(number))
            return response

        either.page(result=answer)
        answers = [either.get() for _ in range(2)]
        assert [answer.headers["Set-Cookie"][:4] for answer in answers] == ["id=1", "id=2"]

    @pytest.mark.parametrize("options", [{}, {"ignore_session": True}], ids=str)
    def test_cookies_that_come_later(self, either, caplog, options):
        """What is to be done to this request's answer is done to everybody's; the log says so."""

        def answer(number):
            @after_this_request
            def add_cookie(response):
                response.set_cookie("id", str(number))
                return response

            return str(number)

        either.page(result=answer, **options)
        answers = [either.get() for _ in range(2)]
        assert [answer.headers["Set-Cookie"][:4] for answer in answers] == ["id=1", "id=2"]
        assert "called after_this_request" in caplog.text

    def test_what_was_to_be_done_before(self, either):
        """What other parts of the app do to answers, such as ``before_request``, does not count."""

        @either.app.before_request
        def sign():
            @after_this_request
            def add_header(response):
                response.headers["X-Site"] = "1"
                return response

        either.page()
        answers = [either.get() for _ in range(2)]
        assert [(answer.text, answer.headers["X-Site"]) for answer in answers] == [("1", "1")] * 2

    def test_a_key_of_its_own(self, either):
        """A site that makes the key answers for that, too."""

        def answer(number):
            after_this_request(lambda response: response)
            return str(number)

        either.page(result=answer, make_cache_key=lambda: "k")
        assert either.texts("/", "/") == ["1", "1"]

    def test_an_error_is_for_its_visitor(self, either):
        """What a view raises goes to the app's handlers, each time."""
        either.app.register_error_handler(404, lambda error: (f"no {error.description}", 404))
        either.app.register_error_handler(KeyError, lambda error: (f"lost {error}", 500))
        either.page("/gone", lambda number: abort(404, number))
        either.page("/lost", lambda number: {}[number])
        assert either.texts("/gone", "/gone", "/lost", "/lost") == [
            "no 1",
            "no 2",
            "lost 3",
            "lost 4",
        ]

    def test_response_filter(self, either):
        """The site's own filter has its say about what may be kept."""
        either.page(response_filter=lambda answer: answer != "1")
        assert either.texts("/", "/", "/") == ["1", "2", "2"]


class TestKeys:
    def test_query_strings(self, small):
        """Only with ``query_string`` the query counts, and then all but the order of names."""
        small.page("/no")
        small.page("/yes", query_string=True)
        assert small.texts("/no?a=1", "/no?a=2") == ["1", "1"]
        paths = ["/yes", "/yes?a=1&b=2", "/yes?b=2&a=1", "/yes?a=1", "/yes?a=%31", "/yes?a=1&a=2"]
        assert small.texts(*paths) == ["2", "3", "3", "4", "4", "5"]
        assert small.texts("/yes?a=2&a=1", "/yes?a=1&a=2", "/yes?") == ["6", "5", "2"]

    def test_parts_of_the_url(self, small):
        """Answers of one host, scheme or place where the app is mounted are not for another."""
        small.page()
        bases = ["http://a.org", "http://b.org", "https://a.org", "http://a.org/app"]
        for _ in range(2):
            texts = [small.get(base_url=base).text for base in bases]
            assert texts == ["1", "2", "3", "4"]

    def test_strange_paths(self, small):
        """No path takes the place of another one."""
        small.page("/<path:path>", query_string=True)
        long = "/" + 150 * "ü"
        paths = ["/a", "/a%3F", "/%252F", "/a/", "/a%20b", "/a%23b", long]
        paths += [long + "x", long + "y"]
        assert small.texts(*paths) == [str(number) for number in range(1, 10)]
        assert small.texts(*paths) == [str(number) for number in range(1, 10)]
        with small.app.app_context():
            assert max(map(len, small.cache.client.match_prefix("flask:"))) < 400

    def test_prefixes(self, small):
        """A key is text, with or without the URL in it, or what a function returns."""
        small.page("/one/<name>", key_prefix="one")
        small.page("/each/<name>", key_prefix="100% each %s")
        small.page("/call/<name>", key_prefix=lambda: f"call {request.args['k']}")
        small.page("/make/<name>", make_cache_key=lambda name: f"make {name.lower()}")
        assert small.texts("/one/a", "/one/b", "/each/a", "/each/b") == ["1", "1", "2", "3"]
        assert small.texts("/call/a?k=1", "/call/b?k=1", "/make/a", "/make/A") == list("4455")
        with small.app.app_context():
            assert small.cache.get("make a") == "5"
            assert small.cache.client.match_regex("100% each .*view.*/http://localhost/each/b$")

    def test_key_of_another_type(self, small):
        """A key that is not text is refused."""
        small.page(key_prefix=lambda: None)
        small.app.testing = True
        with pytest.raises(ConfigError, match="must be text, not NoneType"):
            small.get()

    def test_methods(self, small):
        """GET alone stores, HEAD gets what GET has stored, and all others pass by."""
        methods = ["GET", "POST", "DELETE"]
        view = small.page(methods=methods)
        small.page("/fixed", methods=methods, key_prefix="fixed")
        small.page("/called", methods=methods, key_prefix=lambda: request.full_path)
        visitor = small.app.test_client()
        assert [visitor.head("/").status_code, next(small.runs)] == [200, 2]
        assert [visitor.get("/").text, visitor.post("/").text, visitor.get("/").text] == list("343")
        assert [visitor.head("/").status_code, visitor.delete("/").text] == [200, "5"]
        assert [visitor.post("/fixed").text, visitor.get("/fixed").text] == ["6", "7"]
        assert [visitor.post("/fixed").text, visitor.get("/fixed").text] == ["8", "7"]
        assert [visitor.post("/called").text, visitor.get("/called").text] == ["9", "10"]
        assert [visitor.post("/called").text, visitor.get("/called").text] == ["11", "10"]
        with small.app.test_request_context("/", method="POST"):
            assert view() == "12"

    def test_functions_during_a_post(self, small):
        """A function with a key of its own is kept whatever the request's method is."""
        numbers = small.cache.cached(key_prefix="numbers")(lambda: next(small.runs))
        small.app.add_url_rule("/", view_func=lambda: str(numbers()), methods=["POST"])
        assert [small.app.test_client().post("/").text for _ in range(2)] == ["1", "1"]

    def test_own_keys_for_posts(self, small):
        """A site that makes the key may keep the answers to any method."""
        small.page(methods=["POST"], make_cache_key=lambda: request.get_json()["q"])
        visitor = small.app.test_client()
        asked = [visitor.post("/", json={"q": q}).text for q in "aab"]
        assert asked == ["1", "1", "2"]


class TestOptions:
    def test_unless(self, either):
        """Calls pass by where the site says so, with or without looking at the arguments."""
        either.page("/plain/<name>", unless=lambda: "fresh" in request.args)
        either.page("/named/<name>", unless=lambda function, name: name == "b")
        paths = ["/plain/a", "/plain/a?fresh", "/plain/a", "/named/a", "/named/b", "/named/b"]
        assert either.texts(*paths) == ["1", "2", "1", "3", "4", "5"]

    def test_forced_update(self, either):
        """Where the site says so the function runs, and everybody gets its answer from then on."""
        either.page(forced_update=lambda: "new" in request.args, tags=["t"])
        assert either.texts("/", "/", "/?new", "/", "/?new", "/") == list("112233")

    def test_timeouts(self, small):
        """A timeout is the decorator's, or what the function's attribute says now."""
        view = small.page(timeout=60)
        assert view.cache_timeout == 60
        view.cache_timeout = -1
        assert small.texts("/", "/") == ["1", "2"]
        view.cache_timeout = 0
        assert small.texts("/", "/") == ["3", "3"]
        assert view.uncached() == "4"
        with small.app.test_request_context("/"):
            assert small.cache.backend.cache.ttl(view.make_cache_key()) is None

    def test_tags(self, small):
        """Answers are deleted by their tags, which may depend on the arguments."""
        small.page("/a/<name>", tags=["all"])
        small.page("/b/<name>", tags=lambda name: ["all", f"b:{name}"])
        assert small.texts("/a/x", "/b/x", "/b/y") == ["1", "2", "3"]
        with small.app.app_context():
            small.cache.backend.cache.delete_tag("b:x")
        assert small.texts("/a/x", "/b/x", "/b/y") == ["1", "4", "3"]
        with small.app.app_context():
            small.cache.backend.cache.delete_tag("all")
        assert small.texts("/a/x", "/b/x", "/b/y") == ["5", "6", "7"]

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"lock": -1}, "lock must be a number"),
            ({"stale": "long"}, "stale must be a number"),
            ({"unless": True}, "unless must be a function"),
            ({"tags": "all"}, r"such as \['all'\]"),
            ({"response_filter": 5}, "response_filter must be a function"),
            ({"key_prefix": None}, "key_prefix must be text or a function"),
        ],
    )
    def test_wrong_options(self, options, says):
        """What is not understood is refused when the module is imported."""
        with pytest.raises(ConfigError, match=says):
            KTCache().cached(**options)(lambda: "")

    def test_wrong_functions(self):
        """What cannot be kept is refused at once, with what to do instead."""
        cache = KTCache()

        def generator():
            yield ""

        async def async_generator():
            yield ""

        async def coroutine():
            return True

        for function in (generator, async_generator):
            with pytest.raises(ConfigError, match="return a list, or join the parts"):
                cache.cached()(function)
        with pytest.raises(ConfigError, match=r"write @cache.cached\(\) with brackets"):
            cache.cached(lambda: "")
        with pytest.raises(ConfigError, match="coroutine"):
            cache.cached(unless=coroutine)
        with pytest.raises(ConfigError, match="is for functions"):
            cache.cached()(Site)


class TestApps:
    def test_made_later(self, url):
        """Views are decorated before there is an app, and serve several of them."""
        cache, runs = KTCache(), itertools.count(1)
        shop = Blueprint("shop", __name__)

        @shop.get("/")
        @cache.cached()
        def home():
            return f"{g.get('nothing')} {next(runs)}"

        apps = []
        for prefix in ("one", "two"):
            app = make_app(KT_CACHE_URL=url, KT_CACHE_KEY_PREFIX=prefix)
            cache.init_app(app)
            app.register_blueprint(shop)
            apps.append(app.test_client())
        assert [app.get("/").text for app in apps * 2] == ["None 1", "None 2"] * 2

    def test_classes(self, small):
        """Views that are classes are decorated as a whole, or method by method."""
        cache, runs = small.cache, small.runs

        class Whole(MethodView):
            decorators = (cache.cached(),)

            def get(self):
                return str(next(runs)), 201

            def post(self):
                return str(next(runs))

        class Parts(MethodView):
            @cache.cached()
            def get(self):
                return str(next(runs)), 201

        small.app.add_url_rule("/whole", view_func=Whole.as_view("whole"))
        small.app.add_url_rule("/parts", view_func=Parts.as_view("parts"))
        assert small.texts("/whole", "/whole", "/parts", "/parts") == ["1", "1", "2", "2"]
        assert small.app.test_client().post("/whole").text == "3"

    def test_methods_under_a_fixed_key(self, small):
        """A method of a view class is a view, too, whatever its key is."""

        class Pages(MethodView):
            @small.cache.cached(key_prefix="page")
            def get(self):
                return str(next(small.runs)), {"Set-Cookie": "a=b"} if request.args else {}

            @small.cache.cached(key_prefix="page")
            def post(self):
                return str(next(small.runs))

        small.app.add_url_rule("/", view_func=Pages.as_view("pages"))
        assert small.texts("/?cookie", "/?cookie", "/", "/") == ["1", "2", "3", "3"]
        assert small.app.test_client().post("/").text == "4"
        with small.app.app_context():
            assert small.cache.delete_cached(Pages.get)

    def test_responses_of_helpers(self, small):
        """A response that is for one visitor is not kept, even if no view returned it."""
        made = small.cache.cached(key_prefix="made")(
            lambda: Response(str(next(small.runs)), headers={"Set-Cookie": "a=b"})
        )
        small.app.add_url_rule("/", view_func=lambda: made())
        assert small.texts("/", "/") == ["1", "2"]

    def test_views_that_call_each_other(self, small):
        """Neither gets the other's answer, though the URL is the same, nor waits for itself."""

        @small.cache.cached()
        def inner(depth=1):
            return f"inner {next(small.runs)} {inner(depth - 1) if depth else ''}"

        small.page("/outer", lambda number: f"outer {number} {inner()}")
        assert small.texts("/outer", "/outer") == ["outer 1 inner 2 inner 3"] * 2


class TestDeleting:
    def delete(self, site, *args, **kwargs):
        with site.app.app_context():
            return site.cache.delete_cached(*args, **kwargs)

    def test_by_path(self, small):
        """An answer is deleted by what its visitor asked for."""
        view = small.page("/<name>", query_string=True)
        assert small.texts("/a b", "/a b?q=1&p=2", "/c") == ["1", "2", "3"]
        assert not self.delete(small, view, "/d")
        assert not self.delete(small, view, "/a b", {"q": 1})
        for query in ("p=2&q=1", {"q": 1, "p": 2}, [("q", "1"), ("p", "2")]):
            assert self.delete(small, view, "/a b", query)
            small.get("/a b?q=1&p=2")
        assert self.delete(small, view, "/a b")
        assert small.texts("/a b", "/a b?q=1&p=2", "/c") == ["7", "6", "3"]

    def test_by_arguments(self, small):
        """Without a path it is that of the view with these arguments."""
        view = small.page("/of/<name>")
        assert small.texts("/of/ü x", "/of/b") == ["1", "2"]
        assert self.delete(small, view, name="ü x")
        assert small.texts("/of/ü x", "/of/b") == ["3", "2"]
        other = small.cache.cached()(lambda: "")
        with pytest.raises(ConfigError, match="is no view of the app"):
            self.delete(small, other)

    def test_of_another_host(self, small):
        """It is the host of the current request, of the app, or the one that is given."""
        small.app.config["SERVER_NAME"] = "a.org"
        view = small.page()
        bases = ["http://a.org", "https://b.org/app"]
        for base in bases:
            small.get(base_url=base)
        assert self.delete(small, view)
        assert not self.delete(small, view)
        with small.app.test_request_context(base_url=bases[1]):
            assert small.cache.delete_cached(view)
        small.get(base_url=bases[1])
        assert self.delete(small, view, "/", base_url=bases[1])

    def test_own_keys(self, small):
        """Whatever makes the key, it is asked as for a request."""
        fixed = small.page("/fixed", key_prefix="fixed")
        own = small.page("/own/<name>", make_cache_key=lambda name: f"own {name}")
        called = small.page("/called", key_prefix=lambda: f"called {request.args['q']}")
        paths = ["/fixed", "/own/a", "/called?q=b"]
        assert small.texts(*paths) == ["1", "2", "3"]
        assert self.delete(small, fixed)
        assert self.delete(small, own, "/own/a")
        assert self.delete(small, called, "/called", "q=b")
        assert small.texts(*paths) == ["4", "5", "6"]
        assert self.delete(small, own, name="a")

    @pytest.mark.parametrize("options", [{}, {"stale": 60}, {"key_prefix": "fixed"}])
    def test_one_that_is_being_made(self, either, options):
        """It is not kept; whoever comes next gets one of what is there by then."""

        def result(number):
            if number == 1:
                assert either.cache.delete_cached(view)
            return str(number)

        view = either.page("/", result, **options)
        assert either.texts("/", "/", "/") == ["1", "2", "2"]

    def test_arguments_of_a_visitor(self, small):
        """A key that is made of the view's arguments gets them as in a visitor's request."""
        seen = []

        def key(**arguments):
            seen.append(arguments)
            return "key"

        view = small.page("/of/<name>", make_cache_key=key)
        paged = small.cache.cached(make_cache_key=key)(lambda page: str(page))
        small.app.add_url_rule("/all", "all", paged, defaults={"page": 1})
        posted = small.page("/new/<name>", make_cache_key=key, methods=["POST"])
        for function, given in [(view, {"name": 7}), (paged, {}), (posted, {"name": "a"})]:
            self.delete(small, function, **given)
        self.delete(small, view, "/elsewhere", name="b")
        self.delete(small, small.cache.cached(make_cache_key=key)(len), "/of/c", name="d")
        assert seen == [{"name": "7"}, {"page": 1}, {"name": "a"}, {"name": "b"}, {"name": "d"}]

    def test_of_another_subdomain(self, url):
        """It is the view's own host then, at the place where the app is mounted."""
        site = Site(url, SERVER_NAME="shop.example")
        site.app.subdomain_matching = True
        site.app.url_map.default_subdomain = ""
        view = site.cache.cached()(lambda: str(next(site.runs)))
        site.app.add_url_rule("/x", "x", view, subdomain="api")
        bases = ["https://api.shop.example", "https://api.shop.example/app"]
        assert [site.get("/x", base_url=base).text for base in bases] == ["1", "2"]
        with site.app.test_request_context(base_url="https://www.shop.example/app"):
            assert site.cache.delete_cached(view)
        assert [site.get("/x", base_url=base).text for base in bases] == ["1", "3"]

    def test_within_a_request(self, small):
        """The current request stays as it is, and what it has opened stays open."""
        view = small.page("/<name>", key_prefix=lambda: f"{g.shop}/{request.path}")
        closed = []

        @small.app.before_request
        def open_shop():
            g.shop = "open"

        @small.app.teardown_request
        def close_request(_):
            closed.append(request.path)

        @small.app.teardown_appcontext
        def close_app(_):
            closed.append("app")

        @small.app.post("/delete")
        def delete():
            deleted = [small.cache.delete_cached(view, name="a") for _ in range(2)]
            return {"deleted": deleted, "closed": closed[2:], "path": request.path}

        small.get("/a")
        answer = small.app.test_client().post("/delete").json
        assert answer == {"deleted": [True, False], "closed": [], "path": "/delete"}
        assert closed == ["/a", "app", "/delete", "app"]

    def test_not_cached(self, small):
        """What has no answers to be deleted is refused."""
        for function in (len, small.cache.memoize()(Site.get)):
            with pytest.raises(ConfigError, match=r"no function that cache\.cached has decorated"):
                self.delete(small, function, "/")


class TestTurns:
    @pytest.mark.parametrize("is_async", [False, True])
    def test_many_at_once(self, any_url, is_async):
        """Fifty visitors of a missing page make it run once."""
        site = Site(any_url)

        def make(number):
            time.sleep(0.2)
            return str(number)

        if is_async:

            @site.app.get("/")
            @site.cache.cached()
            async def view():
                return make(next(site.runs))

        else:
            site.page(result=make)
        assert run_threads(50, lambda _: site.get().text) == ["1"] * 50

    def test_pages_that_are_not_kept(self, either):
        """Visitors of a page that is not kept do not stand in a queue."""
        together = threading.Barrier(8)

        def answer(number):
            if number > 1:
                together.wait(30)
            return str(number), {"Set-Cookie": "a=b"}

        either.page(result=answer)
        assert either.get().text == "1"  # now it is known
        texts = run_threads(8, lambda _: either.get().text)
        assert sorted(texts) == list("23456789")

    @pytest.mark.parametrize("failing", [lambda: {}["lost"], lambda: ("fails", 500)])
    def test_pages_that_fail(self, either, failing):
        """Visitors of a page that fails get the failure together, and not one after the other."""

        def answer(number):
            time.sleep(0.5)
            return failing()

        either.page(result=answer)
        began = time.monotonic()
        assert run_threads(20, lambda _: either.get().status_code) == [500] * 20
        assert time.monotonic() - began < 5

    def test_stale(self, either):
        """An answer beyond its timeout is served while the server fails, and what failed is not."""
        fails = []
        either.page(result=lambda n: (f"{n}", 503) if fails else f"{n}", timeout=0.3, stale=60)
        assert either.texts("/") == ["1"]
        fails.append(True)
        time.sleep(0.5)
        assert [either.get().status_code for _ in range(3)] == [200] * 3
        assert either.texts("/") == ["1"]


class TestServerDown:
    def test_errors_are_ignored(self, dead_port):
        """With ``ignore_errors`` pages run as if there was no cache."""
        for is_async in (False, True):
            options = own(ignore_errors=True)
            url = f"kt://127.0.0.1:{dead_port}"
            site = Site(url, is_async=is_async, KT_CACHE_OPTIONS=options)
            site.page(tags=["t"])
            assert site.texts("/", "/", "/", "/", "/") == list("12345")

    def test_errors_are_raised(self, dead_port):
        """Without it they fail, and the app's handlers are asked."""
        site = Site(f"kt://127.0.0.1:{dead_port}", KT_CACHE_OPTIONS=own())
        site.page()
        site.app.register_error_handler(TransportError, lambda _: ("later", 503))
        assert site.get().status_code == 503
        assert next(site.runs) == 1


class TestRoundTrips:
    def trips(self, recording, site, path="/"):
        recording.forget()
        site.get(path)
        return recording.trips

    def test_a_hit_is_one(self, recording):
        """A page from the cache takes one request, with tags as well."""
        site = Site(f"kt://{recording.host}:{recording.port}")
        site.page("/plain")
        site.page("/tagged", tags=["a", "b"])
        site.page("/stale", stale=60, beta=1.0)
        for path in ("/plain", "/tagged", "/stale"):
            site.get(path)
            assert self.trips(recording, site, path) == 1

    def test_passing_by_is_none(self, recording):
        """What passes the cache by asks nothing."""
        site = Site(f"kt://{recording.host}:{recording.port}")
        site.page(unless=lambda: True)
        assert self.trips(recording, site) == 0


def test_no_request(small):
    """A key that is made of a request needs one."""
    view = small.page()
    message = r"view is kept for the URL of a request.* key_prefix='\.\.\.'"
    with small.app.app_context(), pytest.raises(RuntimeError, match=message):
        view()
