"""Rate limits as in the generic cell rate algorithm: when the next start of a task has its place."""

from __future__ import annotations

import msgspec


def place(last: float | None, rate: float, now: float) -> float:
    """The moment of the next start, at most `rate` starts a second, after one whose moment was `last`
    (None: there was none). Places not used are lost: starts never bunch up.

    Source: ITU-T Recommendation I.371 (generic cell rate algorithm), with a bucket of one.
    """
    return now if last is None else max(now, last + 1.0 / rate)


class Pace(msgspec.Struct, frozen=True):
    """The starts of one task, in steady-clock seconds. `booked`: the last place that was given away;
    `started`: the last start, which may have come later than its place."""

    booked: float
    started: float


class Turn(msgspec.Struct, frozen=True):
    """`due`: when the one that asked may ask again, None: it starts now. `mine`: the place it has then."""

    pace: Pace
    due: float | None = None
    mine: float | None = None


def turn(pace: Pace | None, mine: float | None, rate: float, now: float) -> Turn:
    """What becomes of one that would start now, and whose place is `mine` (None: it has none yet).

    Places are given away in advance, so that of many tasks each is looked at about twice and not once for
    every start. But a place can come when no worker is free, or its queue is paused; therefore no start
    comes sooner than `1 / rate` seconds after the last one, however many places have passed.
    """
    if pace is None:
        return Turn(Pace(now, now))
    step = 1.0 / rate
    free = pace.started + step
    if mine is not None:
        if free <= now:
            return Turn(Pace(pace.booked, now))
        if free < mine + step:
            # Its place is not over: the start before it was a little late, and so is this one.
            return Turn(pace, free, mine)
    moment = max(free, place(pace.booked, rate, now))
    if moment <= now:
        return Turn(Pace(moment, now))
    return Turn(Pace(moment, pace.started), moment, moment)
