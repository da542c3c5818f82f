"""Tasks that recur: each tick is one task, and what happens to missed ones."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from tests.tasks.conftest import WAIT, Gate, Helped

from hypern import Hypern, InvalidTask, QueueFull, Task, background, cron, every, submit_task
from hypern.clock import ManualClock
from hypern.records import TaskRecord, TaskStatus
from hypern.tasks import ticking
from hypern.tasks.recurring import recurring_tasks
from hypern.tasks.schedules import Every
from hypern.tasks.ticking import Ticker

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC).timestamp()
HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture(autouse=True)
def nothing_recurs() -> Iterator[None]:
    """Each test begins and ends without recurring tasks."""
    before = list(ticking._registry)
    ticking._registry.clear()
    yield
    ticking._registry[:] = before


class Steps(ManualClock):
    """A clock whose wall clock can be put."""

    def put(self, seconds: float) -> None:
        self._wall += seconds


@pytest.fixture
def clock() -> Steps:
    return Steps(NOON)


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine has a loop for ticks; the test makes them."""
    monkeypatch.setattr(ticking, "begin", lambda engine, loops: None)


@pytest.fixture
def paused(use: Callable[..., Helped], clock: Steps, by_hand: None) -> Helped:
    """An engine that keeps what is submitted and runs nothing; its ticks are made by hand."""
    engine = use(clock)
    engine.pause()
    return engine


def tick() -> None: ...


def ids(engine: Helped) -> list[str]:
    return [record.id.partition("@")[2] for record in engine.store.find(set(TaskStatus))]


# -- what is declared ----------------------------------------------------------------------------------


def test_what_needs_arguments_cannot_recur(engine: Helped) -> None:
    """A function that could not be called without arguments, and what is no function, is refused."""

    def needs(row: int) -> None: ...

    with pytest.raises(InvalidTask, match="missing a required argument: 'row'"):
        every(seconds=1)(needs)
    with pytest.raises(InvalidTask, match="must be a function"):
        every(seconds=1)(5)  # type: ignore[arg-type]
    assert recurring_tasks() == []


def test_it_stays_a_task(engine: Helped) -> None:
    """What recurs can still be called, and a task keeps its options."""
    plain = every(seconds=3600)(tick)
    assert isinstance(plain, Task)
    assert engine.one(plain()).is_success()
    task = background(queue="low", retries=2)(tick)
    assert every(seconds=3600)(task) is task


def test_the_list(paused: Helped) -> None:
    """What recurs can be listed: name, schedule in words, next tick. The same function may have two
    schedules; a module that is loaded again replaces its own."""

    def made_again() -> Callable[[], None]:
        def again() -> None: ...

        return again

    task = cron("0 3 * * *")(every(seconds=60)(made_again()))
    assert [(found.schedule, found.next_tick) for found in recurring_tasks()] == [
        ("every minute", datetime(2026, 5, 4, 12, 1, tzinfo=UTC)),
        ("at 03:00 every day (UTC)", datetime(2026, 5, 5, 3, tzinfo=UTC)),
    ]
    every(seconds=5)(made_again())
    assert [(found.name, found.schedule) for found in recurring_tasks()] == [(task.name, "every 5 seconds")]


# -- ticks ---------------------------------------------------------------------------------------------


def test_each_tick_is_a_task(paused: Helped, clock: Steps) -> None:
    """At each tick, not before, one task is submitted, with the options of the task."""
    every(seconds=30)(background(priority="high")(tick))
    ticker = Ticker(paused)
    assert ticker.turn() == 30.0
    clock.advance(29)
    assert ticker.turn() == 30.0
    assert ids(paused) == []
    clock.advance(1)
    assert ticker.turn() == 60.0
    clock.advance(31)
    ticker.turn()
    assert ids(paused) == ["2026-05-04T12:00:30Z", "2026-05-04T12:01:00Z"]
    (record, _) = paused.store.find({TaskStatus.PENDING})
    assert record.id == f"{record.name}@2026-05-04T12:00:30Z".replace("<locals>", "-locals-")
    assert record.rules.priority == 10


def test_several_processes_make_one_task(paused: Helped, clock: Steps) -> None:
    """Loops that share a store, as those of several processes do, submit a tick once, late or early."""
    every(seconds=30)(tick)
    tickers = [Ticker(paused) for _ in range(3)]
    clock.advance(30)
    tickers[0].turn()
    clock.advance(20)
    for ticker in tickers:
        ticker.turn()
    assert ids(paused) == ["2026-05-04T12:00:30Z"]


@pytest.mark.usefixtures("by_hand")
def test_a_tick_is_known_when_its_task_has_ended(use: Callable[..., Helped], clock: Steps) -> None:
    """A process that is late does not run a tick again, though results are not kept."""
    engine = use(clock, task_result_ttl=0.0)
    every(seconds=30)(background(result_ttl=0)(tick))
    one, late = Ticker(engine), Ticker(engine)
    clock.advance(30)
    one.turn()
    engine.settle()
    clock.advance(20)
    engine.store.prune(clock.wall())
    heard: list[str] = []
    engine.events.listen(lambda event: heard.append(event.name))
    late.turn()
    engine.settle()
    assert heard == []


@pytest.mark.parametrize(("catch_up", "found"), [(False, []), (True, ["2026-05-04T17:00:00Z"])])
def test_missed_ticks(paused: Helped, clock: Steps, catch_up: bool, found: list[str]) -> None:
    """After a suspension missed ticks are skipped, or the last of them is made up for, once."""
    every(seconds=3600, catch_up=catch_up)(tick)
    ticker = Ticker(paused)
    clock.advance(5 * HOUR + 1800)
    assert ticker.turn() == 6 * HOUR
    ticker.turn()
    assert ids(paused) == found


def test_a_slow_process_misses_nothing(paused: Helped, clock: Steps) -> None:
    """A tick that is noticed less than a minute late still runs."""
    every(seconds=3600)(tick)
    ticker = Ticker(paused)
    clock.advance(HOUR + 59)
    ticker.turn()
    assert ids(paused) == ["2026-05-04T13:00:00Z"]


@pytest.mark.usefixtures("by_hand")
def test_a_clock_that_is_put(use: Callable[..., Helped], clock: Steps) -> None:
    """Put forward, ticks are skipped. Put back, none comes twice, though their tasks are forgotten. Put
    back by more than a day, everything begins anew."""
    engine = use(clock, task_result_limit=0)
    every(seconds=3600)(tick)
    ran: list[str] = []
    engine.events.listen(lambda event: event.name == "submitted" and ran.append(event.task_id[-9:-4]))
    ticker = Ticker(engine)

    def turn(seconds: float) -> None:
        clock.put(seconds)
        ticker.turn()
        engine.settle()

    turn(3 * HOUR + 600)
    turn(50 * 60)
    assert ran == ["16:00"]
    turn(-3 * HOUR)
    turn(2 * HOUR)
    assert ran == ["16:00"]
    turn(2 * HOUR)
    assert ran == ["16:00", "17:00"]
    turn(-3 * DAY)
    turn(HOUR)
    assert ran == ["16:00", "17:00", "18:00"]


def test_no_overlap(paused: Helped, clock: Steps) -> None:
    """With overlap=False a tick is skipped while the task of an earlier one waits or runs."""
    every(seconds=30, overlap=False)(tick)
    ticker = Ticker(paused)
    for _ in range(3):
        clock.advance(30)
        ticker.turn()
    assert ids(paused) == ["2026-05-04T12:00:30Z"]
    paused.resume()
    paused.settle()
    paused.pause()
    clock.advance(30)
    ticker.turn()
    assert ids(paused) == ["2026-05-04T12:00:30Z", "2026-05-04T12:02:00Z"]


@pytest.mark.usefixtures("by_hand")
def test_a_full_queue(
    use: Callable[..., Helped], clock: Steps, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    """A tick that cannot be submitted is tried again, is named once in the log, and holds up no other."""
    engine = use(clock, task_queue_size=1, task_workers=1)
    engine.pause()
    every(seconds=3600)(tick)
    standing = background(gate.hold)()
    other = background(tick).with_options(task_id="other")
    ticker = Ticker(engine)
    clock.advance(HOUR)
    with pytest.raises(QueueFull):
        other()
    assert ticker.turn() == HOUR + 1
    ticker.turn()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "the task queue is full" in caplog.text
    assert engine.cancel(standing)
    clock.advance(30)
    ticker.turn()
    assert "2026-05-04T13:00:00Z" in ids(engine)


def test_names_become_ids() -> None:
    """Different names give different ids, of a length and of letters that stores and URLs take."""
    names = ["a b", "a-b", "ä" * 500, "ä" * 501, "m:f"]
    made = [ticking.Recurring(name, Every(1), False, lambda: None, lambda *_: "", None) for name in names]  # type: ignore[arg-type,return-value]
    found = [recurring.tick_id(0.0) for recurring in made]
    assert len(set(found)) == len(names)
    assert all(len(task_id) <= 150 and task_id.isascii() and " " not in task_id for task_id in found)
    assert found[-1] == "m:f@1970-01-01T00:00:00Z"


# -- across a restart ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "shared", "found"),
    [
        (["2026-05-01T03:00:00Z"], True, ["2026-05-04T03:00:00Z"]),
        (["2026-05-04T03:00:00Z"], True, []),
        ([], True, []),
        (["2026-05-01T03:00:00Z"], False, []),
    ],
)
def test_missed_while_the_process_was_down(
    paused: Helped, known: list[str], shared: bool, found: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A durable store that knows an earlier tick, but not the last, tells that it was missed: it is run. A
    store that knows none cannot tell, which is said; memory never can."""
    caplog.set_level(logging.INFO, "hypern.tasks")
    task = cron("0 3 * * *", catch_up=True)(tick)
    for moment in known:
        paused.store.add(TaskRecord(f"{task.name}@{moment}", task.spec, (), {}, NOON, None, None, NOON))
    paused.store.shared = shared
    Ticker(paused).turn()
    assert ids(paused) == known + found
    assert ("cannot be told" in caplog.text) == (shared and not known)


# -- in an engine --------------------------------------------------------------------------------------


@pytest.mark.parametrize("declared_first", [True, False])
def test_an_engine_ticks(use: Callable[..., Helped], clock: Steps, declared_first: bool) -> None:
    """An engine that runs submits and runs what recurs, coroutines too, also if it was declared later; and
    no more, nor is it started again, when it has stopped."""

    async def coroutine() -> str:
        return "ran"

    engine = use(clock)
    if declared_first:
        every(seconds=60)(coroutine)
    engine.start()
    begun = threading.Event()
    engine.events.listen(lambda event: event.name == "finished" and begun.set())
    if not declared_first:
        every(seconds=60)(coroutine)
        every(seconds=45)(tick)
    for _ in range(int(WAIT / 0.05)):
        clock.advance(15)
        if begun.wait(0.05):
            break
    assert begun.is_set()
    engine.stop()
    before = ids(engine)
    clock.advance(600)
    assert ids(engine) == before
    assert not engine.is_started


def test_no_ticks_while_stopping(use: Callable[..., Helped], clock: Steps, gate: Gate) -> None:
    """An engine that stops submits no ticks while it waits for what runs."""
    engine = use(clock)
    every(seconds=60)(tick)
    submit_task(gate.hold)
    gate.wait_entered()
    (loop,) = (loop for loop in engine._loops if isinstance(loop, ticking.TickLoop))
    stopping = threading.Thread(target=engine.stop)
    stopping.start()
    loop._thread.join(WAIT)
    assert not loop._thread.is_alive()
    clock.advance(60)
    gate.open()
    stopping.join(WAIT)
    assert not any("@" in record.id for record in engine.store.find(set(TaskStatus)))


def test_nothing_is_started_without_recurring_tasks(engine: Helped) -> None:
    """An engine that has none has no loop for them."""
    engine.start()
    assert not any(isinstance(loop, ticking.TickLoop) for loop in engine._loops)


@pytest.mark.usefixtures("by_hand")
def test_an_app_has_its_own(make_engine: Callable[..., Helped], clock: Steps) -> None:
    """What is declared with an app recurs in the engine of that app only."""
    app, other = Hypern(), Hypern()
    app.engine, other.engine = make_engine(clock), make_engine(clock)
    app.every(seconds=60)(tick)
    app.cron("* * * * *")(tick)
    for some in (app, other):
        some.engine.pause()
    tickers = [Ticker(some.engine) for some in (app, other)]
    clock.advance(60)
    for ticker in tickers:
        ticker.turn()
    assert len(app.engine.store.find(set(TaskStatus))) == 1
    assert other.engine.store.find(set(TaskStatus)) == []
