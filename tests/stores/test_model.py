"""The stores against a model of them, through thousands of random steps.

The seed is fixed, unless MODEL_EXAMPLES says how many sequences of steps to play with a random one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.stores.expected import Wish
from tests.stores.game import Game, MemoryGame, machine
from tests.stores.played_postgres import PlayedPostgres
from tests.stores.postgres_help import drop, fresh_url
from tests.stores.shared_game import PostgresGame, RoomyPostgresGame, RoomySQLiteGame, SQLiteGame

from hypern.records import Completed, Lane
from hypern.stores.postgres import neighbours

EXAMPLES = os.environ.get("MODEL_EXAMPLES")

# Thousands of steps take their time on a machine that has other things to do.
pytestmark = pytest.mark.timeout(600 if EXAMPLES is None else 0)


def played(kind: type[Game], examples: int, share: int = 1) -> object:
    """`share`: where so many are played as somebody says, one of how many is played here."""
    return machine(
        kind,
        max_examples=examples if EXAMPLES is None else max(1, int(EXAMPLES) // share),
        stateful_step_count=40,
        derandomize=EXAMPLES is None,
        print_blob=EXAMPLES is not None,
    )


TestMemory = played(MemoryGame, 200)
TestSQLite = played(SQLiteGame, 100)
TestRoomySQLite = played(RoomySQLiteGame, 40)


@pytest.fixture(scope="class")
def schema(postgres_server: str) -> Iterator[None]:
    """Where a game is played on PostgreSQL: whose session is gone there is dead at once."""
    PlayedPostgres.url = fresh_url(postgres_server)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "GRACE", 0.0)
        yield
    drop(PlayedPostgres.url)


# There each step takes twenty times as long.
TestPostgres = pytest.mark.usefixtures("schema")(played(PostgresGame, 5, share=20))
TestRoomyPostgres = pytest.mark.usefixtures("schema")(played(RoomyPostgresGame, 2, share=20))


@pytest.mark.usefixtures("schema")
def test_what_the_dead_write_undoes_no_limit() -> None:
    """A process that was taken for dead and knows of no limit ends its task; the others know of it."""
    wish = Wish(0.0, 0, Lane.THREAD, "mail", None, None, None)
    game = PostgresGame()
    try:
        game.begin([wish, wish])
        (attempt,) = game.claim_one(0, Lane.THREAD)
        game.crash(0)
        game.set_queue(1, "mail", None, 2)
        game.finish(attempt, Completed("value"))
        assert len(game.claim_one(1, Lane.THREAD)) == 1
    finally:
        game.teardown()
