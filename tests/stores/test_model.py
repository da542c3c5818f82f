"""The stores against a model of them, through thousands of random steps."""

from __future__ import annotations

from tests.stores.game import MemoryGame, SQLiteGame, machine

TestMemory = machine(MemoryGame, max_examples=300, stateful_step_count=40, derandomize=True)
TestSQLite = machine(SQLiteGame, max_examples=60, stateful_step_count=40, derandomize=True)
