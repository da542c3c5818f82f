"""What happens to tasks, as it happens: the one place that logs, metrics, traces and tests listen at."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal, NamedTuple

logger = logging.getLogger("hypern.tasks")

EventName = Literal["submitted", "started", "finished", "retried", "cancelled"]


class Event(NamedTuple):
    """`name`: what happened; `task_id`, `task_name`, `attempt`: to which task, at which attempt."""

    name: EventName
    task_id: str
    task_name: str
    attempt: int


Listener = Callable[[Event], None]


class Events:
    """The listeners of one engine. Asking `if events.listeners` first keeps an unheard event free."""

    def __init__(self) -> None:
        self.listeners: tuple[Listener, ...] = ()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener(event)` from now on, in whichever thread the event happens; it must be quick.
        Returns a function that ends it. A listener that raises is logged and harms nobody."""
        self.listeners = (*self.listeners, listener)

        def unlisten() -> None:
            self.listeners = tuple(other for other in self.listeners if other is not listener)

        return unlisten

    def emit(self, name: EventName, task_id: str, task_name: str, attempt: int) -> None:
        event = Event(name, task_id, task_name, attempt)
        for listener in self.listeners:
            try:
                listener(event)
            except Exception:
                logger.exception("a listener of task events raised")
