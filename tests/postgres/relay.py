"""A TCP relay between clients and a PostgreSQL server that can be told to ill-treat what passes."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit, urlunsplit

CHUNK = 65_536
# A PostgreSQL message: its kind, then how long it is, counted from there.
_HEAD = struct.Struct("!cI")
_NOTIFICATION = b"A"
_RESET = struct.pack("ii", 1, 0)


class _Link:
    """One client's connection and the one to the server that belongs to it."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.is_silent = False
        # A lost reply: seen in what the client sends, cut at the next that the server answers.
        self.is_marked = False

    def cut(self) -> None:
        """Reset both ends, as after the crash of a host."""
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class Relay:
    """Listens on `port` of 127.0.0.1 and passes everything on to the server of `url`, until told otherwise.

    `accepted`: when (time.monotonic) each connection came.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        who = f"{parts.username}@" if parts.username else ""
        # Unencrypted, or nothing of what passes could be read.
        self.url = urlunsplit(
            parts._replace(
                netloc=f"{who}127.0.0.1:{self.port}",
                query="&".join(filter(None, (parts.query, "sslmode=disable", "gssencmode=disable"))),
            )
        )
        self.accepted: list[float] = []
        self._links: list[_Link] = []
        self._lock = threading.Lock()
        self._refuses = self._is_silent = self._drops_notifications = False
        self._delay = 0.0
        self._left: int | None = None
        self._marker: bytes | None = None
        self._lost = threading.Event()
        self.dropped = 0
        self._accepting = threading.Thread(target=self._accept, name="relay", daemon=True)
        self._accepting.start()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        # Closing alone would not wake who waits for the next one.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        self.cut()

    # -- commands ---------------------------------------------------------------------------------

    def cut(self) -> None:
        """Reset all connections; new ones are taken."""
        with self._lock:
            links, self._links = self._links, []
        for link in links:
            link.cut()

    def refuse(self) -> None:
        """Reset all connections, and each new one at once."""
        self._refuses = True
        self.cut()

    def silence(self) -> None:
        """Swallow what either side sends, on connections that are open and on new ones, and keep all of them
        open: half-open, as when a cable is pulled. What was silenced stays so."""
        self._is_silent = True
        with self._lock:
            for link in self._links:
                link.is_silent = True

    def heal(self) -> None:
        """Treat new connections, and those that are not silent, well again."""
        self._refuses = self._is_silent = self._drops_notifications = False
        self._delay = 0.0
        self._left = None

    def delay(self, seconds: float) -> None:
        """Pass everything on so much later."""
        self._delay = seconds

    def cut_after(self, count: int) -> None:
        """Reset all connections when the server has sent so many bytes more."""
        self._left = count

    def lose_reply_to(self, marker: bytes) -> threading.Event:
        """When a client has sent `marker`, pass it on, wait for the server's reply, which is lost, and reset
        that connection: what was asked has been done, and the client cannot know. The event: it has happened.
        """
        self._lost = threading.Event()
        self._marker = marker
        return self._lost

    def drop_notifications(self) -> None:
        """Pass on everything but what LISTEN is told; `dropped` counts those. Only for connections that are
        opened from now on."""
        self._drops_notifications = True

    # -- passing on -------------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # it was closed
                return
            self.accepted.append(time.monotonic())
            if self._refuses:
                _Link(client, socket.socket()).cut()
                continue
            try:
                server = socket.create_connection(self._target, timeout=10)
            except OSError:
                _Link(client, socket.socket()).cut()
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = _Link(client, server)
            link.is_silent = self._is_silent
            with self._lock:
                self._links.append(link)
            filtered = self._drops_notifications
            self._start(self._from_client, link)
            self._start(self._from_server_filtered if filtered else self._from_server, link)

    @staticmethod
    def _start(work: Callable[[_Link], None], link: _Link) -> None:
        threading.Thread(target=work, args=(link,), name="relay", daemon=True).start()

    def _from_client(self, link: _Link) -> None:
        for data in self._received(link, link.client):
            if self._marker is not None and self._marker in data:
                self._marker = None
                link.is_marked = True
            if not self._send(link, link.server, data):
                return

    def _from_server(self, link: _Link) -> None:
        for data in self._received(link, link.server):
            if not self._send(link, link.client, self._short_of_the_cut(data)):
                return
            if self._left is not None and self._left <= 0:
                self._left = None
                self.cut()

    def _short_of_the_cut(self, data: bytes) -> bytes:
        if self._left is None:
            return data
        passed = data[: max(0, self._left)]
        self._left -= len(data)
        return passed

    def _from_server_filtered(self, link: _Link) -> None:
        waiting = b""
        for data in self._received(link, link.server):
            waiting += data
            passed = b""
            while len(waiting) >= _HEAD.size:
                kind, length = _HEAD.unpack_from(waiting)
                if len(waiting) < 1 + length:
                    break
                message, waiting = waiting[: 1 + length], waiting[1 + length :]
                if kind == _NOTIFICATION:
                    self.dropped += 1
                else:
                    passed += message
            if not self._send(link, link.client, passed):
                return

    def _received(self, link: _Link, end: socket.socket) -> Iterator[bytes]:
        """What is to be passed on, as it comes, until one side is gone."""
        while True:
            try:
                data = end.recv(CHUNK)
            except OSError:
                data = b""
            if not data:
                # Of a silent link neither end hears that the other has gone.
                if not link.is_silent:
                    self._forget(link)
                return
            if link.is_marked and end is link.server:
                self._forget(link)
                self._lost.set()
                return
            if self._delay:
                time.sleep(self._delay)
            if not link.is_silent:
                yield data

    def _send(self, link: _Link, end: socket.socket, data: bytes) -> bool:
        try:
            end.sendall(data)
        except OSError:
            self._forget(link)
            return False
        return True

    def _forget(self, link: _Link) -> None:
        link.cut()
        with self._lock, contextlib.suppress(ValueError):
            self._links.remove(link)
