"""How long to wait before the next attempt. Pure."""

from __future__ import annotations

import random

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0


def backoff(attempt: int, draw: float | None = None) -> float:
    """Seconds to wait after the `attempt`-th attempt failed: exponential with full jitter.

    Anything between 0 and `FIRST_WAIT * 2 ** (attempt - 1)`, at most `LONGEST_WAIT`; `draw` (0.0–1.0)
    says where, a random number unless given. Full jitter spreads tasks that failed together: Marc
    Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    ceiling = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(attempt - 1, 32))
    return ceiling * (random.random() if draw is None else draw)
