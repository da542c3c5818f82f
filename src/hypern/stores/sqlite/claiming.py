"""Claim: which waiting tasks this process takes, and how that is written."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Collection

from hypern.stores.durable.claims import Row
from hypern.stores.durable.states import READY, RUNNING
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.transaction import Transaction


class Limits:
    """What the last claim saw: whether any queue has a limit."""

    are_set = False


def claim_some(
    transaction: Transaction,
    lane: int,
    wanted: int,
    owner: str,
    wall: float,
    queues: Collection[str] | None,
    unknown: Collection[str],
    limits: Limits,
) -> list[Row]:
    """Take up to `wanted` tasks of a lane, in the order in which they should start. `queues`: of these only;
    `unknown`: none of these functions, which this process does not know."""
    found: list[tuple[float, int]] = []
    limits.are_set = False
    for queue, room in _open_queues(transaction, lane, queues):
        limits.are_set = limits.are_set or room is not None
        limit = wanted if room is None else min(wanted, room)
        if limit <= 0:
            continue
        if unknown:
            rows = transaction.execute(sql.FIRST_KNOWN, (lane, queue, json.dumps(sorted(unknown)), limit))
        else:
            rows = transaction.execute(sql.FIRST_READY, (lane, queue, limit))
        found.extend((rank, seq) for seq, rank in rows)
    firsts = [seq for _, seq in heapq.nsmallest(wanted, found)]
    if not firsts:
        return []
    claimed: list[Row] = transaction.execute(sql.CLAIM, (owner, wall, json.dumps(firsts))).fetchall()
    for queue, number in Counter(row[17] for row in claimed).items():
        transaction.moved(queue, READY, RUNNING, number)
    # They come in any order.
    places = {seq: place for place, seq in enumerate(firsts)}
    claimed.sort(key=lambda row: places[row[0]])
    return claimed


def _open_queues(
    transaction: Transaction, lane: int, queues: Collection[str] | None
) -> list[tuple[str, int | None]]:
    found = []
    for name, room in transaction.execute(sql.OPEN_QUEUES, (lane, lane)).fetchall():
        if queues is not None and name not in queues:
            continue
        # What this transaction has moved so far is not among the counts yet.
        found.append((name, None if room is None else room - transaction.counts[name, RUNNING]))
    return found
