"""What is pushed to the open pages: the store is read once for all of them, while somebody looks."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from hypern.dashboard.aside import aside
from hypern.errors import HTTPException, InvalidOption, NotFound, QueueUnavailable, ServiceUnavailable
from hypern.http.jsons import encode_json
from hypern.http.seats import Seat, Seats
from hypern.http.sse import SSEEvent

logger = logging.getLogger("hypern.dashboard")

TURN_SECONDS = 1.0
"""How often the store is read, at most."""

# A stream ends after so long, and the page opens another: so it is asked again who looks.
LONGEST_STREAM = 300.0
# All of them together have to leave room for others among the connections that a server keeps.
MOST_STREAMS = 200
# What is costly to read is read less often: of all time it takes at most this part.
_SHARE = 0.1
# So long a view may go without being read anew though no task changed: time itself goes on in it.
_STALE_SECONDS = 10.0
_RETRY_MILLISECONDS = 1500

Data = dict[str, Any]
Read = Callable[[], Data]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a page looks at. Equal ones are read once. `always`: it changes without any count changing."""

    key: tuple[Any, ...]
    read: Read = field(compare=False)
    always: bool = False


class _Watched:
    """A subject and those who look at it."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.viewers: set[asyncio.Event] = set()
        self.number = 0
        self.event: SSEEvent | None = None
        self.said: bytes | None = None
        self.read_at = 0.0
        self.not_before = 0.0

    def say(self, name: str, said: bytes) -> None:
        if said != self.said:
            self.said = said
            self.number += 1
            self.event = SSEEvent(said.decode(), event=name)
            for viewer in self.viewers:
                viewer.set()


class Live:
    """`summary`: reads the numbers that every page shows; unless they change, little else is read."""

    def __init__(self, summary: Read) -> None:
        self._summary = summary
        self._watched: dict[Subject, _Watched] = {}
        self._turning: asyncio.Task[None] | None = None
        self._last: Data | None = None
        self._seats = Seats()

    @property
    def viewers(self) -> int:
        """How many streams are open."""
        return sum(len(watched.viewers) for watched in self._watched.values())

    def stream(self, subject: Subject) -> AsyncIterator[SSEEvent]:
        """Events for one page: `view` with all there is to show, at first and whenever it has changed;
        `trouble` with a message. Raises ServiceUnavailable if there are too many."""
        if self._seats.number >= MOST_STREAMS:
            raise ServiceUnavailable("Too many pages look at this dashboard.", headers={"Retry-After": "30"})
        return self._events(subject, self._seats.take(""))

    async def _events(self, subject: Subject, seat: Seat) -> AsyncIterator[SSEEvent]:
        watched = self._watched.setdefault(subject, _Watched(subject))
        news = asyncio.Event()
        watched.viewers.add(news)
        # One that others look at already is not read for this one.
        if watched.event is not None:
            news.set()
        self._look()
        try:
            yield SSEEvent({"now": time.time()}, event="hello", retry=_RETRY_MILLISECONDS)
            end = time.monotonic() + LONGEST_STREAM
            while (left := end - time.monotonic()) > 0:
                try:
                    await asyncio.wait_for(news.wait(), left)
                except TimeoutError:
                    return
                news.clear()
                if watched.event is not None:
                    yield watched.event
        finally:
            seat.leave()
            watched.viewers.discard(news)
            if not watched.viewers:
                self._watched.pop(subject, None)

    def _look(self) -> None:
        """See that somebody reads; at once, if there is something that has not been read yet."""
        loop = asyncio.get_running_loop()
        turning = self._turning
        if turning is None or turning.done() or turning.get_loop() is not loop:
            self._turning = loop.create_task(self._turn_by_turn(), name="hypern-dashboard")

    async def _turn_by_turn(self) -> None:
        while self._watched:
            begun = time.monotonic()
            unread = [watched for watched in self._watched.values() if watched.event is None]
            await self._turn(list(self._watched.values()))
            # Who comes meanwhile does not wait for the next turn.
            while (left := begun + TURN_SECONDS - time.monotonic()) > 0:
                await asyncio.sleep(min(left, 0.05))
                new = [one for one in self._watched.values() if one.event is None and one not in unread]
                if new:
                    unread += new
                    await self._turn(new)

    async def _turn(self, watched: list[_Watched]) -> None:
        try:
            said = await aside(self._read, watched)
        except Exception as error:
            for one in watched:
                one.say("trouble", encode_json({"message": _words(error)}))
            return
        for one, (name, data) in said:
            one.say(name, data)

    def _read(self, watched: list[_Watched]) -> list[tuple[_Watched, tuple[str, bytes]]]:
        summary = self._summary()
        numbers = {name: value for name, value in summary.items() if name != "now"}
        has_changed, self._last = numbers != self._last, numbers
        said = []
        for one in watched:
            now = time.monotonic()
            if one.event is not None and not _is_due(one, now, has_changed):
                continue
            said.append((one, self._say(one.subject, numbers)))
            one.read_at = time.monotonic()
            one.not_before = one.read_at + (one.read_at - now) / _SHARE
        return said

    def _say(self, subject: Subject, numbers: Data) -> tuple[str, bytes]:
        try:
            return "view", encode_json({"summary": numbers, "view": subject.read()})
        except NotFound as error:
            return "view", encode_json({"summary": numbers, "view": None, "message": error.detail})
        except Exception as error:
            return "trouble", encode_json({"message": _words(error)})


def _is_due(one: _Watched, now: float, has_changed: bool) -> bool:
    if now < one.not_before:
        return False
    return has_changed or one.subject.always or now - one.read_at >= _STALE_SECONDS


def _words(error: Exception) -> str:
    if isinstance(error, HTTPException):
        return error.detail
    if isinstance(error, QueueUnavailable | InvalidOption):
        return str(error)
    logger.error("the dashboard could not read the store", exc_info=error)
    return "The store could not be read; the log of the server says why."
