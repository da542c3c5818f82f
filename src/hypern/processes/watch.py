"""Notices that the source of a program has changed.

By looking again and again: that needs no further package, and works on every file system, shared folders of
containers included, where the system tells of no changes. It costs a tenth of one processor at most.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

_EVERY = 0.25
_SKIPPED = {"__pycache__", "node_modules", "site-packages"}

Stamps = dict[str, tuple[int, int]]


class Watch:
    """Looks at the *.py files below `directory`, but not into hidden directories and virtual environments."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stamps = _stamps(directory)
        self._stopped = threading.Event()

    def start(self, on_change: Callable[[list[Path]], None]) -> None:
        """Call `on_change`, from a thread, with what is new, gone or different since the last look."""
        threading.Thread(target=self._run, args=(on_change,), name="hypern-watch", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def say(self, text: str) -> None:
        """A line for whoever changes the files."""
        print(f"Hypern reload: {text}", flush=True)  # noqa: T201

    def _run(self, on_change: Callable[[list[Path]], None]) -> None:
        pause = _EVERY
        while not self._stopped.wait(pause):
            began = time.monotonic()
            stamps = _stamps(self._directory)
            changed = {path for path, _ in self._stamps.items() ^ stamps.items()}
            self._stamps = stamps
            if changed:
                on_change([Path(path).relative_to(self._directory) for path in sorted(changed)])
            pause = max(_EVERY, 10 * (time.monotonic() - began))


def syntax_errors(paths: list[Path]) -> str:
    """What the compiler says against these files; "" if nothing. A file that is gone is none."""
    return "".join(_syntax_error(path) for path in paths)


def forget_compiled(paths: list[Path]) -> None:
    """Remove what Python keeps compiled of these files. It looks at their size and their second only, and
    would take it for that of a file that was changed twice within one."""
    for path in paths:
        with contextlib.suppress(OSError):
            Path(importlib.util.cache_from_source(str(path))).unlink()


def _syntax_error(path: Path) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except OSError:
        return ""
    except (SyntaxError, ValueError) as error:
        return "".join(traceback.format_exception_only(error))
    return ""


def _stamps(directory: Path) -> Stamps:
    return {entry.path: _stamp(entry) for entry in _sources(str(directory))}


def _stamp(entry: os.DirEntry[str]) -> tuple[int, int]:
    try:
        status = entry.stat()
    except OSError:  # gone meanwhile
        return (0, 0)
    return (status.st_mtime_ns, status.st_size)


def _sources(directory: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as found:
            entries = list(found)
    except OSError:
        return
    if any(entry.name == "pyvenv.cfg" for entry in entries):
        return
    for entry in entries:
        if entry.name.endswith(".py"):
            yield entry
        elif not entry.name.startswith(".") and entry.name not in _SKIPPED and _is_directory(entry):
            yield from _sources(entry.path)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    # Links are not followed: they may lead round in a circle.
    return entry.is_dir(follow_symlinks=False)
