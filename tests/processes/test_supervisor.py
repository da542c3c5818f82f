"""The supervisor alone, with children that do nothing but what the test says."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.processes.running import until

from hypern.errors import ConfigurationError, HypernError
from hypern.http.listening import Listening
from hypern.processes import posts
from hypern.processes import supervisor as module
from hypern.processes.port import Port
from hypern.processes.posts import Post
from hypern.processes.spawn import ChildProcess
from hypern.processes.supervisor import Supervisor

CHILD = """
import os, sys, threading, time
from hypern.processes.child import this_child

stopped = threading.Event()

def serve(ready=True, stops=True):
    this_child.obey(stopped.set if stops else lambda: None, lambda: None, 0.0)
    this_child.ready()
    stopped.wait()

with open("started", "a") as started:
    print(this_child.role, file=started, flush=True)
count = len(open("started").readlines())
"""


class Under:
    """A supervisor in a thread of the test, and what came of it."""

    def __init__(self, directory: Path, source: str, web: int, task: int) -> None:
        (directory / "child.py").write_text(CHILD + source)
        self.up = threading.Event()
        self.error: BaseException | None = None
        port = Port(Listening("127.0.0.1", 0).bind, web)
        self.supervisor = Supervisor([sys.executable, "child.py"], port, web, task, self.up.set)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.supervisor.run()
        except BaseException as error:
            self.error = error

    def stop(self) -> None:
        self.supervisor.request_stop()

    def wait(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()


Supervise = Callable[..., Under]


@pytest.fixture
def supervise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervise]:
    """Supervise children that run `source`, without long pauses; stopped in the end."""
    monkeypatch.setattr("hypern.processes.spawn._STARTED_IN", str(tmp_path))
    monkeypatch.setattr(posts, "_FIRST_PAUSE", 0.01)
    started: list[Under] = []

    def begin(source: str, web: int = 1, task: int = 0) -> Under:
        started.append(Under(tmp_path, source, web, task))
        return started[-1]

    yield begin
    for under in started:
        under.stop()
        under.stop()
        under.wait()


def test_web_and_task_children(supervise: Supervise, tmp_path: Path) -> None:
    """One alone first; all are there when it is said to be up; a stop ends them and is no error."""
    under = supervise("serve()", web=2, task=2)
    assert under.up.wait(60)
    roles = (tmp_path / "started").read_text().split()
    assert roles[0] == "web"
    assert sorted(roles) == ["task", "task", "web", "web"]
    under.stop()
    under.wait()
    assert under.error is None


@pytest.mark.parametrize(("status", "kind"), [(1, HypernError), (2, ConfigurationError)])
def test_a_first_child_that_fails_ends_it(
    supervise: Supervise, tmp_path: Path, status: int, kind: type[Exception]
) -> None:
    """At once: the next would fail in the same way. Status 2 says that the program was called wrongly."""
    under = supervise(f"sys.exit({status})", web=3)
    under.wait()
    assert type(under.error) is kind
    assert f"status {status} before it was ready" in str(under.error)
    assert len((tmp_path / "started").read_text().split()) == 1


def test_children_that_cannot_be_replaced_end_it(
    supervise: Supervise, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """After five attempts in a row, when nobody is left who does that work."""
    under = supervise("sys.exit(3) if count > 1 else this_child.ready()")
    under.wait()
    assert type(under.error) is HypernError
    assert "status 3, before it was ready, 5 times in a row" in str(under.error)
    assert len((tmp_path / "started").read_text().split()) == 6


def test_as_long_as_one_works_replacements_are_tried_for(supervise: Supervise, tmp_path: Path) -> None:
    """A child that cannot be replaced does not end those that do their work."""
    under = supervise(
        "if count == 2: this_child.ready(); sys.exit()\n"
        "if 2 < count < 9: sys.exit(1)\n"
        "if count == 9: open('enough', 'w').close()\n"
        "serve()",
        web=2,
    )
    assert under.up.wait(60)
    until(lambda: (tmp_path / "enough").exists() or under.error, 60)
    assert under.error is None
    under.stop()
    under.wait()
    assert under.error is None


def test_a_child_that_does_not_stop_is_killed(
    supervise: Supervise, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When its own grace and a margin are over; and soon after a second request."""
    monkeypatch.setattr(module, "MARGIN", 0.1)
    under = supervise("serve(stops=False)")
    assert under.up.wait(60)
    under.stop()
    under.wait()
    assert "did not stop in time and is killed" in caplog.text

    caplog.clear()
    monkeypatch.setattr(module, "MARGIN", 3600)
    monkeypatch.setattr(module, "_AT_ONCE", 0.1)
    under = supervise("serve(stops=False)")
    assert under.up.wait(60)
    under.stop()
    under.stop()
    under.wait()
    assert "did not stop in time and is killed" in caplog.text


def test_a_process_that_the_system_does_not_give(
    supervise: Supervise, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error with the system's reason."""

    def refuse(*arguments: object, **options: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("subprocess.Popen", refuse)
    under = supervise("serve()")
    under.wait()
    assert "no process could be started: Resource temporarily unavailable" in str(under.error)


class Lived:
    """As much of a child as a post asks for."""

    def __init__(self, ready: bool, started: float) -> None:
        self.is_ready = ready
        self.is_leaving = False
        self.started = started


def lose(post: Post, ready: bool, lived: float, now: float = 1000.0) -> float:
    """The pause before the next child, when one is lost."""
    post.lost(Lived(ready, now - lived), now)  # type: ignore[arg-type]
    assert post.start_at is not None
    return post.start_at - now


def test_pauses_grow_until_a_child_lives_for_a_while() -> None:
    """The first replacement comes at once, later ones after up to five seconds."""
    post = Post("web", 1)
    pauses = [lose(post, ready=True, lived=1) for _ in range(9)]
    assert pauses[0] == 0
    assert pauses == sorted(pauses)
    assert pauses[1] == pytest.approx(0.2)
    assert pauses[-1] == 5
    assert post.stillborn == 0
    assert lose(post, ready=True, lived=11) == 0
    assert lose(post, ready=False, lived=11) > 0
    assert post.stillborn == 1


def test_how_a_child_ended_is_said_in_words() -> None:
    """Its status, or the signal by its name, as far as it has one."""
    child = ChildProcess.__new__(ChildProcess)
    for status, words in [(3, "status 3"), (-9, "SIGKILL"), (-64, "signal|SIG"), (-63, "signal 63")]:
        child._process = type("Ended", (), {"returncode": status})()
        assert any(word in child.how_it_ended() for word in words.split("|"))
