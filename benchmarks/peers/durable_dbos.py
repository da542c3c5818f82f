"""DBOS on SQLite, set to WAL, or on the PostgreSQL that is named, each task a workflow on a queue that is
looked at every 10 ms."""

import sqlite3
import sys
import threading

import psycopg
from dbos import DBOS, DBOSClient
from durable_measure import Peer, main
from durable_tasks import DIRECTORY, POSTGRES_URL, do_nothing, note_start

FILE = DIRECTORY / "dbos.db"
URL = POSTGRES_URL or f"sqlite:///{FILE}"
QUEUE = "bench"
POLL_SECONDS = 0.01
# A worker takes only what was submitted for its version; by default that is a hash of its source.
VERSION = "1"


@DBOS.workflow(name="noop")
def noop(text, data):
    return do_nothing(text, data)


@DBOS.workflow(name="start")
def start(moment):
    note_start(moment)


def launch():
    DBOS(
        config={
            "name": "bench",
            "system_database_url": URL,
            "application_version": VERSION,
            "log_level": "ERROR",
            "max_executor_threads": 8,
        }
    )
    DBOS.launch()
    DBOS.register_queue(QUEUE, polling_interval_sec=POLL_SECONDS)


def make_tables():
    """Its client never makes them, a launch does."""
    if not POSTGRES_URL:
        with sqlite3.connect(FILE) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    launch()
    DBOS.destroy()


def options(name, **more):
    return {"workflow_name": name, "queue_name": QUEUE, "app_version": VERSION, **more}


async def submit(text, data):
    return client.enqueue(options("noop"), text, data)


async def submit_start(moment):
    return client.enqueue(options("start"), moment)


async def submit_later(seconds, moment):
    return client.enqueue(options("start", delay_seconds=seconds), moment)


def count(status):
    if POSTGRES_URL:
        with psycopg.connect(POSTGRES_URL) as connection:
            statement = "SELECT count(*) FROM dbos.workflow_status WHERE status = %s"
            return connection.execute(statement, (status,)).fetchone()[0]
    with sqlite3.connect(FILE) as connection:
        rows = connection.execute("SELECT count(*) FROM workflow_status WHERE status = ?", (status,))
        return rows.fetchone()[0]


async def waiting():
    return count("ENQUEUED")


async def done():
    return count("SUCCESS")


WORKER = (sys.executable, "durable_dbos.py", "worker")

if __name__ == "__main__":
    if sys.argv[1] == "worker":
        launch()
        threading.Event().wait()
    make_tables()
    client = DBOSClient(system_database_url=URL)
    main(Peer(submit, submit_start, waiting, done, WORKER, submit_later))
