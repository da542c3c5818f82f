"""Prepared: a statement that is executed with each submit, straight through libpq.

A cursor of psycopg takes more of the processor's time for a short statement than all else that submitting a
task takes. The order of calls is that of https://www.postgresql.org/docs/current/libpq-async.html.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from psycopg.abc import PQGen
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait

# More than are in use at a time.
_KEPT = 100
_GOOD = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)


class Prepared:
    """What has been prepared in one session. `wait`: runs what waits for the server, to its end."""

    def __init__(self, connection: PGconn, wait: Callable[[PQGen[list[PGresult]]], list[PGresult]]) -> None:
        self._connection = connection
        self._wait = wait
        self._names: dict[str, bytes] = {}
        self._made = 0

    def execute(self, statement: str, types: Sequence[int], values: Sequence[bytes]) -> None:
        """Execute a statement, whatever rows it gives. `types`: the server's numbers of the types of its
        parameters (`$1` and so on); `values`: in its binary format. Raises psycopg.Error."""
        name = self._names.get(statement) or self._prepare(statement, types)
        formats = [Format.BINARY] * len(values)
        self._connection.send_query_prepared(name, values, formats, Format.BINARY)
        self._finish()

    def _prepare(self, statement: str, types: Sequence[int]) -> bytes:
        if len(self._names) >= _KEPT:
            self._connection.send_query(b"; ".join(b"DEALLOCATE " + name for name in self._names.values()))
            self._names.clear()
            self._finish()
        self._made += 1
        name = b"hypern_%d" % self._made
        self._connection.send_prepare(name, statement.encode(), types)
        self._finish()
        self._names[statement] = name
        return name

    def _finish(self) -> None:
        for result in self._wait(_answer(self._connection)):
            if result.status not in _GOOD:
                raise error_from_result(result)


def _answer(connection: PGconn) -> PQGen[list[PGresult]]:
    """The results of what has been sent."""
    while connection.flush():
        if (yield Wait.RW) & Ready.R:
            connection.consume_input()
    results: list[PGresult] = []
    while True:
        while connection.is_busy():
            yield Wait.R
            connection.consume_input()
        result = connection.get_result()
        if result is None:
            return results
        results.append(result)
