"""Our decorators for Flask beside Flask-Caching on Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Effort, Way, compare
from benchmarks.other_servers import lack_of, redis
from benchmarks.rows import Row
from benchmarks.ways import repeating
from kt_cache import EmbeddedServer

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["flask_cache_rows"]

_BAR = 1.0  # set on ktserver: Redis is written in C as well
_PACKAGES = ("flask", "flask_caching", "redis", "hiredis")
_PAGE = "<p>A page of a shop with a list of its goods.</p>\n" * 100


def flask_cache_rows(
    servers: Mapping[str, str], effort: Effort, say: Callable[[str], object] = print
) -> Iterator[Row]:
    """Compare what both do for requests and calls whose results are in the cache.

    :param servers: kind of server, as for :class:`~kt_cache.EmbeddedServer`, and its name for
        the table.
    :param say: called with each reason to leave rows out.
    """
    reason = lack_of("Flask-Caching", _PACKAGES, "redis-server")
    if reason:
        say(f"\nLeft out: Flask's decorators: {reason}.")
        return
    with redis() as port:
        for server, name in servers.items():
            with EmbeddedServer(server, quiet=True) as running:
                theirs, ours = _their_app(port), _our_app(running)
                section = f"Flask's decorators on {name}, one thread : Flask-Caching on Redis"
                for what, way in _WAYS.items():
                    bar = _BAR if server == "ktserver" else None
                    yield Row(section, what, compare(way(theirs), way(ours), effort), bar)


def _our_app(running: EmbeddedServer) -> Flask:
    from flask import Flask  # it may not be there

    from kt_cache.flask import KTCache

    app = Flask("ours")
    app.config["KT_CACHE_URL"] = f"kt://{running.host}:{running.port}"
    return _with_pages(app, KTCache(app))


def _their_app(port: int) -> Flask:
    """Return an app with Flask-Caching as its documentation sets it up for Redis."""
    from flask import Flask  # neither may be there
    from flask_caching import Cache

    app = Flask("theirs")
    app.config["CACHE_TYPE"] = "RedisCache"
    app.config["CACHE_REDIS_URL"] = f"redis://127.0.0.1:{port}"
    return _with_pages(app, Cache(app))


def _with_pages(app: Flask, cache: Any) -> Flask:
    @app.get("/page")
    @cache.cached(timeout=300)
    def page() -> str:
        return _PAGE

    @app.get("/search")
    @cache.cached(timeout=300, query_string=True)
    def search() -> str:
        return _PAGE

    @app.get("/response")
    @cache.cached(timeout=300)
    def response() -> Any:
        return app.make_response((_PAGE, 200, {"X-Shop": "4711"}))

    @cache.memoize(timeout=300)
    def price(article: int, currency: str = "EUR") -> dict[str, Any]:
        return {"article": article, "currency": currency, "price": "19.95"}

    app.extensions["price"] = price
    return app


def _visits(url: str) -> Callable[[Flask], Way]:
    """Return what makes, of an app, visits of a page."""

    def ways(app: Flask) -> Way:
        with app.test_request_context(url) as context:
            environ = context.request.environ.copy()

        def visit() -> None:
            status = []

            def start(line: str, *_: Any) -> Callable[[bytes], None]:
                status.append(line)
                return lambda _: None

            body = b"".join(app.wsgi_app({**environ}, start))
            assert len(body) == len(_PAGE), status

        visit()
        return repeating(visit)

    return ways


def _calls(app: Flask) -> Way:
    """Return what calls a memoized function."""
    price = app.extensions["price"]

    def way(count: int) -> None:
        with app.app_context():
            for _ in range(count):
                assert price(4711)["price"] == "19.95"

    return way


_WAYS: Mapping[str, Callable[[Flask], Way]] = {
    "a cached page": _visits("/page"),
    "with query_string": _visits("/search?q=tea&page=3"),
    "a cached Response": _visits("/response"),
    "a memoized call": _calls,
}
