"""The rows that our store keeps for a task in PostgreSQL, copied by the server: a million in seconds."""

import psycopg
from psycopg import sql

SCHEMA = "hypern"
TABLE = sql.Identifier(SCHEMA, "tasks")
COLUMNS = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = %s AND table_name = 'tasks' AND is_identity = 'NO' AND is_generated = 'NEVER'
"""


def copy_task(connection: psycopg.Connection, task_id: str, count: int) -> None:
    """Keep `count` more tasks like this one, under ids that continue its own."""
    columns = [name for (name,) in connection.execute(COLUMNS, (SCHEMA,)).fetchall()]
    chosen = [sql.SQL("id || '-' || number") if name == "id" else sql.Identifier(name) for name in columns]
    statement = sql.SQL(
        "INSERT INTO {} ({}) SELECT {} FROM {}, generate_series(1, {}) AS number WHERE id = {}"
    )
    connection.execute(
        statement.format(
            TABLE,
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.SQL(", ").join(chosen),
            TABLE,
            sql.Literal(count),
            sql.Literal(task_id),
        )
    )
    connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(TABLE))


def number_of_rows(connection: psycopg.Connection) -> int:
    return connection.execute(sql.SQL("SELECT count(*) FROM {}").format(TABLE)).fetchone()[0]
