"""The game: every step is done to a store and to the model, and after every step both must say the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from tests.stores.expected import CAPACITY, PENDING, RUNNING, Model, Queue, Wish, again
from tests.stores.played import Hand, Played, PlayedMemory, PlayedSQLite
from tests.stores.played_postgres import PlayedPostgres

from hypern.errors import QueueFull
from hypern.records import TERMINAL, Cancelled, Completed, Ending, Failed, Lane, TaskRecord, TaskStatus
from hypern.stores.base import Cancellation
from hypern.stores.conformance.suite import finish, make_record

ENDINGS: list[Ending] = [Completed("value"), Failed("ValueError: no", "…"), Cancelled()]
WISHES = st.builds(
    Wish,
    delay=st.sampled_from([0.0, 0.0, 0.0, 0.0, 1.0, 10.0]),
    priority=st.sampled_from([0, 0, 1, 10, -10]),
    lane=st.sampled_from(Lane),
    queue=st.sampled_from(["mail", "default", "default"]),
    expires=st.sampled_from([None, None, None, 2.0, 20.0]),
    key=st.sampled_from([None, None, None, "a", "b"]),
    unique_for=st.sampled_from([None, 30.0]),
)
# Which of the processes does a step; a store that only one can use takes it for the only one.
WHO = st.sampled_from([0, 0, 1])

# An attempt: who runs it, the record that it was given, and its fence.
Attempt = tuple[Hand, TaskRecord, int]


class Game(RuleBasedStateMachine):
    """`kind`: the store of this game; `capacity`: the most tasks it may hold PENDING, None: any number."""

    kind: type[PlayedMemory] | type[PlayedSQLite] | type[PlayedPostgres]
    capacity: int | None = CAPACITY
    attempts: Bundle[Attempt] = Bundle("attempts")

    def __init__(self) -> None:
        super().__init__()
        self.model = Model(self.kind.habits, self.capacity)
        self.played: Played = self.kind(self.model)

    def teardown(self) -> None:
        self.played.close()

    def hand(self, who: int) -> Hand:
        return self.played.hands[who % len(self.played.hands)]

    # -- submit ------------------------------------------------------------------------------------

    # Hypothesis leaves out some of the rules in each game; without tasks and claims there would be none.

    @initialize(wishes=st.lists(WISHES, min_size=2, max_size=4))
    def begin(self, wishes: list[Wish]) -> None:
        self.submit(0, wishes, False)

    @rule(who=WHO, wishes=st.lists(WISHES, min_size=1, max_size=4))
    def submit_more(self, who: int, wishes: list[Wish]) -> None:
        self.submit(who, wishes, False)

    @rule(target=attempts, who=WHO)
    def claim_more(self, who: int) -> object:
        return multiple(*self.claim_in_each(who))

    @rule(who=WHO, wishes=st.lists(WISHES, max_size=4), together=st.booleans())
    def submit(self, who: int, wishes: list[Wish], together: bool) -> None:
        hand = self.hand(who)
        if together:
            self.submit_together(hand, wishes)
            return
        for wish in wishes:
            record, holder = self.model.record(wish), self.model.holder(wish)
            if holder is None and self.model.is_full():
                with pytest.raises(QueueFull):
                    hand.store.add(record)
                continue
            assert hand.store.add(record) == holder
            if holder is None:
                self.model.add(record, wish)
        self.played.wrote(hand)

    def submit_together(self, hand: Hand, wishes: list[Wish]) -> None:
        model = self.model
        records = [model.record(wish) for wish in wishes]
        before = (dict(model.tasks), dict(model.kept_keys), model.accepted)
        answers: list[str | None] = []
        for record, wish in zip(records, wishes, strict=True):
            answers.append(model.holder(wish))
            if answers[-1] is None:
                model.add(record, wish)
        if None in answers and model.is_full(1):
            model.tasks, model.kept_keys, model.accepted = before
            with pytest.raises(QueueFull):
                hand.store.add_many(records)
        else:
            assert hand.store.add_many(records) == answers
        self.played.wrote(hand)

    @rule(who=WHO, data=st.data())
    def submit_again(self, who: int, data: st.DataObject) -> None:
        if self.model.tasks:
            known = data.draw(st.sampled_from(sorted(self.model.tasks)))
            assert self.hand(who).store.add(make_record(known, args=("changed",))) == known

    # -- claim -------------------------------------------------------------------------------------

    @rule(target=attempts, who=WHO, again=st.booleans())
    def claim(self, who: int, again: bool) -> object:
        """`again`: give up and claim once more, so that endings of an attempt come while a later one runs,
        which chance alone brings too seldom."""
        attempts = self.claim_in_each(who)
        if again:
            for attempt in list(attempts):
                self.try_again(attempt, 0.0)
            attempts += self.claim_in_each(who)
        return multiple(*attempts)

    def claim_in_each(self, who: int) -> list[Attempt]:
        return [attempt for lane in Lane for attempt in self.claim_one(who, lane)]

    def claim_one(self, who: int, lane: Lane) -> list[Attempt]:
        hand, model = self.hand(who), self.model
        model.cancel_asked(lane)
        record = hand.store.claim(lane, model.wall)
        hand.store.flush()
        self.played.wrote(hand)
        expected = model.next(lane)
        if record is None:
            assert not expected
            return []
        assert record.id in expected
        task = model.tasks[record.id]
        assert record.id not in model.cancelled_before_start
        assert model.steady >= task.first_due
        model.claim(record.id, hand.number)
        assert (record.attempt, record.fence, record.lost) == (task.attempt, task.fence, task.lost)
        assert (record.status, record.started_at) == (RUNNING, model.wall)
        return [(hand, record, record.fence)]

    # -- finish ------------------------------------------------------------------------------------

    @rule(attempt=attempts, ending=st.sampled_from(ENDINGS))
    def finish(self, attempt: Attempt, ending: Ending) -> None:
        """The attempt stays in the bundle, so it is also ended twice, after others began, and by a process
        that was taken for dead."""
        hand, record, fence = attempt
        valid = self.model.is_running(record.id, fence) and not hand.is_closed
        assert finish(hand.store, record, fence, ending, self.model.wall, hand.ear) is valid
        self.played.wrote(hand)
        if valid:
            self.model.end(record.id, ending, by_attempt=True)

    @rule(who=WHO, endings=st.lists(st.sampled_from(ENDINGS), min_size=1, max_size=4))
    def work_off(self, who: int, endings: list[Ending]) -> None:
        """So that tasks end in numbers, and those that ended first are forgotten."""
        for ending in endings:
            self.pass_time(0.5)
            for lane in Lane:
                for attempt in self.claim_one(who, lane):
                    self.finish(attempt, ending)

    @rule(attempt=attempts, wait=st.sampled_from([0.0, 2.0, 10.0]), counts=st.booleans())
    def try_again(self, attempt: Attempt, wait: float, counts: bool = True) -> None:
        hand, record, fence = attempt
        valid = self.model.is_running(record.id, fence) and not hand.is_closed
        ending = again(self.model.steady, wait, counts=counts)
        assert finish(hand.store, record, fence, ending, self.model.wall, hand.ear) is valid
        self.played.wrote(hand)
        if valid:
            self.model.put_back(record.id, wait, counts=counts)
        self.release(self.hand(0))

    @rule(who=WHO, data=st.data())
    def cancel(self, who: int, data: st.DataObject) -> None:
        hand, model = self.hand(who), self.model
        task_id = data.draw(st.sampled_from([*sorted(model.tasks), "nobody"]))
        task = model.tasks.get(task_id)
        found = hand.store.cancel(task_id, model.wall)
        self.played.wrote(hand)
        if task is None or task.status in TERMINAL:
            assert found is None
        elif task.status is RUNNING:
            assert found is Cancellation.REQUESTED
            task.asked = True
        else:
            assert found is Cancellation.DONE
            model.cancelled_before_start.add(task_id)
            model.end(task_id, Cancelled(), by_attempt=False)

    # -- queues, time ------------------------------------------------------------------------------

    @rule(
        who=WHO,
        name=st.sampled_from(["mail", "mail", "default"]),
        paused=st.sampled_from([None, None, False, False, True]),
        limit=st.sampled_from([None, None, 0, 1, 2]),
    )
    def set_queue(self, who: int, name: str, paused: bool | None, limit: int | None) -> None:
        hand = self.hand(who)
        hand.store.set_queue(name, paused=paused, limit=limit)
        self.played.wrote(hand)
        queue = self.model.queues.setdefault(name, Queue())
        if paused is not None:
            queue.paused = paused
        if limit is not None:
            queue.limit = limit or None

    @rule(
        who=WHO,
        seconds=st.sampled_from([0.0, 0.5, 1.0, 5.0, 60.0]),
        releases=st.sampled_from([True, True, False]),
        prunes=st.booleans(),
    )
    def advance(self, who: int, seconds: float, releases: bool, prunes: bool) -> None:
        self.pass_time(seconds)
        if releases:
            self.release(self.hand(who))
        if prunes:
            self.prune(self.hand(who))

    def pass_time(self, seconds: float) -> None:
        self.model.steady += seconds
        self.model.wall += seconds

    @precondition(lambda game: game.kind.steps)
    @rule(seconds=st.sampled_from([-3600.0, -5.0, 5.0, 3600.0]))
    def step_the_wall_clock(self, seconds: float) -> None:
        self.model.wall += seconds

    def release(self, hand: Hand) -> None:
        released = set(hand.store.release(self.model.steady, self.model.wall))
        self.played.wrote(hand)
        assert released == self.model.release()

    def prune(self, hand: Hand) -> None:
        number = hand.store.prune(self.model.wall)
        self.model.left = self.played.known()
        assert number == self.model.prune()
        self.played.wrote(hand)

    # -- after every step --------------------------------------------------------------------------

    @invariant()
    def every_task_is_as_expected(self) -> None:
        for hand in self.played.hands:
            found = {record.id: record for record in hand.store.find(set(TaskStatus))}
            assert list(found) == sorted(self.model.tasks, key=lambda i: self.model.tasks[i].row)
            for task_id, task in self.model.tasks.items():
                record = found[task_id]
                assert (record.status, record.attempt) == (task.status, task.attempt)
                assert record.args == ()
                assert len(record.history) == task.failures
                if task.outcome is not None:
                    assert record.finished_at == task.ended_at
                    assert record.result == ("value" if isinstance(task.outcome, Completed) else None)
                    assert record.reason == getattr(task.outcome, "reason", None)
                if isinstance(task.outcome, Failed):
                    assert record.error == task.outcome.error

    @invariant()
    def every_task_can_be_looked_up(self) -> None:
        for number, (task_id, task) in enumerate(self.model.tasks.items()):
            store = self.hand(number).store
            record = store.get(task_id)
            assert record is not None, f"{task_id} was lost"
            assert record.status is task.status
            assert store.ahead(record) == self.model.ahead(task)

    @invariant()
    def past_the_store_the_same_is_seen(self) -> None:
        self.played.look(self.model)

    @invariant()
    def the_queues_are_as_expected(self) -> None:
        for hand in self.played.hands:
            assert hand.store.queues() == self.model.states()

    @invariant()
    def who_looks_for_work_finds_it(self) -> None:
        for hand in self.played.hands:
            for lane in Lane:
                assert hand.store.has_ready(lane) or not self.model.heads(lane)

    @invariant()
    def the_counts_add_up(self) -> None:
        statuses = [task.status for task in self.model.tasks.values()]
        expected = {status: statuses.count(status) for status in TaskStatus}
        for hand in self.played.hands:
            assert hand.store.count() == expected
        assert self.model.accepted == sum(expected.values()) + self.model.forgotten
        assert expected[PENDING] + expected[RUNNING] <= self.model.accepted

    @invariant()
    def idle_and_due_are_true(self) -> None:
        for hand in self.played.hands:
            assert hand.store.idle(self.model.steady) is self.model.is_idle(hand.number)
            assert hand.store.next_due() == min(self.model.moments(), default=None)


class MemoryGame(Game):
    kind = PlayedMemory


def machine(kind: type[Game], **settings: Any) -> Any:
    """The test case of a game."""
    from hypothesis import HealthCheck, Phase
    from hypothesis import settings as hypothesis_settings

    case = kind.TestCase
    case.settings = hypothesis_settings(
        deadline=None,
        database=None,
        phases=[Phase.generate],  # shrinking takes minutes, and forty steps can be read as they are
        suppress_health_check=list(HealthCheck),
        **settings,
    )
    return case
