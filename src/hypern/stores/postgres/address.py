"""From `postgresql://user@host/database?hypern_schema=jobs` to what libpq wants, and our own settings."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from hypern.config import without_password
from hypern.errors import ConfigurationError

_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,39}\Z")


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
    parts = urlsplit(url)
    given, own = [], {}
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if key.startswith("hypern_"):
            own[key.removeprefix("hypern_")] = value
        else:
            given.append((key, value))
    schema = own.pop("schema", "hypern")
    if not _SCHEMA.match(schema):
        raise ConfigurationError(
            f"task_store={shown!r}: hypern_schema must be lower-case letters, digits and '_', at most 40, "
            f"not {schema!r:.60}."
        )
    patience = _seconds(own.pop("timeout", "5"), shown)
    if own:
        raise ConfigurationError(
            f"task_store={shown!r} has the unknown option hypern_{next(iter(own))}; there are hypern_schema "
            "and hypern_timeout."
        )
    query = urlencode(given)
    return Address(urlunsplit(("postgresql", parts.netloc, parts.path, query, "")), shown, schema, patience)


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
