"""A duty that is done again and again: start, wait, do, survive an error, stop. Written once."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from hypern.clock import Alarm, Clock
from hypern.errors import QueueUnavailable

logger = logging.getLogger("hypern.tasks")

_PAUSE_AFTER_ERROR = 1.0


class Loop:
    """A thread that calls `duty()`, which returns the steady-clock second of its next turn (None: only
    when rung). `ring_before(moment)` brings the turn forward if it would come later than that."""

    def __init__(self, name: str, clock: Clock, duty: Callable[[], float | None]) -> None:
        self._clock = clock
        self._duty = duty
        self._alarm = Alarm()
        self._stopping = False
        # The moment of the next turn; infinite while a turn is under way, so that whoever comes then
        # rings, and the news is looked at in the turn after it.
        self._next = math.inf
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ring_before(self, moment: float) -> None:
        if moment < self._next:
            self._alarm.ring()

    def stop(self, deadline: float) -> None:
        """End after the present turn; wait for that until `deadline` (of `time.monotonic`)."""
        self._stopping = True
        self._alarm.ring()
        if self._thread is not threading.current_thread():
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        was_away = False
        while not self._stopping:
            self._next = math.inf
            try:
                moment = self._duty()
                was_away = False
            except QueueUnavailable as error:
                # Said once, not each second until it is over.
                if not was_away:
                    logger.error("%s goes on when that is possible: %s", self._thread.name, error)
                was_away = True
                moment = self._clock.steady() + _PAUSE_AFTER_ERROR
            except Exception:
                logger.exception("%s failed and goes on in %g s", self._thread.name, _PAUSE_AFTER_ERROR)
                moment = self._clock.steady() + _PAUSE_AFTER_ERROR
            self._next = math.inf if moment is None else moment
            self._clock.sleep_until(self._alarm, moment)
