"""What counts as a change of the source."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hypern.processes import watch as module
from hypern.processes.watch import Watch, syntax_errors

Changes = Callable[[], list[str]]


@pytest.fixture
def changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Changes]:
    """The names that the watch reports next, with a small tree to change."""
    monkeypatch.setattr(module, "_EVERY", 0.01)
    for directory in ("package", ".hidden", "venv", "__pycache__"):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "old.py").write_text("1\n")
    (tmp_path / "venv" / "pyvenv.cfg").touch()
    (tmp_path / "round").symlink_to(tmp_path, target_is_directory=True)
    watch = Watch(tmp_path)
    seen: queue.SimpleQueue[list[Path]] = queue.SimpleQueue()
    watch.start(seen.put)
    yield lambda: [str(path) for path in seen.get(timeout=20)]
    watch.stop()


def test_changed_new_and_removed_files(changes: Changes, tmp_path: Path) -> None:
    """Each is reported once, below the directory, and what does not count is not."""
    for skipped in ("venv/old.py", ".hidden/old.py", "__pycache__/old.py", "notes.txt"):
        (tmp_path / skipped).write_text("changed\n")
    (tmp_path / "package" / "old.py").write_text("22\n")
    assert changes() == ["package/old.py"]
    (tmp_path / "new.py").touch()
    assert changes() == ["new.py"]
    (tmp_path / "package" / "old.py").unlink()
    assert changes() == ["package/old.py"]
    (tmp_path / "new.py").rename(tmp_path / "package" / "newer.py")
    assert changes() == ["new.py", "package/newer.py"]


def test_a_change_of_the_time_alone_counts(changes: Changes, tmp_path: Path) -> None:
    """An edit may leave the size as it was."""
    os.utime(tmp_path / "package" / "old.py", (1, 1))
    assert changes() == ["package/old.py"]


def test_a_directory_that_is_gone_is_no_error(tmp_path: Path) -> None:
    """It has no files."""
    assert module._stamps(tmp_path / "nowhere") == {}


def test_syntax_errors_are_found_without_running_anything(tmp_path: Path) -> None:
    """All of them, with file and line; a file that is gone and one that only warns are fine."""
    for name, source in {
        "a.py": "x = = 1\n",
        "b.py": "1/0\n'\\d'\n",
        "c.py": "\0",
        "d.py": "def f(:\n",
    }.items():
        (tmp_path / name).write_text(source)
    wrong = syntax_errors([tmp_path / name for name in ("a.py", "b.py", "c.py", "d.py", "gone.py")])
    assert "null bytes" in wrong
    assert "a.py" in wrong
    assert "d.py" in wrong
    assert "b.py" not in wrong
