"""What becomes of the tasks of a process that has died, in PostgreSQL, and of one that has not."""

from __future__ import annotations

import time

import pytest
from tests.stores.postgres_help import ask, claim_and_die, open_store

from hypern.records import Completed, Lane, TaskStatus
from hypern.stores.conformance.suite import NOW, claim_one, finish, kept, make_record
from hypern.stores.postgres import neighbours
from hypern.stores.postgres.store import PostgresStore

THREAD = Lane.THREAD
PENDING, FAILED, CANCELLED = TaskStatus.PENDING, TaskStatus.FAILED, TaskStatus.CANCELLED
WAIT = 20.0


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose lock is free is dead at once: nobody comes back here."""
    monkeypatch.setattr(neighbours, "GRACE", 0.0)


def rescue(store: PostgresStore) -> int:
    """Rescue as soon as the server has seen that somebody is dead. How many tasks."""
    deadline = time.monotonic() + WAIT
    while not (number := store.rescue(0.0, NOW)):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return number


def test_a_dead_process_gives_its_task_back(store: PostgresStore, url: str) -> None:
    """A started task of a process that was killed waits again, and the lost attempt is remembered."""
    store.add(make_record("one"))
    claim_and_die(url)
    assert rescue(store) == 1
    after = kept(store, "one")
    assert (after.status, after.lost, [attempt.error for attempt in after.history]) == (
        PENDING,
        1,
        ["worker lost"],
    )
    again = claim_one(store)
    assert (again.attempt, again.fence) == (2, 2)
    assert finish(store, again, again.fence, Completed("done"))
    assert store.rescue(0.0, NOW) == 0


def test_three_deaths_are_enough(store: PostgresStore, url: str) -> None:
    """A task on which three processes have died is FAILED, and says why."""
    store.add(make_record("poison", retries=10))
    for _ in range(3):
        claim_and_die(url)
        rescue(store)
    after = kept(store, "poison")
    assert (after.status, after.lost) == (FAILED, 3)
    assert after.error == "worker lost: the process that ran it died, 3 times"
    assert store.count()[FAILED] == 1


def test_the_dead_leave_room(store: PostgresStore, url: str) -> None:
    """Where a queue is limited, who finds a task of it lost knows at once that another one may start."""
    store.set_queue("narrow", limit=1)
    store.add(make_record("lost", queue="narrow", on_crash="fail"))
    store.add(make_record("next", queue="narrow"))
    claim_and_die(url)
    assert store.claim(THREAD, NOW) is None
    assert not store.has_ready(THREAD)
    assert rescue(store) == 1
    assert claim_one(store).id == "next"


def test_work_that_must_not_be_repeated(store: PostgresStore, url: str) -> None:
    """With on_crash="fail" one death is enough."""
    store.add(make_record("once", on_crash="fail"))
    claim_and_die(url)
    rescue(store)
    assert kept(store, "once").status is FAILED


def test_tasks_that_were_not_started_are_not_charged(store: PostgresStore, url: str) -> None:
    """Of the tasks that were claimed together only the started ones count the death, however often."""
    for number in range(4):
        store.add(make_record(f"n{number}"))
    for _ in range(3):
        claim_and_die(url, claims=1, ahead=0.01, workers=4)
        assert rescue(store) > 0
    assert kept(store, "n0").status is FAILED
    for number in range(1, 4):
        after = kept(store, f"n{number}")
        assert (after.status, after.attempt, after.lost) == (PENDING, 0, 0)


def test_what_was_claimed_ahead_and_has_run_is_charged(store: PostgresStore, url: str) -> None:
    """A task that was claimed ahead and started later is marked after a while; then its death counts."""
    for number in range(3):
        store.add(make_record(f"n{number}"))
    claim_and_die(url, claims=2, ahead=0.01, workers=3, marked=True)
    assert rescue(store) == 3
    assert [kept(store, f"n{number}").lost for number in range(3)] == [1, 1, 0]


def test_what_died_before_it_was_marked_is_watched(store: PostgresStore, url: str) -> None:
    """A task that kills its process in the midst of others, before it is marked, is claimed alone from then
    on, so that it is charged the next time."""
    for number in range(3):
        store.add(make_record(f"n{number}"))
    claim_and_die(url, claims=2, ahead=0.01, workers=3)
    rescue(store)
    assert [kept(store, f"n{number}").lost for number in range(3)] == [1, 0, 0]
    finish(store, claim_one(store), 2, Completed(None))
    claim_and_die(url, claims=1, ahead=0.01, workers=3)
    assert rescue(store) == 1
    assert [kept(store, f"n{number}").lost for number in range(1, 3)] == [1, 0]


def test_asked_to_stop_and_dead(store: PostgresStore, url: str) -> None:
    """A task that had been asked to stop is CANCELLED when its process dies, not run again."""
    store.add(make_record("one"))
    claim_and_die(url)
    store.cancel("one", NOW)
    rescue(store)
    assert kept(store, "one").status is CANCELLED


def test_a_living_process_keeps_its_tasks(store: PostgresStore, url: str) -> None:
    """A process whose session holds its lock is not taken for dead, whoever asks."""
    other = open_store(url)
    try:
        store.add(make_record("one"))
        other._hands.look_again()
        running = claim_one(other)
        for _ in range(3):
            assert store.rescue(0.0, NOW) == 0
        assert finish(other, running, running.fence, Completed("mine"))
    finally:
        other.close()


def test_who_has_been_killed_is_listed_no_more(store: PostgresStore, url: str) -> None:
    """Whoever asks who works here is not told of a process that was killed, though no other one has seen that
    and its lease lasts; of a living one he is."""
    other = open_store(url)
    try:
        other.serve(2, None)
        store.add(make_record("one"))
        claim_and_die(url)
        deadline = time.monotonic() + WAIT
        while len(listed := store.workers()) > 1:
            assert time.monotonic() < deadline
        assert [worker.id for worker in listed] == [other._presence.id]
        assert ask(url, "SELECT count(*) FROM {s}.workers WHERE free_since IS NULL") == [(2,)]
    finally:
        other.close()


def test_a_process_without_a_session_of_its_own_is_not_dead(store: PostgresStore, url: str) -> None:
    """Behind a pool of transactions it holds no lock: those that have locks list it, and leave it its task
    while its lease lasts."""
    pooled = open_store(url)
    try:
        pooled._database.has_locks = False
        store.add(make_record("one"))
        pooled._hands.look_again()
        running = claim_one(pooled)
        for _ in range(3):
            assert store.rescue(0.0, NOW) == 0
        assert [worker.id for worker in store.workers()] == [pooled._presence.id]
        assert pooled.workers() == store.workers()
        assert finish(pooled, running, running.fence, Completed("mine"))
    finally:
        pooled.close()


def test_a_process_whose_lease_is_over_is_dead(store: PostgresStore, url: str) -> None:
    """Whatever its lock says; what it ends later is refused, and it works on under a new name."""
    other = open_store(url)
    try:
        store.add(make_record("one"))
        other._hands.look_again()
        running = claim_one(other)
        before = other._presence.id
        ask(url, "UPDATE {s}.workers SET lease_until = 1 WHERE id = %s", before)
        assert store.rescue(0.0, NOW) == 1
        assert not finish(other, running, running.fence, Completed("late"))
        assert not other._presence.keep_up()
        assert other._presence.id != before
        store._hands.look_again()
        again = claim_one(store)
        assert finish(store, again, again.fence, Completed("right"))
        assert kept(store, "one").result == "right"
    finally:
        other.close()


def test_tasks_of_a_process_that_nobody_knows(store: PostgresStore, url: str) -> None:
    """As after a backup was restored: they are taken back."""
    store.add(make_record("one"))
    claim_and_die(url)
    ask(url, "DELETE FROM {s}.workers")
    assert store.rescue(0.0, NOW) == 1
    assert kept(store, "one").status is PENDING
    assert ask(url, "SELECT count(*) FROM {s}.workers") == [(0,)]


def test_a_claim_whose_answer_was_lost(store: PostgresStore, url: str) -> None:
    """What was claimed without its process having heard of it is given back before the next claim."""
    store.add(make_record("one"))
    claiming = store._ledger.claiming
    owner = store._presence.incarnation()
    link = store._database.connect("test")
    assert len(claiming.claim(link, owner, THREAD, 1, NOW, None, ())) == 1
    claiming.held.clear()
    claiming._has_strays = True
    again = claim_one(store)
    assert (again.id, again.attempt, again.fence) == ("one", 1, 2)


def test_no_early_place_is_overlooked_for_long(
    store: PostgresStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a search takes long it begins where the last tasks were; what was added before them by others is
    found a little later, and what was added here at once."""
    from hypern.stores.postgres import claiming

    monkeypatch.setattr(claiming, "_SLOW", -1.0)
    monkeypatch.setattr(claiming, "_ALL_EVERY", 3600.0)
    for number in range(3):
        store.add(make_record(f"n{number}"))
    assert claim_one(store).id == "n0"
    store.add(make_record("mine", priority=5))
    assert claim_one(store).id == "mine"
    other = open_store(url)
    other.add(make_record("theirs", priority=10))
    other.close()
    assert claim_one(store).id == "n1"
    store._ledger.claiming._floors[THREAD].until = 0.0
    assert claim_one(store).id == "theirs"


def test_a_damaged_row_fails_alone(store: PostgresStore, url: str) -> None:
    """A task whose arguments cannot be read is FAILED; the others are not held up."""
    store.add(make_record("bad"))
    store.add(make_record("good"))
    ask(url, "UPDATE {s}.tasks SET call = %s WHERE id = 'bad'", b"\xff\x00")
    assert claim_one(store).id == "good"
    store.flush()
    assert kept(store, "bad").status is FAILED
