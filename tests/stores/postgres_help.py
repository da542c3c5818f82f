"""A schema of its own in a real PostgreSQL for each test."""

from __future__ import annotations

import os
import secrets

import psycopg

from hypern.stores.postgres.address import parse

SERVER = os.environ.get("HYPERN_TEST_POSTGRES", "postgresql://root@127.0.0.1:5432/test")


def fresh_url() -> str:
    return f"{SERVER}?hypern_schema=test_{secrets.token_hex(6)}"


def drop(url: str) -> None:
    address = parse(url)
    with psycopg.connect(address.url, autocommit=True) as connection:
        connection.execute(f"SET client_min_messages = error; DROP SCHEMA IF EXISTS {address.schema} CASCADE")
