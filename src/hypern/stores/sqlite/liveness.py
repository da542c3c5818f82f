"""Who is alive: each process that runs tasks holds a lock that the kernel lets go of when it dies.

A lock of `fcntl.lockf` ends with its process, whatever ends that, within milliseconds; it stays while the
process is merely stopped or busy; and a forked child does not inherit it. It also ends when its process
closes *any* descriptor of the file, so a process never opens its own file a second time.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hypern.stores.base import WorkerState
from hypern.stores.durable.rows import DAMAGE

# The files that this process holds, in whatever store: they are not to be opened.
_held: set[str] = set()

_SLOT = struct.Struct("q")
_SLOTS = 16_384
_STARTED_SIZE = _SLOT.size * _SLOTS


class Presence:
    """This process's sign of life, from `__init__` to `leave`, and its note of which claimed tasks it has
    started: a crash is counted against those only.

    The note lies in memory that the kernel keeps when the process dies. A power cut may garble it, but
    then every task that was claimed is taken for started.
    """

    def __init__(self, directory: Path, incarnation: str, about: WorkerState) -> None:
        self.incarnation = incarnation
        self._lock_path = directory / f"{self.incarnation}.lock"
        self._started_path = directory / f"{self.incarnation}.started"
        directory.mkdir(mode=0o700, exist_ok=True)
        # Locked before it bears its name, lest somebody take it for that of a dead process.
        unlocked = directory / f"{self.incarnation}.new"
        self._descriptor = os.open(unlocked, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._inode = os.fstat(self._descriptor).st_ino
            self.say(about)
            self._started = self._make_note()
            _held.add(str(self._lock_path))
            os.rename(unlocked, self._lock_path)
        except BaseException:
            self._lock_path.unlink(missing_ok=True)
            unlocked.unlink(missing_ok=True)
            self._started_path.unlink(missing_ok=True)
            os.close(self._descriptor)
            _held.discard(str(self._lock_path))
            raise
        self._free = list(range(_SLOTS - 1, -1, -1))

    def _make_note(self) -> mmap.mmap:
        descriptor = os.open(self._started_path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            # Not a file with holes: to write into one of them kills the process when the disk is full.
            os.posix_fallocate(descriptor, 0, _STARTED_SIZE)
            return mmap.mmap(descriptor, _STARTED_SIZE)
        finally:
            os.close(descriptor)

    def say(self, about: WorkerState) -> None:
        """What others read who ask who works here."""
        data = msgspec.json.encode(about)
        os.pwrite(self._descriptor, data, 0)
        os.ftruncate(self._descriptor, len(data))

    def start(self, seq: int) -> int:
        """Note that the task with this number has been started. What `end` wants to know."""
        try:
            slot = self._free.pop()
        except IndexError:
            return -1
        _SLOT.pack_into(self._started, slot * _SLOT.size, seq)
        return slot

    def end(self, slot: int) -> None:
        if slot >= 0:
            _SLOT.pack_into(self._started, slot * _SLOT.size, 0)
            self._free.append(slot)

    def is_intact(self) -> bool:
        """Whether the lock is still held: a task may have closed every descriptor of the process."""
        try:
            return os.fstat(self._descriptor).st_ino == self._inode
        except OSError:
            return False

    def leave(self) -> None:
        """The process runs no more tasks."""
        for path in (self._started_path, self._lock_path):
            with contextlib.suppress(OSError):
                path.unlink()
        if self.is_intact():
            os.close(self._descriptor)
        _held.discard(str(self._lock_path))

    def leave_to_the_parent(self) -> None:
        """In a forked child: neither the lock nor the note are the child's."""
        _held.discard(str(self._lock_path))


@contextlib.contextmanager
def found_dead(directory: Path, incarnation: str) -> Iterator[frozenset[int] | None]:
    """Whether that process is dead: None if it lives; else the numbers of the tasks that it had started.

    While the block lasts nobody else finds it dead. Its files are removed at the end of the block, unless
    that raises.
    """
    path = directory / f"{incarnation}.lock"
    with _lock_of_the_dead(path) as dead:
        if not dead:
            yield None
            return
        yield _read_started(directory, incarnation)
        for gone in (directory / f"{incarnation}.started", path):
            with contextlib.suppress(FileNotFoundError):
                gone.unlink()


@contextlib.contextmanager
def _lock_of_the_dead(path: Path) -> Iterator[bool]:
    """Whether the process with this file is dead; while the block lasts, only we know."""
    if str(path) in _held:
        yield False
        return
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    try:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def living(directory: Path, mine: WorkerState | None) -> list[WorkerState]:
    """The processes that run tasks now, as each says of itself. `mine`: what this one says, whose file is not
    to be opened."""
    found = []
    try:
        names = sorted(path.name for path in directory.iterdir() if path.suffix == ".lock")
    except FileNotFoundError:
        return []
    for name in names:
        path = directory / name
        if str(path) in _held:
            if mine is not None and name == f"{mine.id}.lock":
                found.append(mine)
            continue
        with _lock_of_the_dead(path) as dead:
            about = None if dead else _read_about(path)
        if about is not None:
            found.append(about)
    return found


def _read_about(path: Path) -> WorkerState | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=WorkerState)
    except (OSError, *DAMAGE):
        return None


def _read_started(directory: Path, incarnation: str) -> frozenset[int]:
    try:
        data = (directory / f"{incarnation}.started").read_bytes()
    except OSError:
        return EVERYTHING
    if len(data) != _STARTED_SIZE:
        return EVERYTHING
    return frozenset(seq for (seq,) in _SLOT.iter_unpack(data) if seq)


class _Everything(frozenset[int]):
    def __contains__(self, seq: object) -> bool:
        return True


# For a process whose note is not there (any more): each of its tasks may have been started.
EVERYTHING: frozenset[int] = _Everything()
