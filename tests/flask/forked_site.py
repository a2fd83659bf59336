"""A Flask site for gunicorn, which uses its cache before its workers are forked."""

from __future__ import annotations

import asyncio
import os

from flask import Flask, jsonify

from kt_cache.flask import KTCache

__all__ = ["app"]

app = Flask(__name__)
app.config["KT_CACHE_URL"] = os.environ["KT_CACHE_URL"]
app.config["KT_CACHE_OPTIONS"] = {"connect_timeout": 2, "read_timeout": 3, "call_timeout": 5}
cache = KTCache(app)
cache.set(f"loaded by {os.getpid()}", True)


@app.get("/count")
def count():
    return jsonify(pid=os.getpid(), count=cache.incr("count"))


@app.get("/echo/<text>")
def echo(text):
    cache.set(text, text * 100)
    with cache.lock(text, timeout=30):
        return cache.get(text, "missing")


@app.get("/async/<name>")
async def make(name):
    async def slowly():
        await asyncio.sleep(0.05)
        return f"{name}, made {cache.incr(name + ' made')} times"

    return await cache.aget_or_set(f"async {name}", slowly, lock=30)


@app.get("/loaded")
def loaded():
    return jsonify(sorted(int(key.rpartition(" ")[2]) for key in cache.keys("loaded by *")))
