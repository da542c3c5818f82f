"""Rate limits as in the generic cell rate algorithm: when the next start of a task has its place."""

from __future__ import annotations


def place(last: float | None, rate: float, now: float) -> float:
    """The moment of the next start, at most `rate` starts a second, after one whose moment was `last`
    (None: there was none). Places not used are lost: starts never bunch up.

    Source: ITU-T Recommendation I.371 (generic cell rate algorithm), with a bucket of one.
    """
    return now if last is None else max(now, last + 1.0 / rate)
