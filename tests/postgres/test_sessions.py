"""Workers that are killed, stopped or cut off from their sessions while the server is well."""

from __future__ import annotations

import contextlib
import gc
import logging
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from tests.postgres.conftest import RESUMES_WITHIN, Effects, MakePuppet, Tables, all_have_run, until
from tests.postgres.relay import Relay

from hypern.stores.postgres.address import parse
from hypern.stores.postgres.link import connect


def test_a_killed_workers_task_runs_again_elsewhere(
    puppet: MakePuppet, effects: Effects, postgres_url: str, tables: Tables
) -> None:
    """Five seconds after kill -9 at the latest, by a worker that was idle."""
    killed, other = puppet("one", postgres_url, task_workers=1), puppet("two", postgres_url, task_workers=1)
    killed.submit("long", "held")
    first = effects.wait("long").who
    victim, left = (killed, other) if first == "one" else (other, killed)
    at = time.monotonic_ns()
    victim.kill()
    again = effects.wait("long", times=2, within=RESUMES_WITHIN)
    assert again.who != first
    assert (again.at - at) / 1e9 < RESUMES_WITHIN
    effects.let_go()
    until(lambda: left.status("long") == "completed", "it ends")
    assert tables.ask("SELECT attempt, lost FROM hypern.tasks") == [(2, 1)]


def test_nothing_is_left_of_a_pipeline_whose_session_is_ended(
    postgres_url: str, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It raises what happened, and Python has nothing to say when it is collected."""
    unraisable: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    # What it logs would keep what was raised, and with that the pipeline.
    monkeypatch.setattr(logging.getLogger("psycopg"), "disabled", True)
    with connect(parse(postgres_url), "pipeline") as link:
        tables.end_sessions("pipeline")
        until(lambda: not tables.end_sessions("pipeline"), "it has ended")
        with contextlib.suppress(psycopg.OperationalError):
            link.all_rows(("SELECT 1", ()), ("SELECT 2", ()))
        assert link.closed
        gc.collect()
    assert unraisable == []


@pytest.mark.parametrize("kind", ["%", "worker"])
def test_a_worker_whose_sessions_are_ended_goes_on(
    puppet: MakePuppet, effects: Effects, postgres_url: str, tables: Tables, kind: str
) -> None:
    """What it runs ends, and is recorded once; what is submitted then starts within five seconds."""
    worker = puppet("worker", postgres_url, task_workers=2)
    worker.submit("running", "slow", 0.0, 1.0)
    effects.wait("running")
    assert tables.end_sessions(kind)
    at = time.monotonic()
    worker.submit("next")
    effects.wait("next", "end", within=RESUMES_WITHIN)
    assert time.monotonic() - at < RESUMES_WITHIN
    all_have_run(tables, ["running", "next"])
    assert [len(effects.of(task_id)) for task_id in ("running", "next")] == [1, 1]


def test_a_worker_whose_sessions_are_ended_again_and_again(
    puppet: MakePuppet, effects: Effects, postgres_url: str, tables: Tables
) -> None:
    """Every session is ended ten times while tasks run and are submitted: each runs once."""
    worker, producer = puppet("worker", postgres_url), puppet("producer", postgres_url, task_workers=0)
    ids = [f"task:{number}" for number in range(60)]
    for number, task_id in enumerate(ids):
        if number % 6 == 0:
            tables.end_sessions()
        assert producer.submit(task_id, "slow", 0.0, 0.05) == task_id
    all_have_run(tables, ids)
    assert [len(effects.of(task_id)) for task_id in ids] == [1] * len(ids)
    assert worker.process.poll() is None


def test_a_stopped_worker_keeps_its_task_while_its_lease_lasts(
    puppet: MakePuppet, effects: Effects, postgres_url: str, tables: Tables
) -> None:
    """Its session holds the lock: nobody takes its task over, and it ends it when it goes on."""
    stopped = puppet("stopped", postgres_url, task_workers=1)
    stopped.submit("held", "held")
    effects.wait("held")
    stopped.signal(signal.SIGSTOP)
    other = puppet("other", postgres_url, task_workers=1)
    begin = time.monotonic()
    while time.monotonic() < begin + 3.0:
        other.submit(f"meanwhile:{time.monotonic_ns()}")
        time.sleep(0.1)
    assert other.status("held") == "running"
    effects.let_go()
    stopped.signal(signal.SIGCONT)
    all_have_run(tables, ["held"])
    assert [line.who for line in effects.of("held")] == ["stopped"]


def test_a_worker_that_wakes_after_its_lease_is_refused(
    puppet: MakePuppet, effects: Effects, postgres_url: str, tables: Tables
) -> None:
    """Its task has been run by another one meanwhile; that result stands, and the late one changes
    nothing. It works again afterwards."""
    stopped = puppet("stopped", postgres_url, task_workers=1)
    stopped.submit("late", "held")
    effects.wait("late")
    stopped.signal(signal.SIGSTOP)
    tables.age_leases()
    effects.let_go()
    other = puppet("other", postgres_url, task_workers=1)
    all_have_run(tables, ["late"], within=RESUMES_WITHIN + 2)
    before = tables.ask("SELECT attempt, fence, finished_at, result FROM hypern.tasks WHERE id = 'late'")
    stopped.signal(signal.SIGCONT)
    effects.wait("late", "end", times=2)
    other.kill()
    stopped.submit("after")
    effects.wait("after", within=RESUMES_WITHIN)
    assert effects.of("after")[0].who == "stopped"
    assert (
        tables.ask("SELECT attempt, fence, finished_at, result FROM hypern.tasks WHERE id = 'late'") == before
    )
    assert b"other" in before[0][3]


def test_a_stopped_worker_keeps_nobody_from_looking_after_the_dead(
    puppet: MakePuppet, effects: Effects, postgres_url: str, tables: Tables
) -> None:
    """The one that leads is stopped; a killed one's task is run by a third one within five seconds."""
    first = puppet("first", postgres_url, task_workers=1)
    first.submit("occupied", "slow", 0.0, 60.0)
    leads = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 0"
    until(lambda: tables.ask(leads) != [], "it leads")
    killed = puppet("killed", postgres_url, task_workers=1)
    killed.submit("held", "held")
    effects.wait("held")
    first.signal(signal.SIGSTOP)
    third = puppet("third", postgres_url, task_workers=1)
    killed.kill()
    assert effects.wait("held", times=2, within=RESUMES_WITHIN).who == "third"
    effects.let_go()
    until(lambda: third.status("held") == "completed", "it ends")


def test_clocks_that_are_ten_minutes_off(
    puppet: MakePuppet, effects: Effects, postgres_url: str, tables: Tables, home: Path, shim: Path
) -> None:
    """One host's clock is ahead, another one's behind: nothing starts early or late, and nobody is taken for
    dead."""

    def set_off(name: str, seconds: int) -> dict[str, str]:
        file = home / name
        file.write_bytes(struct.pack("q", seconds * 10**9))
        return {"LD_PRELOAD": str(shim), "CLOCK_SHIM": str(file)}

    ahead = puppet("ahead", postgres_url, task_workers=1, environment=set_off("ahead", 600))
    behind = puppet("behind", postgres_url, task_workers=1, environment=set_off("behind", -600))
    for producer in (ahead, behind):
        name = f"delayed by {producer.log.name}".replace(" ", "-")
        called = time.monotonic_ns()
        producer.submit(name, "quick", 1.0)
        waited = (effects.wait(name).at - called) / 1e9
        assert 1.0 <= waited < RESUMES_WITHIN, (name, waited)
    for task_id in ("one", "two"):
        ahead.submit(task_id, "held")
        effects.wait(task_id)
    effects.let_go()
    all_have_run(tables, ["one", "two"])
    assert [len(effects.of(task_id)) for task_id in ("one", "two")] == [1, 1]
    assert {effects.of(task_id)[0].who for task_id in ("one", "two")} == {"ahead", "behind"}
    assert len(tables.workers()) == 2


def test_polling_finds_what_nobody_is_told_of(
    puppet: MakePuppet, effects: Effects, postgres_url: str, tables: Tables
) -> None:
    """Every notification is lost, and tasks start all the same, usually within a second; cancelling arrives,
    too."""
    with Relay(postgres_url) as relay:
        relay.drop_notifications()
        puppet("deaf", relay.url, task_workers=1)
        producer = puppet("producer", postgres_url, task_workers=0)
        for number in range(3):
            until(lambda: tables.ask("SELECT 1 FROM hypern.workers WHERE asleep") != [], "it is asleep")
            called = time.monotonic_ns()
            producer.submit(f"unheard:{number}")
            assert (effects.wait(f"unheard:{number}").at - called) / 1e9 < RESUMES_WITHIN
        producer.submit("asked", "coroutine", 0.0, 20.0)
        effects.wait("asked")
        assert producer.tell("cancel", task_id="asked")
        until(lambda: producer.status("asked") == "cancelled", "it gives way", RESUMES_WITHIN)
        assert relay.dropped >= 3


@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is not installed")
def test_the_same_host_name_and_pid_again(
    puppet: MakePuppet, effects: Effects, postgres_url: str, tables: Tables
) -> None:
    """A restarted container has the name and pid of the one that died; its tasks are taken back even so."""
    boxed = ("unshare", "--pid", "--fork", "--kill-child", "--uts", "--mount-proc")
    tried = subprocess.run([*boxed, "true"], capture_output=True, check=False)
    if tried.returncode != 0:
        pytest.skip("this user may not make namespaces of processes")
    named = (*boxed, "sh", "-c", 'hostname same && exec "$0" "$@"')
    first = puppet("first", postgres_url, task_workers=1, before=named)
    first.submit("held", "held")
    effects.wait("held")
    (about,) = tables.ask("SELECT about::bytea FROM hypern.workers")
    first.kill()
    second = puppet("second", postgres_url, task_workers=1, before=named)
    assert effects.wait("held", times=2, within=RESUMES_WITHIN + 2).who == "second"
    effects.let_go()
    until(lambda: second.status("held") == "completed", "it ends")
    same = b'"pid":1,"host":"same"'
    assert same in about[0]
    assert same in tables.ask("SELECT about FROM hypern.workers")[0][0]
