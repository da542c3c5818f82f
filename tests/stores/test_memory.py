"""The store in memory: it passes the suite of all stores, and what is particular to it."""

from __future__ import annotations

from hypern.stores.conformance import StoreConformance
from hypern.stores.memory import MemoryStore


class TestMemoryStore(StoreConformance):
    def make_store(self, capacity: int, keep: int, keep_seconds: float) -> MemoryStore:
        return MemoryStore(capacity=capacity, keep=keep, keep_seconds=keep_seconds)
