"""What is pushed to open pages: once for all who look at the same, and only what has changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from hypern.dashboard import live
from hypern.dashboard.live import Live, Subject
from hypern.errors import NotFound, QueueUnavailable, ServiceUnavailable
from hypern.http.sse import SSEEvent

SOON = 10.0


class Shelf:
    """Something to look at: `counts` is what every page shows, `view` what one looks at."""

    def __init__(self) -> None:
        self.counts, self.view = {"now": 0.0, "tasks": 0}, {"rows": 0}
        self.looks = self.reads = 0
        self.error: Exception | None = None

    def summary(self) -> dict[str, Any]:
        self.looks += 1
        self.counts["now"] += 1  # goes on all the time, and is no change
        return dict(self.counts)

    def read(self) -> dict[str, Any]:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return dict(self.view)

    def subject(self, name: str = "tasks", always: bool = False) -> Subject:
        return Subject((name,), self.read, always)


def _played(play: Callable[[Shelf, Live], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        shelf = Shelf()
        await asyncio.wait_for(play(shelf, Live(shelf.summary)), SOON)

    asyncio.run(run())


async def _next(events: AsyncIterator[SSEEvent]) -> tuple[str | None, dict[str, Any]]:
    event = await anext(events)
    return event.event, json.loads(event.data) if isinstance(event.data, str) else event.data


async def _opened(live: Live, subject: Subject) -> AsyncIterator[SSEEvent]:
    """A stream whose first view has come."""
    events = live.stream(subject)
    assert (await _next(events))[0] == "hello"
    assert (await _next(events))[0] == "view"
    return events


async def _until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "TURN_SECONDS", 0.01)


def test_a_page_gets_what_there_is_and_then_what_changes() -> None:
    """The first event comes at once, the next when a count has changed."""

    async def play(shelf: Shelf, live: Live) -> None:
        events = await _opened(live, shelf.subject())
        shelf.counts["tasks"], shelf.view["rows"] = 1, 1
        assert await _next(events) == ("view", {"summary": {"tasks": 1}, "view": {"rows": 1}})

    _played(play)


def test_nothing_is_read_anew_while_no_count_changes() -> None:
    """The counts are looked at in each turn, the view is not."""

    async def play(shelf: Shelf, live: Live) -> None:
        _events = await _opened(live, shelf.subject())
        looks = shelf.looks
        await _until(lambda: shelf.looks > looks + 5)
        assert shelf.reads == 1

    _played(play)


def test_all_who_look_at_the_same_share_one_reading() -> None:
    """However many pages are open, the store is read once for them, also for one that comes later."""

    async def play(shelf: Shelf, live: Live) -> None:
        streams = [await _opened(live, shelf.subject()) for _ in range(20)]
        assert (live.viewers, shelf.reads) == (20, 1)
        shelf.counts["tasks"] = 1
        assert {(await _next(events))[1]["summary"]["tasks"] for events in streams} == {1}
        assert shelf.reads == 2

    _played(play)


def test_what_changes_by_itself_is_read_in_each_turn_and_told_when_it_has() -> None:
    """The progress of a task is seen though no count tells of it."""

    async def play(shelf: Shelf, live: Live) -> None:
        events = await _opened(live, shelf.subject(always=True))
        await _until(lambda: shelf.reads > 3)
        shelf.view["rows"] = 7
        assert (await _next(events))[1]["view"] == {"rows": 7}

    _played(play)


def test_reading_ends_with_the_last_who_looks() -> None:
    """When the streams are closed nothing is read any more; the next one begins anew."""

    async def play(shelf: Shelf, live: Live) -> None:
        one, two = await _opened(live, shelf.subject()), await _opened(live, shelf.subject("other"))
        await one.aclose()  # type: ignore[attr-defined]
        looks = shelf.looks
        await _until(lambda: shelf.looks > looks)
        await two.aclose()  # type: ignore[attr-defined]
        turning = live._turning
        assert turning is not None
        await turning
        assert live.viewers == 0
        await _opened(live, shelf.subject())

    _played(play)


def test_a_stream_ends_so_that_it_is_asked_again_who_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time a stream is over, whatever goes on."""
    monkeypatch.setattr(live, "LONGEST_STREAM", 0.05)

    async def play(shelf: Shelf, live: Live) -> None:
        assert [event.event async for event in live.stream(shelf.subject())] == ["hello", "view"]

    _played(play)


def test_there_is_a_limit_to_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is refused, and room is made by one that leaves."""
    monkeypatch.setattr(live, "MOST_STREAMS", 1)

    async def play(shelf: Shelf, live: Live) -> None:
        events = await _opened(live, shelf.subject())
        with pytest.raises(ServiceUnavailable):
            live.stream(shelf.subject())
        await events.aclose()  # type: ignore[attr-defined]
        await _opened(live, shelf.subject())

    _played(play)


def test_who_comes_at_the_same_moment_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream has its place before it is begun, and one that never is gives it back."""
    monkeypatch.setattr(live, "MOST_STREAMS", 1)

    async def play(shelf: Shelf, live: Live) -> None:
        asked = live.stream(shelf.subject())
        with pytest.raises(ServiceUnavailable):
            live.stream(shelf.subject())
        del asked
        await _opened(live, shelf.subject())

    _played(play)


@pytest.mark.parametrize(
    ("error", "name", "words"),
    [
        (QueueUnavailable("the database is locked"), "trouble", "the database is locked"),
        (
            ValueError("secret detail"),
            "trouble",
            "The store could not be read; the log of the server says why.",
        ),
        (NotFound("There is no such task."), "view", "There is no such task."),
    ],
)
def test_trouble_is_told_and_ends(error: Exception, name: str, words: str) -> None:
    """A store that cannot be read is said, without more than may be known; when it can, all is well again."""

    async def play(shelf: Shelf, live: Live) -> None:
        events = await _opened(live, shelf.subject(always=True))
        shelf.error = error
        told, said = await _next(events)
        assert (told, said["message"]) == (name, words)
        shelf.error = None
        assert (await _next(events))[1]["view"] == {"rows": 0}

    _played(play)


def test_a_costly_view_is_read_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all time the reading of one view takes a small part at most."""
    times = iter(range(0, 1000, 5))
    monkeypatch.setattr(live, "time", SimpleNamespace(monotonic=lambda: float(next(times))))
    shelf = Shelf()
    watched = live._Watched(shelf.subject(always=True))
    Live(shelf.summary)._read([watched])
    assert watched.not_before - watched.read_at == pytest.approx(50.0)
