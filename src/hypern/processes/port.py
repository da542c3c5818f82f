"""The sockets of several processes that listen on one address.

Linux shares connections out among sockets of one address, so that each process gets as many as the others;
where several accept from one socket, whoever is awake gets nearly all. Other systems do not share out: there
all have the same one.

The parent keeps every socket open as well, so connections wait while nobody is there to take them, and a
process that takes the place of another finds them. But while others are there, they should have them: so a
socket is dropped when its process leaves.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable

SHARES_OUT = sys.platform == "linux"


class Port:
    """`bind` makes one more socket on the address; with True one that others may be beside."""

    def __init__(self, bind: Callable[[bool], socket.socket], processes: int) -> None:
        self._shares_out = SHARES_OUT and processes > 1
        self._bind = bind
        # Alone first: the system would let us join another program of this user that shares its port.
        first = bind(False)
        if self._shares_out:
            first.close()
            first = bind(True)
        self._sockets = {1: first}

    def socket(self, number: int) -> socket.socket:
        """The socket of the process at this post. It does not listen before a process lets it."""
        if not self._shares_out:
            return self._sockets[1]
        if number not in self._sockets:
            self._sockets[number] = self._bind(True)
        return self._sockets[number]

    def drop(self, number: int) -> None:
        """The process at this post takes no more connections, and there are others that do."""
        if self._shares_out and number in self._sockets:
            self._sockets.pop(number).close()

    def close(self) -> None:
        """Nobody takes connections any more: they are refused when the last process has closed its own."""
        while self._sockets:
            self._sockets.popitem()[1].close()
