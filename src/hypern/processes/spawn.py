"""The parent's side of one child: start it, hear of it, tell it to stop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from hypern.errors import ConfigurationError
from hypern.processes.child import HURRY, LEAVING, STOP, VARIABLE, Birth, Role

News = Literal["ready", "leaving", "ended"]


def this_command() -> list[str]:
    """How this program was started, to start it again. ConfigurationError if that cannot be done."""
    command = [sys.executable, *sys.orig_argv[1:]]
    if not sys.executable or sys.argv[:1] in ([""], ["-"], []):
        raise ConfigurationError(
            "several processes are several runs of the same program, and this one came from standard input "
            "or a prompt. Put it into a file."
        )
    return command


def _here() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:  # it was removed under our feet
        return None


# Where a relative path in the command is to be found, wherever the program goes later.
_STARTED_IN = _here()


class ChildProcess:
    """A fresh Python with the same program. `report` is called, from other threads, with "ready" when it
    does its work, "leaving" when it takes no more of it, and "ended" when it has ended. Raises OSError if
    the system gives no process."""

    def __init__(
        self,
        command: list[str],
        role: Role,
        listener: socket.socket | None,
        report: Callable[[News, ChildProcess], None],
    ) -> None:
        self.role = role
        self.is_ready = False
        self.is_leaving = False
        self.stop_seconds = 0.0
        self.started = time.monotonic()
        self._report = report
        orders, self._orders = os.pipe()
        reported, reports = os.pipe()
        shared = None if listener is None else listener.fileno()
        birth = Birth(role, orders, reports, shared)
        try:
            with _ctrl_c_held_back():
                self._process = subprocess.Popen(
                    command,
                    cwd=_STARTED_IN,
                    env={**os.environ, VARIABLE: birth.to_text()},
                    pass_fds=[number for number in (orders, reports, shared) if number is not None],
                )
        except OSError:
            os.close(self._orders)
            os.close(reported)
            raise
        finally:
            os.close(orders)
            os.close(reports)
        self.pid = self._process.pid
        for duty in (lambda: self._await_reports(reported), self._await_end):
            threading.Thread(target=duty, name=f"hypern-child-{self.pid}", daemon=True).start()

    def stop(self) -> None:
        """Have it stop in good order; before it is ready, that is at once."""
        self._order(STOP)
        if not self.is_ready:
            self._process.terminate()

    def hurry(self) -> None:
        """Have it wait for nothing any more."""
        self._order(HURRY)

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        """After its end: give back the pipe."""
        os.close(self._orders)

    @property
    def status(self) -> int:
        """After its end: as `subprocess` has it, -9 for SIGKILL."""
        assert self._process.returncode is not None
        return self._process.returncode

    def how_it_ended(self) -> str:
        if self.status >= 0:
            return f"ended with status {self.status}"
        try:
            return f"was ended by {signal.Signals(-self.status).name}"
        except ValueError:
            return f"was ended by signal {-self.status}"

    def _order(self, order: bytes) -> None:
        try:
            os.write(self._orders, order)
        except OSError:  # it has ended
            pass

    def _await_reports(self, reported: int) -> None:
        with open(reported) as reports:
            for line in reports:
                if line == LEAVING:
                    self._report("leaving", self)
                else:
                    self.stop_seconds = float(line)
                    self._report("ready", self)

    def _await_end(self) -> None:
        self._process.wait()
        self._report("ended", self)


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """What is started meanwhile begins with SIGINT blocked, until it knows what to do with it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
