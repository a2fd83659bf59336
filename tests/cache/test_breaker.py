"""The circuit breaker: its states, by a model, and many threads at once."""

from __future__ import annotations

import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from kt_cache.cache.breaker import CircuitBreaker
from kt_cache.errors import CircuitOpen
from tests.support.clocks import Clock
from tests.support.threads import run_threads

RESET = 5.0
LONGEST_PROBE = 60.0


def begin(breaker: CircuitBreaker) -> int | None:
    """Do as a call does before it is sent; return its ticket, or ``None`` if it is refused."""
    ticket = breaker.ticket
    try:
        return breaker.admit() if breaker.failures else ticket
    except CircuitOpen as refused:
        assert 0 < refused.retry_after <= LONGEST_PROBE
        return None


def opened(clock: Clock, threshold: int = 3) -> CircuitBreaker:
    """Return a breaker that has just opened."""
    breaker = CircuitBreaker(threshold, RESET, clock=clock)
    for number in range(threshold):
        assert breaker.failed(breaker.ticket) == (number == threshold - 1)
    return breaker


@pytest.fixture
def clock() -> Clock:
    return Clock()


class TestStates:
    def test_closed_until_the_threshold(self, clock):
        """Fewer failures in a row than the threshold, or with an answer between, open nothing."""
        breaker = CircuitBreaker(3, RESET, clock=clock)
        for _ in range(10):
            assert not breaker.failed(breaker.ticket)
            assert not breaker.failed(breaker.ticket)
            assert breaker.closed
            assert begin(breaker) is not None
            assert not breaker.answered()
        assert breaker.failures == 0

    def test_open_refuses_until_reset(self, clock):
        """While it is open, calls are refused and told how long."""
        breaker = opened(clock)
        assert not breaker.closed
        clock.now += RESET - 0.5
        with pytest.raises(CircuitOpen, match=r"calls in a row: 3.* within 0\.5 s") as caught:
            breaker.admit()
        assert caught.value.retry_after == 0.5

    def test_one_probe(self, clock):
        """After that one call goes through, and the others wait for what it finds out."""
        breaker = opened(clock)
        clock.now += RESET
        probe = begin(breaker)
        assert probe is not None
        assert begin(breaker) is None
        clock.now += RESET
        assert begin(breaker) is None
        assert breaker.answered()
        assert breaker.closed
        assert begin(breaker) is not None

    def test_a_failed_probe_opens_it_again(self, clock):
        """If the probe fails, everyone waits for another ``reset`` seconds; nothing new is told."""
        breaker = opened(clock)
        clock.now += RESET
        assert not breaker.failed(begin(breaker))
        clock.now += RESET - 0.1
        assert begin(breaker) is None
        clock.now += 0.1
        assert begin(breaker) is not None

    def test_a_probe_without_a_verdict(self, clock):
        """A probe that was cancelled leaves its place to the next call."""
        breaker = opened(clock)
        clock.now += RESET
        breaker.ended(begin(breaker))
        assert begin(breaker) is not None
        assert begin(breaker) is None

    def test_a_probe_that_is_lost(self, clock):
        """A probe that is never heard of again does not keep the breaker open for ever."""
        breaker = opened(clock)
        clock.now += RESET
        assert begin(breaker) is not None
        clock.now += LONGEST_PROBE
        assert begin(breaker) is not None
        assert begin(breaker) is None

    def test_late_failures_do_not_count(self, clock):
        """What began before it opened and fails later neither prolongs that nor opens it again."""
        breaker = CircuitBreaker(3, RESET, clock=clock)
        early = [begin(breaker) for _ in range(10)]
        for ticket in early[:3]:
            breaker.failed(ticket)
        clock.now += RESET - 1
        breaker.failed(early[3])
        clock.now += 1
        assert begin(breaker) is not None
        assert breaker.answered()
        for ticket in early[4:]:
            assert not breaker.failed(ticket)
        assert breaker.closed
        assert breaker.failures == 0

    def test_a_late_end_is_not_the_probe_s(self, clock):
        """A call from before that is cancelled late does not let a second probe through."""
        breaker = CircuitBreaker(1, RESET, clock=clock)
        early, other = begin(breaker), begin(breaker)
        breaker.failed(other)
        clock.now += RESET
        assert begin(breaker) is not None
        breaker.ended(early)
        assert begin(breaker) is None

    def test_any_answer_closes_it(self, clock):
        """An answer to a call from before tells as much about the server as the probe."""
        breaker = opened(clock)
        assert breaker.answered()
        assert breaker.closed
        assert begin(breaker) is not None

    def test_after_a_fork(self, clock):
        """A child process begins with a closed breaker and a lock that nobody holds."""
        breaker = opened(clock)
        run_threads(1, lambda _: breaker._lock.acquire())  # held by a thread that is no more
        breaker.reset_after_fork()
        assert run_threads(1, lambda _: begin(breaker), timeout=10) != [None]
        assert breaker.closed


class TestGarbage:
    def test_a_call_that_ends_within_another(self):
        """The garbage collector may end an abandoned call at any moment; nobody waits for himself.

        Here it comes while the clock is read.
        """
        breaker = None

        def collecting_clock() -> float:
            if breaker is not None:
                breaker.ended(breaker.ticket - 1)
            return 1000.0

        breaker = CircuitBreaker(1, RESET, clock=collecting_clock)
        opens, refused = run_threads(
            1, lambda _: (breaker.failed(breaker.ticket), begin(breaker)), timeout=10
        )[0]
        assert opens
        assert refused is None


class BreakerMachine(RuleBasedStateMachine):
    """Any order of calls, ends and pauses, beside a model that names its states."""

    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breaker = CircuitBreaker(3, RESET, clock=self.clock)
        self.state = "closed"
        self.period = object()  # a new one whenever the state changes, and for every probe
        self.in_a_row = 0
        self.retry_at = 0.0

    def change(self, state: str, retry_at: float = 0.0) -> None:
        self.state, self.retry_at, self.period = state, retry_at, object()

    @rule(target=calls)
    def begin(self):
        """A call goes through when closed, or as the probe; else it is refused."""
        ticket = begin(self.breaker)
        if self.state != "closed":
            if self.clock.now < self.retry_at:
                assert ticket is None
                return None, None
            self.change("half-open", self.clock.now + LONGEST_PROBE)
        assert ticket is not None
        return ticket, self.period

    @rule(call=consumes(calls))
    def answer(self, call):
        """An answer closes it, whichever call it is for."""
        if call[0] is None:
            return
        if self.breaker.failures:
            assert self.breaker.answered() == (self.state != "closed")
        self.in_a_row = 0
        if self.state != "closed":
            self.change("closed")

    @rule(call=consumes(calls))
    def fail(self, call):
        """A failure of the present period opens it: when half-open, or the third in a row."""
        ticket, period = call
        if ticket is None:
            return
        opens = False
        if period is self.period:
            self.in_a_row += 1
            opens = self.state == "closed" and self.in_a_row == 3
            if opens or self.state == "half-open":
                self.change("open", self.clock.now + RESET)
        assert self.breaker.failed(ticket) == opens

    @rule(call=consumes(calls))
    def end(self, call):
        """A call that ends without a verdict changes nothing, but frees the probe's place."""
        ticket, period = call
        if ticket is None:
            return
        self.breaker.ended(ticket)
        if period is self.period and self.state == "half-open":
            self.retry_at = self.clock.now

    @rule(seconds=st.sampled_from([0.5, 1.0, RESET, LONGEST_PROBE]))
    def wait(self, seconds):
        self.clock.now += seconds

    @invariant()
    def same_state(self):
        assert self.breaker.closed == (self.state == "closed")
        assert self.breaker.failures == self.in_a_row


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=80, stateful_step_count=40)


class TestThreads:
    def test_one_probe_of_many_threads(self):
        """Of all threads that call at the moment ``reset`` is over, one goes through."""
        for _ in range(30):
            clock = Clock()
            breaker = opened(clock)
            clock.now += RESET
            tickets = run_threads(12, lambda _, breaker=breaker: begin(breaker))
            assert tickets.count(None) == 11

    def test_it_opens_once(self):
        """However many threads fail at once, one of them opens it."""
        breaker = CircuitBreaker(5, RESET, clock=Clock())
        ticket = breaker.ticket
        together = threading.Barrier(12)

        def fail(_: int) -> bool:
            together.wait(30)
            return breaker.failed(ticket)

        assert run_threads(12, fail).count(True) == 1
        assert not breaker.closed
        assert breaker.failures == 5

    def test_it_ends_closed(self):
        """After any mixture of ends from many threads, one answer closes it for everyone."""
        breaker = CircuitBreaker(2, 0.0001)

        def work(number: int) -> None:
            for turn in range(300):
                ticket = begin(breaker)
                if ticket is None:
                    continue
                how = (number + turn) % 3
                if how == 0:
                    breaker.failed(ticket)
                elif how == 1:
                    breaker.ended(ticket)
                elif breaker.failures:
                    breaker.answered()

        run_threads(8, work)
        breaker.answered()
        assert breaker.closed
        assert breaker.failures == 0
        assert begin(breaker) is not None
