"""From a store URL to the store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

from hypern.clock import Clock, SystemClock
from hypern.config import Settings
from hypern.errors import ConfigurationError, StoreUnusable
from hypern.stores.base import Listener, Store
from hypern.stores.durable.carried import Carrier
from hypern.stores.findings import Finding
from hypern.stores.memory import MemoryStore
from hypern.stores.sqlite.address import parse
from hypern.stores.sqlite.carrying import SQLiteCarrier
from hypern.stores.sqlite.checking import check
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
    if _is_postgres(settings.task_store):
        return _open_postgres(settings, clock)
    return MemoryStore(
        capacity=cast(int, settings.task_queue_size),
        keep=cast(int, settings.task_result_limit),
        keep_seconds=cast(float, settings.task_result_ttl),
    )


def open_carrier(url: str, *, must_exist: bool) -> Carrier:
    """What brings waiting tasks out of the store of this URL, or into it. `must_exist`: whether the store has
    to be there already.

    Raises ConfigurationError, StoreUnusable.
    """
    Settings(task_store=url)
    if _is_postgres(url):
        _need_driver()
        from hypern.stores.postgres import address, carrying  # noqa: PLC0415

        return carrying.PostgresCarrier(address.parse(url), must_exist=must_exist)
    file = parse(url)
    if must_exist and not file.path.exists():
        raise StoreUnusable(f"there is no file {file.path}. Name the one that has the tasks.")
    return SQLiteCarrier(file)


def check_store(url: str) -> Iterator[Finding]:
    """What can be found out about the store of this URL, without changing anything.

    Raises ConfigurationError.
    """
    Settings(task_store=url)
    if _is_postgres(url):
        _need_driver()
        from hypern.stores.postgres import address, checking  # noqa: PLC0415

        return checking.check(address.parse(url))
    return check(parse(url))


def _is_postgres(url: str) -> bool:
    return url.startswith(("postgresql:", "postgres:"))


def _open_postgres(settings: Settings, clock: Clock) -> Store:
    _need_driver()
    from hypern.stores.postgres import address, store, times  # noqa: PLC0415

    return store.PostgresStore(
        address.parse(settings.task_store),
        capacity=settings.task_queue_size,
        keep=settings.task_result_limit,
        keep_seconds=cast(float, settings.task_result_ttl),
        clock=clock,
        times=None if isinstance(clock, SystemClock) else times.OwnTime(clock),
    )


def _need_driver() -> None:
    """Its driver is installed by those who use it. Raises ConfigurationError."""
    try:
        import psycopg  # noqa: F401, PLC0415
    except ImportError as error:
        raise ConfigurationError(
            "task_store names a PostgreSQL server, and its driver is missing "
            f"({error}). Install it: pip install 'hypern[postgres]'."
        ) from None


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
