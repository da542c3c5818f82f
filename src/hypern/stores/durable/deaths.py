"""What becomes of a running task whose process has died. Decided here, written by each store."""

from __future__ import annotations

import msgspec

from hypern.records import Rules
from hypern.stores.base import MOST_DELIVERIES, WORKER_LOST
from hypern.stores.durable.states import CANCELLED, FAILED, READY


class AfterDeath(msgspec.Struct, frozen=True):
    """`state`: READY, FAILED or CANCELLED; `attempt`, `lost`: as they stand from now on; `text`: the error,
    or the reason where it is CANCELLED; `counts`: the lost attempt is one to be remembered."""

    state: int
    attempt: int
    lost: int
    text: str | None
    counts: bool


def after_death(
    rules: Rules, attempt: int, lost: int, *, was_started: bool, cancel_requested: bool
) -> AfterDeath:
    """What becomes of one. `was_started`: it had been begun, and not only claimed; that counts as a delivery,
    and after `MOST_DELIVERIES` of them, or where its rules say so, it is FAILED. `lost`: how many of its
    workers had died before, -1 where this process had said that it would leave it behind."""
    if not was_started:
        return AfterDeath(READY, attempt - 1, lost, None, False)
    if cancel_requested:
        return AfterDeath(CANCELLED, attempt, lost, f"asked to stop; {WORKER_LOST}", False)
    counts = lost >= 0
    lost += 1
    if lost >= MOST_DELIVERIES or (rules.on_crash == "fail" and lost > 0):
        error = f"{WORKER_LOST}: the process that ran it died"
        if lost > 1:
            error += f", {lost} times"
        return AfterDeath(FAILED, attempt, lost, error, counts)
    return AfterDeath(READY, attempt, lost, WORKER_LOST, counts)
