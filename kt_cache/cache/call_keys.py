"""Keys for the results of function calls: the same for the same arguments in every process."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from hashlib import blake2b
from inspect import Parameter, signature
from typing import Any

from kt_cache.errors import ConfigError

__all__ = ["CallKeys", "digest_of", "name_of", "text_of"]

_DIGEST_SIZE = 20  # bytes
_PLAIN = frozenset({bool, bytes, float, int, str, type(None)})  # a repr tells all about them
_VARIABLE = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]{6,16}>")


class CallKeys:
    """Names one function's results.

    Arguments given by position or by name are the same, and so are defaults and those left out. Of
    a function that another decorator has put in place of its own, and that passes on whatever it is
    given, they are known as they are given: what that decorator does with them is unknown.

    :param function: whose results they are.
    :param make_name: takes the function's name, returns the one to use instead.
    :param ignore: names of parameters that do not count.
    :raises ConfigError: for a function without a name of its own, or names of no parameters.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        make_name: Callable[[str], str] | None = None,
        ignore: Iterable[str] = (),
    ) -> None:
        self.name = name_of(function)
        if make_name is not None:
            self.name = make_name(self.name)
        elif function.__name__ == "<lambda>":
            raise ConfigError(
                "results are kept by a function's name, and a lambda has none of its own: "
                "use def, or give make_name"
            )
        self._signature = signature(function, follow_wrapped=False)
        self._ignored = _names_of(ignore, self._signature.parameters)
        parameters = list(self._signature.parameters.values())
        self._names = [parameter.name for parameter in parameters]
        self._counting = [
            number for number, name in enumerate(self._names) if name not in self._ignored
        ]
        self._defaults = {
            parameter.name: parameter.default
            for parameter in parameters
            if parameter.default is not Parameter.empty
        }
        self._is_plain = all(
            parameter.kind is Parameter.POSITIONAL_OR_KEYWORD for parameter in parameters
        )
        self.is_exact = not hasattr(function, "__wrapped__") or not any(
            parameter.kind in _VARIABLE for parameter in parameters
        )
        """Whether calls that come to the same have the same key."""
        shown = next(iter(signature(function).parameters), None)
        self.is_method = shown == "self" and "self" not in self._ignored
        self.tag = f"memo/{self.name}"
        """The tag of all results."""

    def tag_of(self, instance: Any) -> str:
        """Return the tag of one object's results.

        :raises ConfigError: if the object cannot be told from others.
        """
        return f"{self.tag}/{digest_of(text_of(instance))}"

    def tags(self, args: tuple[Any, ...]) -> tuple[str, ...]:
        """Return the tags of a call's result.

        :param args: those given by position.
        """
        if self.is_method and args:
            return self.tag, self.tag_of(args[0])
        return (self.tag,)

    def key(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
        """Return the key of a call's result.

        :raises TypeError: if the function does not take such arguments.
        :raises ConfigError: if an argument cannot be told from others.
        """
        values = self._plain_values(args, kwargs) if self._is_plain else None
        if values is None:
            bound = self._signature.bind(*args, **kwargs)
            bound.apply_defaults()
            values = tuple([bound.arguments[name] for name in self._names])
        if self._ignored:
            values = tuple([values[number] for number in self._counting])
        return f"{self.tag}/{digest_of(text_of(values))}"

    def _plain_values(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[Any, ...] | None:
        """Return the arguments in their order, in a tenth of the time that a signature takes.

        ``None`` if they do not fit, which the signature says better.
        """
        missing = self._names[len(args) :]
        if not missing and not kwargs and len(args) == len(self._names):
            return args
        values, named = [*args], 0
        for name in missing:
            if name in kwargs:
                values.append(kwargs[name])
                named += 1
            elif name in self._defaults:
                values.append(self._defaults[name])
            else:
                return None
        return tuple(values) if named == len(kwargs) and len(values) == len(self._names) else None


def name_of(function: Callable[..., Any]) -> str:
    """Return a function's name, which others that were defined at the same place have, too."""
    return f"{function.__module__}.{function.__qualname__}"


def digest_of(text: str) -> str:
    """Return a digest that stands for a text."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_SIZE).hexdigest()


def text_of(value: Any) -> str:
    """Return a text that tells a value from any other one, the same in every process.

    That is made of the parts of what Python has built in and of dataclasses, and of other objects'
    ``__caching_id__()``, if they have that method, or else of their ``repr``.

    :raises ConfigError: for an object whose ``repr`` is its address in memory, or not all of it.
    """
    kind = type(value)
    if kind in _PLAIN:
        return repr(value)
    if kind is tuple:
        if _PLAIN.issuperset(map(type, value)):
            return repr(value)
        return f"({', '.join(map(text_of, value))}{',' if len(value) == 1 else ''})"
    if kind is list:
        return f"[{', '.join(map(text_of, value))}]"
    if kind is dict:
        items = sorted(f"{text_of(key)}: {text_of(item)}" for key, item in value.items())
        return f"{{{', '.join(items)}}}"
    if kind in (set, frozenset):
        return f"{kind.__name__}({', '.join(sorted(map(text_of, value)))})"
    if kind in (bytearray, memoryview):
        return f"{kind.__name__}({bytes(value)!r})"
    return f"<{kind.__module__}.{kind.__qualname__} {_text_of_object(value)}>"


def _text_of_object(value: Any) -> str:
    kind: Any = type(value)
    caching_id = getattr(value, "__caching_id__", None)
    if caching_id is not None and not isinstance(value, type):
        return text_of(caching_id())
    if is_dataclass(value) and not isinstance(value, type):
        counting: list[str] = [field.name for field in fields(value) if field.compare]
        return text_of({name: getattr(value, name) for name in counting})
    for base, parts_of in _CONTAINERS:
        if issubclass(kind, base):  # a proxy of one is none itself
            text = text_of(base(parts_of(value)))
            own = getattr(value, "__dict__", None)
            return f"{text} {text_of(own)}" if own else text
    if isinstance(value, re.Pattern):  # whose repr ends after 200 characters
        return text_of((value.pattern, value.flags))
    text = repr(value)
    if kind.__repr__ is object.__repr__ or _ADDRESS.search(text):
        raise _indistinct(kind, "its repr is its address in memory, which others may have later")
    if hasattr(kind, "__array__") and getattr(value, "ndim", True):
        raise _indistinct(kind, "its repr does not tell all of it")
    if callable(getattr(value, "read", None)) and callable(getattr(value, "seek", None)):
        raise _indistinct(kind, "its repr does not tell what can be read from it")
    return repr(text)  # which ends where it seems to, whatever a visitor has put into the text


# What they hold, past methods of subclasses: a MultiDict's tell one value of each name.
_CONTAINERS: tuple[tuple[Any, Callable[[Any], Iterable[Any]]], ...] = (
    (dict, dict.items),
    (list, list.__iter__),
    (tuple, tuple.__iter__),
    (set, set.__iter__),
    (frozenset, frozenset.__iter__),
)


def _indistinct(kind: type, reason: str) -> ConfigError:
    return ConfigError(
        f"a {kind.__module__}.{kind.__qualname__} among the arguments cannot be told from others: "
        f"{reason}. Give its class a method __caching_id__ that returns what identifies it, or a "
        "__repr__, or name the parameter in args_to_ignore"
    )


def _names_of(ignore: Iterable[str], parameters: Mapping[str, Parameter]) -> frozenset[str]:
    if isinstance(ignore, str):
        raise ConfigError(f"args_to_ignore must be a list of names, such as [{ignore!r}]")
    names = frozenset(ignore)
    unknown = sorted(names - parameters.keys())
    if unknown:
        raise ConfigError(
            f"args_to_ignore: the function has no parameter {unknown[0]!r}; if a decorator below "
            "hides its parameters, put this one below that"
        )
    return names
