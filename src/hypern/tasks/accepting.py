"""Submit: how an engine takes new tasks: in threads and coroutines, one or many, within a transaction."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from functools import partial

from hypern.config import Settings
from hypern.errors import EngineStopped
from hypern.events import Events
from hypern.records import TaskRecord
from hypern.stores.base import Store
from hypern.tasks import process
from hypern.tasks.answers import answers_for
from hypern.tasks.channel import is_child, is_importing

_ENDING = "the process is ending and takes no more tasks; nothing was queued."
_NO_THREADS = (
    "main has ended, and this Python starts no threads then, as later ones do: nobody could run a task; "
    "nothing was queued. Submit a task before main ends, or use Python 3.12.3 or newer."
)
# Short, as it may have to be read inside of another error's text.
_IN_CHILD = (
    "this process only runs isolated tasks; nothing was queued. If a module does that when it is imported, "
    'put it under `if __name__ == "__main__":`. A task of memory:// returns what is to be submitted.'
)


class Accepting(ABC):
    """The part of an engine that keeps new tasks and wakes who runs them."""

    settings: Settings
    events: Events
    store: Store
    _final: bool
    _started: bool

    @abstractmethod
    def _start_for_tasks(self) -> bool:
        """Start, or be started after a stop that is under way (False). Raises EngineStopped when the process
        ends."""

    @abstractmethod
    def _accepted(self, record: TaskRecord) -> None:
        """A task has been kept: wake who runs it."""

    def accept(self, record: TaskRecord) -> str:
        """Keep a new task and wake who runs it. Its id, or that of the task that stands for it already.

        Raises QueueFull or EngineStopped; nothing is kept then.
        """
        if self._final or is_importing():
            raise EngineStopped(why_final())
        standing = self.store.add(record)
        self._accepted(record)
        if standing is not None:
            return standing
        if self.events.listeners:
            self.events.emit("submitted", record.id, record.name, 0)
        return record.id

    async def accept_async(self, record: TaskRecord) -> str:
        """As `accept`, for an event loop that a store's disk must not hold up."""
        if not self.store.shared:
            return self.accept(record)
        if self._final or is_importing():
            raise EngineStopped(why_final())
        loop = asyncio.get_running_loop()
        kept: asyncio.Future[str | None] = loop.create_future()
        self.store.add_soon(record, partial(answers_for(loop).tell, kept))
        standing = await kept
        self._accepted(record)
        if standing is not None:
            return standing
        if self.events.listeners:
            self.events.emit("submitted", record.id, record.name, 0)
        return record.id

    def accept_within(self, record: TaskRecord, connection: object) -> str:
        """As `accept`, within a transaction of the application's. Raises InvalidOption without one."""
        if self._final or is_importing():
            raise EngineStopped(why_final())
        return self._accepted_within(record, self.store.add_within(record, connection))

    async def accept_within_async(self, record: TaskRecord, connection: object) -> str:
        """The same for a connection that may have to be awaited."""
        if self._final or is_importing():
            raise EngineStopped(why_final())
        return self._accepted_within(record, await self.store.add_within_async(record, connection))

    def _accepted_within(self, record: TaskRecord, standing: str | None) -> str:
        # Whoever runs tasks is woken by the store when, and if, the transaction commits.
        if not self._started and not is_child():
            self._start_for_tasks()
        if standing is None and self.events.listeners:
            self.events.emit("submitted", record.id, record.name, 0)
        return standing or record.id

    def accept_many(self, records: list[TaskRecord]) -> list[str]:
        """As `accept`, all of them or none."""
        if self._final or is_importing():
            raise EngineStopped(why_final())
        standing = self.store.add_many(records)
        for record in records:
            self._accepted(record)
        if self.events.listeners:
            for record, other in zip(records, standing, strict=True):
                if other is None:
                    self.events.emit("submitted", record.id, record.name, 0)
        return [other or record.id for record, other in zip(records, standing, strict=True)]


def why_final() -> str:
    if process.is_ending():
        return _ENDING
    return _IN_CHILD if is_child() else _NO_THREADS if process.starts_no_threads() else _ENDING
