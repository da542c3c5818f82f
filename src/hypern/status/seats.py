"""How many clients may hold a connection open to wait for tasks: in all, and each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from hypern.errors import ServiceUnavailable, TooManyRequests
from hypern.status.checks import NO_STORE

# Seconds after which somebody who was refused may find a seat.
_COME_BACK = "10"


class Seats:
    """Who waits, by address. `most`: in this process; `most_of_one`: of one address. None: any number.

    All on one event loop.
    """

    def __init__(self, most: int | None, most_of_one: int | None) -> None:
        self._most, self._most_of_one = most, most_of_one
        self._taken: Counter[str] = Counter()
        self._number = 0

    def check(self, client: str) -> None:
        """Raises TooManyRequests if this client has all of its own, ServiceUnavailable if none is left."""
        headers = {**NO_STORE, "Retry-After": _COME_BACK}
        if self._most_of_one is not None and self._taken[client] >= self._most_of_one:
            raise TooManyRequests(
                f"This address follows {self._most_of_one} tasks already; let one of them end.",
                headers=headers,
            )
        if self._most is not None and self._number >= self._most:
            raise ServiceUnavailable("Too many tasks are being followed; ask again later.", headers=headers)

    def is_free(self, client: str) -> bool:
        """Whether `check` would let this client in."""
        of_one, in_all = self._most_of_one, self._most
        return (of_one is None or self._taken[client] < of_one) and (in_all is None or self._number < in_all)

    @contextmanager
    def taken(self, client: str) -> Iterator[None]:
        """One more is taken inside the block."""
        self._number += 1
        self._taken[client] += 1
        try:
            yield
        finally:
            self._number -= 1
            self._taken[client] -= 1
            if not self._taken[client]:
                del self._taken[client]
