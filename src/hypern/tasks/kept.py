"""One process for isolated tasks, as its engine sees it: started, spoken to, killed, buried."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref

import msgspec

from hypern.tasks.channel import Channel, Leave, Report

_VARIABLE = "HYPERN_ISOLATED"
# Hypern itself may be found only by way of the path, so that comes first. The last word is for `ps`.
_PROGRAM = f"""
import json, os, sys
birth = json.loads(os.environ.pop("{_VARIABLE}"))
sys.path[:] = birth.pop("path")
from hypern.tasks.child import main
main(**birth)
"""
_TITLE = "hypern-isolated-tasks"
# How long one that has been told to leave may take.
_LEAVE_SECONDS = 1.0
# How often to look whether it has ended, where the system does not tell (seconds).
_LOOK_EVERY = 0.01

# Held while one is started, and while this process forks.
_forking = threading.Lock()
_processes: weakref.WeakSet[KeptProcess] = weakref.WeakSet()
_reports = msgspec.msgpack.Decoder(Report)


class KeptProcess:
    """A fresh Python, in a session of its own. Raises OSError if the system gives no process."""

    def __init__(self) -> None:
        self.runs = 0
        self.idle_since = time.monotonic()
        self._lock = threading.Lock()
        self._is_gone = False
        self._was_killed = False
        with _forking:
            ours, theirs = socket.socketpair()
            held, self._lifeline = os.pipe()
            try:
                self._process = _start(theirs.fileno(), held)
            except BaseException:
                ours.close()
                os.close(self._lifeline)
                raise
            finally:
                theirs.close()
                os.close(held)
            self.pid = self._process.pid
            self._end = _end_of(self.pid)
            self.channel: Channel[Report] = Channel(ours, _reports, self._end)
            _processes.add(self)

    def has_ended(self) -> bool:
        """Whether it has ended; it is not buried by that, so that its number stays its own."""
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # the program lets the system bury its children
            return True

    def kill(self) -> None:
        """Kill it and what it has started. From any thread; harmless if it has ended."""
        with self._lock:
            if not self._is_gone:
                self._was_killed = True
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)

    def leave(self) -> None:
        """Have it end, if it has not yet, and bury it. What it has started lives on unless it was killed, or
        has ended by itself."""
        in_order = not self._was_killed and not self.has_ended() and self._tell_to_leave()
        if not self._ends_within(_LEAVE_SECONDS) or not in_order:
            self.kill()
        with self._lock:
            self._process.wait()
            self._is_gone = True
            self._close()

    def how_it_ended(self) -> str:
        """After `leave`."""
        status = self._process.returncode
        if status >= 0:
            return f"its process ended with status {status}"
        try:
            name = f" ({signal.Signals(-status).name})"
        except ValueError:
            name = ""
        return f"its process ended with signal {-status}{name}"

    def forget(self) -> None:
        """In a forked child: it is the parent's, who must be the only one to hold its line."""
        if not self._is_gone:
            self._is_gone = True
            self._process.returncode = 0
            self._close()

    def _ends_within(self, seconds: float) -> bool:
        if self._end is not None:
            poll = select.poll()
            poll.register(self._end, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        deadline = time.monotonic() + seconds
        while not self.has_ended():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_EVERY)
        return True

    def _tell_to_leave(self) -> bool:
        try:
            self.channel.send(Leave())
        except OSError:
            return False
        return True

    def _close(self) -> None:
        self.channel.close()
        os.close(self._lifeline)
        if self._end is not None:
            os.close(self._end)


def _start(connection: int, lifeline: int) -> subprocess.Popen[bytes]:
    birth = {
        "path": [entry for entry in sys.path if isinstance(entry, str)],
        "connection": connection,
        "lifeline": lifeline,
        "argv": sys.argv,
    }
    flags: list[str] = getattr(subprocess, "_args_from_interpreter_flags", list)()
    return subprocess.Popen(
        [sys.executable, *flags, "-c", _PROGRAM, _TITLE],
        stdin=subprocess.DEVNULL,
        env={**os.environ, _VARIABLE: json.dumps(birth)},
        pass_fds=[connection, lifeline],
        # Ctrl-C at the terminal is for the engine's process, and a group can be killed with all in it.
        start_new_session=True,
    )


def _end_of(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends, where the system has such."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _in_forked_child() -> None:
    for kept in list(_processes):
        kept.forget()
    _processes.clear()
    _forking.release()


os.register_at_fork(
    before=_forking.acquire, after_in_parent=_forking.release, after_in_child=_in_forked_child
)
