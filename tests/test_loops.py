"""A duty that is done again and again: in time, again after an error, and no more after its end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from hypern.clock import ManualClock
from hypern.errors import QueueUnavailable
from hypern.loops import Loop

WAIT = 20.0


class Duty:
    """Counts its turns; `then` is what each turn answers or raises."""

    def __init__(self) -> None:
        self.turns = threading.Semaphore(0)
        self.then: Callable[[], float | None] = lambda: None

    def __call__(self) -> float | None:
        moment = self.then()
        self.turns.release()
        return moment

    def wait_for_a_turn(self) -> None:
        assert self.turns.acquire(timeout=WAIT)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """A clock on which nobody wakes by and by, so that a missing ring is noticed."""
    monkeypatch.setattr("hypern.clock.LONGEST_WAIT", 1000.0)
    return ManualClock()


@pytest.fixture
def duty() -> Duty:
    return Duty()


@pytest.fixture
def loop(clock: ManualClock, duty: Duty) -> Iterator[Loop]:
    """A loop that has not been started; it is stopped in the end."""
    loop = Loop("test-loop", clock, duty)
    yield loop
    if loop._thread.ident is not None:
        loop.stop(time.monotonic() + WAIT)
        assert not loop._thread.is_alive()


def test_the_first_turn_comes_at_once(loop: Loop, duty: Duty) -> None:
    """A loop that starts looks what there is to do."""
    loop.start()
    duty.wait_for_a_turn()


def test_the_next_turn_comes_at_its_time(loop: Loop, duty: Duty, clock: ManualClock) -> None:
    """The duty says when it wants its next turn, and gets it then."""
    times: list[float] = []

    def turn() -> float:
        times.append(clock.steady())
        return clock.steady() + 10.0

    duty.then = turn
    loop.start()
    for expected in (0.0, 10.0, 20.0):
        while not times or times[-1] < expected:
            duty.wait_for_a_turn()
        if expected < 20.0:
            clock.advance(10.0)
    assert {0.0, 10.0, 20.0} <= set(times)


def test_an_earlier_need_brings_the_turn_forward(loop: Loop, duty: Duty, clock: ManualClock) -> None:
    """`ring_before` wakes the loop for a moment before its next turn, again and again, and misses none."""
    duty.then = lambda: 1000.0
    loop.start()
    duty.wait_for_a_turn()
    for number in range(200):
        while duty.turns.acquire(blocking=False):
            pass
        loop.ring_before(500.0 - number)
        duty.wait_for_a_turn()


def test_news_during_a_turn_gets_a_turn(loop: Loop, duty: Duty, clock: ManualClock) -> None:
    """Who rings while a turn is under way gets another turn after it, whatever moment it is about."""
    turns: list[float | None] = [5.0, None, None]

    def turn() -> float | None:
        if len(turns) == 2:
            loop.ring_before(1e9)
        return turns.pop(0)

    duty.then = turn
    loop.start()
    duty.wait_for_a_turn()
    loop.ring_before(0.0)
    duty.wait_for_a_turn()
    duty.wait_for_a_turn()


def test_an_error_is_logged_and_the_loop_goes_on(
    loop: Loop, duty: Duty, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A duty that raises is done again a second later, and the log says what it raised."""
    failed = threading.Event()

    def turn() -> None:
        if not failed.is_set():
            failed.set()
            raise ValueError("broken once")

    duty.then = turn
    with caplog.at_level(logging.ERROR, "hypern.tasks"):
        loop.start()
        assert failed.wait(WAIT)
        # It begins to wait after it has logged; until then there is nobody to wake.
        while not duty.turns.acquire(timeout=0.01):
            clock.advance(1.0)
    assert "test-loop failed" in caplog.text
    assert "broken once" in caplog.text


def test_a_store_that_is_away_is_told_once(
    loop: Loop, duty: Duty, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """However long it is away there is one line, and one more the next time."""
    away = [True, True, True, False, True, True]

    def turn() -> float:
        duty.turns.release()
        if away and away.pop(0):
            raise QueueUnavailable("no answer")
        return clock.steady() + 1.0

    duty.then = turn
    with caplog.at_level(logging.ERROR, "hypern.tasks"):
        loop.start()
        while away:
            clock.advance(1.0)
            duty.turns.acquire(timeout=0.01)
        # The turn after the last one of them.
        while not duty.turns.acquire(timeout=0.01):
            clock.advance(1.0)
        loop.stop(time.monotonic() + WAIT)
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["test-loop goes on when that is possible: no answer"] * 2
    assert not any(record.exc_info for record in caplog.records)


def test_no_turn_after_the_stop(loop: Loop, duty: Duty, clock: ManualClock) -> None:
    """After `stop` has returned the duty is never called again."""
    duty.then = lambda: clock.steady() + 1.0
    loop.start()
    duty.wait_for_a_turn()
    loop.stop(time.monotonic() + WAIT)
    assert not loop._thread.is_alive()
    while duty.turns.acquire(blocking=False):
        pass
    clock.advance(100.0)
    loop.ring_before(0.0)
    assert not duty.turns.acquire(blocking=False)


def test_a_duty_may_stop_its_own_loop(loop: Loop, duty: Duty) -> None:
    """Stopping from inside of a turn ends the loop after it and waits for nothing."""

    def turn() -> None:
        loop.stop(time.monotonic() + WAIT)

    duty.then = turn
    loop.start()
    duty.wait_for_a_turn()
    loop._thread.join(WAIT)
    assert not loop._thread.is_alive()
