"""The pulse of the tasks in its table: every batch of endings adds rows, which are put together later."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from hypern.records import TaskStatus
from hypern.stores.durable.rows import read_tally
from hypern.stores.postgres.arrays import blobs, numbers, texts
from hypern.stores.postgres.database import Database
from hypern.stores.postgres.link import Link
from hypern.stores.pulse import BEFORE, COARSE, COARSE_KEPT, FINE, FINE_KEPT, Beat, Tally, beat_at

# A beat that has been over for so long (seconds) gets no more rows.
_OVER = 20.0
_AT_ONCE = 200

# Name, status, and the seconds of the server's clock at which one was ready, was started and ended.
Ended = tuple[str, TaskStatus, float, float, float]

_encode = msgspec.json.Encoder().encode


def to_parameters(ended: Iterable[Ended]) -> tuple[str, str, str]:
    """Times, names and tallies of what has ended, as arrays."""
    tallies: dict[tuple[int, str], Tally] = {}
    for name, status, ready_at, started_at, finished_at in ended:
        key = (beat_at(finished_at), name)
        tally = tallies.get(key)
        if tally is None:
            tally = tallies[key] = Tally()
        tally.count(status)
        tally.measure(started_at - ready_at, finished_at - started_at)
    keys = list(tallies)
    return (
        numbers([at for at, _ in keys]),
        texts([name for _, name in keys]),
        blobs([_encode(tally) for tally in tallies.values()]),
    )


def since(link: Link, database: Database, moment: float, name: str | None) -> list[Beat]:
    together: dict[tuple[int, int, str], Tally] = {}
    for at, seconds, of, tally in link.rows(database.sql.PULSE, (moment, name, name)):
        together.setdefault((at, seconds, of), Tally()).add(read_tally(tally))
    return [Beat(at, seconds, of, tally) for (at, seconds, of), tally in together.items()]


def fold(link: Link, database: Database, now: float) -> None:
    """Put some of the beats that are over together, and forget the oldest."""
    with link.together():
        rows = link.rows(database.sql.TAKE_BEATS, (now - _OVER, FINE, now - FINE_KEPT, _AT_ONCE))
        together: dict[tuple[int, int, str], Tally] = {}
        for seconds, at, name, tally in rows:
            keys = [(seconds, at, name)]
            if seconds == FINE and at < now - FINE_KEPT:
                keys = [(COARSE, at - at % COARSE, name), (BEFORE, 0, name)]
            for key in keys:
                together.setdefault(key, Tally()).add(read_tally(tally))
        for (seconds, at, name), summed in together.items():
            link.rows(database.sql.ADD_BEAT, (seconds, at, name, _encode(summed)))
        link.rows(database.sql.FORGET_BEATS, (now - COARSE_KEPT,))
