"""Waiting tasks copied from one durable store to another, with all that has been decided about them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

import msgspec

from hypern.clock import SystemClock
from hypern.config import Settings, without_password
from hypern.errors import ConfigurationError, QueueUnavailable
from hypern.records import TaskStatus
from hypern.stores.durable.carried import Carrier
from hypern.stores.opening import open_carrier, open_store

# So many tasks are written together: a thousand take some ten milliseconds.
PAGE = 1000
_LOOK_EVERY = 0.2


class Copied(msgspec.Struct):
    """`new`: tasks that the other store did not have; `known`: those that it had, by their id or their unique
    key. `removed`: how many were taken out of the store that they came from."""

    new: int = 0
    known: int = 0
    removed: int = 0


def copy_waiting(
    source: str, target: str, *, remove: bool, wait: float, told: Callable[[Copied], None]
) -> Copied:
    """Copy the tasks that wait, delayed ones included, with their ids, options, due times, past attempts and
    keys; and what is set for queues. Tasks that have ended stay where they are.

    `remove`: take them out of `source` once `target` has them. `wait`: so many seconds until nothing runs
    there any more. `told`: called after each page. However it is interrupted, no task is lost, and doing it
    again goes on: a task that `target` knows is not added a second time.

    Raises ConfigurationError, StoreUnusable, QueueUnavailable.
    """
    _wait_until_still(source, wait)
    come_from = open_carrier(source, must_exist=True)
    try:
        bring_to = open_carrier(target, must_exist=False)
        try:
            return _copy(come_from, bring_to, remove, told)
        finally:
            bring_to.close()
    finally:
        come_from.close()


def _copy(source: Carrier, target: Carrier, remove: bool, told: Callable[[Copied], None]) -> Copied:
    # The same store may go by two names; all that it has would be removed from it.
    word = secrets.token_hex(16)
    target.mark(word)
    if source.marked() == word:
        raise ConfigurationError("both URLs lead to the same store: there is nothing to copy.")
    target.set(*source.settings())
    copied, last = Copied(), 0
    while True:
        tasks = source.take(last, PAGE) if remove else source.read(last, PAGE)
        if not tasks:
            source.leave()
            return copied
        try:
            new = target.write(tasks)
            copied.new += new
            copied.known += len(tasks) - new
            if remove:
                source.remove([task.seq for task in tasks])
                copied.removed += len(tasks)
        except BaseException:
            source.leave()
            raise
        last = tasks[-1].seq
        told(copied)


def _wait_until_still(url: str, seconds: float) -> None:
    """Raises QueueUnavailable if a process still runs tasks of that store. Those of dead ones wait again."""
    # So that nothing is made where nothing is.
    open_carrier(url, must_exist=True).close()
    settings = Settings(task_store=url, task_workers=0)
    clock = SystemClock()
    store = open_store(settings, clock)
    try:
        begin = time.monotonic()
        while True:
            store.rescue(clock.steady(), clock.wall())
            living = store.workers() or []
            running = store.count()[TaskStatus.RUNNING]
            if not living and not running:
                return
            if time.monotonic() > begin + (seconds if living else max(seconds, _dead_are_noticed(url))):
                raise QueueUnavailable(_still_in_use(url, len(living), running))
            time.sleep(_LOOK_EVERY)
    finally:
        store.close()


def _dead_are_noticed(url: str) -> float:
    """Seconds after which the tasks of a process that died have been given back."""
    return 1.0 if url.startswith("sqlite:") else 5.0


def _still_in_use(url: str, living: int, running: int) -> str:
    who = f"{living} process{'es' if living != 1 else ''} that run{'s' if living == 1 else ''} its tasks"
    return (
        f"{without_password(url)} is in use: there are {who}, and {running} tasks are running. Stop the "
        "workers first, or say how long to wait for that: --wait SECONDS. Nothing was copied."
    )


def check_urls(source: str, target: str) -> None:
    """Raises ConfigurationError for stores between which nothing can be copied."""
    for url in (source, target):
        Settings(task_store=url)
        if url.startswith("memory:"):
            raise ConfigurationError("'memory://' keeps nothing that could be copied. Name a database.")
    if source == target:
        raise ConfigurationError("both are the same store: there is nothing to copy.")
