"""What is to happen when a store fails: the options that say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from kt_cache.errors import ConfigError
from kt_cache.transport.config import check_seconds

__all__ = ["FAILURE_OPTIONS", "FailurePolicy"]

_THRESHOLD = 3
_RESET = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FailurePolicy:
    """Whether failures are ignored, and when the circuit breaker opens.

    There is a circuit breaker if one of its options is given or errors are ignored, unless its
    threshold is 0.

    :param ignore_errors: whether a call that cannot reach the server gives a neutral value, such as
        a miss, instead of an error; see :data:`~kt_cache.cache.tolerant.NEUTRAL` for which calls.
    :param breaker_threshold: failures in a row after which no call is sent any more (3); 0 for
        never.
    :param breaker_reset: seconds until a call is sent again to try the server (5.0).
    :raises ConfigError: if one of them is not understood.
    """

    ignore_errors: bool = False
    breaker_threshold: int | None = None
    breaker_reset: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.ignore_errors, bool):
            raise ConfigError(f"ignore_errors must be True or False, not {self.ignore_errors!r}")
        threshold = self.breaker_threshold
        if threshold is not None and (
            isinstance(threshold, bool) or not isinstance(threshold, int) or threshold < 0
        ):
            raise ConfigError(
                "breaker_threshold must be a whole number of failures, 0 for no circuit breaker, "
                f"not {threshold!r}"
            )
        if self.breaker_reset is not None:
            check_seconds("breaker_reset", self.breaker_reset)

    @classmethod
    def taken_from(cls, options: Mapping[str, Any]) -> tuple[FailurePolicy, dict[str, Any]]:
        """Return the policy in a mapping of options, and the other options."""
        rest = dict(options)
        own = {name: rest.pop(name) for name in FAILURE_OPTIONS & rest.keys()}
        return cls(**own), rest

    @property
    def threshold(self) -> int:
        """Failures in a row that open the circuit breaker; 0 if there is none."""
        if self.breaker_threshold is not None:
            return self.breaker_threshold
        return _THRESHOLD if self.ignore_errors or self.breaker_reset is not None else 0

    @property
    def reset(self) -> float:
        """Seconds for which the circuit breaker stays open."""
        return _RESET if self.breaker_reset is None else self.breaker_reset


FAILURE_OPTIONS = frozenset(field.name for field in fields(FailurePolicy))
"""Names of the options."""
