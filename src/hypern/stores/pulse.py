"""The pulse of the tasks: how many ended how, how long they had waited and ran, by task and time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import msgspec

from hypern.records import TaskStatus

# Seconds of one beat, and of those that older ones are put together to.
FINE, COARSE = 10, 300
# The `seconds` of what is no beat, but the sum of all fine beats of a task that have been put together: with
# the fine ones there are now it is all that has ever been counted.
BEFORE = 0
# For so long (seconds) they are kept.
FINE_KEPT, COARSE_KEPT = 3600.0, 48 * 3600.0

# Durations are counted in classes, each a tenth wider than the one before: class 0 ends at ten microseconds.
_SHORTEST = 1e-5
_GROWTH = math.log(1.1)
_LAST = 300

Histogram = dict[int, int]


class Tally(msgspec.Struct, omit_defaults=True):
    """How many attempts ended how. `ran`, `waited`: how many of them took how long, by class of duration."""

    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    retried: int = 0
    ran: Histogram = {}
    waited: Histogram = {}

    def count(self, status: TaskStatus) -> None:
        """One has ended; `PENDING`: it is to be tried again."""
        if status is TaskStatus.COMPLETED:
            self.completed += 1
        elif status is TaskStatus.FAILED:
            self.failed += 1
        elif status is TaskStatus.CANCELLED:
            self.cancelled += 1
        else:
            self.retried += 1

    def measure(self, waited: float, ran: float) -> None:
        """The seconds for which one had waited until it was started, and ran."""
        kind = duration_class(ran)
        self.ran[kind] = self.ran.get(kind, 0) + 1
        kind = duration_class(waited)
        self.waited[kind] = self.waited.get(kind, 0) + 1

    def add(self, other: Tally) -> None:
        self.completed += other.completed
        self.failed += other.failed
        self.cancelled += other.cancelled
        self.retried += other.retried
        for mine, others in ((self.ran, other.ran), (self.waited, other.waited)):
            for kind, number in others.items():
                mine[kind] = mine.get(kind, 0) + number


class Beat(msgspec.Struct, frozen=True):
    """What ended of one task in the `seconds` from the wall-clock second `at` on."""

    at: int
    seconds: int
    name: str
    tally: Tally


def duration_class(seconds: float) -> int:
    if seconds <= _SHORTEST:
        return 0
    return min(_LAST, 1 + int(math.log(seconds / _SHORTEST) / _GROWTH))


def longest(kind: int) -> float:
    """The seconds with which a class of durations ends."""
    return _SHORTEST * math.exp(kind * _GROWTH)


def middle(kind: int) -> float:
    """The seconds in the middle of a class of durations: none in it is more than 5 % away."""
    return _SHORTEST * math.exp((kind - 0.5) * _GROWTH) if kind else _SHORTEST


def percentile(histogram: Histogram, fraction: float) -> float | None:
    """The seconds below which this fraction (0.0–1.0) of the durations lies, to the nearest 5 %; None where
    there are none."""
    total = sum(histogram.values())
    if not total:
        return None
    left = max(1.0, fraction * total)
    for kind in sorted(histogram):
        left -= histogram[kind]
        if left <= 0:
            return middle(kind)
    raise AssertionError


class Pulse:
    """The pulse as it is kept in memory. Not thread-safe: the store that owns it holds its lock."""

    def __init__(self) -> None:
        self._beats: dict[tuple[int, int, str], Tally] = {}
        # What has been counted in fine beats that are none any more.
        self._before: dict[str, Tally] = {}

    def tally(self, name: str, wall: float) -> Tally:
        """Where what ends at that second is counted."""
        key = (FINE, beat_at(wall), name)
        found = self._beats.get(key)
        if found is None:
            found = self._beats[key] = Tally()
        return found

    def since(self, moment: float, name: str | None) -> list[Beat]:
        return [
            Beat(at, seconds, of, copy_of(tally))
            for (seconds, at, of), tally in sorted(self._beats.items(), key=lambda item: item[0][1:])
            if at + seconds > moment and name in (None, of)
        ]

    def ever(self) -> dict[str, Tally]:
        """All that has been counted, by task."""
        sums = {name: copy_of(tally) for name, tally in self._before.items()}
        for (seconds, _, name), tally in self._beats.items():
            if seconds == FINE:
                sums.setdefault(name, Tally()).add(tally)
        return sums

    def fold(self, wall: float) -> None:
        """Put the older ones together, and forget the oldest."""
        for seconds, at, name in list(self._beats):
            if seconds == FINE and at < wall - FINE_KEPT:
                tally = self._beats.pop((seconds, at, name))
                for sums in (
                    self._beats.setdefault((COARSE, at - at % COARSE, name), Tally()),
                    self._before.setdefault(name, Tally()),
                ):
                    sums.add(tally)
            elif at < wall - COARSE_KEPT:
                del self._beats[seconds, at, name]


class Sums:
    """Adds up tallies as they are written down. Most are the same each time: those that lie together, and
    are what they were when they were last added up, are not read again."""

    def __init__(self, read: Callable[[bytes], Tally]) -> None:
        self._read = read
        self._known: dict[tuple[str, int], tuple[int, Tally]] = {}

    def of(self, rows: Iterable[tuple[str, int, bytes]]) -> dict[str, Tally]:
        """By name; from name, time and tally of each."""
        parts: dict[tuple[str, int], list[bytes]] = {}
        for name, at, data in rows:
            parts.setdefault((name, at // COARSE), []).append(data)
        known: dict[tuple[str, int], tuple[int, Tally]] = {}
        sums: dict[str, Tally] = {}
        for key, written in parts.items():
            written.sort()
            mark = hash(tuple(written))
            found = self._known.get(key)
            if found is None or found[0] != mark:
                found = (mark, Tally())
                for data in written:
                    found[1].add(self._read(data))
            known[key] = found
            sums.setdefault(key[0], Tally()).add(found[1])
        self._known = known
        return sums


def beat_at(wall: float) -> int:
    """The beginning of the beat that a second belongs to."""
    return int(wall) // FINE * FINE


def copy_of(tally: Tally) -> Tally:
    copied = Tally()
    copied.add(tally)
    return copied


def together(beats: Iterable[Beat]) -> Iterator[tuple[str, Tally]]:
    """The sum of the beats of each task, by name."""
    sums: dict[str, Tally] = {}
    for beat in beats:
        sums.setdefault(beat.name, Tally()).add(beat.tally)
    yield from sorted(sums.items())
