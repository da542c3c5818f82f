"""What the tests of the command line share: a store with tasks in it, commands, a terminal."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.cli import shop

from hypern.cli import main
from hypern.config import STORE_VARIABLE, Settings
from hypern.tasks.engine import Engine
from hypern.tasks.lookup import look_up
from hypern.tasks.runtime import use_engine

WAIT = 30.0


@dataclass(frozen=True)
class Filled:
    """A store with one task in each of several states."""

    url: str
    greeted: str
    failed: str
    delayed: str
    waiting: str


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place for a store."""
    if request.param == "postgres":
        found: str = request.getfixturevalue("postgres_url")
        return found
    return f"sqlite:///{tmp_path}/tasks.db"


@pytest.fixture
def filled(url: str) -> Filled:
    """A store that some process has left."""
    return fill(url)


def fill(url: str) -> Filled:
    engine = Engine(Settings(task_store=url, task_workers=2, task_log_level="INFO"))
    before = use_engine(engine)
    try:
        engine.store.set_queue("mail", paused=True)
        greeted = shop.greet("ann", password="hunter2")
        failed = shop.fail("bob", token="geheim")
        delayed = shop.greet.with_options(delay_seconds=3600)("cy")
        waiting = shop.send("dora")

        def ended() -> bool:
            found = [look_up(engine, task_id) for task_id in (greeted, failed)]
            return all(task is not None and task.is_done() for task in found)

        assert engine.wait_until(ended, WAIT)
        return Filled(url, greeted, failed, delayed, waiting)
    finally:
        use_engine(before)
        engine.stop(5.0)
        engine.store.close()


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def hypern(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """Call a command here: what it says and its status. Nobody can be asked."""
    monkeypatch.delenv(STORE_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    def call(*arguments: str) -> Said:
        capsys.readouterr()
        try:
            status = main(arguments)
        except SystemExit as ended:
            status = int(ended.code or 0)
        said = capsys.readouterr()
        return Said(status, said.out, said.err)

    return call


class Terminal:
    """A command in a terminal of its own: what it shows, what is typed, how it ends."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.shown = ""
        self._changed = threading.Condition()
        ours, theirs = pty.openpty()
        self._terminal = ours
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hypern", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40", **environment},
            start_new_session=True,
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._terminal, 65536)
            except OSError:  # nobody has it open any more
                return
            if not data:
                return
            with self._changed:
                self.shown += data.decode("utf-8", "replace")
                self._changed.notify_all()

    def wait_for(self, text: str) -> None:
        """Until that has been shown."""
        deadline = time.monotonic() + WAIT
        with self._changed:
            while text not in self.shown:
                assert self._changed.wait(deadline - time.monotonic()), self.shown

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> int:
        """The exit status; all that was shown is in `shown`."""
        status = self.process.wait(WAIT)
        self._reader.join(WAIT)
        return status

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(WAIT)
        os.close(self._terminal)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Start commands in terminals; what still runs in the end is killed."""
    started: list[Terminal] = []

    def start(*arguments: str, **environment: str) -> Terminal:
        started.append(Terminal(*arguments, **environment))
        return started[-1]

    # Where the tests run in the background SIGINT may be ignored, and would be by what they start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield start
    signal.signal(signal.SIGINT, before)
    for one in started:
        one.close()
