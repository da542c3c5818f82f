"""From a store URL to the store."""

from __future__ import annotations

from typing import cast

from hypern.config import Settings
from hypern.stores.base import Store
from hypern.stores.memory import MemoryStore
from hypern.stores.sqlite.address import parse
from hypern.stores.sqlite.store import SQLiteStore


def open_store(settings: Settings) -> Store:
    """The store that `settings.task_store` names. Raises ConfigurationError, StoreUnusable."""
    if settings.task_store.startswith("sqlite:"):
        return SQLiteStore(
            parse(settings.task_store),
            capacity=settings.task_queue_size,
            keep=settings.task_result_limit,
            keep_seconds=cast(float, settings.task_result_ttl),
        )
    return MemoryStore(
        capacity=cast(int, settings.task_queue_size),
        keep=cast(int, settings.task_result_limit),
        keep_seconds=cast(float, settings.task_result_ttl),
    )
