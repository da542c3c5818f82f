"""The child's side: what its parent gave it, and how it hears that it is to stop."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import FrameType
from typing import Literal

VARIABLE = "HYPERN_CHILD"
Role = Literal["web", "task"]

STOP = b"s"
"""Order: stop in good order. The end of the pipe, which is the end of the parent, says the same."""
HURRY = b"h"
"""Order: wait for nothing any more."""

LEAVING = "leaving\n"
"""Report: this process takes no more requests. (The other report is a number: it does its work, and to stop
in good order may take so many seconds.)"""

MARGIN = 10.0
"""Seconds beyond its own grace after which a process that was to stop is taken to hang."""


@dataclass(frozen=True, slots=True)
class Birth:
    """What a child is, and the descriptors that it has for it: where orders come from, where it reports,
    and, for a web process, its socket."""

    role: Role
    orders: int
    reports: int
    listener: int | None

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Birth:
        return cls(**json.loads(text))


class Child:
    """This process, as a child. Orders are followed from the first moment on; until the program says with
    `obey` how it stops in good order, one to stop is as SIGTERM."""

    def __init__(self, birth: Birth) -> None:
        self.role = birth.role
        self._birth = birth
        self._on_stop: Callable[[], None] = _end_by_signal
        self._on_hurry: Callable[[], None] = _end_at_once
        self._stop_seconds = 0.0
        for descriptor in (birth.orders, birth.reports, birth.listener):
            if descriptor is not None:
                # A program that this one starts must not hold the port, nor seem to be this one.
                os.set_inheritable(descriptor, False)
        _leave_ctrl_c_to_the_parent()
        threading.Thread(target=self._follow, name="hypern-orders", daemon=True).start()

    def listener(self) -> socket.socket:
        """The socket of a web process; to be taken once."""
        assert self._birth.listener is not None
        return socket.socket(fileno=self._birth.listener)

    def obey(self, on_stop: Callable[[], None], on_hurry: Callable[[], None], stop_seconds: float) -> None:
        """From now on stop like this. Called in another thread; both may be called when it is too late for
        them. An orderly stop takes at most `stop_seconds`."""
        self._stop_seconds = stop_seconds
        self._on_stop, self._on_hurry = on_stop, on_hurry

    def ready(self) -> None:
        """Tell the parent that this process does its work now."""
        self._report(f"{self._stop_seconds}\n")

    def leaving(self) -> None:
        """Tell the parent that this process takes no more requests."""
        self._report(LEAVING)

    def _report(self, line: str) -> None:
        try:
            os.write(self._birth.reports, line.encode())
        except OSError:  # the parent is gone; the orders say so, too
            pass

    def _follow(self) -> None:
        while order := os.read(self._birth.orders, 1):
            if order == STOP:
                self._on_stop()
            else:
                self._on_hurry()
        self._on_stop()
        # Nobody is left to end a process that hangs.
        time.sleep(self._stop_seconds + MARGIN)
        os._exit(1)


def _end_by_signal() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _end_at_once() -> None:
    os._exit(1)


def _leave_ctrl_c_to_the_parent() -> None:
    """A terminal sends SIGINT to the children as well; the parent tells them. (A handler that does nothing,
    as one that is ignored would be ignored by the programs that this one starts.)"""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _do_nothing)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _do_nothing(number: int, frame: FrameType | None) -> None: ...


def _born() -> Child | None:
    # Taken away, so that a program that this one starts does not take itself for the child.
    text = os.environ.pop(VARIABLE, None)
    return None if text is None else Child(Birth.from_text(text))


this_child = _born()
"""What this process is to its parent; None if it was started by somebody else."""
