"""The task systems on PostgreSQL that are measured side by side, on one server."""

from benchmarks.cases.durable import System
from benchmarks.environments import OURS

HYPERN = "**Hypern**"
PGQUEUER, PROCRASTINATE, OBAN, DBOS = "PgQueuer", "Procrastinate", "Oban", "DBOS"
CELERY = "Celery, RabbitMQ"

RAW = System(OURS, "postgres_raw.py", "psycopg, plain statements", on_postgres=True)
SYSTEMS = {
    HYPERN: System(OURS, "durable_hypern.py", "psycopg, 4 threads, results kept", on_postgres=True),
    PGQUEUER: System(
        "pgqueuer", "postgres_pgqueuer.py", "asyncpg, batches of 100, no results", on_postgres=True
    ),
    PROCRASTINATE: System(
        "procrastinate",
        "postgres_procrastinate.py",
        "psycopg, 20 coroutines, no results",
        on_postgres=True,
        share=0.2,
    ),
    OBAN: System("oban", "postgres_oban.py", "psycopg, 20 coroutines, results kept", on_postgres=True),
    DBOS: System(
        "dbos", "durable_dbos.py", "psycopg, polls each 10 ms, results kept", on_postgres=True, share=0.1
    ),
    CELERY: System(
        "celery",
        "postgres_celery.py",
        "confirmed publishes, 2 processes, prefetch 64, results in Redis without a disk",
        on_redis=True,
        on_rabbitmq=True,
        share=0.5,
    ),
}
ENVIRONMENTS = {system.environment for system in SYSTEMS.values()}
EVERY_COMMIT = "each commit is synced (synchronous_commit=on)"
