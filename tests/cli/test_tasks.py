"""`hypern tasks`: what it shows and hides, does and refuses, on each durable store."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.cli.conftest import Filled, Said, Terminal, fill
from tests.docs.pages import ROOT
from tests.processes.running import Running, until, write

from hypern import Hypern as App
from hypern import current_task
from hypern.cli import tasks
from hypern.cli.described import row
from hypern.config import STORE_VARIABLE, Settings
from hypern.records import TaskRecord, TaskStatus
from hypern.tasks.engine import Engine
from hypern.testing import TaskRunner

Hypern = Callable[..., Said]
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")


def kept(filled: Filled, task_id: str) -> TaskRecord | None:
    engine = Engine(Settings(task_store=filled.url, task_workers=0))
    try:
        return engine.store.get(task_id)
    finally:
        engine.store.close()


def test_list(hypern: Hypern, filled: Filled) -> None:
    """A line a task, the last submitted first, with its state."""
    said = hypern("tasks", "list", "--store", filled.url)
    assert said.status == 0
    heading, *lines = said.out.splitlines()
    assert heading.split()[:3] == ["ID", "STATUS", "SUBMITTED"]
    assert [line.split()[:2] for line in lines] == [
        [filled.waiting, "pending"],
        [filled.delayed, "delayed"],
        [filled.failed, "failed"],
        [filled.greeted, "completed"],
    ]


def test_list_for_programs(hypern: Hypern, filled: Filled) -> None:
    """JSON, page after page, with nothing else on standard output."""
    first = hypern("tasks", "list", "--store", filled.url, "--json", "--limit", "3").data
    rest = hypern("tasks", "list", "--store", filled.url, "--json", "--after", first["after"]).data
    assert [task["id"] for task in first["tasks"] + rest["tasks"]] == [
        filled.waiting,
        filled.delayed,
        filled.failed,
        filled.greeted,
    ]
    assert rest["after"] is None
    assert first["tasks"][0]["queue"] == "mail"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--status", "failed"], ["failed"]),
        (["--status", "completed,failed"], ["failed", "greeted"]),
        (["--queue", "mail"], ["waiting"]),
        (["--name", "tests.cli.shop:greet"], ["delayed", "greeted"]),
        (["--search", "BAD"], ["failed"]),
        (["--since", "1h"], ["waiting", "delayed", "failed", "greeted"]),
        (["--until", "1h"], []),
        (["--since", "2020-01-01T00:00", "--until", "2021-01-01"], []),
    ],
)
def test_filters(hypern: Hypern, filled: Filled, arguments: list[str], expected: list[str]) -> None:
    """Each narrows the list."""
    found = hypern("tasks", "list", "--store", filled.url, "--json", *arguments).data["tasks"]
    assert [task["id"] for task in found] == [getattr(filled, name) for name in expected]


@pytest.mark.parametrize(
    "arguments",
    [["--status", "broken"], ["--since", "yesterday"], ["--limit", "0"], ["--after", "x"], ["--colour"]],
)
def test_filters_that_are_none(hypern: Hypern, filled: Filled, arguments: list[str]) -> None:
    """Status 2, and a message in one line, or the usage."""
    said = hypern("tasks", "list", "--store", filled.url, *arguments)
    assert (said.status, said.out) == (2, "")
    assert "Traceback" not in said.err


def test_a_state_that_is_none_is_said_plainly(hypern: Hypern, filled: Filled) -> None:
    """The message has the word that was given, and those that could be."""
    said = hypern("tasks", "list", "--store", filled.url, "--status", "failed,broken")
    assert said.err.endswith("completed, failed, cancelled, not failed, broken.\n")


def test_a_completed_task_shows_no_error_of_an_earlier_attempt() -> None:
    """In the list an error stands only beside a task that it has ended, or that is still tried."""
    app = App()

    @app.background(retries=1, backoff=0.0)
    def at_last() -> None:
        if current_task().attempt == 1:
            raise ConnectionError("no answer")

    with TaskRunner(app) as tasks:
        task_id = at_last()
        tasks.run_pending()
        record = tasks.engine.store.get(task_id)
        assert record is not None
        assert record.error is not None
        assert row(tasks.engine, record)[1:2] + row(tasks.engine, record)[-1:] == ("completed", "")


def test_nothing_orders_the_terminal_about(hypern: Hypern, filled: Filled) -> None:
    """What tasks have written is shown with its control characters written out."""
    for command in (["list"], ["show", filled.failed], ["show", filled.failed, "--args"]):
        said = hypern("tasks", *command, "--store", filled.url)
        assert "\\x1b[31mred" in said.out
        assert _CONTROL.search(said.out) is None


def test_show(hypern: Hypern, filled: Filled) -> None:
    """All of it: what became of it in words, attempts, log lines; arguments only when asked for."""
    said = hypern("tasks", "show", filled.failed, "--store", filled.url)
    assert said.status == 0
    assert said.out.count("Traceback") == 2
    assert "about to fail" in said.out
    assert "arguments hidden" in said.out
    assert "'bob'" not in said.out
    with_values = hypern("tasks", "show", filled.failed, "--store", filled.url, "--args").out
    assert "name='bob'" in with_values
    assert "geheim" not in with_values


def test_show_for_programs(hypern: Hypern, filled: Filled) -> None:
    """JSON, with arguments and result when asked for, and never with what is secret by its name."""
    plain = hypern("tasks", "show", filled.greeted, "--store", filled.url, "--json")
    assert "arguments" not in plain.data
    assert "hello" not in plain.out
    data = hypern("tasks", "show", filled.greeted, "--store", filled.url, "--json", "--args").data
    assert data["arguments"][0] == {"name": "name", "value": "'ann'"}
    assert data["arguments"][1]["value"] != "'hunter2'"
    assert data["result"] == "'hello ann'"
    assert data["explanation"].startswith("tests.cli.shop:greet completed")


def test_unknown_tasks(hypern: Hypern, filled: Filled) -> None:
    """Status 1, and which it was."""
    assert hypern("tasks", "show", "nope", "--store", filled.url).status == 1
    for verb in ("retry", "cancel", "run", "purge"):
        given = ["--yes"] if verb == "purge" else []
        said = hypern("tasks", verb, "nope", "--store", filled.url, *given)
        assert (said.status, said.out) == (1, "")
        assert "'nope'" in said.err


def test_retry(hypern: Hypern, filled: Filled) -> None:
    """The new id is printed; the task waits, and is linked to the old one."""
    said = hypern("tasks", "retry", filled.failed, "--store", filled.url)
    assert said.status == 0
    made = kept(filled, said.out.strip())
    assert made is not None
    assert (made.status, made.origin, made.args) == (TaskStatus.PENDING, filled.failed, ("bob",))


def test_cancel(hypern: Hypern, filled: Filled) -> None:
    """What waits is cancelled; with a task that has ended among them the status is 1."""
    said = hypern("tasks", "cancel", filled.waiting, filled.greeted, "--store", filled.url)
    assert (said.status, said.out.split()) == (1, [filled.waiting])
    found = kept(filled, filled.waiting)
    assert found is not None
    assert found.status is TaskStatus.CANCELLED


def test_run(hypern: Hypern, filled: Filled) -> None:
    """A delayed task waits no longer."""
    assert hypern("tasks", "run", filled.delayed, "--store", filled.url).status == 0
    found = kept(filled, filled.delayed)
    assert found is not None
    assert (found.status, found.due) == (TaskStatus.PENDING, None)


def test_many_at_once(hypern: Hypern, filled: Filled) -> None:
    """All that are meant; how many is said, as text and as JSON."""
    assert hypern("tasks", "retry", "--all", "--yes", "--store", filled.url).out == (
        "1 task submitted once more\n"
    )
    said = hypern("tasks", "cancel", "--queue", "mail", "--yes", "--json", "--store", filled.url)
    assert said.data == {"number": 1}
    assert hypern("tasks", "purge", "--status", "failed,cancelled", "--yes", "--store", filled.url).out == (
        "2 tasks forgotten\n"
    )
    assert kept(filled, filled.greeted) is not None


def test_nothing_is_destroyed_unasked(hypern: Hypern, filled: Filled) -> None:
    """Where nobody can be asked, and --yes was not said, it is refused with status 2."""
    for arguments in (["purge", "--all"], ["purge", filled.greeted], ["cancel", "--all"], ["retry", "--all"]):
        said = hypern("tasks", *arguments, "--store", filled.url)
        assert (said.status, said.out) == (2, "")
        assert "--yes" in said.err
    assert len(hypern("tasks", "list", "--json", "--store", filled.url).data["tasks"]) == 4


def test_which_tasks_must_be_said(hypern: Hypern, filled: Filled) -> None:
    """Neither ids nor filter, or both, is status 2."""
    for arguments in ([], [filled.failed, "--queue", "mail"], [filled.failed, "--all"]):
        assert hypern("tasks", "purge", "--yes", *arguments, "--store", filled.url).status == 2
    assert kept(filled, filled.failed) is not None


def test_asked_in_a_terminal(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    """No, or nothing, leaves all as it was and ends with 1; yes does it."""
    filled = fill(f"sqlite:///{tmp_path}/tasks.db")
    for answer, status, remains in (("n\n", 1, True), ("\n", 1, True), ("yes\n", 0, False)):
        shown = terminal("tasks", "purge", "--all", "--store", filled.url)
        shown.wait_for("purge 2 tasks? [y/N]")
        shown.type(answer)
        assert shown.end() == status
        assert "Traceback" not in shown.shown
        assert (kept(filled, filled.greeted) is not None) is remains


def test_interrupted_in_a_terminal(terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    """Ctrl-C at the question: status 130, nothing is done, no traceback."""
    filled = fill(f"sqlite:///{tmp_path}/tasks.db")
    shown = terminal("tasks", "purge", "--all", "--store", filled.url)
    shown.wait_for("[y/N]")
    shown.interrupt()
    assert shown.end() == 130
    assert "Traceback" not in shown.shown
    assert kept(filled, filled.greeted) is not None


def test_a_reader_who_has_seen_enough(tmp_path: Path) -> None:
    """A closed pipe ends it without a word."""
    filled = fill(f"sqlite:///{tmp_path}/tasks.db")
    listing = subprocess.Popen(
        [sys.executable, "-m", "hypern", "tasks", "show", filled.failed, "--store", filled.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert listing.stdout is not None
    listing.stdout.close()
    _, said = listing.communicate(timeout=30)
    assert (listing.returncode, said) == (141, b"")


def test_a_narrow_encoding(tmp_path: Path) -> None:
    """What the terminal's encoding does not have is written out."""
    filled = fill(f"sqlite:///{tmp_path}/tasks.db")
    ran = subprocess.run(
        [sys.executable, "-m", "hypern", "tasks", "show", filled.failed, "--args", "--store", filled.url],
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert b"token=\\u2022\\u2022\\u2022" in ran.stdout


def test_looking_makes_nothing(hypern: Hypern, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no store none is made; where none is named it is said how."""
    for verb in (["list"], ["show", "x"], ["retry", "x"]):
        assert hypern("tasks", *verb, "--store", f"sqlite:///{tmp_path}/none.db").status == 2
    assert list(tmp_path.iterdir()) == []
    said = hypern("tasks", "list")
    assert said.status == 2
    assert "--store" in said.err
    monkeypatch.setenv(STORE_VARIABLE, "memory://")
    assert "say where the tasks are" in hypern("tasks", "list").err
    assert "memory of one process" in hypern("tasks", "list", "--store", "memory://").err


def test_looking_imports_nothing(tmp_path: Path) -> None:
    """The modules that tasks name are not imported to show them."""
    filled = fill(f"sqlite:///{tmp_path}/tasks.db")
    program = (
        "import sys; from hypern.cli import main; "
        f"status = main(['tasks', 'show', '{filled.greeted}', '--args', '--store', '{filled.url}']); "
        "sys.exit(status or ('tests.cli.shop' in sys.modules and 5))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert "tests.cli.shop:greet" in ran.stdout


def test_the_store_of_the_environment(
    hypern: Hypern, filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken where none is named, before or after the verb."""
    monkeypatch.setenv(STORE_VARIABLE, filled.url)
    assert len(hypern("tasks", "list", "--json").data["tasks"]) == 4
    monkeypatch.setenv(STORE_VARIABLE, "sqlite:///nowhere/none.db")
    assert len(hypern("tasks", "--store", filled.url, "list", "--json").data["tasks"]) == 4


def test_beside_a_worker(hypern: Hypern, filled: Filled) -> None:
    """What is steered here is done by a worker that runs meanwhile."""
    worker = Running(
        (sys.executable, "-m", "hypern", "worker", "tests.cli.shop"),
        ROOT,
        {STORE_VARIABLE: filled.url, "SHOP_IS_MENDED": "1"},
    )
    try:
        worker.wait_for("Hypern worker runs")
        made = hypern("tasks", "retry", filled.failed, "--store", filled.url).out.strip()
        assert hypern("tasks", "run", filled.delayed, "--store", filled.url).status == 0
        assert hypern("queues", "resume", "mail", "--store", filled.url).status == 0
        for task_id in (made, filled.delayed, filled.waiting):
            until(
                lambda task_id=task_id: (
                    hypern("tasks", "show", task_id, "--json", "--store", filled.url).data["status"]
                    == "completed"
                )
            )
    finally:
        worker.kill()


def test_not_a_store(hypern: Hypern, tmp_path: Path) -> None:
    """A file that is something else, or damaged, is named, and not changed."""
    path = tmp_path / "notes.txt"
    path.write_text("no database at all, but long enough to look at\n" * 100)
    before = path.read_bytes()
    said = hypern("tasks", "list", "--store", f"sqlite:///{path}")
    assert said.status in (1, 2)
    assert str(path) in said.err
    assert "Traceback" not in said.err
    assert path.read_bytes() == before


def test_interrupted_in_the_midst(hypern: Hypern, filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C during long work: it is said how far that was, and the status is 130."""

    def interrupted(engine: Engine, which: object, told: Callable[[int], None]) -> int:
        told(7)
        raise KeyboardInterrupt

    steer = next(steer for steer in tasks._STEERS if steer.verb == "purge")
    monkeypatch.setattr(tasks, "_STEERS", (msgspec.structs.replace(steer, many=interrupted),))
    said = hypern("tasks", "purge", "--all", "--yes", "--store", filled.url)
    assert said.status == 130
    assert "7 tasks forgotten before it ended early" in said.err


OF_AN_APP = """
    from hypern import Hypern, background
    from hypern.http.application import WebApp
    app = Hypern(task_store="sqlite:///app.db")
    plain = WebApp()

    @background()
    def greet(name, secret): ...

    if __name__ == "__main__":
        app.engine.pause()
        print(greet("ann", "geheim"))
        app.engine.discard()
"""


def test_of_an_app(tmp_path: Path) -> None:
    """With an app its store is taken, and arguments have the names of its parameters; none is run."""
    write(tmp_path, "shop.py", OF_AN_APP)

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )

    task_id = run("shop.py").stdout.strip()
    shown = run("-m", "hypern", "tasks", "show", task_id, "--args", "--app", "shop:app")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "name='ann'" in shown.stdout
    assert "geheim" not in shown.stdout
    assert "status    pending" in shown.stdout
    both = run("-m", "hypern", "tasks", "list", "--app", "shop:app", "--store", "sqlite:///app.db")
    assert both.returncode == 2
    assert "has no tasks" in run("-m", "hypern", "tasks", "list", "--app", "shop:plain").stderr
