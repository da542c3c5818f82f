"""The rows that our store keeps for a task, found by the task's id, so that more like them can be written
without the store: for the limit that it is compared with, and for a million of them in seconds."""

import sqlite3
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Row:
    """One row of a task: `columns` and `values` in their order, `id_at`: where the task's id stands."""

    table: str
    columns: list[str]
    values: list[object]
    id_at: int

    def insert(self) -> str:
        """The statement that writes such a row, with one parameter a column."""
        places = ", ".join("?" * len(self.columns))
        return f"INSERT INTO {self.table} ({', '.join(self.columns)}) VALUES ({places})"

    def with_id(self, task_id: str) -> list[object]:
        values = list(self.values)
        values[self.id_at] = task_id
        return values

    def copy(self, connection: sqlite3.Connection, count: int) -> None:
        """Write `count` such rows, under ids that continue the task's own."""
        chosen = [f"?{number}" for number in range(1, len(self.columns) + 1)]
        chosen[self.id_at] += " || '-' || n"
        connection.execute(
            f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) "
            f"INSERT INTO {self.table} ({', '.join(self.columns)}) SELECT {', '.join(chosen)} FROM numbers",
            self.values,
        )


def connect(file: Path) -> sqlite3.Connection:
    """As the store does: WAL, each commit synced."""
    connection = sqlite3.connect(file, isolation_level=None, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def rows_of(connection: sqlite3.Connection, task_id: str) -> list[Row]:
    """Every row that holds this id. A number that SQLite gives to each row itself is left out."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return [row for (table,) in tables if (row := _row_of(connection, table, task_id)) is not None]


def _row_of(connection: sqlite3.Connection, table: str, task_id: str) -> Row | None:
    described = connection.execute(f"PRAGMA table_info({table})").fetchall()
    columns = [name for _, name, kind, _, _, key in described if not (key and kind.upper() == "INTEGER")]
    for id_at, column in enumerate(columns):
        found = connection.execute(
            f"SELECT {', '.join(columns)} FROM {table} WHERE {column} = ?", (task_id,)
        ).fetchone()
        if found is not None:
            return Row(table, columns, list(found), id_at)
    return None
