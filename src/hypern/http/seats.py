"""Places for those who hold a connection open: so many in all, and so many for each address."""

from __future__ import annotations

from collections import Counter


class Seat:
    """One place. It is free again after `leave`, or when nobody has the seat any more: an answer that is
    never begun tells nobody that it is over."""

    __slots__ = ("_client", "_seats")

    def __init__(self, seats: Seats, client: str) -> None:
        self._seats: Seats | None = seats
        self._client = client

    def leave(self) -> None:
        seats, self._seats = self._seats, None
        if seats is not None:
            seats.give_back(self._client)

    def __del__(self) -> None:
        self.leave()


class Seats:
    """Counts who has one. All on one event loop."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()
        self.number = 0

    def of(self, client: str) -> int:
        """How many this address has."""
        return self._of[client]

    def take(self, client: str) -> Seat:
        """When asked for, not when the answer is begun: else a thousand who come together all find room."""
        self.number += 1
        self._of[client] += 1
        return Seat(self, client)

    def give_back(self, client: str) -> None:
        self.number -= 1
        self._of[client] -= 1
        if not self._of[client]:
            del self._of[client]
