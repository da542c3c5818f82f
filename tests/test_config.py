"""Settings: checked once, where they are given."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hypern.config import STORE_VARIABLE, Settings, without_password
from hypern.errors import ConfigurationError


def test_defaults_and_given_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not given, or given as None, keeps its default."""
    monkeypatch.delenv(STORE_VARIABLE, raising=False)
    settings = Settings.read(task_workers=2, task_queue_size=None)
    assert (settings.task_workers, settings.task_queue_size, settings.task_store) == (2, 1000, "memory://")
    assert Settings.read() == Settings()


def test_the_environment_names_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """HYPERN_TASK_STORE is used where no store is given, and only there; an empty one counts as none."""
    monkeypatch.setenv(STORE_VARIABLE, "nonsense://")
    with pytest.raises(ConfigurationError, match="nonsense"):
        Settings.read()
    assert Settings.read(task_store="memory://").task_store == "memory://"
    monkeypatch.setenv(STORE_VARIABLE, "sqlite:///tasks.db\n")
    assert Settings.read().task_store == "sqlite:///tasks.db"
    monkeypatch.setenv(STORE_VARIABLE, "")
    assert Settings.read().task_store == "memory://"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("task_workers", [0, -1, 1.5, "4", True, None, float("nan")]),
        ("task_queue_size", [0, -1, 2.0, "many", True, float("inf")]),
        ("task_grace_seconds", [-0.1, float("nan"), float("inf"), "25", True, 10**400]),
        ("task_async_limit", [0, 1.5, "10"]),
        ("task_result_ttl", [-1, float("nan"), "1h"]),
        ("task_result_limit", [-1, 0.5, "10"]),
        ("task_store", ["", "memory", "sqlite", "oracle://x", "memory://x", "memory://?keep=1", None, 5]),
        # What opens a store goes by how its URL begins: these would be kept in memory.
        ("task_store", ["POSTGRESQL://h/d", " postgresql://h/d", "\nsqlite:///tasks.db"]),
    ],
)
def test_what_cannot_work_is_refused(name: str, values: list[Any]) -> None:
    """An impossible value is a ConfigurationError, which is a ValueError, that names the setting."""
    for value in values:
        with pytest.raises(ConfigurationError, match=r"task_|memory"):
            Settings(**{name: value})
        with pytest.raises(ValueError):
            Settings(**{name: value})


def test_the_least_that_works() -> None:
    """The limits themselves are allowed."""
    settings = Settings(
        task_workers=1,
        task_queue_size=1,
        task_grace_seconds=0,
        task_async_limit=1,
        task_result_ttl=0,
        task_result_limit=0,
    )
    assert settings.task_grace_seconds == 0


def test_no_workers_is_refused_with_advice() -> None:
    """task_workers=0 says why it cannot work with a store that nobody else sees."""
    with pytest.raises(ConfigurationError, match="no other process can see them"):
        Settings(task_workers=0)


def test_settings_do_not_change() -> None:
    """Settings that were read stay as they are."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().task_workers = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///tasks.db", "sqlite:///tasks.db"),
        ("sqlite:////var/tasks.db?synchronous=normal", "sqlite:////var/tasks.db?synchronous=normal"),
        ("postgresql://ann:pw@host:5432/db", "postgresql://ann:***@host:5432/db"),
        ("postgresql://host/db?sslpassword=pw&a=b#c", "postgresql://host/db?sslpassword=***&a=b#c"),
        ("memory://", "memory://"),
        ("sqlite:////c:/ann@host/tasks.db", "sqlite:////c:/ann@host/tasks.db"),
        ("postgresql://[::1]:5432/db?user=a@b", "postgresql://[::1]:5432/db?user=a@b"),
        ("postgresql://ann:pw@h1:1,h2:2/db?user=a@b", "postgresql://ann:***@h1:1,h2:2/db?user=a@b"),
        ("postgresql://ann:p/w@host/db", "postgresql://ann:***@host/db"),
        ("postgresql://ann:p#w@host/db", "postgresql://ann:***@host/db"),
        ("postgresql://ann:p?w@host/db", "postgresql://ann:***@host/db"),
        ("postgresql://ann:5?w@host/db", "postgresql://ann:***@host/db"),
        ("postgresql://ann:p?a=w@host/db", "postgresql://ann:***@host/db"),
        ("postgresql://ann:p@w/x@host/db", "postgresql://ann:***@host/db"),
        ("postgresql://ann:p[w@host/db", "postgresql://ann:***@host/db"),
    ],
)
def test_a_url_as_it_may_be_shown(url: str, shown: str) -> None:
    """Without passwords, and otherwise as it was written."""
    assert without_password(url) == shown
