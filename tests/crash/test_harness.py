"""The crash harness itself, in short: `python -m crash` is the long version."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from crash.cycles import Crashes
from crash.plan import KINDS, plans
from crash.report import Found
from crash.sweep import SUBMITTING, WORKING, Program, furthest, kill_at
from tests.crash.conftest import needs

SEED = 11


def quiet(text: str) -> None:
    """Progress is for people."""


def test_the_plan_is_that_of_the_seed() -> None:
    """The same seed gives the same cycles, another one others, and each kind comes up in each round."""
    assert list(islice(plans(1), 50)) == list(islice(plans(1), 50))
    assert list(islice(plans(1), 50)) != list(islice(plans(2), 50))
    points = {plan.point.partition(":")[0] for plan in islice(plans(3), len(KINDS))}
    assert {"claimed", "started", "effect-done", "recorded", "rescued"} <= points


def test_no_kill_breaks_a_promise(home: Path) -> None:
    """Killed once at each named point and at random times, no task is lost, doubled or run out of turn."""
    planned = [plan for plan in islice(plans(SEED), len(KINDS)) if plan.point or len(plan.victims) > 1]
    found = Crashes(home).run(planned, quiet)
    assert found.broken == []
    assert found.is_good, found.markdown()


@needs("strace")
@pytest.mark.parametrize("program", [SUBMITTING, WORKING])
def test_no_kill_at_a_system_call_breaks_a_promise(program: Program) -> None:
    """Killed half way through the system calls by which it writes, no process loses or doubles a task."""
    found = Found("one call", {})
    kill_at(program, furthest(program) // 2, found)
    assert found.broken == []
    assert found.kills.total() == 1
