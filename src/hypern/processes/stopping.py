"""How a process is told to stop: by a signal, by its parent if it is one of several, or by its program."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable

from hypern.processes.child import Child

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """The wish to stop in good order (`asked`), and then the wish to wait for nothing (`at_once`)."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.at_once = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_hurry: Callable[[], None]

    def begin(self, child: Child | None, stop_seconds: float, on_hurry: Callable[[], None]) -> None:
        """From now on, in the running loop, hear of it. `on_hurry` is called, in the loop, with the second
        wish; `stop_seconds` is how long a stop in good order may take."""
        self._loop = loop = asyncio.get_running_loop()
        self._on_hurry = on_hurry
        in_main_thread = threading.current_thread() is threading.main_thread()
        if child is not None:
            child.obey(lambda: self._soon(self.asked.set), self.hurry, stop_seconds)
            if in_main_thread:
                # Whoever stops a whole group of processes reaches this one twice, directly and through its
                # parent. So a second signal means nothing here, and only the parent can say: at once.
                loop.add_signal_handler(signal.SIGTERM, self.asked.set)
        elif in_main_thread:
            for number in _SIGNALS:
                loop.add_signal_handler(number, self._request)

    def request(self) -> None:
        """Stop in good order; asked again, stop at once. From any thread."""
        self._soon(self._request)

    def hurry(self) -> None:
        """Stop at once. From any thread."""
        self._soon(self._hurry)

    def _soon(self, callback: Callable[[], object]) -> None:
        if self._loop is None:
            return
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:  # the loop is closed: all has ended
            pass

    def _request(self) -> None:
        if self.asked.is_set():
            self._hurry()
        self.asked.set()

    def _hurry(self) -> None:
        self._on_hurry()
        self.at_once.set()
        self.asked.set()
