"""The threads that plain handlers run in, so that none of them holds up the event loop."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from typing import Any

from hypern.threads import Crew


class HandlerThreads:
    """Runs plain functions in up to `size` threads of its own and brings their results to the loop.

    Results go back in batches: the loop is woken once for all that have come since it last looked.
    """

    def __init__(self, size: int) -> None:
        self._jobs: deque[_Job] = deque()
        self._returns: _Returns | None = None
        self._size = size
        self._crew = self._new_crew()

    def run(self, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """Call `function(*arguments)` in a thread, with the caller's context variables.

        Call it on a running loop and await what it returns: the function's value or exception.
        """
        loop = asyncio.get_running_loop()
        returns = self._returns
        if returns is None or returns.loop is not loop:
            returns = self._returns = _Returns(loop)
        job = _Job(function, arguments, contextvars.copy_context(), loop.create_future(), returns)
        self._jobs.append(job)
        self._crew.notify()
        return job.future

    def stop(self) -> None:
        """Let the threads end, each after the function it is at. What comes later gets new ones."""
        self._crew.stop()
        self._crew = self._new_crew()

    def _new_crew(self) -> Crew[_Job]:
        return Crew("hypern-handler", self._size, self._take, _Job.run, self._has_work)

    def _take(self) -> _Job | None:
        try:
            return self._jobs.popleft()
        except IndexError:
            return None

    def _has_work(self) -> bool:
        return bool(self._jobs)


class _Job:
    __slots__ = ("arguments", "context", "error", "function", "future", "result", "returns")

    def __init__(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        context: contextvars.Context,
        future: asyncio.Future[Any],
        returns: _Returns,
    ) -> None:
        self.function = function
        self.arguments = arguments
        self.context = context
        self.future = future
        self.returns = returns
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        if not self.future.cancelled():
            try:
                self.result = self.context.run(self.function, *self.arguments)
            except StopIteration as error:  # a future cannot carry it
                self.error = RuntimeError("the function raised StopIteration")
                self.error.__cause__ = error
            except BaseException as error:
                self.error = error
        self.returns.add(self)

    def settle(self) -> None:
        future, result, error = self.future, self.result, self.error
        # The error's traceback leads back to this job; in such a circle both, and all that the handler's
        # frames know, would stay until the next garbage collection.
        del self.future, self.result, self.error
        if future.done():  # given up on while it ran
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)


class _Returns:
    """The finished jobs of one event loop, on their way back to it."""

    __slots__ = ("_announced", "_finished", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._finished: deque[_Job] = deque()
        self._announced = False

    def add(self, job: _Job) -> None:
        self._finished.append(job)
        if not self._announced:
            self._announced = True
            try:
                self.loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:  # the loop has closed: nobody waits any more
                self._finished.clear()

    def _deliver(self) -> None:
        # Cleared first: a job that finishes during the delivery announces itself again, or is in it.
        self._announced = False
        while self._finished:
            self._finished.popleft().settle()
