"""The verbs that are the same in every durable store: what goes through its hands and its writers."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

from hypern.errors import SubmitUncertain
from hypern.records import Ending, Lane, Progress, TaskRecord, TaskStatus
from hypern.stores.base import Listener, Store
from hypern.stores.durable.hands import Hands
from hypern.stores.durable.pieces import Amid, Uncertain
from hypern.stores.durable.rows import encode_progress, read_progress
from hypern.stores.durable.writer import Writer
from hypern.stores.overview import LogLine

logger = logging.getLogger("hypern.tasks")


class DurableStore(Store):
    """`_submits`: the writer that adds tasks; `_writer`: the one that records how they ended. They may be
    the same. `_known_queues`: names of queues that have been written down."""

    shared = True

    _hands: Hands
    _submits: Writer
    _writer: Writer
    _known_queues: set[str]

    def attach(self, listener: Listener) -> None:
        self._hands.listener = listener

    def add(self, record: TaskRecord) -> str | None:
        work = self._adding(record)
        try:
            standing: str | None = self._sure(record.id, work)
        except Amid:
            if record.unique_key is not None:
                raise  # nobody can say yet which task stands for it
            self._submits.write_later(work, partial(self._added_late, record))
            return None
        self._added(record, standing)
        return standing

    def add_soon(self, record: TaskRecord, done: Callable[[str | None, BaseException | None], None]) -> None:
        try:
            work = self._adding(record)
        except Exception as error:
            done(None, error)
            return

        def then(standing: str | None, error: BaseException | None) -> None:
            if isinstance(error, Uncertain):
                error = SubmitUncertain(record.id, str(error))
            if error is None:
                self._added(record, standing)
            done(standing, error)

        self._submits.post(work, then)

    @abstractmethod
    def _adding(self, record: TaskRecord) -> Any:
        """The work of adding one task. Raises InvalidTask, NotSerializable, TaskTooLarge."""

    def _sure(self, task_id: str, work: Any) -> Any:
        """What the work of adding a task returns. Raises SubmitUncertain where it may have been done."""
        try:
            return self._submits.run(work)
        except Uncertain as error:
            raise SubmitUncertain(task_id, str(error)) from error

    def _added(self, record: TaskRecord, standing: str | None) -> None:
        if standing is not None:
            return
        self._known_queues.add(record.spec.queue)
        if record.due is None:
            self._hands.reserve(record.spec.lane).may_have_more = True

    def _added_late(self, record: TaskRecord, standing: str | None, error: BaseException | None) -> None:
        if error is not None:
            logger.error(
                "task %s %s, which a signal handler submitted in the midst of another submit, is lost: %s",
                record.name,
                record.id,
                error,
            )
            return
        self._added(record, standing)
        listener = self._hands.listener
        if listener is not None:
            listener.on_ready({record.spec.lane})
            if record.due is not None:
                listener.on_due(record.due)

    def claim(self, lane: Lane, wall: float) -> TaskRecord | None:
        return self._hands.claim(lane, wall)

    def has_ready(self, lane: Lane) -> bool:
        reserve = self._hands.reserve(lane)
        return reserve.may_have_more or bool(reserve.rows)

    def finish(self, record: TaskRecord, fence: int, ending: Ending, wall: float) -> bool | None:
        return self._hands.finish(record, fence, ending, wall)

    def flush(self) -> None:
        self._writer.flush()

    def get(self, task_id: str) -> TaskRecord | None:
        reports = self._hands.reports
        while True:
            before = reports.latest(task_id)
            record = self._look_up(task_id)
            said = reports.latest(task_id)
            if before is None or said is not None:
                break
            # It was written meanwhile, perhaps after we had looked.
        if record is not None and said is not None and record.status is TaskStatus.RUNNING:
            record.progress = read_progress(said)
        return record

    @abstractmethod
    def _look_up(self, task_id: str) -> TaskRecord | None:
        """A task as it is in the tables."""

    def report(self, record: TaskRecord, fence: int, progress: Progress) -> bool:
        return self._hands.report(record, fence, encode_progress(progress))

    def log(self, record: TaskRecord, fence: int, lines: Sequence[LogLine]) -> None:
        self._hands.log(record, fence, lines)

    def can_claim(self) -> bool:
        return self._hands.can_claim()

    def is_busy(self) -> bool:
        return self._hands.are_busy()

    def let_go(self) -> None:
        self._hands.let_go()

    def give_back(self, still_running: Collection[Lane] = ()) -> list[TaskRecord]:
        return self._hands.give_back(still_running)
