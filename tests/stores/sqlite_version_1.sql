-- The tables of a task store of version 1, with a task in each state.
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
    progress BLOB
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
INSERT INTO hypern_meta VALUES ('version', 1);
INSERT INTO hypern_queues (name, paused, most) VALUES ('default', 0, NULL), ('mail', 1, 3);
INSERT INTO hypern_tasks (
    id, state, lane, queue, rank, name, func, rules, call, due, submitted_at, ready_at, started_at, finished_at,
    gone_at, attempt, fence, result, error, reason
) VALUES
    ('ready', 0, 0, 'default', 1.0, 'jobs:f', 'hypern.stores.conformance.suite:task_function', x'7b7d', x'5b5b315d2c7b7d5d', NULL,
        1700000000.0, 1700000000.0, 0, 0, NULL, 0, 0, NULL, NULL, NULL),
    ('later', 1, 0, 'mail', 1.0, 'jobs:f', 'hypern.stores.conformance.suite:task_function', x'7b7d', x'5b5b325d2c7b7d5d', 1e12,
        1700000000.0, 1700000000.0, 0, 0, NULL, 0, 0, NULL, NULL, NULL),
    ('completed', 3, 0, 'default', 1.0, 'jobs:f', 'hypern.stores.conformance.suite:task_function', x'7b7d', x'5b5b335d2c7b7d5d', NULL,
        1700000000.0, 1700000000.0, 1700000001.0, 1700000002.0, 9e9, 1, 1, x'22646f6e6522', NULL, NULL),
    ('failed', 4, 0, 'default', 1.0, 'jobs:f', 'hypern.stores.conformance.suite:task_function', x'7b7d', x'5b5b345d2c7b7d5d', NULL,
        1700000000.0, 1700000000.0, 1700000001.0, 1700000002.0, 9e9, 1, 1, NULL, 'ValueError: x', NULL),
    ('cancelled', 5, 0, 'mail', 1.0, 'jobs:f', 'hypern.stores.conformance.suite:task_function', x'7b7d', x'5b5b355d2c7b7d5d', NULL,
        1700000000.0, 1700000000.0, 0, 1700000002.0, 9e9, 0, 0, NULL, NULL, 'expired');
INSERT INTO hypern_counts VALUES ('default', 3, 1), ('default', 4, 1), ('mail', 5, 1);
