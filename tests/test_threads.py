"""The crew of threads: nobody is woken too late, nobody twice, and all of them end."""

from __future__ import annotations

import contextlib
import functools
import random
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

import pytest

from hypern.threads import Crew, Mutex

WAIT = 20.0


class Source:
    """Work for a crew: callables in a line. `on_empty`: called once, when a thread has found nothing."""

    def __init__(self, size: int) -> None:
        self.line: deque[Callable[[], object]] = deque()
        self.on_empty: Callable[[], object] | None = None
        self.crew: Crew[Callable[[], object]] = Crew(
            "test-crew", size, self._take, lambda piece: piece(), lambda: bool(self.line)
        )

    def add(self, *pieces: Callable[[], object]) -> None:
        for piece in pieces:
            self.line.append(piece)
            self.crew.notify()

    def _take(self) -> Callable[[], object] | None:
        try:
            return self.line.popleft()
        except IndexError:
            then, self.on_empty = self.on_empty, None
            if then is not None:
                then()
            return None


@pytest.fixture
def make_source() -> Iterator[Callable[[int], Source]]:
    """Make crews with something to do; all are stopped at the end."""
    made: list[Source] = []

    def make(size: int) -> Source:
        made.append(Source(size))
        return made[-1]

    yield make
    for source in made:
        source.crew.stop()
        assert source.crew.join(time.monotonic() + WAIT)


def threads_of_the_crew() -> int:
    return sum(thread.name.startswith("test-crew") for thread in threading.enumerate())


def test_no_thread_before_there_is_work(make_source: Callable[[int], Source]) -> None:
    """A crew that has nothing to do has no threads, and one piece starts one."""
    source = make_source(4)
    assert threads_of_the_crew() == 0
    done = threading.Event()
    source.add(done.set)
    assert done.wait(WAIT)
    assert threads_of_the_crew() == 1


@pytest.mark.parametrize("size", [1, 4])
def test_no_wake_up_is_lost(make_source: Callable[[int], Source], size: int) -> None:
    """From idle, again and again, a piece that is added is done, whatever its threads were just about."""
    source = make_source(size)
    for number in range(3000):
        done = threading.Event()
        source.add(done.set)
        assert done.wait(WAIT), f"the piece of round {number} was never done"


def test_no_wake_up_is_lost_among_many(make_source: Callable[[int], Source]) -> None:
    """Eight threads that add without pause get all of their pieces done, each once."""
    source, done, every = make_source(4), deque[tuple[int, int]](), threading.Event()

    def do(adder: int, number: int) -> None:
        done.append((adder, number))
        if len(done) == 8 * 500:
            every.set()

    def add(adder: int) -> None:
        for number in range(500):
            source.add(functools.partial(do, adder, number))

    adders = [threading.Thread(target=add, args=(adder,)) for adder in range(8)]
    for thread in adders:
        thread.start()
    for thread in adders:
        thread.join()
    assert every.wait(WAIT)
    assert sorted(done) == [(adder, number) for adder in range(8) for number in range(500)]


def test_pieces_that_block_run_side_by_side(make_source: Callable[[int], Source]) -> None:
    """As many pieces as there are threads run at once, though none of them ever ends by itself."""
    source = make_source(4)
    together = threading.Barrier(5)
    source.add(*[lambda: together.wait(WAIT)] * 4)
    together.wait(WAIT)


def test_work_that_comes_while_a_thread_lies_down(make_source: Callable[[int], Source]) -> None:
    """Two pieces that come when the only waking thread has just found nothing run side by side: the one
    it takes does not hold up the other."""
    source = make_source(2)
    together = threading.Barrier(3)
    source.on_empty = lambda: source.add(*[lambda: together.wait(WAIT)] * 2)
    source.crew.notify()
    together.wait(WAIT)


def test_short_work_does_not_hide_long_work(make_source: Callable[[int], Source]) -> None:
    """A long piece in the midst of many short ones holds up none of those behind it."""
    source, ended, let_go = make_source(2), threading.Event(), threading.Event()
    short: Callable[[], object] = lambda: None  # noqa: E731
    source.add(*[short] * 50, lambda: let_go.wait(WAIT), *[short] * 50, ended.set)
    assert ended.wait(WAIT)
    let_go.set()


def test_never_more_threads_than_its_size(make_source: Callable[[int], Source]) -> None:
    """However much there is to do, no more than `size` threads do it."""
    source, lock = make_source(3), threading.Lock()
    running, most = [0], [0]
    every = threading.Semaphore(0)

    def piece() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.001)
        with lock:
            running[0] -= 1
        every.release()

    source.add(*[piece] * 200)
    for _ in range(200):
        assert every.acquire(timeout=WAIT)
    assert most[0] <= 3
    assert threads_of_the_crew() <= 3


def test_stop_ends_sleeping_and_working_threads(make_source: Callable[[int], Source]) -> None:
    """After `stop` every thread ends with the piece it is at, and takes no other."""
    source, let_go = make_source(2), threading.Event()
    entered = threading.Event()

    def long() -> None:
        entered.set()
        assert let_go.wait(WAIT)

    source.add(long)
    assert entered.wait(WAIT)
    source.crew.stop()
    left: list[int] = []
    source.add(lambda: left.append(1))
    assert not source.crew.join(time.monotonic() + 0.01)
    let_go.set()
    assert source.crew.join(time.monotonic() + WAIT)
    assert left == []


def test_the_system_gives_no_more_threads(
    make_source: Callable[[int], Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no second thread can be started, the first one does all the work."""
    source, done = make_source(4), threading.Semaphore(0)
    source.add(done.release)
    assert done.acquire(timeout=WAIT)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        source.add(*[done.release] * 20)
        for _ in range(20):
            assert done.acquire(timeout=WAIT)


def test_a_mutex_lets_one_in() -> None:
    """Of many threads in turn only one is ever inside of a mutex."""
    mutex, inside, count = Mutex(), [0], [0]
    crowded: list[int] = []

    def pass_through() -> None:
        for _ in range(2000):
            mutex.acquire()
            try:
                inside[0] += 1
                crowded.extend([1] * (inside[0] != 1))
                count[0] += 1
                inside[0] -= 1
            finally:
                mutex.release()

    threads = [threading.Thread(target=pass_through) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (crowded, count) == ([], [12_000])


def can_be_taken_elsewhere(mutex: Mutex) -> bool:
    taken = threading.Event()

    def take() -> None:
        mutex.acquire()
        mutex.release()
        taken.set()

    threading.Thread(target=take, daemon=True).start()
    return taken.wait(WAIT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_mutex_is_free_after_a_signal() -> None:
    """A signal handler that raises, as that of Ctrl-C does, never leaves a mutex taken."""
    mutex = Mutex()

    class Interrupt(Exception):
        pass

    def interrupt(number: int, frame: object) -> None:
        raise Interrupt

    def pass_through() -> None:
        # What is raised in a callback of the interpreter's own is lost, and comes no second time.
        enough = time.monotonic() + 0.5
        while time.monotonic() < enough:
            mutex.acquire()
            try:
                pass
            finally:
                mutex.release()

    former = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(300):
            with contextlib.suppress(Interrupt):
                signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0001, 0.001))
                pass_through()
            assert can_be_taken_elsewhere(mutex)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, former)


def test_a_signal_handler_that_adds_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that interrupts its own thread in the midst of waking another waits for nobody; all is done."""
    work: deque[int] = deque([1])
    done: deque[int] = deque()
    all_done = threading.Event()

    def do(piece: int) -> None:
        done.append(piece)
        if len(done) == 2:
            all_done.set()

    def add(number: int, frame: object) -> None:
        work.append(2)
        crew.notify()

    crew = Crew("crew", 1, lambda: work.popleft() if work else None, do, lambda: bool(work))
    monkeypatch.setattr(crew, "_start_one", _then_signal(crew._start_one))
    before = signal.signal(signal.SIGUSR1, add)
    try:
        crew.notify()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert all_done.wait(10)
    assert len(crew._threads) == 1
    crew.stop()
    assert crew.join(time.monotonic() + 10)


def _then_signal(start: Callable[[bool], None]) -> Callable[[bool], None]:
    def start_one(watch: bool) -> None:
        signal.raise_signal(signal.SIGUSR1)
        start(watch)

    return start_one
