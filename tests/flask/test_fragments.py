"""``{% cache %}``: fragments of templates that are kept."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from flask import Flask, render_template, render_template_string
from flask_caching import Cache
from jinja2 import DictLoader, TemplateSyntaxError, UndefinedError
from markupsafe import Markup

from kt_cache.errors import ConfigError
from kt_cache.flask import KTCache
from tests.flask.conftest import make_app
from tests.support.threads import run_threads


@pytest.fixture(params=[False, True], ids=["plain", "async"])
def app(request, any_url):
    """An app on each kind of server, with Jinja's async mode off and on; ``run()`` counts."""
    app = make_app(KT_CACHE_URL=any_url)
    app.jinja_options = {"enable_async": request.param}
    runs = itertools.count(1)
    app.jinja_env.globals["run"] = lambda: next(runs)
    app.extensions["the cache"] = KTCache(app)
    with app.app_context():
        yield app


@pytest.fixture
def cache(app) -> KTCache:
    return app.extensions["the cache"]


def in_context(app, function):
    with app.app_context():
        return function()


def shown(source, **variables):
    return render_template_string(source, **variables)


class TestBlocks:
    def test_made_once(self, app):
        """A fragment is made once, wherever it is shown; what is around it each time."""
        source = "{{ run() }} {% cache 60, 'menu' %}{{ run() }}{% endcache %}"
        assert [shown(source), shown(source)] == ["1 2", "3 2"]
        assert shown("other {% cache 60, 'menu' %}{% endcache %}") == "other 2"

    def test_variables(self, app):
        """Each set of variables has a fragment of its own, whatever text they would make."""
        source = "{% cache 60, 'menu', a, b %}{{ a }}{{ b }} {{ run() }}{% endcache %}"
        pairs = [("a", "b_c"), ("a_b", "c"), (1, None), ("1", None), (True, None), ([1], {"x": 2})]
        made = [shown(source, a=a, b=b) for a, b in pairs]
        assert [shown(source, a=a, b=b) for a, b in pairs] == made
        assert len(set(made)) == len(pairs)
        assert shown(source, a=Markup("a"), b="b_c") == made[0]

    def test_a_variable_that_is_missing(self, app):
        """A misspelt variable is an error: all visitors would share the fragment."""
        with pytest.raises(UndefinedError, match="'usr' is undefined"):
            shown("{% cache 60, 'menu', usr %}{{ user }}{% endcache %}", user="me")
        with pytest.raises(ConfigError, match="__caching_id__"):
            shown("{% cache 60, 'menu', user %}{{ user }}{% endcache %}", user=object())

    @pytest.mark.parametrize("serializer", ["pickle", "json"])
    def test_escaping(self, any_url, serializer):
        """What is escaped is so once, from the cache as well, and what is not is not."""
        app = make_app(KT_CACHE_URL=any_url, KT_CACHE_OPTIONS={"serializer": serializer})
        KTCache(app)
        block = "{% cache 60, 'name' %}<b>{{ name }}</b>{% endcache %}"
        within = "{% set text %}" + block + "{% endset %}{{ text }}"
        raw = "{% autoescape false %}" + block.replace("'name'", "'raw'") + "{% endautoescape %}"
        macro = "{% macro show() %}" + block + "{% endmacro %}{{ show() }}"
        with app.app_context():
            for source in (block, within, macro, block):
                assert shown(source, name="<&>") == "<b>&lt;&amp;&gt;</b>"
            assert [shown(raw, name="<&>") for _ in range(2)] == ["<b><&></b>"] * 2

    def test_timeouts(self, app, cache):
        """A timeout is that of ``set``: seconds or a timedelta, and None for the default."""
        source = "{% cache timeout, 'menu', timeout %}{{ run() }}{% endcache %}"
        for timeout, least, most in [
            (60, 50, 62),
            (60 * 5.0, 290, 302),
            (timedelta(minutes=1), 50, 62),
            (None, 290, 302),
        ]:
            assert shown(source, timeout=timeout) == shown(source, timeout=timeout)
            [key] = cache.keys("fragment/*")
            assert least < cache.ttl(key) < most
            cache.delete(key)
        assert shown(source, timeout=-1) != shown(source, timeout=-1)

    def test_wrong_timeouts(self, app):
        """What is no timeout is said before the fragment is made."""
        source = "{% cache timeout, 'menu' %}{{ run() }}{% endcache %}"
        for timeout in ("300", "", True, [60], b"del"):
            with pytest.raises(ConfigError, match=r"timeout must be seconds.* in \{% cache %\}"):
                shown(source, timeout=timeout)
        with pytest.raises(UndefinedError, match="'timeout' is undefined"):
            shown(source)
        assert shown(source, timeout=60) == "1"

    def test_long_names(self, app, cache):
        """A key has the beginning of a long name only, and names that begin alike differ."""
        source = "{% cache 60, name %}{{ run() }}{% endcache %}"
        names = ["n" * 100 + end for end in ("", "a", "b" * 5_000)]
        made = [shown(source, name=name) for name in names]
        assert [shown(source, name=name) for name in names] == made == ["1", "2", "3"]
        assert all(len(key) < 200 for key in cache.keys("fragment/*"))
        assert all(cache.delete_fragment(name) for name in names)

    def test_deleting(self, app, cache):
        """A fragment is deleted by what it was kept by, or by a block that says so."""
        source = "{% cache timeout, 'menu', 7 %}{{ run() }}{% endcache %}"
        assert [shown(source, timeout=60) for _ in range(2)] == ["1", "1"]
        assert not cache.delete_fragment("menu")
        assert not cache.delete_fragment("menu", "7")
        assert cache.delete_fragment("menu", 7)
        assert not cache.delete_fragment("menu", 7)
        assert shown(source, timeout=60) == "2"
        assert shown(source, timeout="del") == "3"
        assert shown(source, timeout=60) == "4"

    def test_deleting_what_is_being_made(self, app, cache):
        """It is not kept, whichever way it was deleted."""
        block = "{% cache 60, 'menu' %}{{ run() }}{{ delete() }}{% endcache %}"
        erasing = "{% cache 'del', 'menu' %}{% endcache %}"

        def by_call():
            return "" if cache.delete_fragment("menu") else "?"

        def by_block():
            return run_threads(1, lambda _: in_context(app, lambda: shown(erasing)))[0]

        for delete in (by_call, by_block):
            cache.delete_fragment("menu")
            first = shown(block, delete=delete)
            second = shown(block, delete=str)
            assert first != second == shown(block, delete=str)

    def test_without_a_name(self, app):
        """A block without a name is known by its place in its template."""
        block = "{% cache 60 %}{{ run() }} {% endcache %}"
        line = f"{{% cache 60 %}}{block}{block}{{% endcache %}}{block}\n{block}"
        app.jinja_env.loader = DictLoader({"a": f"{block}\n{block}", "b": block, "c": line})
        for _ in range(2):
            assert render_template("a").split() == ["1", "2"]
            assert render_template("b").split() == ["3"]
            assert render_template("c").split() == ["4", "5", "6", "7"]
        with pytest.raises(TemplateSyntaxError, match="without a name blocks need one"):
            shown(block)

    def test_blocks_in_blocks(self, app):
        """Blocks may be nested, in each other and in loops."""
        source = (
            "{% cache 60, 'outer' %}{{ run() }}{% for n in range(3) %}"
            "{% cache 60, 'inner', n %} {{ n }}{% endcache %}{% endfor %}{% endcache %}"
        )
        assert [shown(source), shown(source)] == ["1 0 1 2"] * 2


def test_many_at_once(url):
    """Of many visitors one makes a missing fragment."""
    app = make_app(KT_CACHE_URL=url)
    KTCache(app)
    runs = itertools.count(1)

    @app.get("/")
    def page():
        return shown("{% cache 60, 'slow' %}{{ run() }}{% endcache %}", run=lambda: next(runs))

    assert set(run_threads(20, lambda _: app.test_client().get("/").text)) == {"1"}


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_beside_flask_caching(url, first):
    """In an app with both, ``cache`` is Flask-Caching's, and ``kt_cache`` is ours."""
    app = make_app(KT_CACHE_URL=url, CACHE_TYPE="SimpleCache")
    extensions = [KTCache, Cache] if first == "ours" else [Cache, KTCache]
    ours, theirs = sorted(
        [extension(app) for extension in extensions], key=lambda made: isinstance(made, Cache)
    )
    with app.app_context():
        assert shown("{% cache 60, 'name' %}theirs{% endcache %}") == "theirs"
        assert shown("{% kt_cache 60, 'name' %}ours{% endkt_cache %}") == "ours"
        assert shown("{% cache 60, 'name' %}new{% endcache %}") == "theirs"
        assert shown("{% kt_cache 60, 'name' %}new{% endkt_cache %}") == "ours"
        assert ours.delete_fragment("name")
        theirs.clear()
        assert shown("{% cache 60, 'name' %}new{% endcache %}") == "new"


def test_several_caches(url):
    """In an app with several caches fragments are in the first one."""
    app = Flask("site")
    app.config.update(KT_CACHE_URL=url, KT_CACHE_KEY_PREFIX="first")
    first = KTCache(app)
    app.config.update(KT_CACHE_KEY_PREFIX="second")
    second = KTCache(app)
    with app.app_context():
        assert shown("{% cache 60, 'name' %}text{% endcache %}") == "text"
        assert not second.delete_fragment("name")
        assert first.delete_fragment("name")
