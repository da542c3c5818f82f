"""A network that loses, swallows, delays and cuts what passes between a process and the server."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

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
    until,
)
from tests.postgres.relay import Relay


@pytest.fixture
def relay(postgres_url: str) -> Iterator[Relay]:
    with Relay(postgres_url) as relay:
        yield relay


def test_each_call_over_a_silent_link_ends(puppet: MakePuppet, relay: Relay, tables: Tables) -> None:
    """Submitting, looking up and cancelling raise within their deadline; afterwards all goes on."""
    producer = puppet("producer", relay.url, task_workers=0)
    producer.submit("before")
    relay.silence()
    for ask in ("submit", "get", "cancel"):
        begin = time.monotonic()
        with pytest.raises(Raised) as raised:
            producer.tell(ask, task_id="silent")
        assert "QueueUnavailable" in raised.value.kinds
        assert time.monotonic() - begin < 2 * PATIENCE + SLACK, ask
    relay.heal()
    assert insist(producer, "silent", within=RESUMES_WITHIN) < RESUMES_WITHIN
    assert list(tables.states()) == ["before", "silent"]


@pytest.mark.parametrize("is_busy", [False, True])
def test_a_worker_behind_a_silent_link_stops(
    puppet: MakePuppet, effects: Effects, relay: Relay, is_busy: bool
) -> None:
    """SIGTERM ends it within its grace, whether it has a task or not."""
    worker = puppet("worker", relay.url, task_workers=1, task_grace_seconds=2.0)
    if is_busy:
        worker.submit("running", "slow", 0.0, 1.0)
        effects.wait("running")
    relay.silence()
    begin = time.monotonic()
    worker.ask("stop")
    worker.answer()
    assert time.monotonic() - begin < 2.0 + 3 * PATIENCE + SLACK


def test_a_worker_goes_on_after_a_silent_link(
    puppet: MakePuppet, effects: Effects, relay: Relay, tables: Tables
) -> None:
    """The server still has its half-open sessions, and does not know. What it ran is recorded once it can be,
    and it runs new tasks within five seconds."""
    worker = puppet("worker", relay.url, task_workers=1)
    worker.submit("running", "slow", 0.0, 1.0)
    effects.wait("running")
    relay.silence()
    effects.wait("running", "end")
    time.sleep(2 * PATIENCE)
    relay.heal()
    begin = time.monotonic()
    insist(worker, "next", within=RESUMES_WITHIN)
    effects.wait("next", within=RESUMES_WITHIN)
    assert time.monotonic() - begin < RESUMES_WITHIN
    all_have_run(tables, ["running", "next"])
    assert len(effects.of("running")) == 1


def test_a_half_open_session_keeps_nobody_from_renewing_its_lease(
    puppet: MakePuppet, effects: Effects, relay: Relay, tables: Tables, postgres_url: str
) -> None:
    """The lock of the former session is held as long as the server does not know that it has ended. The
    worker is heard of all the same, and nobody takes its tasks over."""
    worker = puppet("worker", relay.url, task_workers=2)
    puppet("other", postgres_url, task_workers=1)
    worker.submit("held", "held")
    effects.wait("held")
    relay.silence()
    time.sleep(1.5 * PATIENCE)
    tables.age_leases(left=15.0)
    relay.heal()
    until(
        lambda: all(_left(tables, name) > 25.0 for name in tables.workers()), "all renew", RESUMES_WITHIN + 3
    )
    effects.let_go()
    all_have_run(tables, ["held"])
    assert len(effects.of("held")) == 1


def _left(tables: Tables, worker: str) -> float:
    ((seconds,),) = tables.ask(
        "SELECT lease_until - extract(epoch FROM clock_timestamp()) FROM hypern.workers WHERE id = %s", worker
    )
    return float(seconds)


def test_a_lost_reply_to_a_submit(puppet: MakePuppet, effects: Effects, relay: Relay, tables: Tables) -> None:
    """It was kept. Either that is found out, or it is said that it is not known; submitting it again with its
    id changes nothing."""
    producer, worker = puppet("producer", relay.url, task_workers=0), puppet("worker", relay.url)
    producer.submit("first")
    lost = relay.lose_reply_to(b"unsure")
    try:
        assert producer.submit("unsure") == "unsure"
    except Raised as raised:
        assert (raised.kinds[0], raised.task_id) == ("SubmitUncertain", "unsure")  # noqa: PT017
    assert lost.is_set()
    assert "unsure" in tables.states()
    assert producer.submit("unsure") == "unsure"
    all_have_run(tables, ["first", "unsure"])
    assert len(effects.of("unsure")) == 1
    assert worker.process.poll() is None


def test_a_lost_reply_to_an_ending(
    puppet: MakePuppet, effects: Effects, relay: Relay, tables: Tables
) -> None:
    """The outcome was recorded; it is neither lost nor recorded again, and the worker goes on."""
    worker = puppet("worker", relay.url, task_workers=1)
    # Its result, "worker 1", as it is sent when it has ended.
    lost = relay.lose_reply_to(b"worker 1".hex().encode())
    worker.submit("task")
    assert lost.wait(RESUMES_WITHIN)
    insist(worker, "next")
    all_have_run(tables, ["task", "next"], RESUMES_WITHIN)
    assert [len(effects.of(task_id)) for task_id in ("task", "next")] == [1, 1]
    assert tables.ask("SELECT sum(number)::int FROM hypern.deltas WHERE state = 3") == [(2,)]


def test_a_link_that_flaps(puppet: MakePuppet, effects: Effects, relay: Relay, tables: Tables) -> None:
    """Connections are reset several times a second, amid whatever is said. No task is lost or doubled, and
    nobody connects in a tight loop."""
    worker, producer = puppet("worker", relay.url), puppet("producer", relay.url, task_workers=0)
    done = threading.Event()

    def flap() -> None:
        number = 0
        while not done.wait(0.15):
            number += 1
            if number % 3:
                relay.cut()
            else:
                relay.cut_after(37 * number % 400)

    flapping = threading.Thread(target=flap)
    flapping.start()
    ids = [f"task:{number}" for number in range(60)]
    begin = time.monotonic()
    try:
        for task_id in ids:
            insist(producer, task_id, "slow", 0.03)
            time.sleep(0.03)
    finally:
        done.set()
        flapping.join()
    seconds = time.monotonic() - begin
    all_have_run(tables, ids)
    assert len(relay.accepted) / seconds < 60
    counts = tables.ask("SELECT sum(number)::int FROM hypern.deltas WHERE state = 3")
    assert counts == [(len(ids),)]
    # An answer to a claim that was lost with its connection is a delivery without a start.
    assert [len(effects.of(task_id)) for task_id in ids] == [1] * len(ids)
    assert worker.process.poll() is None


def test_nobody_storms_a_server_that_refuses(puppet: MakePuppet, relay: Relay, effects: Effects) -> None:
    """While each connection is reset at once, a worker tries a few times a second; then it goes on."""
    worker = puppet("worker", relay.url, task_workers=1)
    worker.submit("before")
    effects.wait("before", "end")
    relay.refuse()
    before = len(relay.accepted)
    time.sleep(4.0)
    assert (len(relay.accepted) - before) / 4.0 < 40
    relay.heal()
    insist(worker, "after", within=RESUMES_WITHIN)
    effects.wait("after", within=RESUMES_WITHIN)


def test_a_slow_link(puppet: MakePuppet, effects: Effects, relay: Relay, tables: Tables) -> None:
    """With a thirtieth of a second each way, tasks run all the same, none twice."""
    relay.delay(0.03)
    worker = puppet("worker", relay.url)
    ids = [f"task:{number}" for number in range(3)]
    for task_id in ids:
        insist(worker, task_id)
    all_have_run(tables, ids)
    assert [len(effects.of(task_id)) for task_id in ids] == [1] * len(ids)


def test_a_killed_worker_behind_a_silent_link(
    puppet: MakePuppet, effects: Effects, relay: Relay, tables: Tables, postgres_url: str
) -> None:
    """The server never hears that it died: its tasks are taken back when its lease is over."""
    lost = puppet("lost", relay.url, task_workers=1)
    lost.submit("held", "held")
    effects.wait("held")
    relay.silence()
    lost.signal(signal.SIGKILL)
    puppet("other", postgres_url, task_workers=1)
    tables.age_leases()
    until(lambda: len(effects.of("held")) == 2, "it runs again", RESUMES_WITHIN + 3)
    effects.let_go()
    all_have_run(tables, ["held"])
