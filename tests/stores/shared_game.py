"""The game on stores that several processes share."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import multiple, rule
from tests.stores.game import ENDINGS, WHO, Game
from tests.stores.played import PlayedSQLite
from tests.stores.played_postgres import PlayedPostgres

from hypern.records import Ending, Lane


class SharedGame(Game):
    """Processes besides: they stop, die, come back, and find each other dead."""

    played: PlayedSQLite | PlayedPostgres

    @rule(who=WHO, gives_back=st.booleans())
    def stop(self, who: int, gives_back: bool) -> None:
        """A process ends in good order, and another one takes its place."""
        hand = self.hand(who)
        if gives_back:
            back = self.model.give_back(hand.number)
            assert {record.id for record in hand.store.give_back()} == back
        else:
            self.model.dead.add(hand.number)
        hand.store.close()
        hand.is_closed = True
        self.follow(who)

    @rule(who=WHO)
    def crash(self, who: int) -> None:
        hand = self.hand(who)
        self.played.kill(hand)
        self.model.dead.add(hand.number)
        self.follow(who)

    def follow(self, who: int) -> None:
        index = who % len(self.played.hands)
        self.played.replace(index)
        self.played.wrote(self.hand(index))

    @rule(who=WHO)
    def rescue(self, who: int) -> None:
        hand = self.hand(who)
        assert hand.store.rescue(self.model.steady, self.model.wall) == self.model.rescue()
        self.played.wrote(hand)

    @rule(
        target=Game.attempts,
        who=WHO,
        lane=st.sampled_from(Lane),
        ending=st.sampled_from([None, *ENDINGS]),
    )
    def die_on_it(self, who: int, lane: Lane, ending: Ending | None) -> object:
        """So that tasks lose several workers, and endings come from dead ones while others run their tasks:
        chance is too slow. Before the death nobody may take the task."""
        attempts = self.claim_one(who, lane)
        self.rescue(1 - who)
        self.crash(who)
        self.rescue(1 - who)
        if ending is None:
            return multiple(*attempts)
        others = self.claim_one(1 - who, lane)
        for attempt in attempts:
            self.finish(attempt, ending)
        return multiple(*attempts, *others)


class SQLiteGame(SharedGame):
    kind = PlayedSQLite


class PostgresGame(SharedGame):
    kind = PlayedPostgres


class RoomyPostgresGame(PostgresGame):
    capacity = None


class RoomySQLiteGame(SQLiteGame):
    """Without a limit of what may wait, submitting takes a shorter way."""

    capacity = None
