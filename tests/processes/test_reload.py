"""`hypern run --reload`: a program that changes while it is served."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.processes.running import HYPERN, Running, is_gone, request, until, write

Start = Callable[..., Running]

SOURCE = """
import os, time
from hypern import Hypern
app = Hypern(request_grace_seconds=60)

@app.get("/")
def version(req, res, ctx):
    return "VERSION"

@app.get("/pid")
def pid(req, res, ctx):
    return str(os.getpid())

@app.get("/slow")
def slow(req, res, ctx):
    print("began", flush=True)
    while not os.path.exists("go"):
        time.sleep(0.01)
    return "VERSION"
"""

RELOAD = (*HYPERN, "run", "app:app", "--port", "0", "--reload")


def version(text: str) -> str:
    return SOURCE.replace("VERSION", text)


def test_a_change_starts_the_program_anew(start: Start, tmp_path: Path) -> None:
    """The old process finishes what it has begun; whoever asks meanwhile waits and gets the new answer."""
    program = start(version("one"), *RELOAD)
    program.wait_for("reloading on changes")
    old = program.pid()
    with program.connect() as under_way:
        under_way.send(request("/slow"))
        program.wait_for("began")
        write(tmp_path, "app.py", version("second"))
        program.wait_for("app.py changed, starting anew")
        (tmp_path / "go").touch()
        assert under_way.read_reply().body == b"one"
    program.wait_for("started anew")
    assert program.get().body == b"second"
    until(lambda: is_gone(old))
    program.signal()
    assert program.wait() == 0


def test_no_request_is_lost_while_it_starts_anew(start: Start, tmp_path: Path) -> None:
    """Connections made at any moment are answered, by the old program or the new; but for one that the old
    one closes, as it ends, before it has read anything: clients ask again then."""
    program = start(version("one"), *RELOAD)
    assert program.get().body == b"one"
    write(tmp_path, "app.py", version("second"))
    asked: list[bytes | None] = []
    until(lambda: asked.append(found.body if (found := program.ask()) else None) or asked[-1] == b"second")  # type: ignore[func-returns-value]
    assert set(asked) <= {b"one", b"second", None}
    assert asked.count(None) <= 1


def test_two_changes_within_a_second_are_told_apart(start: Start, tmp_path: Path) -> None:
    """Also of the same size, which Python takes for the same file if it has it compiled."""
    program = start(version("one"), *RELOAD, PYTHONDONTWRITEBYTECODE="")
    assert program.get().body == b"one"
    second = (tmp_path / "app.py").stat().st_mtime_ns // 10**9 * 10**9
    (tmp_path / "new").write_text(version("two"))
    os.utime(tmp_path / "new", ns=(second, second + 1))
    (tmp_path / "new").rename(tmp_path / "app.py")
    program.wait_for("started anew")
    assert program.get().body == b"two"


def test_a_syntax_error_is_shown_and_the_old_program_goes_on(start: Start, tmp_path: Path) -> None:
    """Until the file is mended."""
    program = start(version("one"), *RELOAD)
    old = program.pid()
    write(tmp_path, "app.py", "def broken(:\n")
    program.wait_for("app.py changed, but cannot be run; waiting for the next change")
    program.wait_for("SyntaxError")
    assert program.pid() == old
    write(tmp_path, "app.py", version("mended"))
    program.wait_for("started anew")
    assert program.get().body == b"mended"


@pytest.mark.parametrize(
    ("source", "words"),
    [("1 / 0\n", "ZeroDivisionError"), ("\n", "has no 'app'"), (None, "there is no module 'app'")],
)
def test_a_program_that_cannot_start_is_waited_for(
    start: Start, tmp_path: Path, source: str | None, words: str
) -> None:
    """The error is shown once; a request that comes meanwhile is answered when it is mended."""
    program = start(version("one"), *RELOAD)
    assert program.get().body == b"one"
    if source is None:
        (tmp_path / "app.py").unlink()
    else:
        write(tmp_path, "app.py", source)
    program.wait_for("waiting for the next change")
    assert program.output.count(words) == 1
    with program.connect() as early:
        early.send(request("/"))
        write(tmp_path, "app.py", version("mended"))
        assert early.read_reply().body == b"mended"


def test_a_program_that_was_broken_from_the_start_is_waited_for(start: Start, tmp_path: Path) -> None:
    """But one that was named wrongly is not: no change of a file mends that."""
    program = start("1 / 0\n", *RELOAD)
    program.wait_for("waiting for the next change")
    write(tmp_path, "app.py", version("mended"))
    assert program.get().body == b"mended"
    assert program.lines.count("Traceback (most recent call last):") == 1
    misnamed = start(version("one"), *HYPERN, "run", "no_such:app", "--port", "0", "--reload")
    assert misnamed.wait() == 2
    assert "Traceback" not in misnamed.output


def test_it_can_be_stopped_while_it_waits_and_while_it_is_cleared(start: Start, tmp_path: Path) -> None:
    """Orderly, with status 0, whatever it is at."""
    waiting = start("1 / 0\n", *RELOAD)
    waiting.wait_for("waiting for the next change")
    waiting.signal(signal.SIGINT)
    assert waiting.wait() == 0

    clearing = start(version("one"), *RELOAD)
    with clearing.connect() as connection:
        connection.send(request("/slow"))
        clearing.wait_for("began")
        write(tmp_path, "app.py", version("second"))
        clearing.wait_for("starting anew")
        clearing.signal()
        (tmp_path / "go").touch()
        assert connection.read_reply().body == b"one"
    assert clearing.wait() == 0
    assert "started anew" not in clearing.output


def test_a_killed_process_is_replaced_also_here(start: Start) -> None:
    """Without a change."""
    program = start(version("one"), *RELOAD)
    old = program.pid()
    os.kill(old, signal.SIGKILL)
    assert program.pid() != old
    program.signal()
    assert program.wait() == 0
