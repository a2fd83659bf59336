"""Fragments of templates that are kept: ``{% cache timeout, name, variable... %}``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jinja2 import Undefined, nodes, pass_eval_context
from jinja2.ext import Extension
from jinja2.nodes import EvalContext
from jinja2.parser import Parser
from markupsafe import Markup

from kt_cache.cache.call_keys import digest_of, text_of
from kt_cache.errors import ConfigError
from kt_cache.flask.methods import MethodsBase
from kt_cache.flask.terms import check_timeout, seconds_of

if TYPE_CHECKING:
    from kt_cache.flask.backend import KyotoTycoonCache

__all__ = ["FragmentExtension", "FragmentMethods", "fragment_key"]

_DELETE = "del"  # in place of a timeout
_LONGEST = 100  # characters of a name that are in a key as they are


def fragment_key(name: Any, *variables: Any) -> str:
    """Return the key of a fragment.

    :raises ConfigError: if a variable cannot be told from others.
    """
    parts = [_plain(part) for part in (name, *variables)]
    beginning = parts[0][:_LONGEST] if isinstance(parts[0], str) else ""
    return f"fragment/{beginning}/{digest_of(text_of(parts))}"


def _plain(part: Any) -> Any:
    if isinstance(part, Undefined):
        part._fail_with_undefined_error()  # noqa: SLF001 - or visitors would share a fragment
    return str(part) if isinstance(part, str) else part  # that is HTML already is no difference


class FragmentMethods(MethodsBase):
    """The calls for fragments."""

    def delete_fragment(self, name: Any, *variables: Any) -> bool:
        """Remove a fragment of templates; return whether there was one, or it was being made.

        :param name: the first thing behind the timeout in ``{% cache %}``.
        :param variables: the others.
        """
        return self.cache.discard(fragment_key(name, *variables))


class FragmentExtension(Extension):
    """The tag ``cache``, which is Flask-Caching's in an app that has that, too, and ``kt_cache``.

    It keeps fragments in the first cache that the app was given.
    """

    tags = {"cache", "kt_cache"}  # noqa: RUF012 - so it is in Jinja

    # Jinja gives a tag to the last extension that has it, by this number.
    priority = Extension.priority - 1

    def parse(self, parser: Parser) -> nodes.Node:
        """Read a block."""
        token = next(parser.stream)
        arguments = [parser.parse_expression()]
        while parser.stream.skip_if("comma"):
            arguments.append(parser.parse_expression())
        if len(arguments) == 1:
            arguments.append(_place(parser, token.lineno))
        body = parser.parse_statements((f"name:end{token.value}",), drop_needle=True)
        render = "_arender" if self.environment.is_async else "_render"
        call = self.call_method(render, arguments)
        return nodes.CallBlock(call, [], [], body).set_lineno(token.lineno)

    @pass_eval_context
    def _render(
        self, context: EvalContext, timeout: Any, *names: Any, caller: Callable[[], str]
    ) -> str:
        backend, key = self._backend, fragment_key(*names)
        if timeout == _DELETE:
            backend.cache.discard(key)
            return caller()
        seconds = _seconds(timeout, backend.default_timeout)
        # Markup would be text in some serializers and not in others.
        text = backend.cache.get_or_set(key, lambda: str(caller()), seconds, lock=True)
        return Markup(text) if context.autoescape else str(text)  # noqa: S704 - Jinja's own

    @pass_eval_context
    async def _arender(
        self, context: EvalContext, timeout: Any, *names: Any, caller: Callable[[], Any]
    ) -> str:
        backend, key = self._backend, fragment_key(*names)

        async def made() -> str:
            return str(await caller())

        if timeout == _DELETE:
            backend.cache.discard(key)
            return await made()
        seconds = _seconds(timeout, backend.default_timeout)
        text = await backend.blocking_cache.aget_or_set(key, made, seconds, lock=True)
        return Markup(text) if context.autoescape else str(text)  # noqa: S704 - Jinja's own

    @property
    def _backend(self) -> KyotoTycoonCache:
        app = getattr(self.environment, "app", None)
        caches = {} if app is None else app.extensions.get("kt_cache", {})
        for backend in caches.values():
            found: KyotoTycoonCache = backend
            return found
        raise ConfigError("{% cache %} needs an app with a KTCache: call init_app(app) first")


def _place(parser: Parser, line: int) -> nodes.Const:
    """Return where a block is, which is the name of one without a name."""
    if parser.name is None:
        parser.fail("in a template without a name blocks need one: {% cache 60, 'name' %}", line)
    # There is a parser for each template, and blocks come in their order.
    seen: Counter[int] = vars(parser).setdefault("_kt_cache_blocks", Counter())
    seen[line] += 1
    more = f":{seen[line]}" if seen[line] > 1 else ""
    return nodes.Const(f"{parser.name}:{line}{more}")


def _seconds(timeout: Any, default: int) -> float | None:
    """Return the timeout of a block as the cache takes it.

    :raises ConfigError: if it is none.
    """
    if isinstance(timeout, Undefined):
        timeout._fail_with_undefined_error()  # noqa: SLF001 - which names it
    check_timeout(timeout, f"; in {{% cache %}} also none, which is the default, or {_DELETE!r}")
    return seconds_of(timeout, default)
