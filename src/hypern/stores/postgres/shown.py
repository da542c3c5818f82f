"""The statements about what people are shown, and what they do to single tasks. See statements.py."""

from __future__ import annotations

from hypern.stores.base import AGEING

_LOOKED_AT = "SELECT seq, id, state, queue, name, submitted_at, error FROM {s}.tasks WHERE seq < %b"
_IN = f"({_LOOKED_AT} AND state = %state ORDER BY seq DESC LIMIT %b)"
_FOUND = """
WITH looked AS MATERIALIZED (%looked), found AS (
    SELECT seq, id FROM looked
    WHERE (%b::smallint[] IS NULL OR state = ANY (%b::smallint[]))
        AND (%b::text IS NULL OR queue = %b) AND (%b::text IS NULL OR name = %b)
        AND (%b::float8 IS NULL OR submitted_at >= %b) AND (%b::float8 IS NULL OR submitted_at < %b)
        AND (%b::text IS NULL OR position(%b IN lower(id)) > 0 OR position(%b IN lower(name)) > 0
            OR position(%b IN lower(coalesce(error, ''))) > 0)
    ORDER BY seq DESC LIMIT %b
)
SELECT seq, id FROM found UNION ALL
SELECT min(seq), CASE WHEN count(*) >= %b THEN '' END FROM looked
"""
_FORGOTTEN = """
deleted AS (
    DELETE FROM {s}.tasks t USING gone g WHERE t.seq = g.seq RETURNING t.seq, t.queue, t.state
), attempts AS (
    DELETE FROM {s}.attempts a USING gone g WHERE a.task = g.seq
), logs AS (
    DELETE FROM {s}.logs l USING gone g WHERE l.task = g.seq
), counted AS (
    INSERT INTO {s}.deltas SELECT queue, state, -count(*) FROM deleted GROUP BY queue, state
    UNION ALL SELECT queue, 6, count(*) FROM deleted GROUP BY queue
)
SELECT count(*) FROM deleted
"""

_ADD_LOGS = """
INSERT INTO {s}.logs (task, at, level, logger, text)
SELECT t.seq, g.at, g.level, g.logger, g.text FROM {s}.tasks t, unnest(
    %b::text::float8[], %b::text::int[], %b::text::text[], %b::text::text[]
) WITH ORDINALITY AS g (at, level, logger, text, n)
WHERE t.seq = %b AND t.state + 0 = 2 AND t.fence = %b AND t.owner = %b %new ORDER BY g.n
"""


def backwards(states: tuple[int, ...]) -> str:
    """Find tasks, the last added first. `states`: only those with one of these are looked at, and each of
    these has an index; none: all are."""
    if not states:
        looked = f"{_LOOKED_AT} ORDER BY seq DESC LIMIT %b"
    else:
        parts = [_IN.replace("%state", str(state)) for state in states]
        looked = f"SELECT * FROM ({' UNION ALL '.join(parts)}) p ORDER BY seq DESC LIMIT %b"
    return _FOUND.replace("%looked", looked)


class Shown:
    """Filled in with the others."""

    TOTALS = """
SELECT queue, 0, count(*) FROM {s}.tasks WHERE state = 0 GROUP BY queue
UNION ALL SELECT queue, 1, count(*) FROM {s}.tasks WHERE state = 1 GROUP BY queue
UNION ALL SELECT queue, 2, count(*) FROM {s}.tasks WHERE state = 2 GROUP BY queue
UNION ALL SELECT queue, state, sum(number)::bigint FROM {s}.deltas GROUP BY queue, state
"""
    MARKS = """
SELECT id, state, attempt, cancel_requested, progress FROM {s}.tasks WHERE id = ANY (%b::text[])
"""
    LOGS = """
SELECT l.at, l.level, l.logger, l.text FROM {s}.logs l JOIN {s}.tasks t ON t.seq = l.task
WHERE t.id = %b ORDER BY l.added
"""
    ADD_LOGS = _ADD_LOGS.replace("%new", "")
    # After a statement that was not answered: those that it has written are there.
    ADD_LOGS_AGAIN = _ADD_LOGS.replace(
        "%new",
        """AND NOT EXISTS (SELECT 1 FROM {s}.logs l
    WHERE l.task = t.seq AND l.at = g.at AND l.logger = g.logger AND l.text = g.text)""",
    )
    FORGET_OLD_LOGS = """
DELETE FROM {s}.logs WHERE task = %b AND added <= (
    SELECT added FROM {s}.logs WHERE task = %b ORDER BY added DESC LIMIT 1 OFFSET %b
)
"""
    PULSE = """
SELECT at, seconds, name, tally FROM {s}.pulse
WHERE at + seconds > %b AND seconds > 0 AND (%b::text IS NULL OR name = %b) ORDER BY at, name
"""
    EVER = "SELECT name, at, tally FROM {s}.pulse WHERE seconds IN (0, 10)"
    HEADS = """
SELECT q.name, min(h.ready_at) FROM {s}.queues q, (VALUES (0::smallint), (1::smallint)) AS l (lane), LATERAL (
    SELECT ready_at FROM {s}.tasks t WHERE t.state = 0 AND t.lane = l.lane AND t.queue = q.name
    ORDER BY rank, seq LIMIT 1
) h GROUP BY q.name
"""
    # Beats that are over are put together to one row each, older ones to coarser beats.
    TAKE_BEATS = """
DELETE FROM {s}.pulse p USING (
    SELECT seconds, at, name FROM {s}.pulse WHERE at < %b GROUP BY seconds, at, name
    HAVING count(*) > 1 OR (seconds = %b AND at < %b) ORDER BY at LIMIT %b
) old WHERE p.seconds = old.seconds AND p.at = old.at AND p.name = old.name
RETURNING p.seconds, p.at, p.name, p.tally
"""
    ADD_BEAT = "INSERT INTO {s}.pulse VALUES (%b, %b, %b, %b)"
    FORGET_BEATS = "DELETE FROM {s}.pulse WHERE at < %b AND seconds > 0"

    PAYLOAD = """
SELECT id, lane, queue, name, func, rules, call, unique_key FROM {s}.tasks WHERE id = %b AND state > 2
"""
    SET_ORIGIN = "UPDATE {s}.tasks SET origin = %b WHERE id = %b"
    HASTEN = f"""
UPDATE {{s}}.tasks SET state = 0, due = NULL, rank = %b::float8 - priority * {AGEING}, ready_at = %b
WHERE id = %b AND state = 1 RETURNING lane
"""
    DELETE = f"""
WITH gone AS MATERIALIZED (
    SELECT seq FROM {{s}}.tasks WHERE id = ANY (%b::text[]) AND state > 2 ORDER BY seq FOR UPDATE
), {_FORGOTTEN}"""
    FORGET = f"""
WITH gone AS MATERIALIZED (
    SELECT seq FROM {{s}}.tasks WHERE state > 2 AND gone_at <= %b
    ORDER BY gone_at LIMIT %b FOR UPDATE SKIP LOCKED
), {_FORGOTTEN}"""
