"""What an engine and the process of an isolated task say to one another, and the socket they say it on."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from hypern.records import Cancelled, Failed, Wanted

# The most bytes of arguments or of a result; they are sent, not kept.
LIMIT = 64_000_000

_LENGTH = 4
_is_child = False
_importer: int | None = None


def is_child() -> bool:
    """Whether this process is there to run isolated tasks for the engine of another one."""
    return _is_child


def become_child() -> None:
    """From now on this process is such a one."""
    global _is_child
    _is_child = True


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Meanwhile this thread imports the module of a task, and what that submits is refused: it would be
    submitted anew by each process that is started to run it, without end."""
    global _importer
    _importer = threading.get_ident()
    try:
        yield
    finally:
        _importer = None


def is_importing() -> bool:
    """Whether this thread does."""
    return _importer is not None and _importer == threading.get_ident()


class Run(msgspec.Struct, tag=True):
    """To the child: run this. `number`: which run of this child it is; `path`: of the function; `call`: its
    arguments as `codec.calls` writes them."""

    number: int
    path: str
    call: bytes
    task_id: str
    name: str
    attempt: int


class Stop(msgspec.Struct, tag=True):
    """To the child: the run of this number has been asked to stop."""

    number: int


class Leave(msgspec.Struct, tag=True):
    """To the child: there is nothing more to run."""


class Begun(msgspec.Struct, tag=True):
    """From the child: function and arguments are there, the function is called now."""


class Reached(msgspec.Struct, tag=True):
    """From the child: how far the task says it is."""

    fraction: float
    message: str | None


class Ended(msgspec.Struct, tag=True):
    """From the child: how the run ended; one of these. `value`: as `codec.values` writes it."""

    value: bytes | None = None
    omitted: str | None = None
    failed: Failed | None = None
    cancelled: Cancelled | None = None
    wanted: Wanted | None = None


Order = Run | Stop | Leave
Report = Begun | Reached | Ended
Heard = TypeVar("Heard")


class Channel(Generic[Heard]):
    """One end of the socket. Any thread may `send`, one may `receive`.

    `heard`: the decoder of what the other end sends. `end`: a descriptor that becomes readable when the
    process at the other end has ended; a socket alone does not tell while a process started by that one
    still holds it.
    """

    def __init__(
        self, connection: socket.socket, heard: msgspec.msgpack.Decoder[Heard], end: int | None = None
    ) -> None:
        self._connection = connection
        self._decoder = heard
        self._buffer = bytearray()
        self._lock = threading.Lock()
        self._encode = msgspec.msgpack.Encoder().encode
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        if end is not None:
            self._poll.register(end, select.POLLIN)

    def send(self, message: Order | Report) -> None:
        """Raises OSError when nobody is there to read it."""
        data = self._encode(message)
        with self._lock:
            self._connection.sendall(len(data).to_bytes(_LENGTH, "big") + data)

    def receive(self, seconds: float | None = None) -> Heard | None:
        """The next message; None: the other end is gone. Raises TimeoutError after `seconds`."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while (message := self._cut()) is None:
            if not self._is_readable(deadline):
                return None
            try:
                data = self._connection.recv(1 << 16)
            except OSError:
                return None
            if not data:
                return None
            self._buffer += data
        return message

    def close(self) -> None:
        self._connection.close()

    def _cut(self) -> Heard | None:
        size = int.from_bytes(self._buffer[:_LENGTH], "big") + _LENGTH
        if len(self._buffer) < max(size, _LENGTH + 1):
            return None
        data = bytes(self._buffer[_LENGTH:size])
        del self._buffer[:size]
        return self._decoder.decode(data)

    def _is_readable(self, deadline: float | None) -> bool:
        """Wait for something to read. False: there is nothing, and nothing will come."""
        wait = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        ready = [descriptor for descriptor, _ in self._poll.poll(wait)]
        if not ready:
            raise TimeoutError
        # What was sent before the end is read first.
        return self._connection.fileno() in ready
