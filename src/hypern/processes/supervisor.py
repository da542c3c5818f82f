"""The parent: keeps as many children at work as were asked for, and stops them together."""

from __future__ import annotations

import enum
import logging
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from hypern.errors import ConfigurationError, HypernError
from hypern.processes.child import MARGIN, Role
from hypern.processes.port import Port
from hypern.processes.posts import Post
from hypern.processes.spawn import ChildProcess, News
from hypern.processes.watch import Watch, forget_compiled, syntax_errors

USAGE = 2
"""The exit status of a program that was called or set up in a way that cannot work."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# After "at once": how long children may take to clean up (seconds).
_AT_ONCE = 5.0
# One post's children that end before they are ready, one after the other, before it is given up.
_STILLBORN = 5

logger = logging.getLogger("hypern.processes")


class Phase(enum.Enum):
    STARTING = enum.auto()
    UP = enum.auto()
    CLEARING = enum.auto()
    """Everybody stops, to be started anew."""
    WAITING = enum.auto()
    """The program cannot be started as it is; the next change may mend it."""
    STOPPING = enum.auto()


class Supervisor:
    """Runs `web` and `task` children of `command`; the web ones listen on the `port`.

    One is started first and the others when it is ready, so a program that cannot start says so once.
    `on_up` is called when all are ready for the first time. With a `watch` all are started anew whenever
    it sees a change, and a program that cannot be started is waited for until it can.
    """

    def __init__(
        self,
        command: list[str],
        port: Port,
        web: int,
        task: int,
        on_up: Callable[[], None],
        watch: Watch | None = None,
    ) -> None:
        self._command = command
        self._port = port
        self._posts = [Post("web", number) for number in range(1, web + 1)]
        self._posts += [Post("task", number) for number in range(1, task + 1)]
        self._on_up = on_up
        self._watch = watch
        self._was_up = False
        self._phase = Phase.STARTING
        # Simple, as it is also put into from signal handlers.
        self._news: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._failure: HypernError | None = None
        self._kill_at: float | None = None

    def run(self) -> None:
        """Until told to stop. Raises HypernError when the children cannot be had, ConfigurationError if
        that is because of how the program was called."""
        with self._told_by_signals():
            if self._watch is not None:
                self._watch.start(lambda paths: self._news.put(("changed", paths)))
            try:
                self._begin()
                while self._phase is not Phase.STOPPING or self._children():
                    self._take_in(self._next_news())
                    self._do_what_is_due()
            finally:
                if self._watch is not None:
                    self._watch.stop()
                self._port.close()
                for child in self._children():
                    child.kill()
        if self._failure is not None:
            raise self._failure

    def request_stop(self) -> None:
        """Stop in good order; asked again, stop at once. From any thread."""
        self._news.put(("stop", None))

    # -- what happens -------------------------------------------------------------------------------

    def _next_news(self) -> tuple[str, Any] | None:
        times = [post.start_at for post in self._posts] + [self._kill_at]
        next_time = min((time_ for time_ in times if time_ is not None), default=None)
        try:
            return self._news.get(
                timeout=None if next_time is None else max(0.0, next_time - time.monotonic())
            )
        except queue.Empty:
            return None

    def _take_in(self, news: tuple[str, Any] | None) -> None:
        match news:
            case ("ready", ChildProcess() as child):
                self._on_ready(child)
            case ("leaving", ChildProcess() as child):
                self._on_leaving(child)
            case ("ended", ChildProcess() as child):
                self._on_ended(child)
            case ("changed", paths):
                self._on_changed(paths)
            case ("stop", _):
                self._on_stop()

    def _on_ready(self, child: ChildProcess) -> None:
        post = self._post_of(child)
        if post is None:
            return
        post.is_ready()
        if self._phase is not Phase.STARTING:
            return
        for other in self._posts:
            if other.child is None and other.start_at is None:
                self._start(other)
        if all(other.has_ready_child for other in self._posts):
            self._phase = Phase.UP
            if not self._was_up:
                self._was_up = True
                self._on_up()
            elif self._watch is not None:
                self._watch.say("started anew")

    def _on_leaving(self, child: ChildProcess) -> None:
        """It takes no more requests, whether it still answers some or is gone."""
        post = self._post_of(child)
        if post is not None and self._phase in (Phase.STARTING, Phase.UP):
            child.is_leaving = True
            if post.role == "web" and self._has_ready("web"):
                self._port.drop(post.number)

    def _on_ended(self, child: ChildProcess) -> None:
        post = self._post_of(child)
        if post is None:
            return
        self._on_leaving(child)
        post.child = None
        child.close()
        if self._phase in (Phase.STARTING, Phase.UP):
            self._on_lost(post, child)
        elif self._phase is Phase.CLEARING and not self._children():
            self._begin()

    def _on_lost(self, post: Post, child: ChildProcess) -> None:
        how = f"{post} (pid {child.pid}) {child.how_it_ended()}"
        if self._phase is Phase.STARTING and not any(post.was_ready for post in self._posts):
            self._give_up(f"{how} before it was ready; what it said stands above.", child.status)
            return
        post.lost(child, time.monotonic())
        if post.stillborn >= _STILLBORN and not self._has_ready(post.role):
            self._give_up(f"{how}, before it was ready, {post.stillborn} times in a row.", child.status)
            return
        if child.status != 0 or not child.is_ready:
            logger.warning("%s; another takes its place", how)

    def _on_changed(self, paths: list[Path]) -> None:
        assert self._watch is not None
        if self._phase in (Phase.STOPPING, Phase.CLEARING):
            return
        names = ", ".join(str(path) for path in paths[:3]) + (", …" if len(paths) > 3 else "")
        wrong = syntax_errors(paths)
        if wrong:
            self._watch.say(f"{names} changed, but cannot be run; waiting for the next change\n{wrong}")
            return
        self._watch.say(f"{names} changed, starting anew")
        forget_compiled(paths)
        if self._children():
            self._phase = Phase.CLEARING
            self._order_stop()
        else:
            self._begin()

    def _on_stop(self) -> None:
        if self._phase is not Phase.STOPPING:
            self._end()
        else:
            for child in self._children():
                child.hurry()
            self._kill_at = time.monotonic() + _AT_ONCE

    # -- what is done -------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._phase = Phase.STARTING
        self._kill_at = None
        for post in self._posts:
            post.clear()
        self._start(self._posts[0])

    def _start(self, post: Post) -> None:
        post.start_at = None
        try:
            listener = self._port.socket(post.number) if post.role == "web" else None
            post.child = ChildProcess(self._command, post.role, listener, self._report)
        except OSError as error:
            if not self._was_up:
                raise HypernError(f"no process could be started: {error.strerror or error}.") from error
            logger.warning("%s could not be started: %s; trying again", post, error)
            post.lost(None, time.monotonic())

    def _report(self, news: News, child: ChildProcess) -> None:
        self._news.put((news, child))

    def _do_what_is_due(self) -> None:
        now = time.monotonic()
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = None
            for child in self._children():
                logger.warning("process %d did not stop in time and is killed", child.pid)
                child.kill()
        if self._phase in (Phase.STARTING, Phase.UP):
            for post in self._posts:
                if post.start_at is not None and now >= post.start_at:
                    self._start(post)

    def _order_stop(self) -> None:
        longest = 0.0
        for child in self._children():
            longest = max(longest, child.stop_seconds)
            child.stop()
        for post in self._posts:
            post.start_at = None
        self._kill_at = time.monotonic() + longest + MARGIN

    def _give_up(self, why: str, status: int) -> None:
        if self._watch is not None and (self._was_up or status != USAGE):
            self._watch.say(f"{why}\nwaiting for the next change")
            self._phase = Phase.WAITING
            self._order_stop()
        else:
            self._failure = (ConfigurationError if status == USAGE else HypernError)(why)
            self._end()

    def _end(self) -> None:
        self._phase = Phase.STOPPING
        self._port.close()
        self._order_stop()

    # -- looking ------------------------------------------------------------------------------------

    def _children(self) -> list[ChildProcess]:
        return [post.child for post in self._posts if post.child is not None]

    def _post_of(self, child: ChildProcess) -> Post | None:
        return next((post for post in self._posts if post.child is child), None)

    def _has_ready(self, role: Role) -> bool:
        return any(post.has_ready_child for post in self._posts if post.role == role)

    @contextmanager
    def _told_by_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def tell(number: int, frame: FrameType | None) -> None:
            self.request_stop()

        before = {number: signal.signal(number, tell) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
