"""Every statement of the SQLite store, named by what it is for, and the tables that they work on."""

from __future__ import annotations

import functools

from hypern.stores.durable.states import RUNNING, WITH_INDEX

VERSION = 2

# What version 2 brought, beside a column.
_SINCE_2 = """\
CREATE INDEX hypern_tasks_failed ON hypern_tasks (seq) WHERE state = 4;
CREATE INDEX hypern_tasks_cancelled ON hypern_tasks (seq) WHERE state = 5;
CREATE TABLE hypern_pulse (
    seconds INTEGER NOT NULL, at INTEGER NOT NULL, name TEXT NOT NULL, tally BLOB NOT NULL,
    PRIMARY KEY (seconds, at, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE hypern_logs (
    task INTEGER NOT NULL, at REAL NOT NULL, level INTEGER NOT NULL, logger TEXT NOT NULL, text TEXT NOT NULL
) STRICT;
CREATE INDEX hypern_logs_task ON hypern_logs (task)"""

# `rank`: `ready_at` on the steady clock minus what the priority is worth; lowest first. `due`, `expires_at`
# and `rank` are seconds of the steady clock of the boot that hypern_meta names; other times are wall-clock.
SCHEMA = f"""
CREATE TABLE hypern_meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
CREATE TABLE hypern_tasks (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    state INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    queue TEXT NOT NULL,
    rank REAL NOT NULL,
    name TEXT NOT NULL,
    func TEXT NOT NULL,
    rules BLOB NOT NULL,
    call BLOB NOT NULL,
    due REAL,
    expires_at REAL,
    unique_key TEXT,
    submitted_at REAL NOT NULL,
    ready_at REAL NOT NULL,
    started_at REAL NOT NULL DEFAULT 0,
    finished_at REAL NOT NULL DEFAULT 0,
    gone_at REAL,
    attempt INTEGER NOT NULL DEFAULT 0,
    fence INTEGER NOT NULL DEFAULT 0,
    lost INTEGER NOT NULL DEFAULT 0,
    place REAL,
    owner TEXT,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    result BLOB,
    result_omitted TEXT,
    error TEXT,
    traceback TEXT,
    reason TEXT,
    progress BLOB,
    origin TEXT
) STRICT;
CREATE UNIQUE INDEX hypern_tasks_id ON hypern_tasks (id);
CREATE INDEX hypern_tasks_ready ON hypern_tasks (lane, queue, rank, seq) WHERE state = 0;
CREATE INDEX hypern_tasks_scheduled ON hypern_tasks (due, seq, queue) WHERE state = 1;
CREATE INDEX hypern_tasks_expiring ON hypern_tasks (expires_at)
    WHERE expires_at IS NOT NULL AND attempt = 0 AND state < 2;
CREATE INDEX hypern_tasks_running ON hypern_tasks (owner, queue) WHERE state = 2;
CREATE INDEX hypern_tasks_ended ON hypern_tasks (gone_at) WHERE state > 2;
CREATE INDEX hypern_tasks_unique ON hypern_tasks (unique_key) WHERE unique_key IS NOT NULL AND state < 3;
CREATE TABLE hypern_attempts (
    task INTEGER NOT NULL,
    number INTEGER NOT NULL,
    started_at REAL NOT NULL,
    finished_at REAL NOT NULL,
    error TEXT NOT NULL,
    traceback TEXT
) STRICT;
CREATE INDEX hypern_attempts_task ON hypern_attempts (task);
CREATE TABLE hypern_queues (
    name TEXT PRIMARY KEY, paused INTEGER NOT NULL DEFAULT 0, most INTEGER
) STRICT, WITHOUT ROWID;
-- Of the tasks that run or have ended. Those that wait are counted in their index: a row here would make
-- every submit write one page more.
CREATE TABLE hypern_counts (
    queue TEXT NOT NULL, state INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (queue, state)
) STRICT, WITHOUT ROWID;
CREATE TABLE hypern_paces (
    name TEXT PRIMARY KEY, booked REAL NOT NULL, started REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE hypern_keys (
    unique_key TEXT PRIMARY KEY, task TEXT NOT NULL, until REAL NOT NULL
) STRICT, WITHOUT ROWID;
{_SINCE_2}"""

# From each older version to the one after it.
UPGRADES = {
    1: f"""
ALTER TABLE hypern_tasks ADD COLUMN origin TEXT;
{_SINCE_2}""",
}

HAS_SCHEMA = "SELECT 1 FROM sqlite_schema WHERE name = 'hypern_meta'"
GET_META = "SELECT value FROM hypern_meta WHERE key = ?"
SET_META = "INSERT INTO hypern_meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"

# After a reboot the steady clock begins anew.
SHIFT_SCHEDULED = "UPDATE hypern_tasks SET due = due + ? WHERE state = 1"
SHIFT_READY = "UPDATE hypern_tasks SET rank = rank + ? WHERE state IN (0, 2)"
SHIFT_EXPIRING = (
    "UPDATE hypern_tasks SET expires_at = expires_at + ? WHERE expires_at IS NOT NULL AND state < 3"
)
FORGET_PACES = "DELETE FROM hypern_paces"
FORGET_TURNS = "UPDATE hypern_tasks SET place = NULL WHERE place IS NOT NULL"

_NEW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


@functools.cache
def add_rows(number: int) -> str:
    """For so many rows at once, whose parameters follow one another."""
    return f"""
INSERT INTO hypern_tasks (
    id, state, lane, queue, rank, name, func, rules, call, due, expires_at, unique_key, submitted_at, ready_at
) VALUES {", ".join([_NEW] * number)} ON CONFLICT (id) DO NOTHING
"""


ADD = add_rows(1)
HOLDER = """
SELECT id FROM hypern_tasks WHERE unique_key = ? AND unique_key IS NOT NULL AND state < 3 LIMIT 1
"""
# A key that is taken for a time outlives its task.
KEY_HOLDER = "SELECT task FROM hypern_keys WHERE unique_key = ? AND until > ?"
KEEP_KEY = """
INSERT INTO hypern_keys VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET task = excluded.task, until = excluded.until
"""
FREE_KEYS = "DELETE FROM hypern_keys WHERE until <= ?"
HAS_FREE_KEYS = "SELECT 1 FROM hypern_keys WHERE until <= ? LIMIT 1"
PENDING_UP_TO = """
SELECT (SELECT count(*) FROM (SELECT 1 FROM hypern_tasks WHERE state = 0 LIMIT ?))
    + (SELECT count(*) FROM (SELECT 1 FROM hypern_tasks WHERE state = 1 LIMIT ?))
"""
KNOWN_QUEUE = "INSERT INTO hypern_queues (name) VALUES (?) ON CONFLICT DO NOTHING"
ADD_COUNT = """
INSERT INTO hypern_counts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET number = number + excluded.number
"""

# The queues of a lane in which something waits: one step in the index for each. All queues that there ever
# were can be many more.
_BUSY = """
WITH RECURSIVE busy(queue) AS (
    SELECT min(queue) FROM hypern_tasks WHERE state = 0 AND lane = ?
    UNION ALL
    SELECT (
        SELECT min(t.queue) FROM hypern_tasks t WHERE t.state = 0 AND t.lane = ? AND t.queue > busy.queue
    ) FROM busy WHERE busy.queue IS NOT NULL
)
"""
BUSY_QUEUES = f"{_BUSY} SELECT name FROM hypern_queues WHERE paused = 0 AND name IN busy"
# Those that may give something, and those with a limit, with the room that it leaves.
OPEN_QUEUES = f"""
{_BUSY} SELECT name, CASE WHEN most IS NULL THEN NULL ELSE most - (
    SELECT coalesce(sum(number), 0) FROM hypern_counts WHERE queue = name AND state = 2
) END FROM hypern_queues WHERE paused = 0 AND (most IS NOT NULL OR name IN busy)
"""
FIRST_READY = """
SELECT seq, rank FROM hypern_tasks WHERE state = 0 AND lane = ? AND queue = ? ORDER BY rank, seq LIMIT ?
"""
FIRST_KNOWN = """
SELECT seq, rank FROM hypern_tasks WHERE state = 0 AND lane = ? AND queue = ?
    AND func NOT IN (SELECT value FROM json_each(?)) ORDER BY rank, seq LIMIT ?
"""
_COLUMNS = """
    seq, id, name, func, lane, rules, call, submitted_at, due, ready_at, expires_at, unique_key, attempt,
    fence, lost, place, cancel_requested, queue
"""
CLAIM = f"""
UPDATE hypern_tasks SET state = 2, owner = ?, attempt = attempt + 1, fence = fence + 1, started_at = ?
WHERE seq IN (SELECT value FROM json_each(?)) AND state = 0 RETURNING {_COLUMNS}
"""
IS_KNOWN_READY = """
SELECT 1 FROM hypern_tasks WHERE state = 0 AND lane = ? AND queue = ?
    AND func NOT IN (SELECT value FROM json_each(?)) LIMIT 1
"""

# Each of these ends a claim, and so is refused unless that very claim stands.
_MINE = "WHERE seq = ? AND state = 2 AND fence = ? AND owner = ?"
COMPLETE = f"""
UPDATE hypern_tasks SET state = 3, result = ?, result_omitted = ?, attempt = ?, started_at = ?,
    finished_at = ?, gone_at = ?, owner = NULL {_MINE}
"""
FAIL = f"""
UPDATE hypern_tasks SET state = 4, error = ?, traceback = ?, attempt = ?, started_at = ?, finished_at = ?,
    gone_at = ?, owner = NULL {_MINE}
"""
GIVE_WAY = f"""
UPDATE hypern_tasks SET state = 5, reason = ?, attempt = ?, started_at = ?, finished_at = ?, gone_at = ?,
    owner = NULL {_MINE}
"""
TRY_AGAIN = f"""
UPDATE hypern_tasks SET state = 1, error = ?, traceback = ?, attempt = ?, started_at = ?, due = ?,
    progress = NULL, owner = NULL, place = NULL, expires_at = NULL {_MINE}
"""
PUT_BACK = f"""
UPDATE hypern_tasks SET state = 1, due = ?, place = ?, attempt = attempt - 1, owner = NULL,
    started_at = CASE WHEN attempt = 1 THEN 0 ELSE started_at END {_MINE}
"""
FORGET_TURN = f"UPDATE hypern_tasks SET place = NULL {_MINE}"
GIVE_BACK = f"UPDATE hypern_tasks SET state = 0, attempt = attempt - 1, owner = NULL {_MINE}"
# For one that still runs here though this process ends: whoever finds its owner dead adds one to both.
WILL_BE_LEFT = f"UPDATE hypern_tasks SET attempt = attempt - 1, lost = lost - 1 {_MINE}"
REPORT = f"UPDATE hypern_tasks SET progress = ? {_MINE}"
REMEMBER = "INSERT INTO hypern_attempts VALUES (?, ?, ?, ?, ?, ?)"
FORGET_OLD_ATTEMPTS = "DELETE FROM hypern_attempts WHERE task = ? AND number <= ?"

PACE = "SELECT booked, started FROM hypern_paces WHERE name = ?"
SET_PACE = """
INSERT INTO hypern_paces VALUES (?, ?, ?)
    ON CONFLICT DO UPDATE SET booked = excluded.booked, started = excluded.started
"""

CANCEL_WAITING = """
UPDATE hypern_tasks SET state = 5, reason = ?, finished_at = ?, gone_at = ? WHERE seq = ? AND state < 2
"""
REQUEST_CANCEL = "UPDATE hypern_tasks SET cancel_requested = 1 WHERE seq = ? AND state = 2"
STATE_OF = "SELECT seq, state, queue, rules, name FROM hypern_tasks WHERE id = ?"
CANCEL_REQUESTS = "SELECT id FROM hypern_tasks WHERE state = 2 AND owner = ? AND cancel_requested = 1"

DUE = """
SELECT seq, lane, queue, rules, due FROM hypern_tasks WHERE state = 1 AND due <= ? ORDER BY due, seq LIMIT ?
"""
RELEASE = "UPDATE hypern_tasks SET state = 0, due = NULL, rank = ?, ready_at = ? WHERE seq = ? AND state = 1"
EXPIRED = """
SELECT seq, queue, state, rules, name FROM hypern_tasks
WHERE expires_at IS NOT NULL AND attempt = 0 AND state < 2 AND expires_at <= ? LIMIT ?
"""
NEXT_DUE = "SELECT min(due) FROM hypern_tasks WHERE state = 1"
NEXT_EXPIRY = """
SELECT min(expires_at) FROM hypern_tasks WHERE expires_at IS NOT NULL AND attempt = 0 AND state < 2
"""

GONE = "SELECT seq, queue, state FROM hypern_tasks WHERE state > 2 AND gone_at <= ? ORDER BY gone_at LIMIT ?"
OLDEST_ENDED = "SELECT seq, queue, state FROM hypern_tasks WHERE state > 2 ORDER BY gone_at LIMIT ?"
FORGET = "DELETE FROM hypern_tasks WHERE seq = ?"
FORGET_ATTEMPTS = "DELETE FROM hypern_attempts WHERE task = ?"

OWNERS = "SELECT DISTINCT owner FROM hypern_tasks WHERE state = 2 AND owner IS NOT NULL"
OWNED = f"SELECT {_COLUMNS}, started_at FROM hypern_tasks WHERE state = 2 AND owner = ? ORDER BY seq"
RESCUE = """
UPDATE hypern_tasks SET state = 0, attempt = ?, lost = ?, owner = NULL, error = ?
WHERE seq = ? AND state = 2 AND fence = ? AND owner = ?
"""
LOSE = """
UPDATE hypern_tasks SET state = 4, lost = ?, error = ?, finished_at = ?, gone_at = ?, owner = NULL
WHERE seq = ? AND state = 2 AND fence = ? AND owner = ?
"""
LOSE_CANCELLED = """
UPDATE hypern_tasks SET state = 5, reason = ?, finished_at = ?, gone_at = ?, owner = NULL
WHERE seq = ? AND state = 2 AND fence = ? AND owner = ?
"""

VIEW = f"""
SELECT {_COLUMNS}, state, started_at, finished_at, result, result_omitted, error, traceback, reason, progress,
    origin
FROM hypern_tasks
"""
MARKS = """
SELECT id, state, attempt, cancel_requested, progress FROM hypern_tasks
WHERE id IN (SELECT value FROM json_each(?))
"""
ATTEMPTS = """
SELECT number, started_at, finished_at, error, traceback FROM hypern_attempts WHERE task = ? ORDER BY rowid
"""
COUNT = """
SELECT 0, count(*) FROM hypern_tasks WHERE state = 0
UNION ALL SELECT 1, count(*) FROM hypern_tasks WHERE state = 1
UNION ALL SELECT state, sum(number) FROM hypern_counts WHERE state < 6 GROUP BY state
"""
COUNT_ENDED = "SELECT coalesce(sum(number), 0) FROM hypern_counts WHERE state BETWEEN 3 AND 5"
COUNT_QUEUES = """
SELECT queue, 0, count(*) FROM hypern_tasks WHERE state = 0 GROUP BY queue
UNION ALL SELECT queue, 1, count(*) FROM hypern_tasks WHERE state = 1 GROUP BY queue
UNION ALL SELECT queue, state, number FROM hypern_counts WHERE state = 2
"""
QUEUES = "SELECT name, paused, most FROM hypern_queues ORDER BY name"
SET_PAUSED = """
INSERT INTO hypern_queues (name, paused) VALUES (?, ?) ON CONFLICT DO UPDATE SET paused = excluded.paused
"""
SET_LIMIT = """
INSERT INTO hypern_queues (name, most) VALUES (?, ?) ON CONFLICT DO UPDATE SET most = excluded.most
"""
PLACE_IN_LINE = "SELECT lane, queue, rank, seq FROM hypern_tasks WHERE id = ? AND state = 0"
AHEAD = """
SELECT count(*) FROM hypern_tasks WHERE state = 0 AND lane = ? AND queue = ? AND (rank, seq) < (?, ?)
"""
IS_DUE = "SELECT 1 FROM hypern_tasks WHERE state = 1 AND due <= ? LIMIT 1"
DATA_VERSION = "PRAGMA data_version"

# What people are shown.
_SHOWN = "SELECT seq, id, state, queue, name, submitted_at, error FROM hypern_tasks"
BACKWARDS = f"{_SHOWN} WHERE seq < ? ORDER BY seq DESC LIMIT ?"
# For those states of which there may be few among very many; each has an index. That of the running ones is
# in another order, and SQLite would rather go through all tasks: the plus keeps it from that.
BACKWARDS_IN = {
    state: f"{_SHOWN} WHERE state = {state} AND {seq} < ? ORDER BY {seq} DESC LIMIT ?"
    for state, seq in ((state, "+seq" if state == RUNNING else "seq") for state in WITH_INDEX)
}
TOTALS = """
SELECT queue, 0, count(*) FROM hypern_tasks WHERE state = 0 GROUP BY lane, queue
UNION ALL SELECT queue, 1, count(*) FROM hypern_tasks WHERE state = 1 GROUP BY queue
UNION ALL SELECT queue, state, number FROM hypern_counts
"""
LOGS = "SELECT at, level, logger, text FROM hypern_logs WHERE task = ? ORDER BY rowid"
ADD_LOG = "INSERT INTO hypern_logs VALUES (?, ?, ?, ?, ?)"
FORGET_OLD_LOGS = """
DELETE FROM hypern_logs WHERE task = ? AND rowid <= (
    SELECT rowid FROM hypern_logs WHERE task = ? ORDER BY rowid DESC LIMIT 1 OFFSET ?
)
"""
FORGET_LOGS = "DELETE FROM hypern_logs WHERE task = ?"
IS_MINE = f"SELECT 1 FROM hypern_tasks {_MINE}"
PULSE = """
SELECT at, seconds, name, tally FROM hypern_pulse
WHERE at + seconds > ? AND seconds > 0 AND (? IS NULL OR name = ?) ORDER BY at, name
"""
EVER = "SELECT name, at, tally FROM hypern_pulse WHERE seconds IN (0, 10)"
HEADS = """
SELECT q.name, (
    SELECT ready_at FROM hypern_tasks WHERE state = 0 AND lane = l.value AND queue = q.name
    ORDER BY rank, seq LIMIT 1
) FROM hypern_queues q, json_each('[0, 1]') l
"""
TALLY = "SELECT tally FROM hypern_pulse WHERE seconds = ? AND at = ? AND name = ?"
SET_TALLY = """
INSERT INTO hypern_pulse VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET tally = excluded.tally
"""
OLD_FINE = "SELECT at, name, tally FROM hypern_pulse WHERE seconds = ? AND at < ? LIMIT ?"
FORGET_TALLY = "DELETE FROM hypern_pulse WHERE seconds = ? AND at = ? AND name = ?"
FORGET_OLD_TALLIES = "DELETE FROM hypern_pulse WHERE seconds = ? AND at < ?"

# What people do.
PAYLOAD = """
SELECT id, lane, queue, name, func, rules, call, unique_key FROM hypern_tasks WHERE id = ? AND state > 2
"""
SET_ORIGIN = "UPDATE hypern_tasks SET origin = ? WHERE id = ?"
HASTEN = """
UPDATE hypern_tasks SET state = 0, due = NULL, rank = ?, ready_at = ? WHERE seq = ? AND state = 1
"""
ENDED = "SELECT seq, queue, state FROM hypern_tasks WHERE id = ? AND state > 2"
