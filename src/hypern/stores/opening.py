"""From a store URL to the store."""

from __future__ import annotations

from hypern.config import Settings
from hypern.stores.base import Store
from hypern.stores.memory import MemoryStore


def open_store(settings: Settings) -> Store:
    """The store that `settings.task_store` names."""
    return MemoryStore(
        capacity=settings.task_queue_size,
        keep=settings.task_result_limit,
        keep_seconds=settings.task_result_ttl,
    )
