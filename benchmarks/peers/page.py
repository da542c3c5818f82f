"""Ours: what the dashboard asks for, with many tasks in the store: `page.py ROWS`.

The requests go through the whole app, without a socket: what they cost the server. Of the rows most have
completed; some have failed, wait, are delayed or were cancelled, spread over all of them.
"""

import sys
import time
from statistics import median

import durable_measure
import msgspec
from durable_hypern import FILE, app, noop
from durable_rows import connect, rows_of
from durable_tasks import DATA, TEXT

from hypern.dashboard import Dashboard, Viewer
from hypern.records import Completed, Lane, TaskStatus
from hypern.stores.pulse import Beat, Tally
from hypern.stores.sqlite import statements
from hypern.testing import TestClient

HOST = "http://localhost"
TOKEN = "token-of-the-benchmark-only-7351"
LOOKS = 15

# Each tenth row gets another queue, each hundredth another state; the times lie apart.
SPREAD = """
UPDATE hypern_tasks SET
    submitted_at = submitted_at - ? + seq * 0.05,
    queue = CASE WHEN seq % 10 = 3 THEN 'mail' ELSE queue END,
    state = CASE seq % 100 WHEN 1 THEN 4 WHEN 2 THEN 0 WHEN 3 THEN 1 WHEN 4 THEN 5 ELSE state END,
    due = CASE WHEN seq % 100 = 3 THEN 1e9 + seq END,
    error = CASE WHEN seq % 100 = 1 THEN 'ValueError: row ' || seq || ' is not valid' END
"""
COUNT_THEM = """
INSERT OR REPLACE INTO hypern_counts
SELECT queue, state, count(*) FROM hypern_tasks WHERE state > 1 GROUP BY queue, state
"""

READS = {
    "overview": "overview?window=3600",
    "overview, 24 h": "overview?window=86400",
    "summary": "summary",
    "newest": "tasks?limit=50",
    "failed": "tasks?status=failed",
    "waiting": "tasks?status=pending",
    "of a queue": "tasks?queue=mail",
    "failed, of a queue where none has": "tasks?status=failed&queue=mail",
    "of a name that is not there": "tasks?name=nothing",
    "with a text in the error": "tasks?status=failed&text=row+7",
    "with a text that is nowhere": "tasks?text=nowhere+to+be+found",
    "of an hour long ago": "tasks?since={since}&until={until}",
    "a later page": "tasks?limit=50&after={after}",
    "one task": "tasks/{task_id}",
    "workers": "workers",
}


def fill(count: int) -> None:
    store = app.engine.store
    task_id = noop(TEXT, DATA)
    record = store.claim(Lane.THREAD, time.time())
    store.finish(record, record.fence, Completed({"to": TEXT}), time.time())
    store.flush()
    connection = connect(FILE)
    for row in rows_of(connection, task_id):
        row.copy(connection, count)
    connection.execute(SPREAD, (count * 0.05,))
    connection.execute("DELETE FROM hypern_counts")
    connection.execute(COUNT_THEM)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.close()


def add_beats() -> None:
    """An hour of ten tasks that ended all the time, and a day before it."""
    tally = Tally()
    for number in range(1, 200):
        tally.count(TaskStatus.COMPLETED)
        tally.measure(0.001 * number, 0.002 * number)
    now = int(time.time())
    beats = [
        Beat(at - at % 10, 10, f"shop.tasks:task_{n}", tally)
        for n in range(10)
        for at in range(now - 3600, now, 10)
    ]
    beats += [
        Beat(at - at % 300, 300, f"shop.tasks:task_{n}", tally)
        for n in range(10)
        for at in range(now - 86_400, now - 3600, 300)
    ]
    connection = connect(FILE)
    connection.execute("BEGIN")
    for beat in beats:
        row = (beat.seconds, beat.at, beat.name, msgspec.json.encode(beat.tally))
        connection.execute(statements.SET_TALLY, row)
    connection.execute("COMMIT")
    connection.close()


def main(count: int) -> dict[str, float]:
    fill(count)
    add_beats()
    app.use(Dashboard(auth={TOKEN: Viewer("bench", act=True, arguments=True)}))
    client = TestClient(app, base_url=HOST)
    same = {"Origin": HOST, "Sec-Fetch-Site": "same-origin"}
    client.post("/dashboard/api/login", json={"token": TOKEN}, headers=same).raise_for_status()

    def ask(path: str) -> dict:
        answer = client.get(f"/dashboard/api/{path}")
        answer.raise_for_status()
        return answer.json()

    newest = ask("tasks?limit=200")
    long_ago = newest["rows"][0]["submitted"] - count * 0.04
    known = {
        "after": newest["after"],
        "task_id": newest["rows"][7]["id"],
        "since": long_ago,
        "until": long_ago + 3600,
    }
    figures: dict[str, float] = {}
    for name, path in READS.items():
        times = []
        for _ in range(LOOKS):
            begin = time.perf_counter()
            ask(path.format(**known))
            times.append((time.perf_counter() - begin) * 1000)
        figures[name] = median(times)
        figures[f"{name}, slowest"] = max(times)
    return figures


if __name__ == "__main__":
    durable_measure.finish(main(int(sys.argv[1])))
