"""What PostgreSQL and libpq say when something is wrong, and whether trying again may help."""

from __future__ import annotations

import enum

import psycopg

from hypern.errors import QueueUnavailable, StoreUnusable
from hypern.stores.postgres.address import Address


class Kind(enum.Enum):
    """LOST: the connection is gone, and whether what was sent was done is not known. CLASH: nothing was done,
    and doing it again at once will do. REFUSED: nothing was done, the server cannot do it now. WRONG: it is
    about what was to be written."""

    LOST = "lost"
    CLASH = "clash"
    REFUSED = "refused"
    WRONG = "wrong"


_ADVICE = {
    "28": "look at the user, the password and pg_hba.conf",
    "3D": "there is no such database; create it, or name another",
    "3F": "there is no such schema; let `hypern store migrate` make it",
    "42501": "this user may not do that; GRANT it the schema, or name another with hypern_schema. Tables "
    "that are missing are made by `hypern store migrate`, with a user who may",
    "42P01": "a table is missing; it was dropped, or the schema is not Hypern's",
    "25006": "the server is a standby, so name the primary (target_session_attrs=read-write), or somebody "
    "has set default_transaction_read_only=on",
    "53100": "its disk is full; make room, and it goes on by itself",
    "53200": "it has not enough memory",
    "53300": "it has no connection left; raise max_connections, or run fewer processes",
    "57P": "it is being stopped or started; it is tried again",
    "57014": "it took too long; look what holds it up (pg_stat_activity)",
    "55P03": "somebody has kept it locked; look what does (pg_locks)",
    "58": "its disk reports an error; look at its log",
    "XX": "it reports damage; look at its log",
}
_CLASHES = ("40001", "40P01")
_REFUSED = ("25006", "53", "55P03", "57014", "57P", "58", "XX", "42", "3F", "28", "3D", "0A")


def kind(error: psycopg.Error, is_closed: bool) -> Kind:
    """`is_closed`: whether its connection can be used no more."""
    state = error.sqlstate or ""
    if is_closed or state.startswith("08") or (not state and isinstance(error, psycopg.OperationalError)):
        return Kind.LOST
    if state in _CLASHES:
        return Kind.CLASH
    if state.startswith(_REFUSED):
        return Kind.REFUSED
    return Kind.WRONG


def describe(error: psycopg.Error) -> str:
    """What happened and what to do about it, in one line."""
    said = " ".join(str(error).split()).rstrip(".")
    state = error.sqlstate or ""
    advice = _ADVICE.get(state) or next(
        (words for prefix, words in _ADVICE.items() if state and state.startswith(prefix)), None
    )
    return f"{said}: {advice}" if advice else said


def unavailable(address: Address, error: psycopg.Error) -> QueueUnavailable:
    return QueueUnavailable(f"the task store {address.shown} cannot be used now: {describe(error)}.")


def unusable(address: Address, error: psycopg.Error) -> StoreUnusable:
    return StoreUnusable(f"task_store: {address.shown} cannot be used: {describe(error)}.")
