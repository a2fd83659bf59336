"""A pool's configuration: frozen, compared by value, and checked when it is made."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from kt_cache.errors import ConfigError
from kt_cache.transport import PoolConfig

TIMES = ["connect_timeout", "read_timeout", "call_timeout", "max_idle", "max_lifetime"]


def test_the_defaults_are_finite() -> None:
    """Nobody waits forever without having asked for anything."""
    config = PoolConfig()
    assert all(0 < getattr(config, name) < math.inf for name in TIMES)
    assert config.connect_timeout <= config.call_timeout
    assert config.read_timeout <= config.call_timeout


def test_a_configuration_cannot_change() -> None:
    """It is the key of the pool that was made for it."""
    config = PoolConfig()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.port = 1979  # type: ignore[misc]


def test_equal_configurations_are_the_same_key() -> None:
    """Every field counts, and nothing else."""
    assert PoolConfig(port=2) == PoolConfig(port=2)
    assert hash(PoolConfig(port=2)) == hash(PoolConfig(port=2))
    changed: dict[str, Any] = {"host": "localhost", "port": 2, "max_size": 2, "max_waiting": 2}
    changed |= dict.fromkeys(TIMES, 7.5)
    assert set(changed) == {field.name for field in dataclasses.fields(PoolConfig)}
    assert all(PoolConfig(**{name: value}) != PoolConfig() for name, value in changed.items())


def test_positional_arguments_are_refused() -> None:
    """A new field in between must not give an old call another meaning."""
    with pytest.raises(TypeError):
        PoolConfig("localhost")  # type: ignore[misc]


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize(
    "value", [0, -1, 0.0, math.inf, -math.inf, math.nan, None, "5", True, 10**10, 1e300, 10**400]
)
def test_a_time_must_be_one_that_can_be_waited_for(name: str, value: Any) -> None:
    """Other values are refused by name: zero, infinity, text, what no socket takes."""
    with pytest.raises(ConfigError, match=f"^{name} must be a positive number of seconds"):
        PoolConfig(**{name: value})


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("value", [1e-9, 1, 10**6])
def test_any_reasonable_time_is_taken(name: str, value: float) -> None:
    """From far below a millisecond up to days."""
    assert getattr(PoolConfig(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_size", 0),
        ("max_size", -1),
        ("max_size", 1.0),
        ("max_size", True),
        ("max_size", None),
        ("max_waiting", -1),
        ("max_waiting", 1.5),
        ("max_waiting", "1"),
        ("port", 0),
        ("port", 65536),
        ("port", -1),
        ("port", "1978"),
        ("port", 1978.0),
        ("port", True),
        ("port", None),
        ("host", ""),
        ("host", None),
        ("host", b"localhost"),
        ("host", 0),
    ],
)
def test_an_error_names_the_option(name: str, value: Any) -> None:
    """A wrong value of any other option is refused by name too."""
    with pytest.raises(ConfigError, match=f"^{name} must be "):
        PoolConfig(**{name: value})


@pytest.mark.parametrize(
    ("host", "shown"), [("kt.example", "kt.example:1978"), ("::1", "[::1]:1978")]
)
def test_the_address_for_messages(host: str, shown: str) -> None:
    """Host and port as one would write them in a URL."""
    assert PoolConfig(host=host).address == shown
