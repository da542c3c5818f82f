"""Admit: the place of a claimed task among the starts of tasks with a rate."""

from __future__ import annotations

import logging

from hypern.errors import QueueUnavailable
from hypern.stores.durable.claims import Claim
from hypern.stores.durable.writer import Writer
from hypern.stores.pace import Pace, turn
from hypern.stores.postgres.database import Database
from hypern.stores.postgres.link import Link
from hypern.stores.postgres.presence import Presence

logger = logging.getLogger("hypern.tasks")

# What could not be started for want of an answer is tried again after so long (seconds).
_AFTER_TROUBLE = 1.0


def admit(
    writer: Writer, database: Database, presence: Presence, claim: Claim, steady: float
) -> float | None:
    """None: it starts now. Else it waits again, until that second of the server's clock."""
    sql, record = database.sql, claim.record
    rate = record.spec.rules.rate or 0.0
    now = database.times.passed(steady)

    def take_turn(link: Link) -> float | None:
        mine = (claim.seq, claim.fence, presence.id)
        with link.together():
            booked, started = link.rows(sql.PACE, (record.name,))[0]
            pace = None if booked is None else Pace(booked, started)
            its_turn = turn(pace, claim.place, rate, now)
            link.rows(sql.SET_PACE, (its_turn.pace.booked, its_turn.pace.started, record.name))
            if its_turn.due is not None:
                link.rows(sql.PUT_BACK, (its_turn.due, its_turn.mine, *mine))
            elif claim.place is not None:
                link.rows(sql.FORGET_TURN, mine)
        return its_turn.due

    def put_back(link: Link) -> None:
        mine = (claim.seq, claim.fence, presence.id)
        link.rows(sql.PUT_BACK, (now + _AFTER_TROUBLE, claim.place, *mine))

    try:
        due: float | None = writer.run(take_turn)
    except QueueUnavailable as error:
        logger.error("task %s %s cannot be started now: %s", record.name, record.id, error)
        writer.post(put_back, lambda result, error: None, persistent=True)
        return now + _AFTER_TROUBLE
    return due
