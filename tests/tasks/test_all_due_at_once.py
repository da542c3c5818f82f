"""Ten thousand delayed tasks become due in the same second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.tasks.conftest import Helped

from hypern import background

DUE = 10_000
DELAY = 4.0
# A submit waits for one batch of the others at most, on a busy machine.
HELD_UP = 3.0

_starts: list[float] = []
_seen = threading.Event()


@background()
def note() -> None:
    _starts.append(time.monotonic())
    if len(_starts) == DUE:
        _seen.set()


@background()
def nothing() -> None:
    pass


def test_none_is_early_and_submits_are_not_held_up(use: Callable[..., Helped], tmp_path: Path) -> None:
    """All of them run, none before its time, and what is submitted meanwhile is kept as ever."""
    _starts.clear()
    _seen.clear()
    engine = use(task_store=f"sqlite:///{tmp_path / 'tasks.db'}?synchronous=normal", task_workers=2)
    delayed = note.with_options(delay_seconds=DELAY)
    submitted = time.monotonic()
    delayed.submit_many(() for _ in range(DUE))
    longest = 0.0
    while not _seen.wait(0.02):
        before = time.monotonic()
        last = nothing()
        longest = max(longest, time.monotonic() - before)
        assert before < submitted + 60.0, len(_starts)
    assert len(_starts) == DUE
    assert min(_starts) >= submitted + DELAY
    assert longest < HELD_UP
    assert engine.one(last).is_done()
