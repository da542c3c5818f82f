"""A project directory, started as its reader would start it and watched only from outside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import httpx2

T = TypeVar("T")

APP = [sys.executable, "app.py"]
UVICORN = [sys.executable, "-m", "uvicorn", "app:app", "--port", "0"]

GUNICORN = [sys.executable, "-m", "gunicorn", "app:app", "--bind", "127.0.0.1:0"]

_ANNOUNCED = re.compile(r"(?:Hypern listening on|Uvicorn running on|Listening at:) http://127\.0\.0\.1:(\d+)")


def until(probe: Callable[[], T | None], seconds: float = 40.0) -> T:
    """The first answer of `probe` that is true. AssertionError if there is none in time."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, f"still {found!r} after {seconds} s"
        time.sleep(0.01)
    return found


def write(directory: Path, files: Mapping[str, str]) -> None:
    """Write the files of a project: path to source."""
    for path, source in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(source))


class Program:
    """A server process. As a context manager it is stopped in the end, and has to stop in good order.

    `failures`: how many tracebacks (of tasks that are meant to fail) its standard error has to have by then.
    """

    def __init__(
        self,
        directory: Path,
        command: list[str] = APP,
        *,
        failures: int = 0,
        status: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self._failures = failures
        self._status = status
        self._output, self._errors = directory / "stdout.txt", directory / "stderr.txt"
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                command,
                cwd=directory,
                env={**os.environ, "PORT": "0", **(environment or {})},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
        try:
            self.port = int(until(self._announced)[1])
        except BaseException:
            self.kill()
            raise
        self.http = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20)

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()
        try:
            if kind is None:
                self.stop()
        finally:
            self.kill()

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def errors(self) -> str:
        return self._errors.read_text()

    def signal(self, number: int = signal.SIGTERM) -> None:
        """To the whole group, as a terminal's Ctrl-C goes."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def stop(self) -> None:
        """Ask it to stop, unless it has ended."""
        self.signal()
        self.wait_for_end()

    def wait_for_end(self) -> None:
        """Wait for the end; exit status and standard error have to be right then."""
        assert self.process.wait(40) == self._status, self.errors
        assert self.errors.count("Traceback (most recent call last)") == self._failures, self.errors

    def kill(self) -> None:
        """End it as a power cut would."""
        self.signal(signal.SIGKILL)
        self.process.wait(20)
        assert self.process.stdin is not None
        self.process.stdin.close()

    def tell(self, line: str) -> None:
        """A line for its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def wait_for_output(self, text: str) -> None:
        """Until it has printed `text`."""
        until(lambda: text in self.output)

    def wait_until_deaf(self) -> None:
        """Until it accepts no more connections."""
        until(self._is_deaf)

    def post(self, path: str, **body: Any) -> Any:
        """The JSON that a POST is answered with, which has to be a success."""
        answer = self.http.post(path, json=body)
        assert answer.is_success, f"{answer.status_code} {answer.text}"
        return answer.json()

    def get(self, path: str) -> Any:
        """The JSON that a GET is answered with, which has to be a success."""
        answer = self.http.get(path)
        assert answer.is_success, f"{answer.status_code} {answer.text}"
        return answer.json()

    def runs(self, path: str) -> None:
        """Wait until the "status" at `path` is running."""
        until(lambda: self.get(path)["status"] == "running")

    def ended(self, path: str) -> Any:
        """The JSON at `path`, once its "status" is one that does not change any more."""
        return until(lambda: found if (found := self.get(path))["status"] not in _UNDER_WAY else None)

    def _announced(self) -> re.Match[str] | None:
        assert self.process.poll() is None, self.errors
        return _ANNOUNCED.search(self.output + self.errors)

    def _is_deaf(self) -> bool:
        try:
            httpx2.get(f"http://127.0.0.1:{self.port}/").close()
        except httpx2.ConnectError:
            return True
        except httpx2.TransportError:
            return False
        return False


_UNDER_WAY = ("pending", "running")
