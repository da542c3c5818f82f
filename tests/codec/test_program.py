"""Functions and classes of the file that runs as the program are found by every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

APP = """
import enum, sys
from hypern import background
from hypern.codec.naming import find_function, function_path
from hypern.codec.values import dumps, loads

print("imported as", __name__)

@background()
def task(): return "done"

def plain(): return "done"

class Colour(enum.Enum):
    RED = 1

if __name__ in ("__main__", "__mp_main__"):
    for func in (task, plain):
        path = function_path(func)
        assert find_function(path) is func
        print(path)
    data = dumps(Colour.RED)
    assert loads(data) is Colour.RED
    print(data.decode())
"""

WORKER = """
import sys
from hypern.codec.naming import find_function, function_path
from hypern.codec.values import loads
*paths, data = sys.argv[1:]
for path in paths:
    func = find_function(path)
    assert find_function(path) is func
    assert function_path(func) == path
    print(getattr(func, "func", func)())
print(loads(data.encode()).name)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A directory with a program, a package with one, and a worker."""
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("")
    for file in ("app.py", "pkg/mod.py", "pkg/__main__.py", "pkg/script.py", "poplib.py", "no_ending"):
        (tmp_path / file).write_text(APP)
    (tmp_path / "worker.py").write_text(WORKER)
    return tmp_path


def run(where: Path, *arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    paths = [path, os.environ.get("PYTHONPATH", "")]
    environment = {"PYTHONPATH": os.pathsep.join(part for part in paths if part)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=where,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def lines(where: Path, *arguments: str, path: str = "") -> list[str]:
    ran = run(where, *arguments, path=path)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


@pytest.mark.parametrize(
    ("started", "module", "worker_path"),
    [
        (["app.py"], "app", ""),
        (["./app.py"], "app", ""),
        (["-m", "app"], "app", ""),
        (["-m", "pkg.mod"], "pkg.mod", ""),
        (["-m", "pkg"], "pkg.__main__", ""),
        (["pkg/script.py"], "script", "pkg"),
    ],
)
def test_a_worker_finds_what_the_program_names(
    started: list[str], module: str, worker_path: str, program: Path
) -> None:
    """The program finds its own objects without a second import; a worker imports the file by its name."""
    imported, task, plain, data = lines(program, *started)
    assert imported == "imported as __main__"
    assert (task, plain) == (f"{module}:task", f"{module}:plain")
    assert f'"{module}:Colour"' in data
    worker = lines(program, "worker.py", task, plain, data, path=worker_path)
    assert worker == [f"imported as {module}", "done", "done", "RED"]


def test_a_program_that_is_imported_a_second_time_names_its_functions(program: Path) -> None:
    """`app` beside `__main__`, which `from app import ...` in one of its modules makes, has the same."""
    text = APP + "    import app\n    print(function_path(app.task), find_function('app:task') is task)\n"
    (program / "app.py").write_text(text)
    assert lines(program, "app.py")[-1] == "app:task True"


def test_a_child_process_of_multiprocessing_uses_the_same_names(program: Path) -> None:
    """There the program's module bears yet another name."""
    text = "\n    import multiprocessing\n    if __name__ == '__main__':\n" + (
        "        multiprocessing.set_start_method('spawn')\n"
        "        child = multiprocessing.Process(target=plain)\n"
        "        child.start()\n        child.join()\n        assert child.exitcode == 0\n"
    )
    (program / "app.py").write_text(APP + text)
    said = lines(program, "app.py")
    assert said[4] == "imported as __mp_main__"
    assert said[5:] == said[1:4]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-c", APP], "interactive session; write it into a module"),
        (["no_ending"], "its file 'no_ending' cannot be imported"),
        (["poplib.py"], "called like Python's own module 'poplib'; rename the file"),
        (["-P", "app.py"], "`import app` does not lead to its file"),
    ],
)
def test_a_program_that_others_cannot_import_is_refused(
    arguments: list[str], words: str, program: Path
) -> None:
    """Its tasks would wait for ever: the reason is said when one is submitted."""
    ran = run(program, *arguments)
    assert ran.returncode == 1
    assert "InvalidTask: task cannot be stored as a task: " in ran.stderr
    assert words in ran.stderr


def test_another_module_of_the_programs_name_is_noticed(program: Path) -> None:
    """Workers would run something else."""
    (program / "other").mkdir()
    (program / "other" / "app.py").write_text("")
    (program / "app.py").write_text("import sys; sys.path.insert(0, 'other')\n" + APP)
    ran = run(program, "app.py")
    assert "`import app` does not lead to its file" in ran.stderr
