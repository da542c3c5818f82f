"""Workers on two hosts: one of them is cut off by a cable that is pulled and put back."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tests.crash.strings import Puppet
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
from tests.postgres.hosts import Host, need_hosts
from tests.postgres.server import PrivateServer


class Far:
    """A host of its own, a server here, and its address as seen from there."""

    def __init__(self, host: Host, server: PrivateServer) -> None:
        self.host = host
        self.near_url = server.url
        self.far_url = f"postgresql://postgres@{host.address}:{server.port}/postgres"
        self.tables = Tables(server.url)


@pytest.fixture
def far() -> Iterator[Far]:
    need_hosts()
    with Host() as host, PrivateServer(addresses=(host.address,)) as server:
        yield Far(host, server)


def far_worker(puppet: MakePuppet, far: Far, name: str = "far") -> Puppet:
    return puppet(name, far.far_url, task_workers=1, before=far.host.inside)


def test_a_host_that_is_cut_off(puppet: MakePuppet, effects: Effects, far: Far) -> None:
    """Its task is run elsewhere when its lease is over; what it has done meanwhile is refused; it works again
    when the link is back."""
    worker = far_worker(puppet, far)
    worker.submit("held", "held")
    effects.wait("held")
    far.host.take_link_down()
    near = puppet("near", far.near_url, task_workers=1)
    far.tables.age_leases()
    assert effects.wait("held", times=2, within=RESUMES_WITHIN + 3).who == "near"
    effects.let_go()
    all_have_run(far.tables, ["held"])
    effects.wait("held", "end", times=2)
    before = far.tables.ask("SELECT attempt, finished_at, result FROM hypern.tasks WHERE id = 'held'")
    near.kill()
    far.host.bring_link_up()
    insist(worker, "after", within=2 * RESUMES_WITHIN)
    effects.wait("after", within=RESUMES_WITHIN)
    until(lambda: far.tables.has_run("after"), "it is recorded")
    after = far.tables.ask("SELECT attempt, finished_at, result FROM hypern.tasks WHERE id = 'held'")
    assert before == after
    assert effects.of("after")[0].who == "far"


def test_each_call_of_a_host_that_is_cut_off_ends(puppet: MakePuppet, effects: Effects, far: Far) -> None:
    """Submitting says within its deadline that the store is away, and the worker stops within its grace."""
    worker = puppet("far", far.far_url, task_workers=1, before=far.host.inside, task_grace_seconds=1.0)
    worker.submit("before")
    effects.wait("before", "end")
    far.host.take_link_down()
    begin = time.monotonic()
    refused = worker.refusal("cut-off")
    assert refused is not None
    assert "QueueUnavailable" in refused.kinds
    assert time.monotonic() - begin < 2 * PATIENCE + SLACK
    begin = time.monotonic()
    worker.ask("stop")
    worker.answer()
    assert time.monotonic() - begin < 1.0 + 4 * PATIENCE + SLACK


def test_a_link_that_comes_and_goes(puppet: MakePuppet, effects: Effects, far: Far) -> None:
    """Five times for half a second: nothing is lost, nothing is run twice."""
    worker = far_worker(puppet, far)
    producer = puppet("producer", far.near_url, task_workers=0)
    ids = [f"task:{number}" for number in range(20)]
    for number, task_id in enumerate(ids):
        if number % 4 == 0:
            far.host.take_link_down()
        insist(producer, task_id, "slow", 0.05)
        if number % 4 == 0:
            time.sleep(0.5)
            far.host.bring_link_up()
    all_have_run(far.tables, ids, within=40.0)
    assert [len(effects.of(task_id)) for task_id in ids] == [1] * len(ids)
    assert worker.process.poll() is None
