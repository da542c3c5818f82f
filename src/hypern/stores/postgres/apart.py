"""Tables apart from those of the program, in the same database: for tests."""

from __future__ import annotations

import re

import psycopg
from psycopg import sql

from hypern.stores.postgres.address import parse

_OPTION = re.compile(r"[?&]hypern_schema=[^&]*")


def beside(url: str, schema: str) -> str:
    """The URL of the same database with another schema."""
    plain = _OPTION.sub(lambda option: "?" if option[0][0] == "?" else "", url).replace("?&", "?").rstrip("?")
    return f"{plain}{'&' if '?' in plain else '?'}hypern_schema={schema}"


def drop(url: str) -> None:
    """Drop the schema of this URL, with all that is in it. Raises psycopg.Error."""
    address = parse(url)
    with psycopg.connect(address.url, autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(address.schema)))
