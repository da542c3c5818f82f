"""From `postgresql://user@host/database?hypern_schema=jobs` to what libpq wants, and our own settings."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from hypern.config import credentials_end, without_password
from hypern.errors import ConfigurationError

_SCHEMA = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,39}\Z")
# A '%' that libpq would complain about, with the password in what it says.
_STRAY = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")


@dataclass(frozen=True, slots=True)
class Address:
    """`url`: for libpq, with its password; `shown`: without, for people. `schema`: where the tables are.
    `patience`: seconds after which a call that gets no answer is given up."""

    url: str = field(repr=False)
    shown: str
    schema: str = "hypern"
    patience: float = 5.0


def parse(url: str) -> Address:
    """Options that begin with `hypern_` are ours, all others libpq's.

    Raises ConfigurationError, saying what is wrong with the URL.
    """
    shown = without_password(url)
    rest = url.partition("://")[2]
    end = credentials_end(rest)
    if _STRAY.search(rest) or any(character in rest[:end] for character in "/@"):
        raise ConfigurationError(
            f"task_store={shown!r}: what is no letter or digit in the user, the password and the database "
            "has to be written as %2F for '/', %40 for '@', %25 for '%', and so on."
        )
    place, _, query = rest[end:].partition("?")
    given, own = [], {}
    # The others stay as they are written: to libpq a '+' is no space.
    for option in query.split("&") if query else ():
        key, _, value = option.partition("=")
        if unquote(key).startswith("hypern_"):
            own[unquote(key).removeprefix("hypern_")] = unquote(value)
        else:
            given.append(option)
    schema = own.pop("schema", "hypern")
    if not _SCHEMA.match(schema):
        raise ConfigurationError(
            f"task_store={shown!r}: hypern_schema must be lower-case letters, digits and '_', at most 40, "
            f"and not begin with 'pg_', not {schema!r:.60}."
        )
    patience = _seconds(own.pop("timeout", "5"), shown)
    if own:
        raise ConfigurationError(
            f"task_store={shown!r} has the unknown option hypern_{next(iter(own))}; there are hypern_schema "
            "and hypern_timeout."
        )
    options = f"?{'&'.join(given)}" if given else ""
    wanted = f"postgresql://{rest[:end]}{place}{options}"
    try:
        conninfo_to_dict(wanted)
    except psycopg.Error as error:
        said = " ".join(str(error).replace(wanted, shown).split())
        raise ConfigurationError(f"task_store={shown!r}: {said}.") from None
    return Address(wanted, shown, schema, patience)


def _seconds(text: str, shown: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 60.0:
        raise ConfigurationError(
            f"task_store={shown!r}: hypern_timeout must be seconds from 0.1 to 60, not {text!r:.60}."
        )
    return seconds
