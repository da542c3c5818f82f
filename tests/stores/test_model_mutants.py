"""What the model sees: with one mistake in the SQLite store the game is lost."""

from __future__ import annotations

import contextlib
import unittest
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.stores.game import machine
from tests.stores.shared_game import SQLiteGame

from hypern.records import TaskRecord
from hypern.stores.sqlite import liveness, neighbours, statements
from hypern.stores.sqlite.store import SQLiteStore

Patch = pytest.MonkeyPatch

# Thousands of steps take their time on a machine that has other things to do.
pytestmark = pytest.mark.timeout(600)


def rewrite(names: str, old: str, new: str) -> Callable[[Patch], None]:
    """In these statements, write something else."""

    def apply(patch: Patch) -> None:
        for name in names.split():
            statement = getattr(statements, name)
            assert old in statement
            patch.setattr(statements, name, statement.replace(old, new))

    return apply


def answer_before_the_commit(patch: Patch) -> None:
    def add(store: SQLiteStore, record: TaskRecord) -> None:
        work = store._adding(record)
        store._writer.post(work, lambda result, error: None, soon=False)

    patch.setattr(SQLiteStore, "add", add)


def mix_up_the_clocks(patch: Patch) -> None:
    release = SQLiteStore.release
    # The two clocks of the model are so far apart until one is set.
    patch.setattr(SQLiteStore, "release", lambda store, steady, wall: release(store, wall - 49_000.0, wall))


def take_everybody_for_dead(patch: Patch) -> None:
    @contextlib.contextmanager
    def found_dead(*process: Any) -> Iterator[Any]:
        yield liveness.EVERYTHING

    patch.setattr(neighbours, "found_dead", found_dead)


MUTANTS: dict[str, Callable[[Patch], None]] = {
    "finish without fence and owner": rewrite(
        "COMPLETE FAIL GIVE_WAY TRY_AGAIN",
        "AND fence = ? AND owner = ?",
        "AND ? IS NOT NULL AND ? IS NOT NULL",
    ),
    "count fences in memory": rewrite("CLAIM", "fence = fence + 1", "fence = 1"),
    "acknowledge before the run": rewrite("CLAIM", "SET state = 2", "SET state = 3"),
    "hold a delayed task": rewrite("FIRST_READY CLAIM", "state = 0", "state IN (0, 1)"),
    "run what was cancelled": rewrite("FIRST_READY CLAIM", "state = 0", "state IN (0, 5)"),
    "count deliveries after the run": rewrite("RESCUE", "lost = ?", "lost = 0 * ?"),
    "forget waiting tasks": rewrite("GONE", "state > 2 AND gone_at <= ?", "coalesce(gone_at, 0) <= ?"),
    "forget the first added": rewrite("OLDEST_ENDED", "ORDER BY gone_at", "ORDER BY seq"),
    "order by when it was added": rewrite("FIRST_READY", "ORDER BY rank, seq", "ORDER BY seq"),
    "due by the wall clock": mix_up_the_clocks,
    "answer before the commit": answer_before_the_commit,
    "take everybody for dead": take_everybody_for_dead,
}


def play(examples: int) -> unittest.TestResult:
    case = machine(SQLiteGame, max_examples=examples, stateful_step_count=40, derandomize=True)
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_game_is_lost(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With this mistake the store says something else than the model within so many sequences of steps."""
    MUTANTS[mutant](monkeypatch)
    result = play(200)
    assert not result.errors
    assert result.failures


def test_the_game_is_won() -> None:
    """Without one, as many steps end well: it is the mistakes that are seen."""
    result = play(20)
    assert result.testsRun == 1
    assert result.wasSuccessful()
