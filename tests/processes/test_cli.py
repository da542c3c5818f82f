"""The command line: what it finds, what it refuses and with which status."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.processes.running import HYPERN, Running, write

from hypern.app import Hypern
from hypern.cli import main
from hypern.cli.locate import locate
from hypern.errors import ConfigurationError

Start = Callable[..., Running]

MODULE = """
from hypern import Hypern
from hypern.http.application import WebApp

class Holder: pass

APPNAME = app = application = Hypern()
other = WebApp()
holder = Holder()
holder.app = app
number = 3

def create_app():
    return app

def create_nothing():
    return None

def fails():
    return 1 / 0
"""

counter = 0


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Put a module of a fresh name into the current directory; that name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])

    def make(source: str) -> str:
        global counter
        counter += 1
        name = f"located_{counter}"
        write(tmp_path, f"{name}.py", source)
        return name

    return make


@pytest.mark.parametrize("end", ["", ":app", ":application", ":APPNAME", ":holder.app", ":create_app()"])
def test_ways_to_name_an_app(module: Callable[[str], str], end: str) -> None:
    """A module alone, a name in it, a name in that, a function that makes it."""
    assert isinstance(locate(module(MODULE) + end), Hypern)


def test_a_module_in_a_package(module: Callable[[str], str], tmp_path: Path) -> None:
    """With dots, as it is imported."""
    (tmp_path / "located_package").mkdir()
    write(tmp_path / "located_package", "main.py", MODULE)
    assert isinstance(locate("located_package.main:app"), Hypern)
    with pytest.raises(ConfigurationError, match=r"there is no module 'located_package\.other'"):
        locate("located_package.other:app")


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (":nothing", r"has no 'nothing'.*It has .*:app"),
        (":holder.nothing", "has no 'holder.nothing'"),
        (":number", "is a int, and an app is a Hypern"),
        (":create_app", r"is a function.*If it makes one, write .*:create_app\(\)"),
        (":Holder", "is a type"),
        (":create_nothing()", "is a NoneType"),
        (":number()", "a int and cannot be called"),
        (":", "does not name an app"),
        (":app(1)", "does not name an app"),
        (":3", "does not name an app"),
        (".py", r"For the file .*\.py that is .*:app"),
        (".py:app", r"For the file .*\.py that is .*:app"),
    ],
)
def test_names_that_lead_nowhere(module: Callable[[str], str], end: str, words: str) -> None:
    """Each error says what is there, or what to write."""
    with pytest.raises(ConfigurationError, match=words):
        locate(module(MODULE) + end)


def test_a_module_that_is_not_there(module: Callable[[str], str]) -> None:
    """The error says where it was looked for."""
    for text in ("no_such_module", "no_such_module:app", "no_such.module:app"):
        with pytest.raises(ConfigurationError, match="there is no module 'no_such"):
            locate(text)
    with pytest.raises(ConfigurationError, match=r"For the file src/app\.py that is src\.app:app"):
        locate("src/app.py")
    with pytest.raises(ConfigurationError, match="has no app called app or application"):
        locate(module("x = 1\n"))


@pytest.mark.parametrize("source", ["import no_such_package\n", "def f(:\n", "1 / 0\n", MODULE])
def test_a_program_that_raises_shows_its_own_traceback(
    module: Callable[[str], str], capsys: pytest.CaptureFixture[str], source: str
) -> None:
    """That is a failure, not wrong usage; our own lines are not in it."""
    name = module(source)
    with pytest.raises(SystemExit) as ended:
        locate(f"{name}:fails()")
    assert ended.value.code == 1
    shown = capsys.readouterr().err
    assert f"{name}.py" in shown
    assert "locate.py" not in shown
    assert "importlib" not in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", "required"),
        ("serve", "invalid choice"),
        ("run", "required"),
        ("run app --workers 0", "1 or more"),
        ("run app --workers two", "1 or more"),
        ("run app --task-processes -1", "0 or more"),
        ("run app --task-processes x", "0 or more"),
        ("run app --port http", "invalid int"),
        ("run app --work 3", "unrecognized"),
        ("worker app --concurrency 0", "1 or more"),
        ("worker app --queues a,,b", "with commas between"),
    ],
)
def test_arguments_that_cannot_be_read(
    arguments: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2 and one line that says which."""
    with pytest.raises(SystemExit) as ended:
        main(arguments.split())
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("run {app}:application --port 70000", "port=70000"),
        ("run {app}:application --port 0 --ssl-cert x", "ssl_key"),
        ("worker {app}:other", "has no tasks"),
        ("worker {app}", "memory://"),
    ],
)
def test_settings_that_cannot_work(
    module: Callable[[str], str], capsys: pytest.CaptureFixture[str], command: str, words: str
) -> None:
    """Status 2, one line, no traceback."""
    assert main(command.format(app=module(MODULE)).split()) == 2
    error = capsys.readouterr().err
    assert error.startswith("hypern: ")
    assert error.count("\n") == 1
    assert words in error


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("app:app --workers 2", "memory://"),
        ("app:app --task-processes 1", "memory://"),
        ("app:other --task-processes 1", "leave out --task-processes"),
        ("app:nothing --workers 2", "has no 'nothing'"),
        ("app:app --workers 2 --port 70000", "port=70000"),
        ("app:app --workers 2 --host no-such-host.invalid", "address of this machine"),
    ],
)
def test_what_cannot_work_with_several_processes(start: Start, options: str, words: str) -> None:
    """Is said once, by whoever finds it, with status 2 and without a traceback."""
    program = start(MODULE, *HYPERN, "run", "--port", "0", *options.split())
    assert program.wait() == 2
    assert program.output.count(words) == 1
    assert "Traceback" not in program.output
    assert "listening" not in program.output


def test_serving_with_one_process(start: Start) -> None:
    """In the process itself: no other, one line, an orderly end."""
    source = MODULE + "import os\napp.get('/pid')(lambda req, res, ctx: str(os.getpid()))\n"
    program = start(source, *HYPERN, "run", "app", "--port", "0")
    assert program.pid() == program.process.pid
    program.signal(signal.SIGINT)
    assert program.wait() == 0
    assert program.lines == [f"Hypern listening on http://127.0.0.1:{program.port}"]


def test_serving_with_several_processes(start: Start) -> None:
    """An app without tasks needs no store for that."""
    source = MODULE + "import os\nother.get('/pid')(lambda req, res, ctx: str(os.getpid()))\n"
    source += "other.on_startup(lambda: print('serving', os.getpid(), flush=True))\n"
    program = start(source, *HYPERN, "run", "app:other", "--port", "0", "--workers", "2")
    children = program.children(2)
    assert all(program.answers(child) for child in children)
    program.signal()
    assert program.wait() == 0
    assert program.lines[2:] == [f"Hypern listening on http://127.0.0.1:{program.port} with 2 processes"]


def test_version_and_help() -> None:
    """Both commands and every option are explained."""
    shown = subprocess.run([*HYPERN, "--version"], capture_output=True, text=True, check=True).stdout
    assert shown.startswith("hypern ")
    for command, option in {"run": "--task-processes", "worker": "--concurrency"}.items():
        shown = subprocess.run(
            [*HYPERN, command, "--help"], capture_output=True, text=True, check=True
        ).stdout
        assert option in shown
