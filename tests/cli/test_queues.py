"""`hypern queues`: what it shows, and what it sets, on each durable store."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.cli.conftest import Filled, Said

Hypern = Callable[..., Said]


def queues(hypern: Hypern, filled: Filled) -> dict[str, dict[str, object]]:
    found = hypern("queues", "--store", filled.url, "--json").data["queues"]
    return {queue.pop("name"): queue for queue in found}


def test_what_they_hold(hypern: Hypern, filled: Filled) -> None:
    """Each queue with its numbers, of which submitted is the sum."""
    assert queues(hypern, filled)["default"] == {
        "paused": False,
        "limit": None,
        "submitted": 3,
        "waiting": 0,
        "delayed": 1,
        "running": 0,
        "completed": 1,
        "failed": 1,
        "cancelled": 0,
        "forgotten": 0,
    }
    heading, default, mail = hypern("queues", "--store", filled.url).out.splitlines()
    assert heading.split()[:4] == ["QUEUE", "STATE", "LIMIT", "WAITING"]
    assert default.split() == ["default", "open", "0", "1", "0", "1", "1", "0", "0"]
    assert mail.split() == ["mail", "paused", "1", "0", "0", "0", "0", "0", "0"]


def test_pause_resume_limit(hypern: Hypern, filled: Filled) -> None:
    """Each is there for whoever looks next."""
    assert hypern("queues", "resume", "mail", "--store", filled.url).out == "queue mail is open\n"
    assert queues(hypern, filled)["mail"]["paused"] is False
    assert hypern("queues", "--store", filled.url, "pause", "mail").status == 0
    assert queues(hypern, filled)["mail"]["paused"] is True
    assert hypern("queues", "limit", "mail", "3", "--store", filled.url).status == 0
    assert queues(hypern, filled)["mail"]["limit"] == 3
    assert hypern("queues", "limit", "mail", "none", "--store", filled.url).status == 0
    assert queues(hypern, filled)["mail"]["limit"] is None


def test_a_queue_that_is_not_known(hypern: Hypern, filled: Filled) -> None:
    """It is set all the same, for it may come, and that is mentioned."""
    said = hypern("queues", "pause", "mial", "--store", filled.url)
    assert (said.status, said.out) == (0, "queue mial is paused\n")
    assert "'mial'" in said.err


@pytest.mark.parametrize(
    "arguments",
    [["pause", "two words"], ["pause"], ["limit", "mail", "0"], ["limit", "mail", "x"], ["empty"]],
)
def test_what_cannot_be_set(hypern: Hypern, filled: Filled, arguments: list[str]) -> None:
    """Status 2."""
    assert hypern("queues", *arguments, "--store", filled.url).status == 2
