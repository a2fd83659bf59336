"""Async views: they use the threads' connections and block nothing but their own thread."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading

import pytest
from asgiref.testing import ApplicationCommunicator
from asgiref.wsgi import WsgiToAsgi
from flask import Flask, jsonify

from kt_cache import AsyncKyotoTycoon, EmbeddedServer, KyotoTycoon
from kt_cache.flask import KTCache
from kt_cache.testing import FaultProxy
from tests.flask.conftest import make_app
from tests.support.threads import run_threads


@pytest.fixture
def app(any_url) -> Flask:
    """An app on an empty database, on each kind of server in turn."""
    return make_app(KT_CACHE_URL=any_url)


@pytest.fixture
def cache(app) -> KTCache:
    """The cache of that app alone."""
    return KTCache(app)


class TestViews:
    def test_they_use_the_cache_as_any_view_does(self, app, cache):
        """An ``async def`` view calls the same methods and uses the same connections."""

        @app.get("/")
        async def page():
            cache.add("k", [])
            await asyncio.sleep(0)
            numbers = [await asyncio.to_thread(cache.incr, "n") for _ in range(2)]
            return jsonify([cache.get("k"), *numbers])

        before = cache.client.pool_stats.open
        assert app.test_client().get("/").json == [[], 1, 2]
        run_threads(4, lambda number: app.test_client().get("/"))
        assert cache.get("n") == 10
        assert cache.client.pool_stats.open <= before + 5

    def test_a_slow_server_holds_up_that_request_only(
        self, included_server: EmbeddedServer, client: KyotoTycoon
    ):
        """While one view waits for the server, others go on in their own threads."""
        with FaultProxy(included_server.port) as proxy:
            app = make_app(KT_CACHE_URL=f"127.0.0.1:{proxy.port}")
            cache = KTCache(app)
            asked = threading.Event()

            @app.get("/waits")
            async def waits():
                asked.set()
                return cache.get("k") or "missing"

            @app.get("/")
            async def other():
                return "at once"

            cache.set("k", "v")
            proxy.stall()
            answers = []
            thread = threading.Thread(
                target=lambda: answers.append(app.test_client().get("/waits").text)
            )
            thread.start()
            assert asked.wait(10)
            assert app.test_client().get("/").text == "at once"
            assert answers == []
            proxy.restore()
            thread.join(10)
            assert answers == ["v"]
            cache.client.close_all()

    def test_two_in_flight(self, app, cache):
        """Two views are in the middle of their work at the same time, each in its thread."""
        both_are_here = threading.Barrier(2)

        @app.get("/<name>")
        async def page(name):
            cache.set(name, "begun")
            both_are_here.wait(10)
            made = await cache.aget_or_set(f"made {name}", lambda: "v", lock=True)
            both_are_here.wait(10)
            return f"{cache.get(name)} {made}"

        answers = run_threads(2, lambda number: app.test_client().get(f"/{number}").text)
        assert answers == ["begun v"] * 2


class TestMakingValues:
    @pytest.mark.parametrize(
        "options", [{}, {"lock": True}, {"stale": 60}, {"tags": ["t"]}], ids=str
    )
    def test_coroutine_function(self, app, cache, options):
        """The function may be a coroutine function, and is called once for many requests."""
        made = []

        @app.get("/")
        async def page():
            return await cache.aget_or_set("k", make, 60, **options)

        async def make():
            await asyncio.sleep(0)
            made.append(1)
            return "v"

        assert [app.test_client().get("/").text for _ in range(3)] == ["v"] * 3
        assert made == [1]

    def test_one_request_makes_it(self, app, cache):
        """Of requests in several threads one makes the value; the others wait for it."""
        made = []

        @app.get("/")
        async def page():
            return await cache.aget_or_set("k", make, lock=30)

        async def make():
            made.append(1)
            await asyncio.sleep(0.2)
            return "v"

        assert run_threads(4, lambda number: app.test_client().get("/").text) == ["v"] * 4
        assert made == [1]

    def test_timeouts_and_errors(self, app, cache):
        """Timeouts are cachelib's, and what cannot be stored is cachelib's error."""

        @app.get("/")
        async def page():
            await cache.aget_or_set("k", "v", 0)
            return str(cache.ttl("k"))

        @app.get("/wrong")
        async def wrong():
            try:
                await cache.aget_or_set("wrong", threading.Lock)
            except pickle.PickleError as error:
                return type(error).__name__

        assert app.test_client().get("/").text == "None"
        assert app.test_client().get("/wrong").text == "PicklingError"


class TestConnections:
    def test_none_for_the_event_loop(self, app, cache):
        """Everything goes over the connections that all threads share."""

        @app.get("/")
        async def page():
            async with cache.lock("turn", timeout=30) as lock:
                assert await lock.aowned()
                await cache.aget_or_set("k", "v", lock=True, tags=["some"])
            return str(AsyncKyotoTycoon(config=cache.client.config).pool_stats.connects)

        cache.get("k")
        before = cache.client.pool_stats.connects
        assert [app.test_client().get("/").text for _ in range(5)] == ["0"] * 5
        assert cache.client.pool_stats.connects <= before + 1

    def test_behind_wsgi_to_asgi(self, app, cache):
        """There views share one event loop, and ``cache.cache`` has the calls for that."""

        @app.get("/")
        async def page():
            await cache.cache.aset("k", "v", 60)
            found = await cache.cache.aget_or_set("k", "other", 60)
            connects = AsyncKyotoTycoon(config=cache.client.config).pool_stats.connects
            return jsonify(found, connects, asyncio.get_running_loop() is loop)

        async def visit():
            nonlocal loop
            loop = asyncio.get_running_loop()
            scope = {"type": "http", "http_version": "1.1", "method": "GET", "path": "/"}
            scope |= {"headers": [], "query_string": b""}
            request = ApplicationCommunicator(WsgiToAsgi(app), scope)
            await request.send_input({"type": "http.request"})
            started = await request.receive_output(10)
            body = await request.receive_output(10)
            await request.wait(10)
            return started["status"], json.loads(body["body"])

        loop = None
        assert asyncio.run(visit()) == (200, ["v", 1, True])
