"""A program of several processes, started as a user would, watched from outside and killed in the end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from tests.http.serving import Connection, Reply

T = TypeVar("T")

_ANNOUNCED = re.compile(r"Hypern listening on https?://[^ ]*:(\d+)")

HYPERN = (sys.executable, "-m", "hypern")


def until(probe: Callable[[], T | None], seconds: float = 60.0) -> T:
    """The first answer of `probe` that is true. AssertionError if there is none in time."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, f"still {found!r} after {seconds} s"
        time.sleep(0.01)
    return found


def is_gone(pid: int) -> bool:
    """Whether the process has ended; one that nobody has asked for its status counts."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip()[:1] in ("", "Z")


def write(directory: Path, name: str, source: str) -> None:
    """Put a file there in one step, as an editor does, so that nobody reads half of it."""
    new = directory / f"{name}.new"
    new.write_text(textwrap.dedent(source))
    new.rename(directory / name)


class Running:
    """A command in a directory; both of its outputs, line by line, and what it answers."""

    def __init__(self, command: tuple[str, ...], directory: Path, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=directory,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                with self._changed:
                    self.lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    @property
    def port(self) -> int:
        """Where it listens, as soon as it says so."""
        found = _ANNOUNCED.search(self.wait_for("Hypern listening"))
        assert found is not None
        return int(found[1])

    def wait_for(self, text: str, times: int = 1, seconds: float = 60.0) -> str:
        """The line that contains `text` for the `times`th time, as soon as it is there."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                found = [line for line in self.lines if text in line]
                if len(found) >= times:
                    return found[times - 1]
                if self._ended or not self._changed.wait(deadline - time.monotonic()):
                    raise AssertionError(f"no {text!r} for the {times}. time in:\n{self.output}")

    def connect(self) -> Connection:
        return Connection(self.port, 30.0)

    def get(self, path: str = "/") -> Reply:
        """The answer to a request on a connection of its own."""
        with self.connect() as connection:
            connection.send(request(path))
            return connection.read_reply()

    def ask(self, path: str = "/") -> Reply | None:
        """As `get`; None: a process that ends has closed the connection before it had read anything from it.
        Clients ask again then."""
        with self.connect() as connection:
            try:
                connection.send(request(path))
            except (BrokenPipeError, ConnectionResetError):
                return None
            return connection.read_reply() if connection.is_answered() else None

    def pid(self) -> int:
        """Of whichever process answers."""
        return int(self.get("/pid").body)

    def children(self, number: int) -> list[int]:
        """The processes that serve, in the order in which they have started, once there were so many."""
        self.wait_for("serving ", number)
        return [int(line.split()[1]) for line in self.lines if line.startswith("serving ")]

    def answers(self, pid: int) -> bool:
        """True as soon as this very process has answered one of many requests."""
        return until(lambda: self.pid() == pid)

    def is_deaf(self) -> bool:
        """Whether connections are refused."""
        try:
            self.connect().socket.close()
        except ConnectionRefusedError:
            return True
        return False

    def signal(self, number: int = signal.SIGTERM) -> None:
        """To the parent alone."""
        self.process.send_signal(number)

    def signal_all(self, number: int) -> None:
        """To parent and children, as a terminal or a service manager does."""
        os.killpg(self.process.pid, number)

    def wait(self, seconds: float = 60.0) -> int:
        """The exit status; everything that was printed, by whichever process, is in `lines` then."""
        status = self.process.wait(seconds)
        with self._changed:
            assert self._changed.wait_for(lambda: self._ended, seconds), "somebody still holds the output"
        return status

    def kill(self) -> None:
        """All of it, as a power cut would."""
        try:
            self.signal_all(signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        with self._changed:
            self._changed.wait_for(lambda: self._ended, 10)


def request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode()
