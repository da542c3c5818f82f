"""A program that serves, in a process of its own, and raw connections to it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

_ANNOUNCED = re.compile(r"Hypern listening on https?://[^ ]*:(\d+)")

HEAD = """
import asyncio, logging, sys, threading, time
from hypern.http.application import WebApp
"""

BASIC = (
    HEAD
    + """
app = WebApp()
app.get("/")(lambda req, res, ctx: "hello")
app.on_startup(lambda: print("startup", flush=True))
app.on_shutdown(lambda: print("shutdown", flush=True))
app.listen(0)
print("after listen", threading.active_count(), flush=True)
"""
)

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


class ServedScript:
    """Runs `source` as a program and waits for the line that says where it listens."""

    def __init__(self, directory: Path, source: str, environment: dict[str, str]) -> None:
        path = directory / "served_app.py"
        path.write_text(source)
        self.process = subprocess.Popen(
            [sys.executable, str(path)],
            cwd=directory,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        threading.Thread(target=self._read, daemon=True).start()
        self.port = int(_ANNOUNCED.search(self.wait_for_line("Hypern listening")).group(1))  # type: ignore[union-attr]

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

    def wait_for_line(self, start: str, timeout: float = 40.0) -> str:
        """The first line that starts so, as soon as it is there."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                for line in self.lines:
                    if line.startswith(start):
                        return line
                if self._ended or not self._changed.wait(deadline - time.monotonic()):
                    raise AssertionError(f"no line {start!r} in:\n" + "\n".join(self.lines))

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def tell(self, line: str) -> None:
        """A line for the program's standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def wait_until_closed(self) -> None:
        """Until it accepts no more connections."""
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            try:
                self.connect().socket.close()
            except OSError:
                return
        raise AssertionError("connections are still accepted")

    def wait(self, timeout: float = 40.0) -> int:
        """The exit status; all output is in `lines` then."""
        status = self.process.wait(timeout)
        with self._changed:
            self._changed.wait_for(lambda: self._ended, timeout)
        return status

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        with self._changed:
            self._changed.wait_for(lambda: self._ended, 10)

    def connect(self, timeout: float = 30.0) -> Connection:
        return Connection(self.port, timeout)

    def exchange(self, data: bytes, timeout: float = 30.0) -> Reply:
        """Send bytes on a fresh connection and read one answer."""
        with self.connect(timeout) as connection:
            connection.send(data)
            return connection.read_reply()


class Reply:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class Connection:
    """A TCP connection that speaks whatever it is told to."""

    def __init__(self, port: int, timeout: float) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._pending = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def is_answered(self) -> bool:
        """Whether anything comes before the server closes."""
        try:
            self._pending += self.socket.recv(65536)
        except ConnectionResetError:
            return False
        return bool(self._pending)

    def read_reply(self, *, head_only: bool = False) -> Reply:
        """One answer with a Content-Length. AssertionError if the server closes before."""
        while b"\r\n\r\n" not in self._pending:
            self._receive()
        head, _, self._pending = self._pending.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) if ": " in line else (line.lower(), "") for line in lines)
        length = 0 if head_only else int(headers.get("content-length", "0"))
        while len(self._pending) < length:
            self._receive()
        body, self._pending = self._pending[:length], self._pending[length:]
        return Reply(int(first.split(" ")[1]), headers, body)

    def read_until(self, wanted: bytes) -> bytes:
        while wanted not in self._pending:
            self._receive()
        read, _, self._pending = self._pending.partition(wanted)
        return read + wanted

    def read_to_end(self) -> bytes:
        """Everything until the server closes."""
        try:
            while chunk := self.socket.recv(65536):
                self._pending += chunk
        except ConnectionResetError:
            pass
        rest, self._pending = self._pending, b""
        return rest

    def _receive(self) -> None:
        chunk = self.socket.recv(65536)
        assert chunk, f"the server closed after {self._pending!r}"
        self._pending += chunk
