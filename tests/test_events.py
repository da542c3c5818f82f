"""Listening to what happens to tasks."""

from __future__ import annotations

import logging

import pytest

from hypern.events import Event, Events


def test_listeners_hear_until_they_do_not_want_to() -> None:
    """Each listener hears every event from `listen` until it calls what `listen` gave it."""
    events, first, second = Events(), list[Event](), list[Event]()
    stop_first = events.listen(first.append)
    events.emit("submitted", "id", "name", 0)
    events.listen(second.append)
    events.emit("started", "id", "name", 1)
    stop_first()
    stop_first()
    events.emit("finished", "id", "name", 1)
    assert [event.name for event in first] == ["submitted", "started"]
    assert [event.name for event in second] == ["started", "finished"]
    assert second[0] == Event("started", "id", "name", 1)


def test_a_listener_that_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """What a listener raises is logged; the others hear the event, the emitter goes on."""
    events, heard = Events(), list[Event]()

    def broken(event: Event) -> None:
        raise ValueError("deaf")

    events.listen(broken)
    events.listen(heard.append)
    with caplog.at_level(logging.ERROR, "hypern.tasks"):
        events.emit("started", "id", "name", 1)
    assert len(heard) == 1
    assert "deaf" in caplog.text


def test_a_listener_may_leave_while_it_listens() -> None:
    """Listeners that come or go during an event do not disturb it."""
    events, heard = Events(), list[str]()

    def once(event: Event) -> None:
        heard.append(event.name)
        stop()
        events.listen(lambda event: heard.append(f"later {event.name}"))

    stop = events.listen(once)
    events.emit("started", "id", "name", 1)
    events.emit("finished", "id", "name", 1)
    assert heard == ["started", "later finished"]
