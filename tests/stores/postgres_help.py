"""A schema of its own in a real PostgreSQL for each store."""

from __future__ import annotations

import secrets

from hypern.stores.postgres.apart import beside, drop

__all__ = ["drop", "fresh_url"]


def fresh_url(server: str) -> str:
    return beside(server, f"test_{secrets.token_hex(6)}")
