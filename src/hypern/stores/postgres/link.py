"""One connection to the server: every call ends by its deadline, whatever the network does."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, cast

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.string import StrBinaryDumper, StrDumper
from psycopg.waiting import Ready, Wait

from hypern.stores.postgres.address import Address
from hypern.stores.postgres.prepared import Prepared

RV = TypeVar("RV")

# The store's statements touch a few rows through an index, whatever the statistics say of tables that fill
# and empty within a minute. Each is a setting of the session that a server may not know.
_SETTINGS = (
    ("default_transaction_isolation", "read committed"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("jit", "off"),
    ("idle_in_transaction_session_timeout", "15s"),
)


class Link(psycopg.Connection[tuple[Any, ...]]):
    """Used by one thread at a time. `patience`: seconds that one answer of the server may take.
    `has_session`: what is prepared and set stays with it, and is nobody else's (`own_session`)."""

    patience = 5.0
    has_session = False
    _poll: select.poll | None = None
    _cursor: psycopg.Cursor[tuple[Any, ...]] | None = None
    _quick: Prepared | None = None

    def wait(self, gen: PQGen[RV], interval: float = 0.0, timeout: float | None = None) -> RV:
        """Run `gen` to its end; a connection on which that takes too long, or is interrupted, is closed."""
        deadline = time.monotonic() + (self.patience if timeout is None else timeout)
        try:
            wanted = next(gen)
            if self._poll is None:
                self._poll = select.poll()
            poll, descriptor = self._poll, self.pgconn.socket
            while True:
                poll.register(descriptor, _EVENTS[wanted])
                found = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
                if not found:
                    raise psycopg.OperationalError(f"the server has not answered for {self.patience:g} s")
                wanted = gen.send(_ready(found[0][1]))
        except StopIteration as end:
            return cast(RV, end.value)
        except psycopg.Error:
            # Left as it is, it would end when it is collected, and Python print what that raises.
            with contextlib.suppress(psycopg.Error, RuntimeError):
                gen.close()
            if time.monotonic() >= deadline:
                self.close()
            raise
        except BaseException:
            # Ctrl-C in the midst of it: what comes next on this connection would be the answer to this.
            self.close()
            raise

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Execute a statement: its rows, none where it gives none."""
        cursor = self._cursor
        if cursor is None:
            # To make one takes half as long as a short statement.
            cursor = self._cursor = self.cursor(binary=True)
        cursor.execute(cast(Any, statement), parameters, prepare=self.has_session)
        return _fetched(cursor)

    def row(self, statement: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row."""
        rows = self.rows(statement, parameters)
        return rows[0] if rows else None

    def execute_prepared(self, statement: str, types: Sequence[int], values: Sequence[bytes]) -> None:
        """As `Prepared.execute`, where it `has_session`: for what is executed thousands of times a second."""
        if self._quick is None:
            self._quick = Prepared(self.pgconn, self.wait)
        self._quick.execute(statement, types, values)

    def all_rows(self, *statements: tuple[str, Sequence[Any]]) -> list[list[tuple[Any, ...]]]:
        """Execute several, sent off together, as one transaction: the rows of each. For where no statement
        depends on what another one gives."""
        cursors = []
        with self.pipeline():
            for statement, parameters in statements:
                cursors.append(self.cursor(binary=True))
                cursors[-1].execute(cast(Any, statement), parameters, prepare=self.has_session)
        return [_fetched(cursor) for cursor in cursors]

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What is executed inside is one transaction."""
        self.rows("BEGIN")
        try:
            yield
        except BaseException:
            try:
                self.rows("ROLLBACK")
            except psycopg.Error:
                self.close()
            raise
        self.rows("COMMIT")

    def own_session(self) -> None:
        """From now on prepare statements, and set what suits them: this session is not lent to others."""
        settings = (*_SETTINGS, ("statement_timeout", f"{round(self.patience * 1000)}ms"))
        all_at_once = "SELECT " + ", ".join(
            f"set_config('{key}', '{value}', false)" for key, value in settings
        )
        try:
            self.rows(all_at_once)
        except psycopg.Error:
            if self.closed:
                raise
            for key, value in settings:
                with contextlib.suppress(psycopg.DatabaseError):
                    self.rows("SELECT set_config(%b, %b, false)", (key, value))
        self.has_session = True
        # Before, psycopg would not prepare what it is asked to.
        self.prepare_threshold = 0

    def leave_to_the_parent(self) -> None:
        """In a forked child: let go of the socket without a word to the server. While the child had it open,
        the server would not notice the parent's death."""
        with contextlib.suppress(psycopg.Error, OSError):
            os.close(self.pgconn.socket)


def connect(address: Address, name: str) -> Link:
    """A new connection. `name`: what it is for, as the server shows it.

    Raises psycopg.Error.
    """
    wanted: dict[str, Any] = {
        "connect_timeout": max(2, round(address.patience)),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 2,
        "tcp_user_timeout": 15_000,
        "application_name": f"hypern {name}",
        "client_encoding": "UTF8",
        # With the default psycopg warns, for it may differ from what another build of libpq does.
        "gssencmode": "disable",
        **conninfo_to_dict(address.url),
    }
    link = Link.connect(**wanted, autocommit=True, prepare_threshold=None)
    link.patience = address.patience
    encoding = link.info.parameter_status("server_encoding")
    if encoding not in ("UTF8", "SQL_ASCII", None):
        _write_around(link, str(encoding))
    return link


def _write_around(link: Link, encoding: str) -> None:
    """What a database with another encoding has no character for is kept as in XML, `&#8364;`: how a task
    ended has to be written, whatever it said."""
    link.rows("SELECT set_config('client_encoding', %b, false)", (encoding,))
    codec = link.info.encoding
    link.rows("SELECT set_config('client_encoding', 'UTF8', false)")
    for base in (StrDumper, StrBinaryDumper):

        class Around(base):  # type: ignore[misc, valid-type]
            def dump(self, text: str) -> Any:
                return super().dump(text.encode(codec, "xmlcharrefreplace").decode(codec))

        link.adapters.register_dumper(str, Around)
    # A cursor has the dumpers that there were when it was made.
    link._cursor = None


def _fetched(cursor: psycopg.Cursor[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    # To ask for its `description` takes as long as a short statement.
    result = cursor.pgresult
    return cursor.fetchall() if result is not None and result.nfields else []


_EVENTS = {
    Wait.R: select.POLLIN,
    Wait.W: select.POLLOUT,
    Wait.RW: select.POLLIN | select.POLLOUT,
}


def _ready(events: int) -> Ready:
    ready = 0
    if events & ~select.POLLOUT:
        ready |= Ready.R
    if events & select.POLLOUT:
        ready |= Ready.W
    return Ready(ready)
