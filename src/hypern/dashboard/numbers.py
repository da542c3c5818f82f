"""From the pulse of a store to what is drawn: numbers over time, and a table by task. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypern.stores.pulse import Beat, Tally, percentile, together

# By the seconds that are shown: the seconds that one point stands for.
_STEPS = {900: 10, 3600: 30, 21_600: 300, 86_400: 300}
_EARLY = 5.0
_MOST_NAMES = 200
_LONGEST_NAME = 300


def series(beats: Iterable[Beat], now: float, seconds: int) -> dict[str, Any]:
    """What ended per minute, and how long it had waited and ran, point by point; None where nothing did."""
    step = _STEPS[seconds]
    first = int(now - seconds) // step * step + step
    sums = {at: Tally() for at in range(first, int(now) + 1, step)}
    for beat in beats:
        at = beat.at // step * step
        if at in sums:
            # What is coarser than a point is shown at its beginning.
            sums[at].add(beat.tally)
    points = list(sums.items())
    # The last point is of a time that is not over. So early in it that it says nothing, it is left out.
    elapsed = now - points[-1][0]
    if elapsed < _EARLY:
        points, elapsed = points[:-1], step
    lengths = [*(step for _ in points[:-1]), min(step, elapsed)]
    return {
        "step": step,
        "at": [at for at, _ in points],
        "completed": [
            tally.completed * 60 / length for (_, tally), length in zip(points, lengths, strict=True)
        ],
        "failed": [
            (tally.failed + tally.retried) * 60 / length
            for (_, tally), length in zip(points, lengths, strict=True)
        ],
        "p50": [percentile(tally.ran, 0.5) for _, tally in points],
        "p95": [percentile(tally.ran, 0.95) for _, tally in points],
        "waited": [percentile(tally.waited, 0.95) for _, tally in points],
    }


def table(beats: Iterable[Beat], seconds: int) -> list[dict[str, Any]]:
    """Each task with what became of it in these seconds, the busiest first."""
    lines = [_line(name, tally, seconds) for name, tally in together(beats)]
    return sorted(lines, key=lambda line: -line["ended"])[:_MOST_NAMES]


def _line(name: str, tally: Tally, seconds: int) -> dict[str, Any]:
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
