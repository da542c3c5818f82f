"""A server that is stopped at once, killed and started again while tasks are submitted and run."""

from __future__ import annotations

import signal
import threading
import time

import pytest
from tests.crash.strings import Raised
from tests.postgres.conftest import (
    PATIENCE,
    RESUMES_WITHIN,
    SLACK,
    Effects,
    MakePuppet,
    Tables,
    all_have_run,
    insist,
)
from tests.postgres.fixtures import PrivatePostgres

TASKS = 60
RESTARTS = 4


def test_a_server_that_is_stopped_at_once_again_and_again(
    puppet: MakePuppet, effects: Effects, private_postgres: PrivatePostgres
) -> None:
    """`pg_ctl stop -m immediate` in a loop, and once kill -9: no acknowledged task is lost, each ends, each
    is recorded once, and no worker ends."""
    server = private_postgres.server
    tables = Tables(private_postgres.url)
    workers = [puppet(name, private_postgres.url, task_workers=2) for name in ("one", "two")]
    producer = puppet("producer", private_postgres.url, task_workers=0)
    insist(producer, "first")
    done = threading.Event()
    restarts = 0

    def restart() -> None:
        nonlocal restarts
        while not done.wait(0.4) or restarts < RESTARTS:
            server.stop(signal.SIGKILL if restarts == 1 else signal.SIGQUIT)
            server.start()
            restarts += 1

    restarting = threading.Thread(target=restart)
    restarting.start()
    ids = [f"task:{number}" for number in range(TASKS)]
    try:
        for task_id in ids:
            insist(producer, task_id, "slow", 0.05, within=40.0)
    finally:
        done.set()
        restarting.join()
    all_have_run(tables, ["first", *ids])
    assert restarts >= RESTARTS
    assert len(tables.states()) == len(ids) + 1
    assert tables.ask("SELECT sum(number)::int FROM hypern.deltas WHERE state = 3") == [(len(ids) + 1,)]
    assert [worker.process.poll() for worker in workers] == [None, None]
    # A claim whose answer was lost is given back, and costs no attempt.
    assert tables.ask("SELECT count(*)::int FROM hypern.tasks WHERE attempt > 2 OR lost > 1") == [(0,)]


def test_a_server_that_is_away(
    puppet: MakePuppet, effects: Effects, private_postgres: PrivatePostgres
) -> None:
    """Meanwhile each call says so within its deadline and what runs goes on; when it is back, that is
    recorded and new tasks run within five seconds."""
    worker = puppet("worker", private_postgres.url, task_workers=1)
    producer = puppet("producer", private_postgres.url, task_workers=0)
    insist(producer, "running", "slow", 1.0)
    effects.wait("running")
    private_postgres.server.stop(signal.SIGQUIT)
    for ask in ("submit", "get", "cancel"):
        begin = time.monotonic()
        with pytest.raises(Raised) as raised:
            producer.tell(ask, task_id="away")
        assert "QueueUnavailable" in raised.value.kinds
        assert time.monotonic() - begin < 2 * PATIENCE + SLACK
    effects.wait("running", "end")
    private_postgres.server.start()
    begin = time.monotonic()
    insist(producer, "back", within=RESUMES_WITHIN)
    effects.wait("back", within=RESUMES_WITHIN)
    assert time.monotonic() - begin < RESUMES_WITHIN
    all_have_run(Tables(private_postgres.url), ["running", "back"])
    assert len(effects.of("running")) == 1
    assert worker.process.poll() is None


def test_stopping_while_the_server_is_away(
    puppet: MakePuppet, effects: Effects, private_postgres: PrivatePostgres
) -> None:
    """A worker ends within its grace and leaves its task to whoever comes when the server is back."""
    worker = puppet("worker", private_postgres.url, task_workers=1, task_grace_seconds=1.0)
    insist(worker, "held", "held")
    effects.wait("held")
    private_postgres.server.stop(signal.SIGQUIT)
    begin = time.monotonic()
    worker.tell("stop")
    assert time.monotonic() - begin < 1.0 + 4 * PATIENCE + SLACK
    worker.kill()
    effects.let_go()
    private_postgres.server.start()
    puppet("other", private_postgres.url, task_workers=1)
    all_have_run(Tables(private_postgres.url), ["held"])
