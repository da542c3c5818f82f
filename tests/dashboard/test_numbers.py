"""From beats to lines and tables."""

from __future__ import annotations

from typing import Any

from hypern.dashboard.numbers import Recent, series, table
from hypern.records import TaskStatus
from hypern.stores.pulse import Beat, Tally


def _tally(completed: int, failed: int = 0, seconds: float = 0.1) -> Tally:
    tally = Tally()
    for status, number in ((TaskStatus.COMPLETED, completed), (TaskStatus.FAILED, failed)):
        for _ in range(number):
            tally.count(status)
            tally.measure(seconds, seconds)
    return tally


def _read(beats: list[Beat], now: float, seconds: int = 900) -> dict[str, Any]:
    return Recent(seconds).read(lambda since: beats, now)


def test_a_line_has_a_point_for_each_step_and_none_where_nothing_ended() -> None:
    """Beats fall into their step, as a rate per minute; durations are None where there are none."""
    beats = [
        Beat(1000, 10, "a", _tally(6)),
        Beat(1000, 10, "b", _tally(0, 3)),
        Beat(1020, 10, "a", _tally(1)),
    ]
    said = _read(beats, 1040.0)["series"]
    assert said["step"] == 10
    at = said["at"].index(1000)
    assert said["at"] == list(range(150, 1040, 10))
    assert (said["completed"][at], said["failed"][at]) == (36.0, 18.0)
    assert said["p50"][at] is not None
    assert (said["completed"][at + 1], said["p50"][at + 1]) == (0.0, None)


def test_the_last_point_counts_for_the_time_that_it_had() -> None:
    """A step that has just begun is left out; one that is under way is measured by what has passed of it."""
    points = {1000: _tally(4)}
    assert series(points, 1004.0, 900)["at"][-1] == 990
    said = series(points, 1008.0, 900)
    assert (said["at"][-1], said["completed"][-1]) == (1000, 30.0)


def test_beats_before_the_time_shown_are_left_out_of_the_lines() -> None:
    """A store may answer with more than was asked for."""
    assert sum(_read([Beat(0, 300, "a", _tally(9))], 5000.0)["series"]["completed"]) == 0


def test_what_is_new_is_added_to_what_is_known() -> None:
    """A second look reads only the last beats, and gives what reading all anew would give."""
    beats = [Beat(at, 10, name, _tally(at % 7)) for at in range(1000, 1900, 10) for name in "ab"]
    asked: list[float] = []

    def pulse(since: float) -> list[Beat]:
        asked.append(since)
        return [beat for beat in beats if beat.at + beat.seconds > since]

    recent = Recent(900)
    recent.read(pulse, 1900.0)
    beats += [Beat(1890, 10, "b", _tally(5)), Beat(1900, 10, "c", _tally(3))]
    for now in (1906.0, 1912.0):
        said = recent.read(pulse, now)
        fresh = _read(beats, now)
        assert said["series"] == fresh["series"]
        assert {line["name"]: line["completed"] for line in said["names"]} == {
            line["name"]: line["completed"] for line in fresh["names"]
        }
    assert asked == [1000.0, 1890, 1890]


def test_all_is_read_anew_when_time_has_gone_by_or_back() -> None:
    """What has left the time shown is not kept, and a clock that was put back harms nothing."""
    asked: list[float] = []

    def pulse(since: float) -> list[Beat]:
        asked.append(since)
        return []

    recent = Recent(900)
    for now in (10_000.0, 10_015.0, 9000.0):
        recent.read(pulse, now)
    assert asked == [9100.0, 9115.0, 8100.0]


def test_the_table_has_the_busiest_first() -> None:
    """Each task has its rate, its part of failures and its percentiles."""
    lines = table({"rare": _tally(1), "often": _tally(6, 2, 1.0)}, 60)
    assert [line["name"] for line in lines] == ["often", "rare"]
    assert lines[0]["per_minute"] == 8
    assert lines[0]["failure_rate"] == 0.25
    assert 0.9 < lines[0]["p95"] < 1.1


def test_the_table_is_bounded() -> None:
    """However many names there are, and however long, there are not more than 200 short ones."""
    lines = table({f"{n}" * 1000: _tally(1) for n in range(1000)}, 60)
    assert len(lines) == 200
    assert max(len(line["name"]) for line in lines) <= 300
