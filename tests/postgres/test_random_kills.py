"""What holds across processes holds while workers are killed at random and others take their place."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from crash.journal import Line
from tests.crash.strings import Puppet
from tests.postgres.conftest import Effects, Tables, until
from tests.postgres.server import fresh_database

SECOND = 1_000_000_000
KILLS = 4
NARROW, PACED, PAUSED = 14, 40, 24


@dataclass
class Aftermath:
    """What one run has left. `killed`: when, by worker; `paused`: from when to when nothing was to start, as
    nanoseconds of CLOCK_MONOTONIC; `given`: for each submit of the unique key, the id that it gave; `over`:
    the second of the server's clock after which nobody was killed."""

    effects: Effects
    tables: Tables
    killed: dict[str, int] = field(default_factory=dict)
    paused: tuple[int, int] = (0, 0)
    given: list[tuple[str, str]] = field(default_factory=list)
    over: float = 0.0

    def lines(self, prefix: str, what: str = "start") -> list[Line]:
        found = [line for line in self.effects.all() if line.id.startswith(prefix) and line.what == what]
        return sorted(found, key=lambda line: line.at)


@pytest.fixture(scope="module")
def after(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    """Two workers, one of which is killed every second or so; a producer; and a queue that is paused."""
    home = tmp_path_factory.mktemp("kills")
    chance = random.Random(20261124)
    with fresh_database(postgres_server) as url, ExitStack() as stack:
        run = Aftermath(Effects(home), Tables(url))

        def make(who: str, workers: int) -> Puppet:
            puppet = Puppet(home, who, url=url, opens=False)
            stack.callback(puppet.kill)
            puppet.tell("open", task_workers=workers)
            return puppet

        producer = make("producer", 0)
        _submit_all(producer)
        names = iter(range(1000))

        def work() -> tuple[str, Puppet]:
            who = f"worker{next(names)}"
            puppet = make(who, 3)
            puppet.tell("recur", seconds=1)
            puppet.tell("start")
            return who, puppet

        workers = [work(), work()]
        until(lambda: len(run.lines("paused:")) >= 2, "some of the queue run")
        producer.tell("set_queue", name="pausing", paused=True)
        # So soon every worker has heard of it.
        begin = time.monotonic_ns() + SECOND
        for _ in range(KILLS):
            give_up = time.monotonic() + chance.uniform(0.6, 1.6)
            while time.monotonic() < give_up:
                task_id = f"only:{len(run.given)}"
                run.given.append((task_id, producer.submit(task_id, "slow", 0.0, 0.7, unique="only")))
                time.sleep(0.05)
            victim = chance.randrange(2)
            who, puppet = workers[victim]
            puppet.kill()
            run.killed[who] = time.monotonic_ns()
            workers[victim] = work()
        run.paused = (begin, time.monotonic_ns())
        ((run.over,),) = run.tables.ask("SELECT extract(epoch FROM clock_timestamp())::float8")
        producer.tell("set_queue", name="pausing", paused=False)
        waits = "SELECT 1 FROM hypern.tasks WHERE state < 3 AND name NOT LIKE '%tick%' LIMIT 1"
        until(lambda: run.tables.ask(waits) == [], "all has ended", 60.0)
        yield run


def _submit_all(producer: Puppet) -> None:
    producer.tell("limit", queue="narrow", limit=2)
    for number in range(NARROW):
        producer.submit(f"narrow:{number}", "slow", 0.0, 0.3, queue="narrow")
    for number in range(PAUSED):
        producer.submit(f"paused:{number}", "slow", 0.0, 0.5, queue="pausing")
    for number in range(PACED):
        producer.submit(f"paced:{number}", "quick", rate="10/s")


def test_nothing_is_lost_and_only_the_killed_are_repeated(after: Aftermath) -> None:
    """Each task has ended, completed or after three deaths; each but its last start was a killed worker's."""
    assert len(after.killed) == KILLS
    ended = after.tables.ask("SELECT id, state, lost FROM hypern.tasks WHERE state > 2")
    for task_id, state, lost in ended:
        starts = [line.who for line in after.effects.of(task_id)]
        assert state == 3 or (state, lost) == (4, 3), (task_id, state, lost)
        assert set(starts[:-1]) <= set(after.killed), (task_id, starts)
    assert sum(task_id.startswith(("narrow", "paced", "paused")) for task_id, *_ in ended) == (
        NARROW + PACED + PAUSED
    )
    assert after.tables.ask("SELECT max(lost) > 0 FROM hypern.tasks") == [(True,)]


def test_the_limit_holds(after: Aftermath) -> None:
    """Never more than two of the queue run at once, and at some time two: what a killed worker ran has ended
    with it."""
    ends = {(line.id, line.who): line.at for line in after.lines("narrow:", "end")}
    changes = []
    for line in after.lines("narrow:"):
        ended = ends.get((line.id, line.who), after.killed.get(line.who))
        assert ended is not None
        changes += [(line.at, 1), (ended, -1)]
    running, most = 0, 0
    for _, change in sorted(changes):
        running += change
        most = max(most, running)
    assert most == 2


def test_the_rate_holds(after: Aftermath) -> None:
    """Within any second there are ten starts, or a few more that were held up on their way to it."""
    starts = [line.at for line in after.lines("paced:")]
    assert len(starts) >= PACED
    assert all(later - earlier >= SECOND for earlier, later in zip(starts, starts[13:], strict=False))
    assert starts[-1] - starts[0] >= (len(starts) - 2) * SECOND // 10


def test_the_pause_holds(after: Aftermath) -> None:
    """Nothing of the queue starts while it is paused, also of what a killed worker had begun; then all do."""
    begin, end = after.paused
    starts = after.lines("paused:")
    assert not [line for line in starts if begin < line.at < end]
    assert {line.id for line in starts} == {f"paused:{number}" for number in range(PAUSED)}


def test_the_key_stands_for_one_at_a_time(after: Aftermath) -> None:
    """Whoever submits gets the id of the one that has not ended; a new one starts after its end."""
    kept = [task_id for (task_id,) in after.tables.ask("SELECT id FROM hypern.tasks ORDER BY seq")]
    kept = [task_id for task_id in kept if task_id.startswith("only:")]
    assert kept == list(dict.fromkeys(given for _, given in after.given))
    assert 1 < len(kept) < len(after.given)
    for earlier, later in pairwise(kept):
        last = after.effects.of(earlier)[-1]
        ended = [line.at for line in after.effects.of(earlier, "end") if line.who == last.who]
        assert (ended or [after.killed[last.who]])[0] < after.effects.of(later)[0].at


def test_ticking_goes_on(after: Aftermath) -> None:
    """Each tick is one task; from one to the next it is never longer than five seconds."""
    ticks = after.tables.ask(
        "SELECT id, submitted_at FROM hypern.tasks WHERE name LIKE '%tick%' ORDER BY seq"
    )
    assert len({task_id for task_id, _ in ticks}) == len(ticks) >= 4
    moments = [*(at for _, at in ticks), after.over]
    assert all(later - earlier <= 5.0 for earlier, later in pairwise(moments))
