"""`hypern top`: one look, and many in a terminal."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import WAIT, Filled, Said, Terminal, fill
from tests.processes.running import Running, write

from hypern.config import STORE_VARIABLE, Settings
from hypern.tasks.engine import Engine

Hypern = Callable[..., Said]

OPEN, CLOSE = "\x1b[?1049h", "\x1b[?1049l"


def test_once(hypern: Hypern, filled: Filled) -> None:
    """Queues, tasks by name with rate, failures and times, and that nobody works; no escape sequences."""
    said = hypern("top", "--once", "--store", filled.url)
    assert said.status == 0
    assert "4 submitted, 1 waiting, 0 processes" in said.out
    assert "No process runs tasks of this store." in said.out
    lines = {line.split()[0]: line.split() for line in said.out.splitlines() if line}
    rate, *rest = lines["tests.cli.shop:fail"][1:5]
    assert 0.02 <= float(rate) <= 1.0
    assert rest == ["/s", "100.0", "%"]
    assert lines["tests.cli.shop:greet"][3:5] == ["0.0", "%"]
    assert "\x1b" not in said.out


def test_in_a_pipe(hypern: Hypern, filled: Filled) -> None:
    """Where there is no terminal it looks once."""
    assert hypern("top", "--store", filled.url).status == 0


def test_for_programs(hypern: Hypern, filled: Filled) -> None:
    """The same as data."""
    data = hypern("top", "--json", "--store", filled.url).data
    assert [queue["name"] for queue in data["queues"]] == ["default", "mail"]
    tasks = {task["name"]: task for task in data["tasks"]}
    assert tasks["tests.cli.shop:fail"]["failed"] == 1
    assert tasks["tests.cli.shop:fail"]["retried"] == 1
    assert 0 < tasks["tests.cli.shop:greet"]["ran"]["p95"] < WAIT
    assert (data["processes"], data["running"]) == ([], [])


def test_a_process_that_works(hypern: Hypern, filled: Filled, tmp_path: Path) -> None:
    """It is listed, with the threads and queues it works on, until it ends."""
    write(tmp_path, "nothing.py", "")
    command = ("-m", "hypern", "worker", "nothing", "--concurrency", "3", "--queues", "a,b")
    worker = Running((sys.executable, *command), tmp_path, {STORE_VARIABLE: filled.url})
    try:
        worker.wait_for("Hypern worker runs")
        [process] = hypern("top", "--json", "--store", filled.url).data["processes"]
        assert (process["pid"], process["threads"]) == (worker.process.pid, 3)
        shown = hypern("top", "--once", "--store", filled.url).out
        assert f"{worker.process.pid}" in shown.partition("PROCESS")[2]
        assert "a, b" in shown
        worker.signal()
        assert worker.wait() == 0
        assert hypern("top", "--json", "--store", filled.url).data["processes"] == []
    finally:
        worker.kill()


@pytest.mark.parametrize("how", ["q", "\x1b", "interrupt", "terminate"])
def test_live(terminal: Callable[..., Terminal], tmp_path: Path, how: str) -> None:
    """It shows what has changed, and however it ends, it leaves the terminal as it was."""
    filled = fill(f"sqlite:///{tmp_path}/tasks.db")
    shown = terminal("top", "--every", "0.1", "--store", filled.url)
    shown.wait_for("4 submitted")
    engine = Engine(Settings(task_store=filled.url, task_workers=0))
    engine.store.set_queue("late-comer", paused=True)
    engine.store.close()
    shown.wait_for("late-comer")
    if how == "interrupt":
        shown.interrupt()
    elif how == "terminate":
        shown.process.send_signal(signal.SIGTERM)
    else:
        shown.type(how)
    assert shown.end() == (0 if how in ("q", "\x1b") else 130)
    assert "Traceback" not in shown.shown
    assert (shown.shown.count(OPEN), shown.shown.count(CLOSE)) == (1, 1)
    assert shown.shown.endswith(CLOSE)


def test_it_fits_the_terminal(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    """No line is wider, and there are no more of them, than the terminal has room for."""
    filled = fill(f"sqlite:///{tmp_path}/tasks.db")
    shown = terminal("top", "--every", "0.1", "--store", filled.url, COLUMNS="40", LINES="5")
    shown.wait_for("submitted")
    shown.type("q")
    assert shown.end() == 0
    page = shown.shown.partition("\x1b[H")[2].partition("\x1b[J")[0]
    lines = page.split("\x1b[K\r\n")
    assert len(lines) <= 5
    assert max(len(line) for line in lines) <= 40
