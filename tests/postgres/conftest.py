"""What the tests of troubled servers, links and hosts share: puppets on PostgreSQL, a look at its tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.crash.conftest import Effects, effects, home, shim, until
from tests.crash.strings import Puppet, Raised

__all__ = ["Effects", "Tables", "effects", "home", "shim", "until"]

# A call that gets no answer is given up after so many seconds here (hypern_timeout).
PATIENCE = 1.0
# What has to be possible again after trouble (seconds): within five, and ten more on a machine that has other
# things to do. What waits for a lease to end takes thirty.
RESUMES_WITHIN = 15.0
# What a call may take beyond its patience: connecting is waited for in whole seconds, two at least, and the
# machine may have other things to do.
SLACK = 13.0

MakePuppet = Callable[..., Puppet]


@pytest.fixture
def puppet(home: Path) -> Iterator[MakePuppet]:
    """Makes puppets on a store: `puppet("name", url, task_workers=1)`."""
    made: list[Puppet] = []

    def make(who: str, url: str, **settings: Any) -> Puppet:
        new = Puppet(home, who, url=impatient(url), **settings)
        made.append(new)
        return new

    yield make
    for each in made:
        each.kill()


def impatient(url: str) -> str:
    """The same store, whose calls are given up soon."""
    return f"{url}{'&' if '?' in url else '?'}hypern_timeout={PATIENCE}"


class Tables:
    """What the server says itself, on a connection that no trouble is made for."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._url, autocommit=True) as connection:
            cursor = connection.execute(statement, parameters or None)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def states(self) -> dict[str, int]:
        return dict(self.ask("SELECT id, state FROM hypern.tasks"))  # type: ignore[arg-type]

    def has_run(self, task_id: str) -> bool:
        return self.ask("SELECT state FROM hypern.tasks WHERE id = %s", task_id) == [(3,)]

    def workers(self) -> list[str]:
        return [name for (name,) in self.ask("SELECT id FROM hypern.workers")]

    def end_sessions(self, kind: str = "%") -> int:
        """Terminate all of Hypern's sessions of a kind. How many there were."""
        ended = self.ask(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name LIKE %s AND pid <> pg_backend_pid()",
            f"hypern {kind}",
        )
        return len(ended)

    def age_leases(self, left: float = -1.0) -> None:
        """As if no worker had been heard of for long; their leases last so many seconds more."""
        self.ask("UPDATE hypern.workers SET lease_until = extract(epoch FROM clock_timestamp()) + %s", left)


@pytest.fixture
def tables(postgres_url: str) -> Tables:
    return Tables(postgres_url)


def insist(puppet: Puppet, task_id: str, kind: str = "quick", *args: Any, within: float = 20.0) -> float:
    """Submit a task until it is accepted, as who may not lose it does. Seconds that the longest try took."""
    give_up, longest = time.monotonic() + within, 0.0
    while True:
        begin = time.monotonic()
        refused = _refused(puppet, task_id, kind, args)
        longest = max(longest, time.monotonic() - begin)
        if refused is None:
            return longest
        assert refused.is_ours, refused
        assert time.monotonic() < give_up, f"{task_id} was not accepted within {within} s: {refused}"
        time.sleep(0.02)


def _refused(puppet: Puppet, task_id: str, kind: str, args: tuple[Any, ...]) -> Raised | None:
    try:
        puppet.submit(task_id, kind, 0.0, *args)
    except Raised as raised:
        return raised
    return None


def all_have_run(tables: Tables, ids: Sequence[str], within: float = 30.0) -> None:
    """Wait until each of these is completed."""
    until(lambda: all(tables.states().get(task_id) == 3 for task_id in ids), "all have run", within)
