"""The clocks: one that is the machine's, one that moves when told to."""

from __future__ import annotations

import threading
import time

import pytest

from hypern.clock import LONGEST_WAIT, Alarm, ManualClock, SystemClock

WAIT = 20.0


def test_the_machines_clocks() -> None:
    """`wall` is the time of day in seconds since 1970, `steady` never goes back."""
    clock = SystemClock()
    before, wall, after = time.time(), clock.wall(), time.time()
    assert before <= wall <= after
    readings = [clock.steady() for _ in range(1000)]
    assert readings == sorted(readings)


def test_sleep_until_a_moment() -> None:
    """Sleeping until a moment ends at that moment, not before it and not long after."""
    clock, alarm = SystemClock(), Alarm()
    moment = clock.steady() + 0.05
    while clock.steady() < moment:
        clock.sleep_until(alarm, moment)
    assert moment <= clock.steady() < moment + 5


def test_a_moment_that_has_passed() -> None:
    """Sleeping until a moment in the past does not sleep."""
    clock, started = SystemClock(), time.monotonic()
    clock.sleep_until(Alarm(), clock.steady() - 1000)
    assert time.monotonic() - started < LONGEST_WAIT


def test_an_alarm_ends_a_sleep() -> None:
    """Ringing ends a sleep without end, also when it rang before the sleep began; it rings once."""
    clock, alarm = SystemClock(), Alarm()
    alarm.ring()
    started = time.monotonic()
    clock.sleep_until(alarm, None)
    assert time.monotonic() - started < LONGEST_WAIT / 2
    clock.sleep_until(alarm, None)
    assert time.monotonic() - started >= LONGEST_WAIT


def test_a_sleeper_looks_at_the_clock_again() -> None:
    """Nobody sleeps for longer than LONGEST_WAIT at a stretch, for the machine may have been suspended."""
    clock, started = SystemClock(), time.monotonic()
    clock.sleep_until(Alarm(), clock.steady() + 3600)
    assert LONGEST_WAIT * 0.9 <= time.monotonic() - started < LONGEST_WAIT * 10


def test_a_manual_clock_moves_when_told_to() -> None:
    """Both of its times stand still until `advance`, and move by the same number of seconds."""
    clock = ManualClock(wall=1000.0)
    assert (clock.wall(), clock.steady()) == (1000.0, 0.0)
    clock.advance(2.5)
    clock.advance(0)
    assert (clock.wall(), clock.steady()) == (1002.5, 2.5)


@pytest.mark.parametrize("seconds", [-1, -0.001, float("nan"), float("-inf")])
def test_time_does_not_run_backwards(seconds: float) -> None:
    """Advancing by a negative number, or by none at all, is an error and moves nothing."""
    clock = ManualClock()
    with pytest.raises(ValueError, match="seconds >= 0"):
        clock.advance(seconds)
    assert clock.steady() == 0.0


def test_advancing_wakes_the_sleepers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sleeps on a manual clock is woken by each `advance`, not only by and by."""
    monkeypatch.setattr("hypern.clock.LONGEST_WAIT", 1000.0)
    clock, alarm, woken = ManualClock(), Alarm(), threading.Semaphore(0)

    def sleep() -> None:
        while clock.steady() < 100.0:
            clock.sleep_until(alarm, 100.0)
            woken.release()

    thread = threading.Thread(target=sleep, daemon=True)
    thread.start()
    deadline = time.monotonic() + WAIT
    # Until the thread sleeps for the first time there is nobody to wake.
    while not woken.acquire(timeout=0.01):
        assert time.monotonic() < deadline
        clock.advance(0.001)
    clock.advance(100.0)
    thread.join(WAIT)
    assert not thread.is_alive()
