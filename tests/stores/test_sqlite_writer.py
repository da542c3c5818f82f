"""Group commit: everybody's work is done once, in whichever thread; trouble stays with whoever made it."""

from __future__ import annotations

import signal
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hypern.errors import QueueUnavailable, TaskError
from hypern.stores.conformance.suite import together
from hypern.stores.durable.pieces import Amid, Uncertain
from hypern.stores.durable.writer import Writer
from hypern.stores.sqlite.address import Address
from hypern.stores.sqlite.database import Database
from hypern.stores.sqlite.transacting import Transactions
from hypern.stores.sqlite.transaction import Transaction

WAIT = 20.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(Address(tmp_path / "tasks.db", "normal"))
    database.writer().execute("CREATE TABLE written (number INTEGER PRIMARY KEY)")
    yield database
    database.close()


@pytest.fixture
def writer(database: Database) -> Writer:
    return Writer(Transactions(database))


def put(number: int) -> Any:
    def work(transaction: Transaction) -> int:
        transaction.execute("INSERT INTO written VALUES (?)", (number,))
        return number

    return work


def written(database: Database) -> list[int]:
    return [number for (number,) in database.writer().execute("SELECT number FROM written ORDER BY number")]


def test_one_after_the_other(writer: Writer, database: Database) -> None:
    """`run` returns what the work returned, when it is committed."""
    assert [writer.run(put(number)) for number in range(3)] == [0, 1, 2]
    assert not database.is_in_transaction()
    assert written(database) == [0, 1, 2]


def test_many_threads_and_those_who_do_not_wait(writer: Writer, database: Database) -> None:
    """Whoever waits gets his own answer; whoever does not is told; nothing is lost or done twice."""
    told: list[int] = []
    all_told = threading.Event()

    def then(number: int, error: BaseException | None) -> None:
        assert error is None
        told.append(number)
        if len(told) == 16 * 40:
            all_told.set()

    def work(thread: int) -> None:
        for turn in range(40):
            number = thread * 1000 + turn
            writer.post(put(number + 500), then, soon=turn % 2 == 0)
            assert writer.run(put(number)) == number

    together(work, threads=16)
    writer.flush()
    assert all_told.wait(WAIT)
    assert len(written(database)) == 2 * 16 * 40
    assert len(set(told)) == len(told)


def test_who_is_told_may_write(writer: Writer, database: Database) -> None:
    """What is called when work is done can have more work done, and wait for it, under any load."""
    done = threading.Event()
    left = [200]

    def then(number: int, error: BaseException | None) -> None:
        writer.run(put(number + 100_000))
        left[0] -= 1
        if not left[0]:
            done.set()

    def work(thread: int) -> None:
        for turn in range(25):
            writer.post(put(thread * 1000 + turn), then)
            writer.run(put(thread * 1000 + turn + 500))

    together(work, threads=8)
    assert done.wait(WAIT)
    assert len(written(database)) == 600


def test_a_piece_that_fails_fails_alone(writer: Writer, database: Database) -> None:
    """What a piece of work raises comes out where it was asked for, and the others are done."""

    def refuses(transaction: Transaction) -> None:
        raise TaskError("no")

    def breaks(transaction: Transaction) -> None:
        transaction.execute("INSERT INTO written VALUES (77)")
        raise ZeroDivisionError

    def violates(transaction: Transaction) -> None:
        transaction.execute("INSERT INTO written VALUES (1)")
        transaction.execute("INSERT INTO written VALUES (1)")

    def work(thread: int) -> None:
        for turn in range(20):
            bad, error = [(refuses, TaskError), (breaks, ZeroDivisionError), (violates, sqlite3.Error)][
                turn % 3
            ]
            with pytest.raises(error):
                writer.run(bad)
            assert writer.run(put(100 + thread * 100 + turn)) == 100 + thread * 100 + turn

    together(work, threads=6)
    assert written(database) == [100 + thread * 100 + turn for thread in range(6) for turn in range(20)]


class Broken:
    """A connection whose COMMIT fails so many times, with this result code."""

    def __init__(self, connection: sqlite3.Connection, code: int, times: int) -> None:
        self._connection, self._code, self._left = connection, code, times

    def execute(self, statement: str, *parameters: Any) -> Any:
        if statement == "COMMIT" and self._left:
            self._left -= 1
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = self._code  # type: ignore[misc]
            raise error
        return self._connection.execute(statement, *parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def test_a_failed_commit_is_uncertain(writer: Writer, database: Database) -> None:
    """Whether it was written is not known, and said so; the connection is made anew."""
    before = database.writer()
    database._writer = Broken(before, sqlite3.SQLITE_IOERR, 1)  # type: ignore[assignment]
    with pytest.raises(Uncertain):
        writer.run(put(1))
    assert database.writer() is not before
    assert writer.run(put(2)) == 2


def test_a_full_disk_is_certain(writer: Writer, database: Database) -> None:
    """Nothing was written, and it is no Uncertain; what must not be lost is written when there is room."""
    database._writer = Broken(database.writer(), sqlite3.SQLITE_FULL, 2)  # type: ignore[assignment]
    told = threading.Event()
    writer.post(put(1), lambda result, error: told.set(), persistent=True, soon=False)
    with pytest.raises(QueueUnavailable) as refused:
        writer.run(put(2))
    assert not isinstance(refused.value, Uncertain)
    assert told.wait(WAIT)
    assert written(database) == [1]


def test_close_writes_what_is_in_line(writer: Writer, database: Database) -> None:
    """What was posted before is written, and what comes after is refused."""
    import time

    told: list[BaseException | None] = []
    for number in range(50):
        writer.post(put(number), lambda result, error: told.append(error), soon=False)
    writer.close(time.monotonic() + WAIT)
    assert written(database) == list(range(50))
    writer.post(put(99), lambda result, error: told.append(error))
    assert isinstance(told[-1], QueueUnavailable)


def test_ctrl_c_in_whoever_leads(writer: Writer, database: Database) -> None:
    """A signal that comes while the main thread writes for all ends its own work only; what stood in the same
    transaction is written, once, and the next one leads."""
    told: list[int] = []
    # A shell that starts the tests in the background has them ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupted(transaction: Transaction) -> None:
        transaction.execute("INSERT INTO written VALUES (5)")
        signal.raise_signal(signal.SIGINT)

    for turn in range(20):
        writer.post(put(100 + turn), lambda result, error: told.append(result), soon=False)
        with pytest.raises(KeyboardInterrupt):
            writer.run(interrupted)
        assert writer.run(put(200 + turn)) == 200 + turn
    signal.signal(signal.SIGINT, before)
    writer.flush()
    assert sorted(told) == list(range(100, 120))
    assert written(database) == [*range(100, 120), *range(200, 220)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_storm_of_signals_in_the_main_thread(writer: Writer, database: Database) -> None:
    """Whatever step it meets, what others write is written once, and nobody waits for ever."""
    armed = [False]

    class Interrupt(BaseException):
        pass

    def interrupt(number: int, frame: object) -> None:
        if armed[0]:
            armed[0] = False
            raise Interrupt

    kept: list[int] = []
    stop = threading.Event()

    def others() -> None:
        number = 100_000
        while not stop.is_set():
            assert writer.run(put(number)) == number
            kept.append(number)
            number += 1

    def disturb() -> None:
        main = threading.main_thread().ident
        assert main is not None
        while not stop.wait(0.0003):
            signal.pthread_kill(main, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    threads = [threading.Thread(target=work) for work in (others, disturb)]
    for thread in threads:
        thread.start()
    interrupted = 0
    try:
        for number in range(1500):
            try:
                armed[0] = True
                writer.run(put(number))
                armed[0] = False
                kept.append(number)
            except Interrupt:
                interrupted += 1
    finally:
        armed[0] = False
        stop.set()
        for thread in threads:
            thread.join(WAIT)
        signal.signal(signal.SIGUSR1, before)
    assert not any(thread.is_alive() for thread in threads)
    assert interrupted
    assert writer.run(put(99_999)) == 99_999
    assert set(kept) <= set(written(database))


def test_a_signal_handler_that_writes(writer: Writer, database: Database) -> None:
    """In the midst of its own thread's writing it is refused instead of waiting for ever, and what it leaves
    is written afterwards; at any other moment it writes as everybody does."""
    told: list[int] = []

    def write(number: int, frame: object) -> None:
        try:
            told.append(writer.run(put(len(told))))
        except Amid:
            writer.write_later(put(100), lambda result, error: told.append(result))

    def interrupted(transaction: Transaction) -> None:
        signal.raise_signal(signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, write)
    try:
        writer.run(interrupted)
        writer.flush()
        assert told == [100]
        signal.raise_signal(signal.SIGUSR1)
        assert told == [100, 1]
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert written(database) == [1, 100]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_handler_that_raises_leaves_the_gate_open(database: Database) -> None:
    """Whatever step of passing it a Ctrl-C meets, others pass the gate afterwards."""
    armed = [False]

    def interrupt(number: int, frame: object) -> None:
        if armed[0]:
            armed[0] = False
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    gate = database.connections.gate
    passed: list[int] = []

    def go_through(times: int) -> None:
        for number in range(times):
            with gate:
                passed.append(number)

    signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
    interrupted = 0
    while interrupted < 200:
        try:
            armed[0] = True
            go_through(100_000)
            armed[0] = False
        except KeyboardInterrupt:
            interrupted += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    other = threading.Thread(target=go_through, args=(1,), daemon=True)
    other.start()
    other.join(1.0)
    assert not other.is_alive()


def test_a_signal_handler_that_writes_while_the_thread_is_started(
    writer: Writer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not wait for its own thread then either."""
    told = threading.Event()

    def write(number: int, frame: object) -> None:
        with pytest.raises(Amid):
            writer.run(put(1))
        writer.write_later(put(2), lambda result, error: told.set())

    plain = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        signal.raise_signal(signal.SIGUSR1)
        plain(thread)

    before = signal.signal(signal.SIGUSR1, write)
    monkeypatch.setattr(threading.Thread, "start", start)
    try:
        writer.ring()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert told.wait(WAIT)
    assert written(database) == [2]


def test_a_thread_that_could_not_be_started(
    writer: Writer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes next starts one, and all that was posted is written."""
    told = [threading.Event(), threading.Event()]

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            writer.post(put(1), lambda result, error: told[0].set())
    writer.post(put(2), lambda result, error: told[1].set())
    assert all(event.wait(WAIT) for event in told)
    assert written(database) == [1, 2]
