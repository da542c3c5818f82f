"""Group commit waits for company where company comes, and only there."""

from __future__ import annotations

import contextlib
import itertools
import random
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from hypern.stores.durable.company import Company
from hypern.stores.durable.pieces import Piece
from hypern.stores.durable.writer import Writer

WAIT = 20.0


class Written:
    """In the place of a database: transactions as lists of what was done in them."""

    name = "nowhere"

    def __init__(self) -> None:
        self.kept: list[Piece] = []
        self.nothing: Any = lambda: None
        self.transactions: list[list[Any]] = []
        self.before_commit: Callable[[], None] = lambda: None
        self._committing: list[Piece] = []
        self._results: list[Any] = []

    def write(self, pieces: list[Piece], done: list[Piece]) -> None:
        for piece in pieces:
            piece.result = piece.work()
        self.before_commit()
        self._results = [piece.result for piece in pieces]
        self._committing = pieces
        self.transactions.append(self._results)
        done.extend(pieces)
        pieces.clear()

    def clean_up(self) -> bool:
        return bool(self._committing) and self.transactions[-1:] == [self._results]


class Patient(Company):
    """Waits for so many, as long as it takes."""

    def __init__(self, expected: int) -> None:
        super().__init__()
        self.expected = expected

    def wrote(self, number: int, seconds: float) -> None:
        """It expects what it did."""

    def patience(self, present: int) -> float:
        return 0.0 if present >= self.expected else WAIT


def gathering(company: Company) -> tuple[Writer, Written]:
    written = Written()
    writer = Writer(written)
    writer._line.company = company
    return writer, written


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def run_beside(writer: Writer, *results: int) -> list[threading.Thread]:
    """A thread for each of these, which has work done that returns it, and checks that."""

    def work(result: int) -> None:
        assert writer.run(lambda: result) == result

    threads = [threading.Thread(target=work, args=(result,)) for result in results]
    for thread in threads:
        thread.start()
    return threads


def join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(WAIT)
        assert not thread.is_alive()


def test_those_who_are_expected_write_together() -> None:
    """Nothing is written before the third has come, who then leads."""
    writer, written = gathering(Patient(3))
    threads = run_beside(writer, 1, 2)
    until(lambda: len(writer._line.pieces) == 2)
    assert not written.transactions
    assert writer.run(lambda: 3) == 3
    join(threads)
    assert [sorted(results) for results in written.transactions] == [[1, 2, 3]]


def test_what_need_not_be_on_disk_waits_for_nobody() -> None:
    """Work that is not to be durable is done at once."""
    writer, written = gathering(Patient(3))
    assert writer.run(lambda: 1, durable=False) == 1
    assert written.transactions == [[1]]


def test_nobody_comes() -> None:
    """Whoever waits in vain writes alone, and expects nobody the next time."""
    company = Company()
    company.wrote(2, 0.0)
    writer, written = gathering(company)
    assert writer.run(lambda: 1) == 1
    assert company.expected == 1
    assert written.transactions == [[1]]


def test_those_who_come_all_the_time_are_expected() -> None:
    """Whoever stood in line while a transaction was written, and those whom it was for."""
    writer, written = gathering(Company())
    go_on = threading.Event()

    def hold() -> None:
        written.before_commit = lambda: None
        assert go_on.wait(WAIT)

    written.before_commit = hold
    first = run_beside(writer, 1)
    until(lambda: written.before_commit is not hold)
    others = run_beside(writer, 2, 3)
    until(lambda: len(writer._line.pieces) == 2)
    counted: list[int] = []
    count = writer._line.company.wrote
    writer._line.company.wrote = lambda number, seconds: (counted.append(number), count(number, seconds))  # type: ignore[method-assign, assignment, func-returns-value]
    go_on.set()
    join([*first, *others])
    assert counted[0] == 3


def test_one_who_gathers_is_interrupted() -> None:
    """If a signal handler raises in the thread that waits for company, another one leads."""
    writer, written = gathering(Patient(3))
    main = threading.get_ident()
    others: list[threading.Thread] = []

    class Interrupt(Exception):
        pass

    def interrupt(number: int, frame: object) -> None:
        raise Interrupt

    def help_out() -> None:
        until(lambda: writer._line.gatherer is not None)
        others.extend(run_beside(writer, 2))
        until(lambda: len(writer._line.pieces) == 2)
        signal.pthread_kill(main, signal.SIGALRM)

    former = signal.signal(signal.SIGALRM, interrupt)
    try:
        helper = threading.Thread(target=help_out)
        helper.start()
        with pytest.raises(Interrupt):
            writer.run(lambda: 1)
        join([helper])
    finally:
        signal.signal(signal.SIGALRM, former)
    # The other one leads now, and gathers in its turn.
    last = run_beside(writer, 3)
    join([*others, *last])
    assert sorted(result for results in written.transactions for result in results) == [1, 2, 3]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_interrupts_at_any_moment() -> None:
    """Whatever moment a signal handler raises in, nobody waits for ever, and all work is done once."""

    class Interrupt(Exception):
        pass

    def interrupt(number: int, frame: object) -> None:
        raise Interrupt

    writer, written = gathering(Company())
    stop = threading.Event()
    done: list[int] = []

    def work(thread: int) -> None:
        number = thread * 1_000_000
        while not stop.is_set():
            number += 1
            assert writer.run(lambda number=number: number) == number
            done.append(number)

    # A function of its own: on Python 3.13 what is raised at the end of a `while` escapes from a `with`
    # around the loop (python/cpython#130279).
    def write_on(number: int) -> None:
        # What is raised in a callback of the interpreter's own is lost, and comes no second time.
        enough = time.monotonic() + 0.5
        while time.monotonic() < enough:
            writer.run(lambda: number)
            writer.post(lambda: number, lambda result, error: None)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(1, 4)]
    former = signal.signal(signal.SIGALRM, interrupt)
    try:
        for thread in threads:
            thread.start()
        for turn in range(200):
            with contextlib.suppress(Interrupt):
                signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0001, 0.003))
                write_on(-turn)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, former)
        stop.set()
    join(threads)
    # All that was posted is told by and by, and `flush` returns.
    flusher = threading.Thread(target=writer.flush, daemon=True)
    flusher.start()
    join([flusher])
    results = [result for results in written.transactions for result in results if result and result > 0]
    assert sorted(results) == sorted(done)


@pytest.mark.parametrize(
    ("expected", "present", "waits"),
    [(1, 1, False), (2, 1, True), (8, 7, True), (8, 8, False), (8, 9, False)],
)
def test_when_to_wait(expected: int, present: int, waits: bool) -> None:
    """While fewer are there than expected; never long."""
    company = Company()
    company.wrote(expected, 10.0)
    patience = company.patience(present)
    assert (patience > 0) is waits
    assert patience <= 0.002


def test_waits_in_vain_become_rare() -> None:
    """Where others do not come in time, fewer and fewer transactions wait, but some always do."""
    company = Company()
    waits = []
    for number in range(1000):
        company.wrote(8, 0.001)
        if company.patience(1):
            waits.append(number)
            company.stayed_away(1)
    gaps = [after - before for before, after in itertools.pairwise(waits)]
    assert gaps[:6] == [2, 3, 5, 9, 17, 33]
    assert set(gaps[6:]) == {65}


def test_most_of_them_are_worth_a_wait() -> None:
    """If nearly all of them came, or all came the time before, the next transaction waits again."""
    company = Company()
    company.wrote(8, 0.001)
    company.stayed_away(7)
    assert company.patience(1)
    for _ in range(3):
        company.stayed_away(1)
    while not company.patience(1):
        pass
    company.came()
    company.stayed_away(1)
    assert not company.patience(1)
    assert company.patience(1)
