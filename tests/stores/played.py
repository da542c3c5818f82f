"""The stores that are played against the model, each with what only it can be asked."""

from __future__ import annotations

import os
import sqlite3
import sys
import tempfile
from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path
from typing import Any

from tests.stores.expected import KEEP, KEEP_SECONDS, Habits, Model
from tests.stores.expected import PENDING as WAITS
from tests.stores.expected import RUNNING as RUNS

from hypern.clock import Alarm
from hypern.stores.base import Store
from hypern.stores.conformance.suite import Ear
from hypern.stores.durable.states import READY, STATUS
from hypern.stores.memory import MemoryStore
from hypern.stores.sqlite import liveness
from hypern.stores.sqlite.address import Address
from hypern.stores.sqlite.store import SQLiteStore


class Hand:
    """One process that uses the store. `number`: its name in the model, never used twice."""

    def __init__(self, store: Store, number: int) -> None:
        self.store = store
        self.number = number
        self.is_closed = False
        self.ear = Ear()
        store.attach(self.ear)


class Played(ABC):
    """A store, and the processes that share it: `hands`. `steps`: whether its order outlives a step of the
    wall clock."""

    habits: Habits
    steps = False
    hands: list[Hand]

    def wrote(self, hand: Hand) -> None:  # noqa: B027 - a store of one process has nobody to tell
        """This one has done something; the others come to know of it."""

    def known(self) -> set[str]:
        """The ids of the tasks that are kept, where it was free to choose what to forget."""
        return set()

    def look(self, model: Model) -> None:  # noqa: B027 - and nothing beside it
        """What is kept, seen past the store."""

    @abstractmethod
    def close(self) -> None:
        """The game is over."""


class PlayedMemory(Played):
    habits = Habits(waits_since_due=False, forgets="at every end", asks_at_the_start=False)

    def __init__(self, model: Model) -> None:
        self.hands = [Hand(MemoryStore(model.capacity or sys.maxsize, KEEP, KEEP_SECONDS), 0)]

    def close(self) -> None:
        pass


class ModelClock:
    """The two clocks of the model."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def wall(self) -> float:
        return self._model.wall

    def steady(self) -> float:
        return self._model.steady

    def sleep_until(self, alarm: Alarm, moment: float | None) -> None:
        raise AssertionError("a store does not sleep")


class PlayedSQLite(Played):
    """Two processes on one file, a third connection that looks at it, and any number that have died."""

    habits = Habits(waits_since_due=True, forgets="at ends of attempts", asks_at_the_start=True)
    steps = True

    def __init__(self, model: Model) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="hypern-model-")
        self._path = Path(self._directory.name) / "tasks.db"
        self._clock = ModelClock(model)
        self._capacity = model.capacity
        self._opened = 0
        self._all: list[SQLiteStore] = []
        self.hands = [self._open(), self._open()]
        self._eye = sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True)
        self._fences: dict[str, int] = {}

    def _open(self) -> Hand:
        address = Address(self._path, "normal")
        store = SQLiteStore(address, self._capacity, KEEP, KEEP_SECONDS, ahead=0.0, clock=self._clock)
        self._all.append(store)
        self._opened += 1
        store._hands.look_again()
        return Hand(store, self._opened)

    def replace(self, index: int) -> None:
        """Another process takes the place of this one."""
        self.hands[index] = self._open()

    def kill(self, hand: Hand) -> None:
        """The kernel lets go of the lock of a process that has claimed something. What it had on its way
        to the tables may still come, as from a process that lost its lock and goes on."""
        presence = store_of(hand)._neighbours._presence
        if presence is not None:
            liveness._held.discard(str(presence._lock_path))
            os.close(presence._descriptor)

    def wrote(self, hand: Hand) -> None:
        for other in self.hands:
            if other is not hand:
                store_of(other)._hands.look_again()

    def look(self, model: Model) -> None:
        rows = self._rows()
        assert rows.keys() == model.tasks.keys()
        for task_id, (state, attempt, fence, lost, is_owned, asked) in rows.items():
            task = model.tasks[task_id]
            assert STATUS[state] is task.status
            assert (state == READY) is task.is_ready()
            assert (fence, lost, bool(asked)) == (task.fence, task.lost, task.asked), task_id
            assert attempt <= fence
            assert is_owned is (task.status is RUNS)
            assert fence >= self._fences.get(task_id, 0)
            self._fences[task_id] = fence
        counted = Counter(
            (task.wish.queue, task.status) for task in model.tasks.values() if task.status is not WAITS
        )
        kept = self._eye.execute(
            "SELECT queue, state, number FROM hypern_counts WHERE number <> 0 AND state < 6"
        )
        assert {(queue, STATUS[state]): number for queue, state, number in kept} == counted
        (orphans,) = self._eye.execute(
            "SELECT count(*) FROM hypern_attempts WHERE task NOT IN (SELECT seq FROM hypern_tasks)"
        ).fetchone()
        assert orphans == 0

    def _rows(self) -> dict[str, tuple[Any, ...]]:
        found = self._eye.execute(
            "SELECT id, state, attempt, fence, lost, owner IS NOT NULL, cancel_requested FROM hypern_tasks"
        ).fetchall()
        return {row[0]: (*row[1:5], bool(row[5]), row[6]) for row in found}

    def close(self) -> None:
        try:
            assert self._eye.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        finally:
            self._eye.close()
            for store in self._all:
                store.close()
            self._directory.cleanup()


def store_of(hand: Hand) -> SQLiteStore:
    assert isinstance(hand.store, SQLiteStore)
    return hand.store
