"""What the crash tests share: puppets that are ended after the test, the journals, waiting for a line."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from crash.journal import EFFECTS, Line, read
from tests.crash.hard_tasks import GO
from tests.crash.strings import Puppet

WAIT = 40.0
MakePuppet = Callable[..., Puppet]


class Effects:
    """What the tasks of one test have written down."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def of(self, task_id: str, what: str = "start") -> list[Line]:
        return [line for line in self.all() if line.id == task_id and line.what == what]

    def all(self) -> list[Line]:
        return read(self._home / EFFECTS)

    def let_go(self) -> None:
        """Let the tasks that are held end."""
        (self._home / GO).touch()

    def wait(self, task_id: str, what: str = "start", times: int = 1, within: float = WAIT) -> Line:
        """The line with which this has happened so many times."""
        give_up = time.monotonic() + within
        while len(found := self.of(task_id, what)) < times:
            assert time.monotonic() < give_up, f"{task_id} has no {what} number {times} within {within} s"
            time.sleep(0.005)
        return found[times - 1]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def effects(home: Path) -> Effects:
    return Effects(home)


@pytest.fixture
def puppet(home: Path) -> Iterator[MakePuppet]:
    """Makes puppets: `puppet("name", task_workers=1)`."""
    made: list[Puppet] = []

    def make(who: str, where: Path | None = None, **settings: Any) -> Puppet:
        new = Puppet(home if where is None else where, who, **settings)
        made.append(new)
        return new

    yield make
    for each in made:
        each.kill()


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that shifts the wall clock of the process that it is preloaded into."""
    library = tmp_path_factory.mktemp("shim") / "clock_shim.so"
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("gcc is not installed")
    source = Path(__file__).with_name("clock_shim.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source], check=True)
    return library


def needs(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")


def until(condition: Callable[[], bool], what: str, within: float = WAIT) -> None:
    """Wait until this is so."""
    give_up = time.monotonic() + within
    while not condition():
        assert time.monotonic() < give_up, f"not within {within} s: {what}"
        time.sleep(0.01)
