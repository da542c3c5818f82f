"""The file: opening it, checking it, its tables, and connections that know when it has been taken away."""

from __future__ import annotations

import os
import sqlite3
import time
from functools import partial
from pathlib import Path

from hypern.clock import SystemClock
from hypern.errors import QueueUnavailable, StoreUnusable
from hypern.stores.sqlite import statements as sql
from hypern.stores.sqlite.address import Address
from hypern.stores.sqlite.forks import Connections, can_open
from hypern.stores.sqlite.trouble import is_busy, unusable

# How long a writer waits for others before it gives up (seconds).
PATIENCE = 5.0
_OLDEST = (3, 37, 0)
# A database up to this size is looked through before it is used (bytes); a larger one takes too long.
_CHECKED_SIZE = 8 * 1024 * 1024
# How often to look whether the file is still there (seconds); the look costs as much as writing a row.
_CHECK_EVERY = 0.02
_NETWORK = {"nfs", "nfs4", "cifs", "smb", "smb3", "smbfs", "9p", "afs", "fuse.sshfs"}


class Database:
    """One file, opened by this process. `offset`: wall-clock minus steady seconds, as the file has it."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.connections = Connections()
        _check_library()
        _check_place(address.path)
        created = _create(address.path)
        self._is_let_go = False
        self._is_closed = False
        try:
            self._writer = self._connect()
            self._identity = _identity(address.path)
            self._prepare(created)
        except sqlite3.Error as error:
            self.connections.close_all()
            raise unusable(address, error) from error
        except BaseException:
            self.connections.close_all()
            raise
        self._next_check = 0.0
        self._checkpointer: sqlite3.Connection | None = None

    def writer(self) -> sqlite3.Connection:
        """The one connection of this process that writes. Its user sees to it that there is only one.

        Raises QueueUnavailable once the database has been closed."""
        self._refuse_if_closed()
        if self._is_let_go:
            self._writer = self._connect()
            self._writer.execute("PRAGMA busy_timeout = 0")
            self._is_let_go = False
        return self._writer

    def is_in_transaction(self) -> bool:
        """Whether the writing connection has begun a transaction that has not ended."""
        return not (self._is_let_go or self._is_closed) and self._writer.in_transaction

    def reader(self) -> sqlite3.Connection:
        """A new connection that only reads."""
        connection = self._connect()
        connection.execute("PRAGMA query_only = ON")
        return connection

    def checkpoint(self) -> bool:
        """Bring what stands in the write-ahead log over to the file, and let the log begin anew.

        Whether all of it was brought over; a reader of an older state keeps it from that.

        The caller has begun a writing transaction and written nothing in it. SQLite before 3.51.3 can lose
        what was written when a checkpoint meets a commit of another connection that begins the log anew;
        while the lock of the writers is held nobody can commit. So its automatic checkpoints are off.
        The log is never cut: to write where there is a file already takes the disk half as long as to make it
        longer.
        """
        if self._checkpointer is None:
            self._checkpointer = self._connect()
            self._checkpointer.execute("PRAGMA busy_timeout = 0")
        busy, length, done = self._checkpointer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return not busy and length == done

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

    def let_go_of_writer(self) -> None:
        """Close the writing connection; the next one who asks for it gets a new one, unless all is closed."""
        self.connections.close(self._writer)
        self._is_let_go = True

    def close(self) -> None:
        self._is_closed = True
        self.connections.close_all()

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise QueueUnavailable(f"the task store {self.address.path} has been closed.")

    def _connect(self) -> sqlite3.Connection:
        self._refuse_if_closed()
        connection = sqlite3.connect(
            f"{self.address.path.as_uri()}?mode=rw",
            uri=True,
            timeout=PATIENCE,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        self.connections.add(connection)
        # A byte that is none of a text, on a damaged disk, does not keep whole rows from being read.
        connection.text_factory = _text
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA mmap_size = 0")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA synchronous = {self.address.synchronous}")
        return connection

    def _prepare(self, created: bool) -> None:
        connection = self._writer
        self._patiently("PRAGMA journal_mode = WAL")
        if not created and self.address.path.stat().st_size <= _CHECKED_SIZE:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
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
            self._upgrade(connection)
            self._check_version(connection)
            self._follow_boot(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        # The writer has its own way of waiting.
        connection.execute("PRAGMA busy_timeout = 0")

    def _upgrade(self, connection: sqlite3.Connection) -> None:
        """Bring tables of an older version up to this one, within the transaction that looks at them."""
        (version,) = connection.execute(sql.GET_META, ("version",)).fetchone() or (None,)
        while version in sql.UPGRADES:
            for statement in sql.UPGRADES[version].split(";"):
                connection.execute(statement)
            version += 1
            connection.execute(sql.SET_META, ("version", version))

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
        self.offset = offset

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


# Called for every text that is read; a function of Python would take longer than the reading.
_text = partial(str, encoding="utf-8", errors="replace")


def _check_library() -> None:
    if not can_open():
        raise StoreUnusable(
            "task_store: this process was forked while a thread of its parent was writing, and what it "
            "inherited of SQLite cannot be relied on. Start such processes anew (spawn) instead of forking."
        )
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
    try:
        is_directory = path.is_dir()
    except OSError as error:  # a name that the file system cannot have
        raise StoreUnusable(f"task_store: {path} cannot be used: {error.strerror}. Name another.") from None
    if is_directory:
        raise StoreUnusable(f"task_store: {path} is a directory. Name a file in it.")
    if not os.access(directory, os.W_OK) or (path.exists() and not os.access(path, os.R_OK | os.W_OK)):
        raise StoreUnusable(
            f"task_store: this user may not write to {path} and its directory, which SQLite needs. Change "
            "their owner or mode."
        )
    kind = filesystem(directory)
    if kind is not None and is_network(kind):
        raise StoreUnusable(
            f"task_store: {path} lies on a network file system ({kind}), where SQLite's locks cannot "
            "be relied on. Name a file on a local disk, or a server: 'postgresql://…'."
        )


def is_network(kind: str) -> bool:
    """Whether a file system of this type lies on another host."""
    return kind in _NETWORK


def filesystem(directory: Path) -> str | None:
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
