"""From the pulse of a store to what is drawn: numbers over time, and a table by task."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from hypern.stores.pulse import FINE, Beat, Tally, copy_of, percentile

K = TypeVar("K", int, str)
Data = dict[str, Any]
Sums = dict[K, Tally]

# By the seconds that are shown: the seconds that one point stands for.
_STEPS = {900: 10, 3600: 30, 21_600: 300, 86_400: 300}
_EARLY = 5.0
_MOST_NAMES = 200
_LONGEST_NAME = 300


Pulse = Callable[[float], list[Beat]]


class Recent:
    """The numbers of the last `seconds`, kept so that each look reads only what is new.

    What has been counted long enough to change no more is summed up once, and anew when a sixtieth of the
    time shown has gone by.
    """

    def __init__(self, seconds: int) -> None:
        self._seconds, self._step = seconds, _STEPS[seconds]
        self._lock = threading.Lock()
        self._built = 0.0
        self._until = 0
        self._points: Sums[int] = {}
        self._names: Sums[str] = {}

    def read(self, pulse: Pulse, now: float) -> Data:
        """`series` and `table` at this wall-clock second. `pulse`: of the store."""
        with self._lock:
            if 0 <= now - self._built < self._seconds / 60:
                beats = [beat for beat in pulse(self._until) if beat.at >= self._until]
            else:
                beats = self._build(pulse(now - self._seconds), now)
            points, names = dict(self._points), dict(self._names)
        self._add(beats, points, names, self._points, self._names)
        return {"series": series(points, now, self._seconds), "names": table(names, self._seconds)}

    def _build(self, beats: list[Beat], now: float) -> list[Beat]:
        """Sum up what is over; what is not."""
        self._built, self._until = now, int(now) // FINE * FINE - FINE
        self._points, self._names = {}, {}
        self._add([beat for beat in beats if beat.at < self._until], self._points, self._names, {}, {})
        return [beat for beat in beats if beat.at >= self._until]

    def _add(
        self, beats: list[Beat], points: Sums[int], names: Sums[str], kept: Sums[int], of: Sums[str]
    ) -> None:
        """Add beats to sums; those that are `kept` for others are copied first."""
        for beat in beats:
            # What is coarser than a point is shown at its beginning.
            _sum(points, beat.at // self._step * self._step, kept).add(beat.tally)
            _sum(names, beat.name, of).add(beat.tally)


def _sum(sums: Sums[K], key: K, kept: Sums[K]) -> Tally:
    found = sums.get(key)
    if found is None:
        found = sums[key] = Tally()
    elif found is kept.get(key):
        found = sums[key] = copy_of(found)
    return found


def series(points: Sums[int], now: float, seconds: int) -> Data:
    """What ended per minute, and how long it had waited and ran, point by point; None where nothing did."""
    step = _STEPS[seconds]
    first = int(now - seconds) // step * step + step
    shown = [(at, points.get(at) or Tally()) for at in range(first, int(now) + 1, step)]
    # The last point is of a time that is not over. So early in it that it says nothing, it is left out.
    elapsed = now - shown[-1][0]
    if elapsed < _EARLY:
        shown, elapsed = shown[:-1], step
    lengths = [*(step for _ in shown[:-1]), min(step, elapsed)]
    timed = list(zip((tally for _, tally in shown), lengths, strict=True))
    return {
        "step": step,
        "at": [at for at, _ in shown],
        "completed": [tally.completed * 60 / length for tally, length in timed],
        "failed": [(tally.failed + tally.retried) * 60 / length for tally, length in timed],
        "p50": [percentile(tally.ran, 0.5) for tally, _ in timed],
        "p95": [percentile(tally.ran, 0.95) for tally, _ in timed],
        "waited": [percentile(tally.waited, 0.95) for tally, _ in timed],
    }


def table(names: Sums[str], seconds: int) -> list[Data]:
    """Each task with what became of it in these seconds, the busiest first."""
    lines = [_line(name, tally, seconds) for name, tally in names.items()]
    return sorted(lines, key=lambda line: (-line["ended"], line["name"]))[:_MOST_NAMES]


def _line(name: str, tally: Tally, seconds: int) -> Data:
    ended = tally.completed + tally.failed + tally.cancelled + tally.retried
    failures = tally.failed + tally.retried
    ran = tally.completed + failures
    return {
        "name": name[:_LONGEST_NAME],
        "ended": ended,
        "completed": tally.completed,
        "failed": tally.failed,
        "retried": tally.retried,
        "cancelled": tally.cancelled,
        "per_minute": ended * 60 / seconds,
        "failure_rate": failures / ran if ran else None,
        "p50": percentile(tally.ran, 0.5),
        "p95": percentile(tally.ran, 0.95),
        "p99": percentile(tally.ran, 0.99),
        "waited": percentile(tally.waited, 0.95),
    }
