"""Seeing: tasks by the page, numbers per queue, the pulse, log lines."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from hypern.errors import InvalidOption
from hypern.records import Again, TaskStatus
from hypern.stores.base import Store
from hypern.stores.conformance.suite import (
    CANCELLED,
    COMPLETED,
    ENDINGS,
    FAILED,
    LOOP,
    NOW,
    RUNNING,
    THREAD,
    Suite,
    make_record,
    other_function,
)
from hypern.stores.overview import LINES_KEPT, Filter, LogLine, QueueTotals
from hypern.stores.pulse import Tally, percentile, together


def all_ids(store: Store, which: Filter, limit: int = 50) -> list[str]:
    return [task_id for page in pages(store, which, limit) for task_id in page]


def pages(store: Store, which: Filter, limit: int) -> Iterator[list[str]]:
    after = None
    while True:
        found = store.ids(which, after, limit)
        yield found.ids
        after = found.after
        if after is None:
            return


def one_of_each(store: Store) -> None:
    """A task in each state, its id the name of the state; the pending one is added last."""
    for status in (COMPLETED, FAILED, CANCELLED):
        store.add(make_record(status.value, queue="mail"))
        claimed = store.claim(THREAD, NOW)
        assert claimed is not None
        store.finish(claimed, claimed.fence, ENDINGS[status], NOW + 1)
    store.flush()
    store.add(make_record("running"))
    assert store.claim(THREAD, NOW) is not None
    store.add(make_record("pending"))


class Overviewing(Suite):
    def test_ids_come_last_submitted_first(self, store: Store) -> None:
        """Pages of any size hold each task once, the last added first, and end with no cursor."""
        added = [make_record(wall=NOW + number) for number in range(25)]
        for record in added:
            store.add(record)
        expected = [record.id for record in reversed(added)]
        for limit in (1, 7, 25, 100):
            assert all_ids(store, Filter(), limit) == expected
        assert [record.id for record in store.page(Filter(), None, 3).records] == expected[:3]

    def test_a_page_goes_on_where_the_last_one_ended(self, store: Store) -> None:
        """What is added or forgotten meanwhile neither doubles nor hides another task."""
        for number in range(10):
            store.add(make_record(f"t{number}", wall=NOW + number))
        first = store.ids(Filter(), None, 4)
        store.add(make_record("late", wall=NOW + 20))
        for _ in range(10):
            claimed = store.claim(THREAD, NOW + 20)
            assert claimed is not None
            store.finish(claimed, claimed.fence, ENDINGS[COMPLETED], NOW + 20)
        store.flush()
        store.delete(["t6"])
        assert first.ids == ["t9", "t8", "t7", "t6"]
        assert store.ids(Filter(), first.after, 4).ids == ["t5", "t4", "t3", "t2"]

    @pytest.mark.parametrize("after", ["x", "", "-1", "1e999", "nan/x", "9" * 40, "\N{SUPERSCRIPT TWO}"])
    def test_a_cursor_that_is_none(self, store: Store, after: str) -> None:
        """It is refused, or leads somewhere; nothing else is raised."""
        store.add(make_record())
        with contextlib.suppress(InvalidOption):
            store.ids(Filter(), after)

    def test_filter_by_status(self, store: Store) -> None:
        """Each status alone, several, none, and all."""
        one_of_each(store)
        for status in TaskStatus:
            assert all_ids(store, Filter(statuses=(status,))) == [status.value]
        assert all_ids(store, Filter(statuses=(FAILED, RUNNING))) == ["running", "failed"]
        assert all_ids(store, Filter(statuses=(CANCELLED, COMPLETED))) == ["cancelled", "completed"]
        assert all_ids(store, Filter(statuses=())) == []
        assert len(all_ids(store, Filter())) == 5

    def test_filter_by_queue_and_name(self, store: Store) -> None:
        """Whole names only."""
        one_of_each(store)
        other = make_record("other", func=other_function)
        store.add(other)
        assert all_ids(store, Filter(queue="mail")) == ["cancelled", "failed", "completed"]
        assert all_ids(store, Filter(queue="mai")) == []
        assert all_ids(store, Filter(name=other.name)) == ["other"]
        assert all_ids(store, Filter(name=other.name[1:])) == []

    def test_filter_by_text(self, store: Store) -> None:
        """A part of the id, the name or the error, in upper or lower case; nothing in it is special."""
        one_of_each(store)
        store.add(make_record("100%_sure"))
        assert all_ids(store, Filter(text="ANCELLE")) == ["cancelled"]
        assert all_ids(store, Filter(text="bad ROW")) == ["failed"]
        assert all_ids(store, Filter(text="0%_S")) == ["100%_sure"]
        assert all_ids(store, Filter(text="%")) == ["100%_sure"]
        assert all_ids(store, Filter(text=".*")) == []
        assert all_ids(store, Filter(text="\x00")) == []
        assert all_ids(store, Filter(name="\ud800")) == []

    def test_filter_by_time(self, store: Store) -> None:
        """From the first second on, and before the second."""
        for number in range(5):
            store.add(make_record(f"t{number}", wall=NOW + number))
        assert all_ids(store, Filter(since=NOW + 1, until=NOW + 3)) == ["t2", "t1"]

    def test_number(self, store: Store) -> None:
        """How many are meant, up to a bound."""
        one_of_each(store)
        assert store.number(Filter(), 100).number == 5
        assert store.number(Filter(), 100).is_all
        bounded = store.number(Filter(), 3)
        assert (bounded.number, bounded.is_all) == (3, False)

    def test_totals(self, store: Store) -> None:
        """Each task is in one of the numbers, also when it is forgotten or deleted; submitted is the sum."""
        one_of_each(store)
        store.add(make_record(due=100.0, queue="mail"))
        store.add(make_record("one", queue="other"))
        store.cancel("one", NOW)
        store.delete(["one"])
        assert store.totals() == [
            QueueTotals("default", waiting=1, running=1),
            QueueTotals("mail", delayed=1, completed=1, failed=1, cancelled=1),
            QueueTotals("other", pruned=1),
        ]
        store.prune(NOW + 1e6)
        totals = {totals.queue: totals for totals in store.totals()}
        assert {queue: found.submitted for queue, found in totals.items()} == {
            "default": 2,
            "mail": 4,
            "other": 1,
        }
        assert totals["mail"].pruned == 3

    def test_pulse(self, store: Store) -> None:
        """What ended is counted under its task and time, with how long it waited and ran."""
        store.pulse(0.0)
        name = ""
        for number, ending in enumerate([*ENDINGS.values(), Again("E: e", None, 5.0)]):
            store.add(make_record(wall=NOW))
            claimed = store.claim(THREAD, NOW + 2)
            assert claimed is not None
            name = claimed.name
            store.finish(claimed, claimed.fence, ending, NOW + 6 + 100 * (number == 0))
        store.add(make_record("waiting"))
        store.flush()
        store.cancel("waiting", NOW + 6)
        [(only, tally)] = together(store.pulse(NOW))
        assert only == name
        assert (tally.completed, tally.failed, tally.cancelled, tally.retried) == (1, 1, 2, 1)
        assert percentile(tally.ran, 0.5) == pytest.approx(4.0, rel=0.06)
        assert percentile(tally.ran, 1.0) == pytest.approx(104.0, rel=0.06)
        assert percentile(tally.waited, 0.99) == pytest.approx(2.0, rel=0.06)
        assert [beat.tally.completed for beat in store.pulse(NOW + 50)] == [1]
        assert store.pulse(NOW, "nobody") == []

    def test_pulse_of_old(self, store: Store) -> None:
        """After an hour beats are put together, after two days they are forgotten; nothing is lost before."""
        store.pulse(0.0)
        for number in range(3):
            store.add(make_record(result_ttl=1e9))
            claimed = store.claim(THREAD, NOW)
            assert claimed is not None
            store.finish(claimed, claimed.fence, ENDINGS[COMPLETED], NOW + 10 * number)
        store.flush()
        assert len(store.pulse(NOW - 400)) == 3
        store.prune(NOW + 2 * 3600)
        beats = store.pulse(NOW - 400)
        assert sum(beat.tally.completed for beat in beats) == 3
        assert {beat.seconds for beat in beats} == {300}
        store.prune(NOW + 50 * 3600)
        assert store.pulse(0.0) == []

    def test_what_ended_is_counted_for_ever(self, store: Store) -> None:
        """The tallies of a task only grow: beats that are put together or forgotten are still in them."""
        store.vitals()

        def ended(name: str) -> tuple[int, int]:
            tally = store.vitals().tallies.get(name, Tally())
            return tally.completed, sum(tally.ran.values())

        for number in range(4):
            record = make_record(result_ttl=1e9)
            store.add(record)
            claimed = store.claim(THREAD, NOW)
            assert claimed is not None
            store.finish(claimed, claimed.fence, ENDINGS[COMPLETED], NOW + 20 + 4000 * number)
            store.flush()
            for _ in range(2):
                store.prune(NOW + 4000 * number)
                assert ended(record.name) == (number + 1, number + 1)
        for _ in range(2):
            store.prune(NOW + 1e6)
            assert ended(record.name) == (4, 4)
        assert store.pulse(0.0) == store.pulse(-1.0) == []

    def test_since_when_the_next_one_has_waited(self, store: Store) -> None:
        """Of each queue the task that is next; of its two lanes the one that has waited longer."""
        assert store.vitals().heads == {}
        store.add(make_record("a", wall=NOW + 5))
        store.add(make_record("b", wall=NOW + 3, lane=LOOP))
        store.add(make_record("c", wall=NOW + 1, queue="mail"))
        store.add(make_record("d", wall=NOW, queue="mail", priority=-10))
        store.add(make_record("e", wall=NOW, due=50.0, queue="late"))
        assert store.vitals().heads == {"default": NOW + 3, "mail": NOW + 1}
        store.cancel("b", NOW + 6)
        assert store.claim(LOOP, NOW + 6) is None
        assert store.vitals().heads == {"default": NOW + 5, "mail": NOW + 1}

    def test_logs(self, store: Store) -> None:
        """Lines of a claimed task are kept in order, the last of very many, until the task is forgotten."""
        store.add(make_record("a"))
        record = store.claim(THREAD, NOW)
        assert record is not None
        first = LogLine(NOW, 20, "shop", "one <b>")
        store.log(record, record.fence, [first])
        store.log(record, record.fence + 1, [LogLine(NOW, 20, "shop", "not mine")])
        store.flush()
        assert store.logs("a") == [first]
        many = [LogLine(NOW + number, 30, "shop", f"line {number}") for number in range(LINES_KEPT)]
        store.log(record, record.fence, many)
        store.finish(record, record.fence, ENDINGS[FAILED], NOW)
        store.log(record, record.fence, [first])
        store.flush()
        assert store.logs("a") == many
        assert store.logs("none") == []
        store.delete(["a"])
        assert store.logs("a") == []
