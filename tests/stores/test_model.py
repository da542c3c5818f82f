"""The stores against a model of them, through thousands of random steps.

The seed is fixed, unless MODEL_EXAMPLES says how many sequences of steps to play with a random one.
"""

from __future__ import annotations

import os

from tests.stores.game import Game, MemoryGame, RoomySQLiteGame, SQLiteGame, machine

EXAMPLES = os.environ.get("MODEL_EXAMPLES")


def played(kind: type[Game], examples: int) -> object:
    return machine(
        kind,
        max_examples=int(EXAMPLES or examples),
        stateful_step_count=40,
        derandomize=EXAMPLES is None,
        print_blob=EXAMPLES is not None,
    )


TestMemory = played(MemoryGame, 200)
TestSQLite = played(SQLiteGame, 100)
TestRoomySQLite = played(RoomySQLiteGame, 40)
