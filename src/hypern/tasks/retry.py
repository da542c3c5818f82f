"""Whether there is another attempt, and how long to wait before it. Pure."""

from __future__ import annotations

import random

from hypern.records import Backoff, Failed, TaskRecord

# A returned `Retry` of a task that says nothing about retries is followed so often.
RETRIES_WHEN_ASKED = 20


def backoff(attempt: int, policy: Backoff, draw: float | None = None) -> float:
    """Seconds to wait after the `attempt`-th attempt failed: exponential, with full jitter if the policy
    has it; `draw` (0.0–1.0) says where, a random number unless given."""
    ceiling = min(policy.longest, policy.first * min(policy.factor, 1e9) ** min(attempt - 1, 32))
    if not policy.jitter:
        return ceiling
    return ceiling * (random.random() if draw is None else draw)


def may_try_again(record: TaskRecord, outcome: Failed) -> bool:
    """Whether an attempt that raised is followed by another one."""
    rules = record.spec.rules
    # An attempt whose process died is none of those that `retries` speaks of.
    if record.attempt - record.lost > (rules.retries or 0) or record.cancel_requested:
        return False
    return rules.retry_on is None or not set(rules.retry_on).isdisjoint(outcome.kinds)


def may_ask_again(record: TaskRecord) -> bool:
    """Whether an attempt that returned `Retry` is followed by another one."""
    retries = record.spec.rules.retries
    return record.attempt - record.lost <= (RETRIES_WHEN_ASKED if retries is None else retries)
