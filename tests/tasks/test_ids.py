"""Ids: in order of submission, never the same, not to be guessed, also after a fork."""

from __future__ import annotations

import os
import re
import threading

from hypern.tasks.ids import new_id


def test_form() -> None:
    """An id is 32 hex digits, safe in a URL, a header and a log."""
    assert all(re.fullmatch("[0-9a-f]{32}", new_id(1e9 + number)) for number in range(2000))


def test_they_sort_by_time() -> None:
    """A later id is greater, also within a microsecond and after the clock was set back."""
    moments = [2e9, 2e9, 2e9 + 1e-6, 2e9 - 86400, 1.0, 2e9 + 5]
    ids = [new_id(moment) for moment in moments * 300]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_threads_never_share_one() -> None:
    """Eight threads that make ids at once make different ones."""
    made: list[list[str]] = [[] for _ in range(8)]

    def make(number: int) -> None:
        made[number] = [new_id(1e9) for _ in range(2000)]

    threads = [threading.Thread(target=make, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({task_id for ids in made for task_id in ids}) == 16_000


def test_the_random_part_repeats_nothing() -> None:
    """76 random bits: no two ids share them, and every digit takes every value."""
    tails = [new_id(1e9)[13:] for _ in range(5000)]
    assert len(set(tails)) == len(tails)
    assert all(len({tail[place] for tail in tails}) == 16 for place in range(19))


def test_a_forked_child_draws_anew() -> None:
    """A child process does not hand out the random digits that its parent hands out."""
    new_id(1e9)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "".join(new_id(1e9)[13:] for _ in range(600)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        digits = pipe.read()
    os.waitpid(child, 0)
    childs = {digits[start : start + 19] for start in range(0, len(digits), 19)}
    assert len(childs) == 600
    assert not childs & {new_id(1e9)[13:] for _ in range(600)}
