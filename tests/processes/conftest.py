"""What the tests of several processes share."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.processes.running import Running, write


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start a command (`python app.py` unless given) in a directory with one `app.py`; what still runs in
    the end is killed."""
    started: list[Running] = []

    def begin(source: str, *command: str, **environment: str) -> Running:
        write(tmp_path, "app.py", source)
        started.append(Running(command or (sys.executable, "app.py"), tmp_path, environment))
        return started[-1]

    # Where the tests run in the background SIGINT may be ignored, and would be by what they start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield begin
    signal.signal(signal.SIGINT, before)
    for running in started:
        running.kill()
