"""What nobody waits for is written with what comes next, or soon without it."""

from __future__ import annotations

import threading
import time

from tests.stores.test_gathering import WAIT, Written

from hypern.stores.durable.stragglers import Stragglers
from hypern.stores.durable.writer import Writer


def test_one_look_later() -> None:
    """What has just come is left alone; at the next look it is written."""
    written = Written()
    writer = Writer(written)
    stragglers = Stragglers(writer)
    was_told = threading.Event()
    assert stragglers.look()
    writer.post(lambda: "an ending", lambda result, error: was_told.set(), soon=False)
    assert not stragglers.look()
    assert written.transactions == []
    assert not stragglers.look()
    assert was_told.wait(WAIT)
    assert written.transactions == [["an ending"]]
    assert stragglers.look()
    writer.close(time.monotonic() + WAIT)


def test_what_others_have_written() -> None:
    """What was written with something else is not written again, and what came after it has its own time."""
    written = Written()
    writer = Writer(written)
    stragglers = Stragglers(writer)
    writer.post(lambda: "an ending", lambda result, error: None, soon=False)
    assert not stragglers.look()
    writer.run(lambda: "a claim")
    writer.post(lambda: "the next ending", lambda result, error: None, soon=False)
    assert not stragglers.look()
    assert written.transactions == [["an ending", "a claim"]]
    writer.close(time.monotonic() + WAIT)
    assert written.transactions[1:] == [["the next ending"]]
