"""The file: opening it, checking it, its tables, and connections that know when it has been taken away."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path

from hypern.clock import SystemClock
from hypern.errors import QueueUnavailable, StoreUnusable
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.address import Address
from hypern.stores.sqlite.trouble import is_busy, unusable

# How long a writer waits for others before it gives up (seconds).
PATIENCE = 5.0
_OLDEST = (3, 37, 0)
# A database up to this size is looked through before it is used (bytes); a larger one takes too long.
_CHECKED_SIZE = 8 * 1024 * 1024
# How often to look whether the file is still there (seconds); the look costs as much as writing a row.
_CHECK_EVERY = 0.02
_NETWORK_FILESYSTEMS = {"nfs", "nfs4", "cifs", "smb", "smb3", "smbfs", "9p", "afs", "fuse.sshfs"}

# Connections that a forked child must neither use nor close: closing would let go of its parent's locks.
_left_to_the_parent: list[object] = []


class Database:
    """One file, opened by this process. `offset`: wall-clock minus steady seconds when it was opened."""

    def __init__(self, address: Address) -> None:
        self.address = address
        _check_library()
        _check_place(address.path)
        created = _create(address.path)
        try:
            self._writer = self._connect()
            self._identity = _identity(address.path)
            self._prepare(created)
        except sqlite3.Error as error:
            raise unusable(address, error) from error
        self._next_check = 0.0
        clock = SystemClock()
        self.offset = clock.wall() - clock.steady()

    def writer(self) -> sqlite3.Connection:
        """The one connection of this process that writes. Its user sees to it that there is only one."""
        return self._writer

    def reader(self) -> sqlite3.Connection:
        """A new connection that only reads."""
        connection = self._connect()
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA busy_timeout = 5000")
        return connection

    def check_identity(self) -> None:
        """Raises QueueUnavailable if the file is no longer there under its name: what is written then is lost
        with the last process that has it open."""
        now = time.monotonic()
        if now < self._next_check:
            return
        if _identity(self.address.path) == self._identity:
            self._next_check = now + _CHECK_EVERY
        else:
            raise QueueUnavailable(
                f"the task store {self.address.path} was deleted or replaced while it was in use. "
                "Put it back, or restart the program to begin with a new one."
            )

    def reopen(self) -> None:
        """Make a new writing connection: after an I/O error the old one knows things that are not so."""
        with contextlib.suppress(sqlite3.Error):
            self._writer.close()
        self._writer = self._connect()

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._writer.close()

    def leave_to_the_parent(self, *connections: object) -> None:
        """In a forked child: keep the parent's connections from being closed."""
        _left_to_the_parent.extend((self._writer, *connections))

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.address.path.as_uri()}?mode=rw",
            uri=True,
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA mmap_size = 0")
        # Checkpoints come from one place: of two at once, one could lose what was written (SQLite before
        # 3.51.3, "WAL-reset bug").
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA journal_size_limit = 1048576")
        connection.execute(f"PRAGMA synchronous = {self.address.synchronous}")
        return connection

    def _prepare(self, created: bool) -> None:
        connection = self._writer
        self._patiently("PRAGMA journal_mode = WAL")
        if not created and self.address.path.stat().st_size <= _CHECKED_SIZE:
            connection.execute("PRAGMA busy_timeout = 5000")
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            connection.execute("PRAGMA busy_timeout = 0")
            if verdict != "ok":
                raise StoreUnusable(
                    f"task_store: {self.address.path} is damaged ({verdict}). Nothing was changed. Keep a "
                    "copy, recover it with `sqlite3 FILE .recover`, or put it aside to begin with a new one."
                )
        self._patiently("BEGIN IMMEDIATE")
        try:
            if connection.execute(sql.HAS_SCHEMA).fetchone() is None:
                for statement in sql.SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(sql.SET_META, ("version", sql.VERSION))
            self._check_version(connection)
            self._follow_boot(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _check_version(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute(sql.GET_META, ("version",)).fetchone() or (None,)
        if version != sql.VERSION:
            raise StoreUnusable(
                f"task_store: {self.address.path} has tables of version {version}, and this Hypern knows "
                f"version {sql.VERSION}. Install the Hypern that wrote it, or name another file."
            )

    def _follow_boot(self, connection: sqlite3.Connection) -> None:
        """Due times are kept on the clock of one boot, which steps of the wall clock do not move. In the next
        boot that clock begins anew, and the due times are brought over to it by the wall clock."""
        clock = SystemClock()
        offset = clock.wall() - clock.steady()
        boot = _boot()
        (kept,) = connection.execute(sql.GET_META, ("boot",)).fetchone() or (None,)
        if kept is not None and kept != boot:
            (former,) = connection.execute(sql.GET_META, ("offset",)).fetchone()
            for statement in (sql.SHIFT_SCHEDULED, sql.SHIFT_READY, sql.SHIFT_EXPIRING):
                connection.execute(statement, (former - offset,))
            connection.execute(sql.FORGET_PACES)
            connection.execute(sql.FORGET_TURNS)
        connection.execute(sql.SET_META, ("boot", boot))
        connection.execute(sql.SET_META, ("offset", offset))

    def _patiently(self, statement: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._writer.execute(statement)
                return
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.002)


def _check_library() -> None:
    if sqlite3.sqlite_version_info < _OLDEST:
        raise StoreUnusable(
            f"task_store: Python's SQLite is {sqlite3.sqlite_version}, and {'.'.join(map(str, _OLDEST))} or "
            "newer is needed. Install a newer Python or SQLite."
        )


def _check_place(path: Path) -> None:
    directory = path.parent
    if not directory.is_dir():
        raise StoreUnusable(
            f"task_store: there is no directory {directory} for {path.name}. Make it, or name another."
        )
    if path.is_dir():
        raise StoreUnusable(f"task_store: {path} is a directory. Name a file in it.")
    if not os.access(directory, os.W_OK) or (path.exists() and not os.access(path, os.R_OK | os.W_OK)):
        raise StoreUnusable(
            f"task_store: this user may not write to {path} and its directory, which SQLite needs. Change "
            "their owner or mode."
        )
    filesystem = _filesystem(directory)
    if filesystem in _NETWORK_FILESYSTEMS:
        raise StoreUnusable(
            f"task_store: {path} lies on a network file system ({filesystem}), where SQLite's locks cannot "
            "be relied on. Name a file on a local disk, or a server: 'postgresql://…'."
        )


def _filesystem(directory: Path) -> str | None:
    """The type of the file system that holds a directory, where the system tells (Linux)."""
    try:
        mounts = Path("/proc/self/mounts").read_text(errors="replace").splitlines()
    except OSError:
        return None
    found, length = None, -1
    for mount in mounts:
        fields = mount.split()
        point = fields[1].replace("\\040", " ") if len(fields) > 2 else "?"
        if len(point) > length and (directory == Path(point) or Path(point) in directory.parents):
            found, length = fields[2], len(point)
    return found


def _create(path: Path) -> bool:
    """Make the file, readable and writable for this user alone. False: it was there."""
    try:
        # Never opened otherwise: closing a descriptor of it would let go of SQLite's locks.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return False
    except OSError as error:
        raise StoreUnusable(
            f"task_store: {path} cannot be made: {error.strerror}. Name a file in a directory that this user "
            "may write to."
        ) from None
    return True


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino)


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        # Elsewhere the moment of booting, to the nearest ten minutes, does.
        clock = SystemClock()
        return f"booted {round((clock.wall() - clock.steady()) / 600)}"
