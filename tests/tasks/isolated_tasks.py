"""Functions that the tests have run in processes of their own, which import this module."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from hypern import Cancel, Retry, Snooze, current_task, get_task, submit_task


def add(first: Any, second: Any) -> Any:
    return first + second


def pid() -> int:
    return os.getpid()


def about() -> tuple[str, str, int, bool]:
    task = current_task()
    return task.task_id, task.name, task.attempt, task.cancel_requested


async def slept(value: int) -> tuple[int, int, str]:
    await asyncio.sleep(0)
    return value, os.getpid(), current_task().task_id


def half_way(file: str) -> None:
    current_task().progress(0.5, "half")
    wait_for(file)


def wait_for(file: str) -> None:
    while not Path(file).exists():
        time.sleep(0.005)


def spin(started: str) -> None:
    """Says who it is, and never ends, and nothing else runs meanwhile: C code keeps the interpreter."""
    write(started, os.getpid())
    re.match(r"(a+)+b", "a" * 64)


def spin_with_a_child(started: str) -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    write(started, sleeper.pid)
    while True:
        pass


def write(file: str, *words: object) -> None:
    Path(f"{file}.new").write_text(" ".join(map(str, words)))
    Path(f"{file}.new").rename(file)


def looks(started: str) -> str:
    write(started, os.getpid())
    while not current_task().cancel_requested:
        time.sleep(0.002)
    return "stopped"


async def waits(started: str) -> None:
    write(started, os.getpid())
    await asyncio.sleep(600)


def kill_me(number: int, lives: int = 1) -> str:
    if current_task().attempt <= lives:
        os.kill(os.getpid(), number)
    return f"lived at attempt {current_task().attempt}"


def leave(status: int) -> None:
    os._exit(status)


def raises(kind: type[BaseException] | None = None) -> None:
    raise ValueError("bad row")


def exits() -> None:
    sys.exit("enough")


def wishes(wish: str) -> str:
    if current_task().attempt > 1:
        return "granted"
    if wish == "retry":
        raise Retry(0)
    if wish == "snooze":
        marker = Path(f"/proc/{os.getppid()}/comm")
        raise Snooze(3600, marker.read_text().strip())
    raise Cancel("nothing to do")


def unstorable() -> object:
    return object()


def speaks() -> None:
    print("said", end="")
    print("complained", file=sys.stderr)


def submits() -> str:
    return submit_task(pid)


def asks(task_id: str) -> bool:
    return get_task(task_id) is None


def takes_turns(mine: str, other: str, turns: int) -> int:
    """Count up in one's own file each time that the other has counted up in his."""
    for turn in range(turns):
        write(mine, turn)
        while not Path(other).exists() or int(Path(other).read_text()) < turn:
            pass
    return os.getpid()
