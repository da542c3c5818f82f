"""The PostgreSQL store as it is played against the model."""

from __future__ import annotations

from collections import Counter
from typing import Any

import psycopg
from tests.stores.expected import KEEP, KEEP_SECONDS, Habits, Model
from tests.stores.expected import RUNNING as RUNS
from tests.stores.played import Hand, ModelClock, Played

from hypern.records import TERMINAL
from hypern.stores.durable.states import READY, STATUS
from hypern.stores.postgres.address import parse
from hypern.stores.postgres.store import PostgresStore
from hypern.stores.postgres.times import OwnTime

_TABLES = "tasks attempts queues workers keys paces logs pulse deltas"


class PlayedPostgres(Played):
    """Two processes' worth of stores on one schema, a connection of the test's own that looks at it, and any
    number that have died. `url`: of the schema, which the games of a class use one after the other; whose
    lock is free has to be taken for dead at once there (`neighbours.GRACE`)."""

    habits = Habits(waits_since_due=True, forgets="when pruned", asks_at_the_start=True)
    url: str

    def __init__(self, model: Model) -> None:
        self._address = parse(self.url)
        self._clock = ModelClock(model)
        self._capacity = model.capacity
        self._opened = 0
        self._all: list[PostgresStore] = []
        self._fences: dict[str, int] = {}
        self.hands = [self._open()]
        self._eye = psycopg.connect(self._address.url, autocommit=True, prepare_threshold=0)
        self._eye.execute(f"SET search_path = {self._address.schema}")
        # To empty a table of few rows is quicker than TRUNCATE, and than a schema of its own.
        for table in _TABLES.split():
            self._eye.execute(f"DELETE FROM {table}")  # type: ignore[arg-type]
        self.hands.append(self._open())

    def _open(self) -> Hand:
        times = OwnTime(self._clock)
        store = PostgresStore(
            self._address, self._capacity, KEEP, KEEP_SECONDS, ahead=0.0, clock=self._clock, times=times
        )
        self._all.append(store)
        self._opened += 1
        store._hands.look_again()
        return Hand(store, self._opened)

    def replace(self, index: int) -> None:
        """Another process takes the place of this one, when the server has seen its end."""
        presence = postgres_of(self.hands[index])._presence
        lock = (postgres_of(self.hands[index])._database.locks % 2**32, presence._number)
        held = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND (classid, objid) = (%s, %s)"
        while self._eye.execute(held, lock).fetchone() is not None:
            pass
        self.hands[index] = self._open()

    def kill(self, hand: Hand) -> None:
        """Its sessions end. What it had on its way to the tables may still come, as from a process that has
        lost its session and goes on."""
        postgres_of(hand)._database.links.close_all()

    def wrote(self, hand: Hand) -> None:
        """What a process that watches learns within half a second: of the server, for who wrote may have been
        taken for dead, and know nothing that was set since."""
        ((has_limits,),) = self._ask("SELECT EXISTS (SELECT 1 FROM queues WHERE most IS NOT NULL)")
        for other in self.hands:
            store = postgres_of(other)
            store._database.has_limits = has_limits
            store._ledger.claiming.look_everywhere()
            if other is not hand:
                store._hands.look_again()

    def known(self) -> set[str]:
        return {task_id for (task_id,) in self._ask("SELECT id FROM tasks")}

    def look(self, model: Model) -> None:
        rows = self._ask(
            "SELECT id, state, attempt, fence, lost, owner IS NOT NULL, cancel_requested FROM tasks"
        )
        assert {row[0] for row in rows} == model.tasks.keys()
        for task_id, state, attempt, fence, lost, is_owned, asked in rows:
            task = model.tasks[task_id]
            assert STATUS[state] is task.status
            assert (state == READY) is task.is_ready()
            assert (fence, lost, asked) == (task.fence, task.lost, task.asked), task_id
            assert attempt <= fence
            assert is_owned is (task.status is RUNS)
            assert fence >= self._fences.get(task_id, 0)
            self._fences[task_id] = fence
        counted = Counter(
            (task.wish.queue, task.status) for task in model.tasks.values() if task.status in TERMINAL
        )
        kept = self._ask(
            "SELECT queue, state, sum(number)::int FROM deltas WHERE state < 6 GROUP BY queue, state"
        )
        assert {(queue, STATUS[state]): number for queue, state, number in kept if number} == counted
        assert not self._ask("SELECT 1 FROM attempts WHERE task NOT IN (SELECT seq FROM tasks)")

    def _ask(self, statement: str) -> list[tuple[Any, ...]]:
        return self._eye.execute(statement).fetchall()  # type: ignore[arg-type]

    def close(self) -> None:
        self._eye.close()
        for store in self._all:
            store._presence._id = None
            store.close()


def postgres_of(hand: Hand) -> PostgresStore:
    assert isinstance(hand.store, PostgresStore)
    return hand.store
