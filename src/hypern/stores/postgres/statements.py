"""Every statement of the PostgreSQL store, named by what it is for. `{s}` is the schema; the tables are in
schema.py, the numbers of the states in durable/states.py."""

from __future__ import annotations

from hypern.stores.base import AGEING
from hypern.stores.postgres.shown import Shown

# In the order of `rows.to_claimed` and `rows.to_view`.
COLUMNS = (
    "seq, id, name, func, lane, rules, call, submitted_at, due, ready_at, expires_at, unique_key, attempt, "
    "fence, lost, place, cancel_requested, queue"
)
VIEWED = (
    f"{COLUMNS}, state, started_at, finished_at, result, result_omitted, error, traceback, reason, progress, "
    "origin"
)
_OF_T = ", ".join(f"t.{column}" for column in COLUMNS.split(", "))
ADDED = (
    "id, state, lane, queue, rank, name, func, rules, call, due, expires_at, unique_key, submitted_at, "
    "ready_at, priority, ttl"
)
_VALUES = f"({', '.join(['%b'] * 16)})"

# A hint for those who sleep; nobody relies on it. It says which lane has got something, or nothing.
_TELL = "SELECT pg_notify('hypern_{s}', '') FROM {s}.workers WHERE asleep LIMIT 1"

_READY_IN_QUEUE = """
        SELECT seq, rank, mark FROM {s}.tasks WHERE state = 0 AND lane = %b AND queue = q.name
            AND rank >= %b AND (rank, seq) <= (%b, %b) %known
        ORDER BY rank, seq LIMIT %limit FOR UPDATE SKIP LOCKED
"""
_CLAIM = """
WITH found AS MATERIALIZED (
    SELECT r.seq, r.rank, r.mark, count(*) OVER () AS seen FROM {s}.queues q CROSS JOIN LATERAL (%ready) r
    WHERE NOT q.paused %open AND (%b::text[] IS NULL OR q.name = ANY (%b::text[]))
    ORDER BY r.rank, r.seq LIMIT %b::int
), numbered AS (
    SELECT seq, rank, seen, row_number() OVER (ORDER BY rank, seq) AS n, bool_or(mark = 1) OVER () AS is_wary
    FROM found
)
UPDATE {s}.tasks t SET state = 2, owner = %b, attempt = attempt + 1, fence = fence + 1, started_at = %b,
    mark = CASE WHEN f.n <= %b::int THEN 2 ELSE 0 END
FROM numbered f WHERE t.seq = f.seq AND t.state + 0 = 0 AND (f.n <= %b::int OR NOT f.is_wary)
RETURNING f.n, f.rank, f.seen, %columns
"""


def _claim(known: str, limit: str, open_: str) -> str:
    ready = _READY_IN_QUEUE.replace("%known", known).replace("%limit", limit)
    statement = _CLAIM.replace("%ready", ready).replace("%open", open_)
    return statement.replace("%columns", _OF_T)


_KNOWN = "AND func <> ALL (%b::text[])"
_ROOM = """least(%b::int, CASE WHEN q.most IS NULL THEN 2147483647 ELSE greatest(q.most - (
            SELECT count(*) FROM {s}.tasks u WHERE u.state = 2 AND u.queue = q.name), 0) END)"""
# Each of these ends a claim, and so is refused unless that very claim stands. (Rows that are named by their
# numbers are found by these: written as `state = 2`, the condition could lead through the index of all
# running tasks with the dead entries of those before, and does when the statistics say that there are few.)
_MINE = "t.state + 0 = 2 AND t.fence = g.fence AND t.owner = %b"
# The few that are refused here are counted as well.
_BEATS = """beaten AS (
    INSERT INTO {s}.pulse SELECT 10, at, name, tally
    FROM unnest(%b::text::bigint[], %b::text::text[], %b::text::bytea[]) AS b (at, name, tally)
)"""


def beat(field: str, condition: str) -> str:
    """Count what has `ended` without having run here, at a second that is a parameter."""
    return f"""beaten AS (
    INSERT INTO {{s}}.pulse SELECT 10, (floor(%b::float8 / 10) * 10)::bigint, name,
        convert_to('{{"{field}":' || count(*) || '}}', 'UTF8')
    FROM ended WHERE {condition} GROUP BY name
)"""


# Whose session is there. Who has none of his own, as behind a pool, has no lock either (0).
_HELD = """held AS MATERIALIZED (
    SELECT objid::bigint AS lock FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted
        AND classid::bigint = %b::bigint
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
), seen AS (
    SELECT w.id, w.lock = 0 OR EXISTS (SELECT 1 FROM held h WHERE h.lock = w.lock) AS is_held
    FROM {s}.workers w
)"""
_CLAIMS = "unnest(%b::text::bigint[], %b::text::int[]) AS g (seq, fence)"


class Statements(Shown):
    """All of them, for one schema."""

    NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"

    ADD = f"WITH added AS (INSERT INTO {{s}}.tasks ({ADDED}) VALUES {_VALUES}) {_TELL}"
    # Most tasks wait for nothing and have no key. Each parameter takes its time, so what is the same for all
    # calls of a task (%queue and so on) stands in a statement of its own. For `Link.execute_prepared`.
    ADD_PLAIN = """
WITH added AS (
    INSERT INTO {s}.tasks (
        id, state, lane, queue, rank, name, func, rules, call, submitted_at, ready_at, priority
    ) VALUES ($1, 0, %lane, %queue, $2, %name, %func, %rules, $3, $4, $5, %priority) RETURNING lane
)
SELECT pg_notify('hypern_{s}', (SELECT lane::text FROM added)) FROM {s}.workers WHERE asleep LIMIT 1
"""
    ADD_SEVERAL = f"INSERT INTO {{s}}.tasks ({ADDED}) VALUES %rows ON CONFLICT DO NOTHING RETURNING id"
    COPY = f"COPY {{s}}.tasks ({ADDED}) FROM STDIN (FORMAT BINARY)"
    TELL = _TELL
    KNOWN_QUEUES = "INSERT INTO {s}.queues (name) SELECT unnest(%b::text[]) ON CONFLICT DO NOTHING"
    IS_KNOWN = "SELECT 1 FROM {s}.tasks WHERE id = %b"
    LOCK_KEY = "SELECT pg_advisory_xact_lock(%b, hashtext(%b))"
    HOLDER = "SELECT id FROM {s}.tasks WHERE unique_key = %b AND unique_key IS NOT NULL AND state < 3 LIMIT 1"
    # A key that is taken for a time outlives its task.
    KEY_HOLDER = "SELECT task FROM {s}.keys WHERE unique_key = %b AND until > %b"
    KEEP_KEY = """
INSERT INTO {s}.keys AS k VALUES (%b, %b, %b)
    ON CONFLICT (unique_key) DO UPDATE SET task = excluded.task, until = excluded.until WHERE k.until <= %b
RETURNING 1
"""
    TAKE_BACK = "DELETE FROM {s}.tasks WHERE id = %b"
    LOCK_CAPACITY = "SELECT 1 FROM {s}.meta WHERE key = 'version' FOR UPDATE"
    PENDING_UP_TO = """
SELECT (SELECT count(*) FROM (SELECT 1 FROM {s}.tasks WHERE state = 0 LIMIT %b::bigint) a)
    + (SELECT count(*) FROM (SELECT 1 FROM {s}.tasks WHERE state = 1 LIMIT %b::bigint) b)
"""

    # Queues with a limit are left out, unless they have been locked before.
    CLAIM = _claim("", "%b::int", "AND q.most IS NULL")
    CLAIM_KNOWN = _claim(_KNOWN, "%b::int", "AND q.most IS NULL")
    CLAIM_LIMITED = _claim("", _ROOM, "")
    CLAIM_LIMITED_KNOWN = _claim(_KNOWN, _ROOM, "")
    LOCK_LIMITED = "SELECT 1 FROM {s}.queues WHERE most IS NOT NULL ORDER BY name FOR UPDATE"
    # What was claimed without its process having heard of it.
    TAKE_STRAYS_BACK = """
UPDATE {s}.tasks SET state = 0, attempt = attempt - 1, owner = NULL, mark = 0
WHERE state = 2 AND owner = %b AND seq <> ALL (%b::text::bigint[])
"""
    MARK = f"UPDATE {{s}}.tasks t SET mark = 2 FROM {_CLAIMS} WHERE t.seq = g.seq AND {_MINE}"

    COMPLETE = f"""
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(%b::text::bigint[], %b::text::int[], %b::text::int[], %b::text::float8[],
        %b::text::float8[], %b::text::float8[], %b::text::bytea[], %b::text::text[])
        AS g (seq, fence, attempt, started_at, finished_at, gone_at, result, omitted)
), ended AS (
    UPDATE {{s}}.tasks t SET state = 3, result = g.result, result_omitted = g.omitted, attempt = g.attempt,
        started_at = g.started_at, finished_at = g.finished_at, gone_at = g.gone_at, owner = NULL
    FROM given g WHERE t.seq = g.seq AND {_MINE} RETURNING t.seq, t.queue
), counted AS (
    INSERT INTO {{s}}.deltas SELECT queue, 3, count(*) FROM ended GROUP BY queue
), {_BEATS}
SELECT seq FROM ended
"""
    END = f"""
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(%b::text::bigint[], %b::text::int[], %b::text::int[], %b::text::int[],
        %b::text::float8[], %b::text::float8[], %b::text::float8[], %b::text::float8[], %b::text::text[],
        %b::text::text[], %b::text::text[], %b::text::bool[])
        AS g (seq, fence, state, attempt, started_at, finished_at, gone_at, due, error, traceback, reason,
              counts)
), ended AS (
    UPDATE {{s}}.tasks t SET state = g.state, attempt = g.attempt, started_at = g.started_at, owner = NULL,
        finished_at = CASE WHEN g.state > 2 THEN g.finished_at ELSE t.finished_at END,
        gone_at = g.gone_at, due = g.due, mark = 0,
        error = coalesce(g.error, t.error),
        traceback = CASE WHEN g.error IS NULL THEN t.traceback ELSE g.traceback END,
        reason = g.reason,
        progress = CASE WHEN g.state > 2 THEN t.progress END,
        place = CASE WHEN g.state > 2 THEN t.place END,
        expires_at = CASE WHEN g.state > 2 THEN t.expires_at END
    FROM given g WHERE t.seq = g.seq AND {_MINE} RETURNING t.seq, t.queue, t.state
), remembered AS (
    INSERT INTO {{s}}.attempts (task, number, started_at, finished_at, error, traceback)
    SELECT g.seq, g.attempt, g.started_at, g.finished_at, g.error, g.traceback
    FROM given g JOIN ended USING (seq) WHERE g.counts
), counted AS (
    INSERT INTO {{s}}.deltas SELECT queue, state, count(*) FROM ended WHERE state > 2 GROUP BY queue, state
), {_BEATS}
SELECT seq FROM ended
"""
    FORGET_OLD_ATTEMPTS = "DELETE FROM {s}.attempts WHERE task = %b AND number <= %b"
    # Of endings whose statement was sent and not answered: those that it has written.
    ENDED_SO = """
SELECT t.seq FROM {s}.tasks t
JOIN unnest(%b::text::bigint[], %b::text::int[], %b::text::int[], %b::text::float8[]) AS g
    (seq, fence, state, started_at) ON t.seq = g.seq
WHERE t.fence = g.fence AND t.state <> 2 AND t.started_at = g.started_at
    AND (t.state = g.state OR (g.state = 1 AND t.state = 0))
"""
    GIVE_BACK = f"""
UPDATE {{s}}.tasks t SET state = 0, attempt = attempt - 1, owner = NULL, mark = 0
FROM {_CLAIMS} WHERE t.seq = g.seq AND {_MINE}
"""
    # For one that still runs here though this process ends: whoever finds its owner dead adds one to both.
    WILL_BE_LEFT = f"""
UPDATE {{s}}.tasks t SET attempt = attempt - 1, lost = lost - 1, mark = 2
FROM {_CLAIMS} WHERE t.seq = g.seq AND {_MINE}
"""
    REPORT = (
        "UPDATE {s}.tasks SET progress = %b WHERE seq = %b AND state + 0 = 2 AND fence = %b AND owner = %b"
    )

    # Nobody else's turn comes in between: the row is locked.
    PACE = """
INSERT INTO {s}.paces (name) VALUES (%b) ON CONFLICT (name) DO UPDATE SET name = excluded.name
RETURNING booked, started
"""
    SET_PACE = "UPDATE {s}.paces SET booked = %b, started = %b WHERE name = %b"
    PUT_BACK = """
UPDATE {s}.tasks SET state = 1, due = %b, place = %b, attempt = attempt - 1, owner = NULL, mark = 0,
    started_at = CASE WHEN attempt = 1 THEN 0 ELSE started_at END
WHERE seq = %b AND state + 0 = 2 AND fence = %b AND owner = %b
"""
    FORGET_TURN = (
        "UPDATE {s}.tasks SET place = NULL WHERE seq = %b AND state + 0 = 2 AND fence = %b AND owner = %b"
    )

    CANCEL = """
WITH found AS MATERIALIZED (
    SELECT seq, state FROM {s}.tasks WHERE id = %b AND state < 3 FOR UPDATE
), ended AS (
    UPDATE {s}.tasks t SET
        state = CASE WHEN f.state < 2 THEN 5 ELSE 2 END,
        reason = CASE WHEN f.state < 2 THEN %b ELSE t.reason END,
        finished_at = CASE WHEN f.state < 2 THEN %b ELSE t.finished_at END,
        gone_at = CASE WHEN f.state < 2 THEN %b + coalesce(t.ttl, %b) END,
        cancel_requested = t.cancel_requested OR f.state = 2
    FROM found f WHERE t.seq = f.seq RETURNING t.queue, t.state, t.name
), counted AS (
    INSERT INTO {s}.deltas SELECT queue, 5, 1 FROM ended WHERE state = 5
), %beat, told AS (
    SELECT pg_notify('hypern_{s}', 'asked') FROM ended WHERE state = 2
)
SELECT state, (SELECT count(*) FROM told) FROM ended
""".replace("%beat", beat("cancelled", "state = 5"))
    EXPIRE = """
WITH found AS MATERIALIZED (
    SELECT seq FROM {s}.tasks
    WHERE expires_at IS NOT NULL AND attempt = 0 AND state < 2 AND expires_at <= %b
    ORDER BY expires_at LIMIT %b FOR UPDATE SKIP LOCKED
), ended AS (
    UPDATE {s}.tasks t SET state = 5, reason = %b, finished_at = %b, gone_at = %b + coalesce(t.ttl, %b)
    FROM found f WHERE t.seq = f.seq RETURNING t.queue, t.name
), counted AS (
    INSERT INTO {s}.deltas SELECT queue, 5, count(*) FROM ended GROUP BY queue
), %beat
SELECT count(*) FROM ended
""".replace("%beat", beat("cancelled", "true"))
    RELEASE = f"""
WITH found AS MATERIALIZED (
    SELECT seq FROM {{s}}.tasks WHERE state = 1 AND due <= %b
    ORDER BY due, seq LIMIT %b FOR UPDATE SKIP LOCKED
), released AS (
    UPDATE {{s}}.tasks t SET state = 0, rank = t.due - t.priority * {AGEING}, ready_at = %b, due = NULL
    FROM found f WHERE t.seq = f.seq RETURNING t.lane
)
SELECT lane, count(*), (SELECT count(*) FROM ({_TELL}) told) FROM released GROUP BY lane
"""
    NEXT_DUE = """
SELECT (SELECT min(due) FROM {s}.tasks WHERE state = 1), (SELECT min(expires_at) FROM {s}.tasks
    WHERE expires_at IS NOT NULL AND attempt = 0 AND state < 2)
"""
    IS_DUE = "SELECT 1 FROM {s}.tasks WHERE state = 1 AND due <= %b LIMIT 1"

    IS_THERE_TO_FORGET = """
SELECT EXISTS (SELECT 1 FROM {s}.tasks WHERE state > 2 AND gone_at <= %b)
    OR EXISTS (SELECT 1 FROM {s}.keys WHERE until <= %b)
"""
    FREE_KEYS = "DELETE FROM {s}.keys WHERE until <= %b"
    COUNT_ENDED = "SELECT coalesce(sum(number), 0)::bigint FROM {s}.deltas WHERE state BETWEEN 3 AND 5"
    FOLD = """
WITH taken AS (DELETE FROM {s}.deltas RETURNING queue, state, number)
INSERT INTO {s}.deltas SELECT queue, state, sum(number) FROM taken GROUP BY queue, state
    HAVING sum(number) <> 0
"""
    HAS_MANY_DELTAS = "SELECT count(*) > %b FROM {s}.deltas"

    VIEW = f"SELECT {VIEWED} FROM {{s}}.tasks"
    ATTEMPTS = """
SELECT task, number, started_at, finished_at, error, traceback FROM {s}.attempts
WHERE task = ANY (%b::bigint[]) ORDER BY task, added
"""
    COUNT = """
SELECT 0, count(*) FROM {s}.tasks WHERE state = 0
UNION ALL SELECT 1, count(*) FROM {s}.tasks WHERE state = 1
UNION ALL SELECT 2, count(*) FROM {s}.tasks WHERE state = 2
UNION ALL SELECT state, sum(number)::bigint FROM {s}.deltas WHERE state < 6 GROUP BY state
"""
    COUNT_QUEUES = """
SELECT queue, 0, count(*) FROM {s}.tasks WHERE state = 0 GROUP BY queue
UNION ALL SELECT queue, 1, count(*) FROM {s}.tasks WHERE state = 1 GROUP BY queue
UNION ALL SELECT queue, 2, count(*) FROM {s}.tasks WHERE state = 2 GROUP BY queue
"""
    QUEUES = "SELECT name, paused, most FROM {s}.queues ORDER BY name"
    SET_QUEUE = """
INSERT INTO {s}.queues AS q (name, paused, most) VALUES (%b, coalesce(%b::bool, false), nullif(%b::int, 0))
ON CONFLICT (name) DO UPDATE SET paused = coalesce(%b::bool, q.paused),
    most = CASE WHEN %b::int IS NULL THEN q.most ELSE nullif(%b::int, 0) END
"""
    AHEAD = """
SELECT count(*) FROM {s}.tasks t JOIN {s}.tasks o ON o.id = %b AND o.state = 0
WHERE t.state = 0 AND t.lane = o.lane AND t.queue = o.queue AND (t.rank, t.seq) < (o.rank, o.seq)
"""
    IS_READY = """
SELECT EXISTS (
    SELECT 1 FROM {s}.queues q CROSS JOIN LATERAL (
        SELECT 1 FROM {s}.tasks WHERE state = 0 AND lane = %b AND queue = q.name
            AND (%b::text[] IS NULL OR func <> ALL (%b::text[])) LIMIT 1
    ) r WHERE NOT q.paused AND (%b::text[] IS NULL OR q.name = ANY (%b::text[]))
)
"""
    ASKED = "SELECT id FROM {s}.tasks WHERE state = 2 AND cancel_requested AND owner = %b"
    HAS_LIMITS = "SELECT EXISTS (SELECT 1 FROM {s}.queues WHERE most IS NOT NULL)"

    # -- processes ---------------------------------------------------------------------------------
    TRY_LOCK = "SELECT pg_try_advisory_lock(%b, %b)"
    TRY_LOCK_HERE = "SELECT pg_try_advisory_xact_lock(%b, %b)"
    LISTEN = "LISTEN hypern_{s}"
    ENTER = "INSERT INTO {s}.workers (id, lock, lease_until, about) VALUES (%b, %b, %b, %b)"
    RENEW = """
UPDATE {s}.workers SET lease_until = extract(epoch FROM clock_timestamp()) + %b, free_since = NULL
WHERE id = %b RETURNING id
"""
    HOLD = "UPDATE {s}.workers SET lock = %b, free_since = NULL WHERE id = %b"
    SAY = "UPDATE {s}.workers SET about = %b WHERE id = %b"
    SLEEP = "UPDATE {s}.workers SET asleep = %b WHERE id = %b"
    LEAVE = """
DELETE FROM {s}.workers w WHERE id = %b
    AND NOT EXISTS (SELECT 1 FROM {s}.tasks t WHERE t.state = 2 AND t.owner = w.id)
"""
    LIVING = """
SELECT about FROM {s}.workers WHERE lease_until > extract(epoch FROM clock_timestamp()) AND free_since IS NULL
ORDER BY id
"""
    LIVING_BY_LOCK = f"""
WITH {_HELD}
SELECT w.about FROM {{s}}.workers w JOIN seen s USING (id)
WHERE s.is_held AND w.lease_until > extract(epoch FROM clock_timestamp()) ORDER BY w.id
"""
    # Whose session is gone: since when, by the server's clock.
    NOTE_FREE = f"""
WITH {_HELD}
UPDATE {{s}}.workers w SET free_since = CASE WHEN s.is_held THEN NULL
    ELSE extract(epoch FROM clock_timestamp()) END
FROM seen s WHERE s.id = w.id AND (w.free_since IS NULL) <> s.is_held
"""
    DEAD = """
SELECT id FROM {s}.workers WHERE lease_until <= extract(epoch FROM clock_timestamp())
    OR free_since <= extract(epoch FROM clock_timestamp()) - %b
"""
    ORPHANED = """
SELECT DISTINCT owner FROM {s}.tasks t WHERE state = 2
    AND NOT EXISTS (SELECT 1 FROM {s}.workers w WHERE w.id = t.owner)
"""
    # Once more, now that nobody else can decide about it.
    IS_DEAD = """
SELECT id FROM {s}.workers WHERE id = %b AND (lease_until <= extract(epoch FROM clock_timestamp())
    OR free_since <= extract(epoch FROM clock_timestamp()) - %b) FOR UPDATE SKIP LOCKED
"""
    IS_GONE = "SELECT 1 FROM {s}.workers WHERE id = %b"
    # Without arguments: whether they can be read is nobody's concern now.
    OWNED = """
SELECT seq, fence, rules, attempt, lost, mark, cancel_requested FROM {s}.tasks
WHERE state = 2 AND owner = %b FOR UPDATE
"""
    RESCUE = """
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(%b::text::bigint[], %b::text::int[], %b::text::int[], %b::text::int[],
        %b::text::int[], %b::text::text[], %b::text::bool[], %b::text::float8[])
        AS g (seq, fence, state, attempt, lost, text, counts, gone_at)
), ended AS (
    UPDATE {s}.tasks t SET state = g.state, attempt = g.attempt, lost = g.lost, owner = NULL,
        mark = CASE WHEN t.mark = 2 THEN 0 ELSE 1 END,
        error = CASE WHEN g.state = 5 THEN t.error ELSE g.text END,
        reason = CASE WHEN g.state = 5 THEN g.text ELSE t.reason END,
        finished_at = CASE WHEN g.state > 2 THEN %b::float8 ELSE t.finished_at END,
        gone_at = CASE WHEN g.state > 2 THEN g.gone_at END
    FROM given g WHERE t.seq = g.seq AND t.state + 0 = 2 AND t.fence = g.fence AND t.owner = %b
    RETURNING t.seq, t.queue, t.state, t.started_at, g.attempt, g.counts, t.name
), remembered AS (
    INSERT INTO {s}.attempts (task, number, started_at, finished_at, error)
    SELECT seq, attempt, started_at, %b::float8, %b FROM ended WHERE counts
), counted AS (
    INSERT INTO {s}.deltas SELECT queue, state, count(*) FROM ended WHERE state > 2 GROUP BY queue, state
), %beat
SELECT seq FROM ended
""".replace("%beat", beat("failed", "state = 4"))
    PRUNE_WORKER = "DELETE FROM {s}.workers WHERE id = %b"

    def __init__(self, schema: str) -> None:
        self._schema = schema
        for name in dir(type(self)):
            if name.isupper():
                setattr(self, name, self.fill(getattr(self, name)))

    def fill(self, statement: str) -> str:
        """A statement for this schema."""
        return statement.replace("{s}", self._schema)
