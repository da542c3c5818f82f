"""The protocol of the durable stores, in every order in which its steps can come, and what each mistake in it
breaks."""

from __future__ import annotations

import os

import pytest
from tests.model.exploring import Found, explore
from tests.model.protocol import Protocol
from tests.model.world import Scope, World

from hypern.stores.sqlite import statements

ONE = Scope(delays=(0,), attempts=(2,))
# A scope that is large enough to show it, and the promise that is broken.
MUTANTS = {
    "finish without the fence": (ONE._replace(crashes=0, hangs=1), "I12"),
    "finish without fence and owner": (ONE._replace(crashes=0, hangs=1), "I12"),
    "rescue on a stale read": (ONE, "I12: a rescue changes"),
    "remove the dead process's files first": (ONE._replace(crashes=2), "I9: a task is left"),
    "use a dead process's name again": (ONE, "I9: a living process owns"),
    "count fences in memory": (ONE, "I8: a fence is given twice"),
    "acknowledge before the run": (ONE._replace(crashes=0), "I5: a task is completed that was never"),
    "hold a delayed task": (Scope(delays=(1,), attempts=(1,)), "I6"),
    "claim in two steps": (ONE._replace(crashes=0), "I2: an outcome is changed"),
    "count deliveries after the run": (ONE._replace(crashes=3), "I5: a task is started too often"),
    "due by the wall clock": (Scope(delays=(1,), attempts=(1,), jumps=1), "I6"),
    "forget waiting tasks": (ONE._replace(crashes=0), "I1: a task that has not ended"),
    "answer before the commit": (ONE, "I1: an accepted task is lost"),
    "synchronous=NORMAL": (ONE._replace(cuts=1), "I1: an accepted task is lost"),
    "take a frozen process for dead": (
        ONE._replace(crashes=0, freezes=1),
        "I7: a task is started that is not",
    ),
}

# So much may happen; the number of states says that it did.
SCOPES = {
    "a crash, a freeze, a step of the clock": (Scope(freezes=1, jumps=1), 100_000),
    "a crash, a function that hangs": (Scope(hangs=1), 30_000),
    "a stop in good order, a function that hangs": (Scope(crashes=0, stops=1, hangs=1), 20_000),
    "crashes until the last, a stop": (ONE._replace(crashes=2, stops=1), 10_000),
    "a power cut, a crash, a function that hangs": (ONE._replace(cuts=1, hangs=1), 10_000),
}
if "MODEL_EXAMPLES" in os.environ:
    # A minute or two, and a gigabyte or two.
    SCOPES |= {
        "a crash, a stop, a function that hangs": (Scope(stops=1, hangs=1), 900_000),
        "a crash, a freeze, a function that hangs": (Scope(freezes=1, hangs=1), 100_000),
        "two crashes": (Scope(crashes=2), 100_000),
    }


@pytest.mark.parametrize("scope", SCOPES)
def test_the_protocol_holds(scope: str) -> None:
    """In every state that can be reached the promises hold, and from each one a fair run ends all tasks."""
    within, at_least = SCOPES[scope]
    assert explore(within) > at_least


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mistake_is_found(mutant: str) -> None:
    """With one mistake in the protocol a promise is broken; without it, in the same scope, none."""
    scope, promise = MUTANTS[mutant]
    with pytest.raises(Found, match=promise):
        explore(scope, mutant)
    assert explore(scope) > 30


def test_each_step_is_a_statement() -> None:
    """The steps that write are named as the statements that do so: one can be read beside the other."""
    names: set[str] = set()
    protocol = Protocol(Scope(freezes=1, hangs=1, jumps=1, stops=1, cuts=1))
    seen: set[World] = set()
    line = [protocol.scope.begin()]
    while line and len(seen) < 20_000:
        for step in protocol.steps(line.pop()):
            names.add(step.name)
            if step.after not in seen:
                seen.add(step.after)
                line.append(step.after)
    others = {"start", "tick", "set the wall clock", "restart", "crash", "freeze", "thaw", "power cut"}
    assert others <= names
    assert [name for name in sorted(names - others) if not hasattr(statements, name)] == []
