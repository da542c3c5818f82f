"""From a store URL to the store."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

from hypern.clock import Clock
from hypern.config import Settings
from hypern.errors import ConfigurationError
from hypern.stores.base import Listener, Store
from hypern.stores.memory import MemoryStore
from hypern.stores.sqlite.address import parse
from hypern.stores.sqlite.store import SQLiteStore


def open_store(settings: Settings, clock: Clock) -> Store:
    """The store that `settings.task_store` names; `clock`: whose times it will be told.

    Raises ConfigurationError, StoreUnusable.
    """
    if settings.task_store.startswith("sqlite:"):
        return SQLiteStore(
            parse(settings.task_store),
            capacity=settings.task_queue_size,
            keep=settings.task_result_limit,
            keep_seconds=cast(float, settings.task_result_ttl),
            clock=clock,
        )
    if settings.task_store.startswith(("postgresql:", "postgres:")):
        return _open_postgres(settings, clock)
    return MemoryStore(
        capacity=cast(int, settings.task_queue_size),
        keep=cast(int, settings.task_result_limit),
        keep_seconds=cast(float, settings.task_result_ttl),
    )


def _open_postgres(settings: Settings, clock: Clock) -> Store:
    # Its driver is installed by those who use it.
    try:
        import psycopg  # noqa: F401, PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "task_store names a PostgreSQL server, and its driver is missing "
            f"({error}). Install it: pip install 'hypern[postgres]'."
        ) from None
    from hypern.stores.postgres import address, store  # noqa: PLC0415

    return store.PostgresStore(
        address.parse(settings.task_store),
        capacity=settings.task_queue_size,
        keep=settings.task_result_limit,
        keep_seconds=cast(float, settings.task_result_ttl),
        clock=clock,
    )


def open_late(settings: Settings, clock: Clock) -> Store:
    """The same, opened when it is first used: in a forked child, which may never use it."""
    return cast(Store, _LateStore(lambda: open_store(settings, clock)))


class _LateStore:
    shared = True

    def __init__(self, open_it: Callable[[], Store]) -> None:
        self._open = open_it
        self._lock = threading.Lock()
        self._store: Store | None = None
        self._listener: Listener | None = None

    def attach(self, listener: Listener) -> None:
        self._listener = listener

    def close(self) -> None:
        if self._store is not None:
            self._store.close()

    def leave_to_the_parent(self) -> None:
        if self._store is not None:
            self._store.leave_to_the_parent()

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            if self._store is None:
                store = self._open()
                if self._listener is not None:
                    store.attach(self._listener)
                self._store = store
        return getattr(self._store, name)
