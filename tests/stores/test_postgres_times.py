"""What a process knows of the server's clock, and that nothing starts too early for it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hypern.clock import Alarm
from hypern.stores.postgres.times import ServerTime


class Clock:
    def __init__(self, wall: float, steady: float) -> None:
        self.now_wall, self.now_steady = wall, steady

    def wall(self) -> float:
        return self.now_wall

    def steady(self) -> float:
        return self.now_steady

    def sleep_until(self, alarm: Alarm, moment: float | None) -> None:
        raise AssertionError("nobody waits here")


moments = st.floats(0.0, 1e6)
trips = st.floats(0.0, 5.0)


@given(ahead=st.floats(-1e9, 1e9), trips=st.lists(st.tuples(trips, trips), min_size=1), delay=moments)
def test_never_early(ahead: float, trips: list[tuple[float, float]], delay: float) -> None:
    """However long its answers took to come: when `passed` has reached a due time, it has come."""
    times = ServerTime(Clock(0.0, 0.0))
    now = 0.0
    for there, back in trips:
        times.learn(now, now + there + ahead, now + there + back)
        now += there + back + 1.0
    due = times.due(delay)
    assert times.steady(due) >= delay - 1e-6
    assert due - ahead >= delay - 1e-6
    assert times.passed(times.steady(due)) <= due + 1e-6


def test_a_better_answer_counts() -> None:
    """The narrower of two estimates is kept, the later one after a while, or where the clock has stepped."""
    times = ServerTime(Clock(0.0, 0.0))
    times.learn(0.0, 1000.5, 1.0)
    assert (times.passed(0.0), times.due(0.0)) == (999.5, 1000.5)
    times.learn(2.0, 1002.1, 2.2)
    assert times.due(0.0) - times.passed(0.0) < 0.21
    times.learn(3.0, 1003.5, 4.0)
    assert times.due(0.0) - times.passed(0.0) < 0.21
    times.learn(5.0, 2005.5, 6.0)
    assert (times.passed(0.0), times.due(0.0)) == (1999.5, 2000.5)


def test_what_people_read_is_the_servers_clock() -> None:
    """A host whose clock is ten minutes slow writes the right time."""
    times = ServerTime(Clock(wall=400.0, steady=10.0))
    times.learn(10.0, 1000.0, 10.0)
    assert times.of_wall(400.0) == 1000.0
    assert times.of_wall(401.5) == 1001.5


def test_the_order_does_not_hang_on_a_trembling_clock() -> None:
    """Answers that differ by less than a few milliseconds change nothing about the order of tasks."""
    times = ServerTime(Clock(wall=100.0, steady=10.0))
    times.learn(10.0, 1000.0, 10.0)
    before = times.of_wall(100.0)
    times.learn(11.0, 1001.001, 11.0)
    assert times.of_wall(100.0) == before
