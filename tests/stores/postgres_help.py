"""A schema of its own in a real PostgreSQL for each store."""

from __future__ import annotations

import secrets

import psycopg

from hypern.stores.postgres.address import parse


def fresh_url(server: str) -> str:
    return f"{server}{'&' if '?' in server else '?'}hypern_schema=test_{secrets.token_hex(6)}"


def drop(url: str) -> None:
    address = parse(url)
    with psycopg.connect(address.url, autocommit=True) as connection:
        connection.execute(f"SET client_min_messages = error; DROP SCHEMA IF EXISTS {address.schema} CASCADE")
