"""A program of its own that uses background tasks, its output and its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

HEAD = """
import asyncio, logging, os, signal, sys, threading, time
from hypern import background, current_task, get_task, submit_task
def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
"""

# Longer than any of them takes, shorter than the grace of 25 s: who waits the whole grace is found out.
LIMIT = 15.0


class Script:
    """Runs `source`, after `HEAD`, as a program.

    One that waits for a signal does so in short sleeps: Python handles a signal that comes just before a
    sleep begins only when that sleep is over.
    """

    def __init__(self, directory: Path, source: str, environment: dict[str, str]) -> None:
        file = directory / f"script_{time.monotonic_ns()}.py"
        file.write_text(HEAD + source)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HYPERN_")}
        self._process = subprocess.Popen(
            [sys.executable, str(file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**kept, **environment},
        )
        self.out = ""
        self.log = ""

    def wait_for(self, line: str) -> None:
        """Read the output until this line comes."""
        assert self._process.stdout is not None
        for read in self._process.stdout:
            self.out += read
            if read.strip() == line:
                return
        self.end()
        raise AssertionError(f"the script ended without saying {line!r}:\n{self.out}\n{self.log}")

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self, limit: float = LIMIT) -> int:
        """Wait for the end of the program; its exit code."""
        try:
            out, self.log = self._process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            self._process.kill()
            out, self.log = self._process.communicate()
            raise AssertionError(f"the script did not end within {limit} s:\n{out}\n{self.log}") from None
        self.out += out
        return self._process.returncode

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
