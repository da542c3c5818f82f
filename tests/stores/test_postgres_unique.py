"""A unique key in PostgreSQL stands for one task, whoever else submits it at the same moment, and how."""

from __future__ import annotations

import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import psycopg
import pytest
from tests.stores.postgres_help import ask, open_store

from hypern.records import Completed, TaskStatus
from hypern.stores.conformance.suite import claim_one, finish, make_record
from hypern.stores.postgres import within
from hypern.stores.postgres.address import parse
from hypern.stores.postgres.link import Link
from hypern.stores.postgres.store import PostgresStore

# A process that submits each key it is told in several threads at once, each with connections of its own, and
# says which ids they were given.
_SUBMITTING = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from hypern.stores.conformance.suite import make_record
from tests.stores.postgres_help import open_store

url, name, has_locks = sys.argv[1], sys.argv[2], sys.argv[3] == "locks"
stores = [open_store(url) for _ in range(3)]
for store in stores:
    store._database.has_locks = store._database.has_locks and has_locks
barrier = Barrier(len(stores))

def submit(number, key):
    barrier.wait()
    task_id = f"{key}:{name}:{number}"
    return stores[number].add(make_record(task_id, unique_key=key, unique_for=3600.0)) or task_id

with ThreadPoolExecutor(len(stores)) as pool:
    print("ready", flush=True)
    for line in sys.stdin:
        keys = [line.strip()] * len(stores)
        print(*pool.map(submit, range(len(stores)), keys), flush=True)
"""
KEYS = 25
BOTH = pytest.mark.parametrize("has_locks", [True, False])


@contextmanager
def stores(url: str, has_locks: bool, number: int = 2) -> Iterator[list[PostgresStore]]:
    """Without locks, as behind a pool that lends out sessions for a transaction each."""
    with ExitStack() as stack:
        opened = [stack.enter_context(closing(open_store(url))) for _ in range(number)]
        for store in opened:
            store._database.has_locks = has_locks
        # Whoever names a queue for the first time keeps others waiting who do.
        opened[0]._submits.run(lambda link: link.rows(opened[0]._sql.KNOWN_QUEUES, (["default"],)))
        yield opened


@contextmanager
def just_before(
    statement: str, act: Callable[[], None], monkeypatch: pytest.MonkeyPatch, turn: int = 1
) -> Iterator[None]:
    """Let others act before a statement that contains this is executed for the so-many-th time."""
    rows, left = Link.rows, [turn]

    def wait(link: Link, asked: str, parameters: Any = ()) -> Any:
        if statement in asked:
            left[0] -= 1
            if left[0] == 0:
                act()
        return rows(link, asked, parameters)

    with monkeypatch.context() as patch:
        patch.setattr(Link, "rows", wait)
        yield
    assert left[0] <= 0


def watch_inserts(patch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Let others act before a task is added within a transaction, once."""
    original, left = within._psycopg, [act]

    def watched(connection: Any) -> Callable[[str, within.Values], within.Rows]:
        execute = original(connection)

        def run(statement: str, values: within.Values) -> within.Rows:
            if ".tasks (" in statement and left:
                left.pop()()
            return execute(statement, values)

        return run

    patch.setattr(within, "_psycopg", watched)


def until_kept_waiting(url: str, holder: psycopg.Connection[Any], other: Future[Any]) -> None:
    """Return when somebody waits for the transaction of `holder`."""
    waits = "SELECT 1 FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
    while not ask(url, waits, holder.info.backend_pid):
        assert not other.done()


@pytest.mark.parametrize("locks", ["all", "none", "some"])
def test_one_of_many_processes_and_threads(url: str, locks: str) -> None:
    """Three processes with three threads each submit the same keys at once, and a worker ends what it finds:
    of each key there is one task, whose id all of them get; also where they know nothing of each other's
    locks."""
    with ExitStack() as stack:
        worker = stack.enter_context(closing(open_store(url)))
        processes = []
        for number in range(3):
            has_locks = locks == "all" or (locks == "some" and number == 0)
            arguments = [url, str(number), "locks" if has_locks else "none"]
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", _SUBMITTING, *arguments],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                )
            )  # fmt: skip
            stack.callback(process.kill)
            processes.append(process)
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        over = threading.Event()

        def work() -> None:
            while not over.is_set():
                worker._hands.look_again()
                for record in iter(lambda: worker.claim(make_record().lane, time.time()), None):
                    finish(worker, record, record.fence, Completed(None), time.time())

        working = threading.Thread(target=work)
        working.start()
        stack.callback(working.join)
        stack.callback(over.set)
        for number in range(KEYS):
            key = f"{secrets.token_hex(4)}-{number}"
            for process in processes:
                assert process.stdin is not None
                process.stdin.write(f"{key}\n")
                process.stdin.flush()
            given = [task_id for process in processes for task_id in process.stdout.readline().split()]  # type: ignore[union-attr]
            assert len(given) == 9
            assert len(set(given)) == 1, given
            assert ask(url, "SELECT id FROM {s}.tasks WHERE unique_key = %s", key) == [(given[0],)]


@BOTH
def test_who_waits_for_an_open_transaction(url: str, has_locks: bool) -> None:
    """A key that was submitted within a transaction which is still open: the next one waits, and gets the id
    of that task if it commits, or else its own."""
    with stores(url, has_locks) as (one, two), psycopg.connect(parse(url).url) as connection:
        turns = ((connection.commit, "kept", "kept"), (connection.rollback, "lost", None))
        for ends, first, expected in turns:
            key = f"key of {first}"
            assert one.add_within(make_record(first, unique_key=key), connection) is None
            with ThreadPoolExecutor(1) as pool:
                other = pool.submit(two.add, make_record(f"after {first}", unique_key=key))
                until_kept_waiting(url, connection, other)
                ends()
                assert other.result(10.0) == expected
        assert {record.id for record in two.find(set(TaskStatus))} == {"kept", "after lost"}


@BOTH
def test_two_open_transactions_with_the_same_key(url: str, has_locks: bool) -> None:
    """The second one waits for the end of the first, and gets its task, or after a rollback its own."""
    with stores(url, has_locks) as (one, two), ExitStack() as stack:
        left, right = (stack.enter_context(psycopg.connect(parse(url).url)) for _ in range(2))
        for ends, first, expected in ((left.commit, "kept", "kept"), (left.rollback, "lost", None)):
            key = f"key of {first}"
            assert one.add_within(make_record(first, unique_key=key, unique_for=60.0), left) is None
            with ThreadPoolExecutor(1) as pool:
                record = make_record(f"after {first}", unique_key=key, unique_for=60.0)
                other = pool.submit(two.add_within, record, right)
                until_kept_waiting(url, left, other)
                ends()
                assert other.result(10.0) == expected
            right.commit()
        assert {record.id for record in two.find(set(TaskStatus))} == {"kept", "after lost"}


@pytest.mark.parametrize("period", [60.0, None])
@pytest.mark.parametrize("in_transaction", [False, True])
def test_a_key_that_was_taken_and_worked_off_meanwhile(
    url: str, monkeypatch: pytest.MonkeyPatch, period: float | None, in_transaction: bool
) -> None:
    """Without locks, and between the moment at which one looks whether the key is free and the one at which
    he takes it, another one takes it for a time, and its task ends: it still stands for the key."""
    with stores(url, False) as (one, two), psycopg.connect(parse(url).url) as connection:

        def come_first() -> None:
            assert two.add(make_record("theirs", unique_key="k", unique_for=60.0)) is None
            running = claim_one(two)
            assert finish(two, running, running.fence, Completed(None))

        record = make_record("mine", unique_key="k", unique_for=period)
        if in_transaction:
            with monkeypatch.context() as patch:
                watch_inserts(patch, come_first)
                assert one.add_within(record, connection) == "theirs"
            connection.commit()
        else:
            with just_before("ON CONFLICT DO NOTHING RETURNING id", come_first, monkeypatch):
                assert one.add(record) == "theirs"
        assert [record.id for record in one.find(set(TaskStatus))] == ["theirs"]


def test_the_holder_of_a_key_ends_meanwhile(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without locks: whose key was taken when he wanted to take it, and is free when he looks who has it,
    gets a task of his own, and not an id of which there is none."""
    with stores(url, False) as (one, two):
        running: list[Any] = []

        def take() -> None:
            two.add(make_record("theirs", unique_key="k"))
            running.append(claim_one(two))

        def let_go() -> None:
            assert finish(two, running[0], running[0].fence, Completed(None))

        with (
            just_before("ON CONFLICT DO NOTHING RETURNING id", take, monkeypatch),
            # The second time it is asked by the other one.
            just_before(one._sql.HOLDER, let_go, monkeypatch, turn=3),
        ):
            assert one.add(make_record("mine", unique_key="k")) is None
        assert {record.id for record in one.find(set(TaskStatus))} == {"theirs", "mine"}
