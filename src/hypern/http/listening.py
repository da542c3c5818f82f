"""Where to listen: from a host and a port to a socket, and what is wrong if there is none."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypern.errors import ConfigurationError


class Listening:
    """An address, how many connections may wait there, and the certificate if it speaks TLS.

    Raises ConfigurationError for what cannot work, whether now or when the socket is made.
    """

    def __init__(
        self,
        host: str,
        port: int,
        backlog: int = 1024,
        ssl_cert: str | os.PathLike[str] | None = None,
        ssl_key: str | os.PathLike[str] | None = None,
    ) -> None:
        if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65535:
            raise ConfigurationError(f"port={port!r} has to be a number from 0 to 65535.")
        if (ssl_cert is None) != (ssl_key is None):
            raise ConfigurationError("ssl_cert and ssl_key are both needed, or neither.")
        self.host = host
        self.port = port
        self.backlog = backlog
        self.ssl_cert = None if ssl_cert is None else Path(ssl_cert)
        self.ssl_key = None if ssl_key is None else Path(ssl_key)

    def bind(self, beside_others: bool = False) -> socket.socket:
        """A socket that has the address for itself, or that others of ours may be beside, and does not
        listen yet. `port=0` becomes a free one."""
        try:
            family, kind, _, _, address = socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
        except OSError as error:
            raise ConfigurationError(
                f"host={self.host!r} is not an address of this machine: {error.strerror}."
            ) from None
        bound = socket.socket(family, kind)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if beside_others:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            bound.bind(address)
        except OSError as error:
            bound.close()
            raise self._refused(error) from None
        self.port = int(bound.getsockname()[1])
        return bound

    def open(self, bound: socket.socket) -> None:
        """Let connections in. Until then they are refused, so nobody waits for an app that cannot start."""
        try:
            bound.listen(self.backlog)
        except OSError as error:
            raise self._refused(error) from None

    def announce(self, kind: str, callback: Callable[[], Any] | None) -> None:
        """Print the line with the URL, and `kind` behind it; then call back."""
        print(f"Hypern listening on {self.url}{kind}", flush=True)  # noqa: T201
        if callback is not None:
            callback()

    @property
    def url(self) -> str:
        scheme = "http" if self.ssl_cert is None else "https"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"

    def _refused(self, error: OSError) -> ConfigurationError:
        if error.errno == errno.EADDRINUSE:
            advice = "another program listens there already; stop it, or choose another port"
        elif error.errno == errno.EACCES:
            advice = "this user may not use that port; choose one above 1023"
        else:
            advice = f"{error.strerror}; choose an address of this machine, such as 127.0.0.1"
        return ConfigurationError(f"cannot listen on {self.host}:{self.port}: {advice}.")
