"""`app.listen(workers=2)`: real programs, killed and stopped in every way, seen from their clients."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.processes.running import Running, is_gone, request, until

Start = Callable[..., Running]

PROGRAM = """
import os, signal, sys, threading, time
from hypern.http.application import WebApp

app = WebApp(request_grace_seconds=60)

@app.get("/pid")
def pid(req, res, ctx):
    return str(os.getpid())

@app.get("/slow")
def slow(req, res, ctx):
    print("began", os.getpid(), flush=True)
    while not os.path.exists("go"):
        time.sleep(0.01)
    return "finished"

@app.get("/spawn")
def spawn(req, res, ctx):
    os.system("sleep 600 > /dev/null 2>&1 &")
    return str("HYPERN_CHILD" in os.environ)

app.on_startup(lambda: print("serving", os.getpid(), flush=True))
app.on_shutdown(lambda: print("shutdown", flush=True))
"""

TWO = PROGRAM + "app.listen(0, workers=2)\nprint('after listen', flush=True)\n"


def test_several_processes_share_one_port(start: Start) -> None:
    """One line when all of them serve; each answers; the parent does not."""
    program = start(TWO)
    line = program.wait_for("Hypern listening")
    assert line == f"Hypern listening on http://127.0.0.1:{program.port} with 2 processes"
    assert program.output.count("listening") == 1
    children = program.children(2)
    assert program.process.pid not in children
    assert all(program.answers(child) for child in children)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("to_all", [False, True], ids=["parent", "everybody"])
def test_an_orderly_stop(start: Start, tmp_path: Path, number: int, to_all: bool) -> None:
    """Nobody new is let in, what was asked is answered, hooks and what follows `listen` run, status 0; also
    when the signal goes to each process, as from a terminal: that is no second one."""
    program = start(TWO)
    with program.connect() as connection:
        connection.send(request("/slow"))
        program.wait_for("began")
        program.signal_all(number) if to_all else program.signal(number)
        until(program.is_deaf)
        (tmp_path / "go").touch()
        reply = connection.read_reply()
    assert (reply.status, reply.body) == (200, b"finished")
    assert program.wait() == 0
    assert program.lines.count("shutdown") == 2
    assert program.lines.count("after listen") == 3
    assert "Traceback" not in program.output


def test_a_second_signal_waits_for_nothing(start: Start) -> None:
    """However long the grace would have been; hooks still run."""
    program = start(TWO)
    with program.connect() as connection:
        connection.send(request("/slow"))
        program.wait_for("began")
        program.signal()
        until(program.is_deaf)
        program.signal()
        assert connection.read_reply().status == 503
    assert program.wait() == 0
    assert program.lines.count("shutdown") == 2


def test_a_killed_child_is_replaced(start: Start) -> None:
    """The port goes on answering, and soon there are as many as before."""
    program = start(TWO)
    victim, _ = program.children(2)
    program.wait_for("listening")
    os.kill(victim, signal.SIGKILL)
    until(lambda: is_gone(victim))
    program.pid()
    program.wait_for(f"(pid {victim}) was ended by SIGKILL; another takes its place")
    new = program.children(3)[2]
    assert program.answers(new)
    program.signal()
    assert program.wait() == 0


def test_while_one_is_missing_the_others_answer(start: Start, tmp_path: Path) -> None:
    """No connection is kept waiting for the replacement, however long that takes to start."""
    program = start(
        PROGRAM
        + "with open('runs', 'a') as runs:\n"
        + "    runs.write('x')\n"
        + "    run = runs.tell()\n"
        # The first is the parent, two more are the first children.
        + "while run > 3 and not os.path.exists('go'): time.sleep(0.01)\n"
        + "app.listen(0, workers=2)\n"
    )
    victim, other = program.children(2)
    program.wait_for("listening")
    os.kill(victim, signal.SIGKILL)
    program.wait_for("another takes its place")
    assert {program.pid() for _ in range(30)} == {other}
    (tmp_path / "go").touch()
    assert program.answers(program.children(3)[2])


def _asked(program: Running) -> list[int]:
    """Which process has answered, if any: one that stops closes what it has not read anything from."""
    found = program.ask("/pid")
    return [] if found is None else [int(found.body)]


def test_one_that_stops_by_itself_leaves_new_connections_to_the_others(start: Start, tmp_path: Path) -> None:
    """Also while it still answers an old request."""
    program = start(TWO)
    children = program.children(2)
    with program.connect() as connection:
        connection.send(request("/slow"))
        busy = int(program.wait_for("began").split()[1])
        os.kill(busy, signal.SIGTERM)
        answered: list[int] = []
        # The last twenty in a row: it may take in some until it has heard of it.
        until(lambda: answered.extend(_asked(program)) or (busy not in answered[-20:] and len(answered) > 20))  # type: ignore[func-returns-value]
        assert set(answered[-20:]) == set(children) - {busy}
        (tmp_path / "go").touch()
        assert connection.read_reply().body == b"finished"
    program.children(3)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shares connections out")
def test_connections_are_shared_out(start: Start) -> None:
    """Of many that come at once, none of the processes gets nearly all."""
    program = start(TWO)
    program.wait_for("listening")
    connections = [program.connect() for _ in range(64)]
    for connection in connections:
        connection.send(request("/pid"))
    answered = []
    for connection in connections:
        with connection:
            answered.append(connection.read_reply().body)
    assert len(set(answered)) == 2
    assert all(answered.count(pid) > 8 for pid in answered)


def test_a_child_that_is_told_to_stop_is_replaced_without_a_word(start: Start) -> None:
    """`kill PID` makes one process begin anew, and its requests are finished."""
    program = start(TWO)
    first, _ = program.children(2)
    program.wait_for("listening")
    os.kill(first, signal.SIGTERM)
    program.wait_for("shutdown")
    assert program.answers(program.children(3)[2])
    assert "takes its place" not in program.output
    program.signal()
    assert program.wait() == 0


def test_children_do_not_outlive_a_killed_parent(start: Start, tmp_path: Path) -> None:
    """They stop in good order: the open request is answered, hooks run, the port is free."""
    program = start(TWO)
    children = program.children(2)
    with program.connect() as connection:
        connection.send(request("/slow"))
        program.wait_for("began")
        program.signal(signal.SIGKILL)
        until(program.is_deaf)
        (tmp_path / "go").touch()
        assert connection.read_reply().body == b"finished"
    until(lambda: all(is_gone(child) for child in children))
    program.wait()
    assert program.lines.count("shutdown") == 2


def test_children_that_still_start_do_not_outlive_a_killed_parent(start: Start) -> None:
    """Also before they have come as far as `listen`."""
    program = start(
        PROGRAM.replace("app = WebApp", "print('pid', os.getpid(), flush=True)\napp = WebApp")
        + "from hypern.processes.child import this_child\n"
        + "time.sleep(600 if this_child else 0)\n"
        + "app.listen(0, workers=2)\n"
    )
    child = int(program.wait_for("pid ", times=2).split()[1])
    program.signal(signal.SIGKILL)
    until(lambda: is_gone(child))


def test_ctrl_c_is_left_to_the_parent_from_the_first_moment(start: Start, tmp_path: Path) -> None:
    """A child that gets it before it has imported anything of ours goes on."""
    program = start(
        "import os, time\n"
        "if 'HYPERN_CHILD' in os.environ:\n"
        "    print('early', os.getpid(), flush=True)\n"
        "    while not os.path.exists('go'): time.sleep(0.01)\n" + TWO
    )
    os.kill(int(program.wait_for("early").split()[1]), signal.SIGINT)
    (tmp_path / "go").touch()
    program.wait_for("listening")
    assert "KeyboardInterrupt" not in program.output


def test_what_a_child_starts_does_not_hold_the_port(start: Start) -> None:
    """A program left behind by a handler keeps no socket open, and does not take itself for a child."""
    program = start(TWO)
    assert program.get("/spawn").body == b"False"
    program.signal()
    assert program.wait() == 0
    assert program.is_deaf()


def test_an_app_that_cannot_start_says_so_once(start: Start) -> None:
    """With its own error, without a restart, and with a status that says so."""
    program = start(PROGRAM + "app.on_startup(lambda: 1 / 0)\napp.listen(0, workers=3)\n")
    assert program.wait() == 1
    assert program.output.count("ZeroDivisionError") == 1
    assert "web process 1" in program.lines[-1]
    assert "ended with status 1 before it was ready" in program.lines[-1]
    assert "listening on" not in program.output


def test_a_program_that_never_comes_to_listen_is_told_so(start: Start) -> None:
    """A child that does something else than its parent is no reason to start others for ever."""
    program = start(
        PROGRAM
        + "from hypern.processes.child import this_child\nif this_child is None: app.listen(0, workers=2)\n"
    )
    assert program.wait() == 1
    assert "ended with status 0 before it was ready" in program.lines[-1]


def test_a_busy_port_is_said_to_be_busy(start: Start) -> None:
    """By the parent, before any child is started."""
    first = start(TWO)
    second = start(TWO.replace("listen(0", f"listen({first.port}"))
    assert second.wait() == 1
    assert second.output.count("another program listens there already") == 1
    assert "serving" not in second.output
    assert first.pid() in first.children(2)


def test_the_callback_is_called_once_and_stop_ends_it(start: Start) -> None:
    """In the parent, after the line; `stop()` there stops all of them."""
    program = start(
        PROGRAM + "app.listen(0, workers=2, callback=lambda: print('callback', os.getpid()) or app.stop())\n"
    )
    assert program.wait() == 0
    assert program.output.count("callback") == 1
    assert program.lines[program.lines.index(program.wait_for("listening")) + 1].startswith("callback")
    program.wait_for(f"callback {program.process.pid}")


def test_a_program_without_a_file_is_refused(tmp_path: Path) -> None:
    """What came from standard input cannot be run again."""
    ran = subprocess.run(
        [sys.executable, "-"],
        input=TWO,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 1
    assert "came from standard input" in ran.stderr


def test_arguments_and_directory_are_those_of_the_parent(start: Start, tmp_path: Path) -> None:
    """The same command in the same place, wherever the program has gone meanwhile."""
    (tmp_path / "elsewhere").mkdir()
    program = start(
        PROGRAM
        + "app.get('/argv')(lambda req, res, ctx: ' '.join([*sys.argv, str(sys.flags.optimize)]))\n"
        + "os.chdir('elsewhere')\napp.listen(0, workers=2)\n",
        *(sys.executable, "-O", "app.py", "--colour", "red"),
    )
    assert program.get("/argv").body == b"app.py --colour red 1"
