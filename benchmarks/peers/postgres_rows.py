"""The rows that our store keeps for a task in PostgreSQL, copied by the server: a million in seconds."""

import psycopg
from psycopg import sql

COLUMNS = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = %s AND table_name = %s AND is_identity = 'NO' AND is_generated = 'NEVER'
    AND coalesce(column_default, '') NOT LIKE 'nextval%%'
"""
TABLE = "SELECT schemaname FROM pg_tables WHERE tablename = 'hypern_tasks'"


def schema_of(connection: psycopg.Connection) -> str:
    return connection.execute(TABLE).fetchone()[0]


def copy_task(connection: psycopg.Connection, task_id: str, count: int) -> None:
    """Keep `count` more tasks like this one, under ids that continue its own."""
    schema = schema_of(connection)
    columns = [name for (name,) in connection.execute(COLUMNS, (schema, "hypern_tasks")).fetchall()]
    table = sql.Identifier(schema, "hypern_tasks")
    chosen = [sql.SQL("id || '-' || number") if name == "id" else sql.Identifier(name) for name in columns]
    statement = sql.SQL(
        "INSERT INTO {} ({}) SELECT {} FROM {}, generate_series(1, {}) AS number WHERE id = {}"
    ).format(
        table,
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(chosen),
        table,
        sql.Literal(count),
        sql.Literal(task_id),
    )
    connection.execute(statement)
    connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(table))


def number_of_rows(connection: psycopg.Connection) -> int:
    table = sql.Identifier(schema_of(connection), "hypern_tasks")
    return connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table)).fetchone()[0]
