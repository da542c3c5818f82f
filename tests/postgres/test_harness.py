"""The crash harness on PostgreSQL, in short: `python -m crash --store postgresql` is the long version."""

from __future__ import annotations

from functools import partial
from itertools import islice
from pathlib import Path

from crash.cycles import Crashes
from crash.phases import WORKER_POINTS
from crash.plan import KINDS, plans
from crash.postgres import PostgresTables, stop_at_once
from tests.postgres.fixtures import PrivatePostgres


def quiet(text: str) -> None:
    """Progress is for people."""


def test_no_kill_and_no_restart_breaks_a_promise(home: Path, private_postgres: PrivatePostgres) -> None:
    """Workers killed on the way of a task, and the server stopped at once: no task is lost or doubled."""
    planned = list(islice(plans(7, has_server=True), 2 * len(KINDS)))
    points = [plan for plan in planned if plan.point.partition(":")[0] in WORKER_POINTS]
    restarts = [plan for plan in planned if plan.is_restart][:2]
    cycles = [plan for pair in zip(points, restarts, strict=False) for plan in pair]
    restart = partial(stop_at_once, private_postgres.server)
    found = Crashes(home, PostgresTables(private_postgres.url), restart).run(cycles, quiet)
    assert found.broken == []
    assert (found.restarts, found.kills.total() >= len(restarts)) == (2, True)
    assert found.ids > 0
