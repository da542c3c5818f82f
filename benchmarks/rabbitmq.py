"""A RabbitMQ that runs already: it is not started here, for its node belongs to a user of its own."""

import os
import socket
from urllib.parse import urlsplit

from benchmarks.processes import ContenderError

VARIABLE = "BENCH_RABBITMQ"
USUAL = "amqp://guest:guest@127.0.0.1:5672//"


def running() -> str:
    """The URL of the broker that `BENCH_RABBITMQ` names, else of the usual one. Raises ContenderError."""
    url = os.environ.get(VARIABLE, USUAL)
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 5672), timeout=2).close()
    except OSError as error:
        raise ContenderError(
            f"no RabbitMQ answers at {parts.hostname}:{parts.port} ({error}); start one, or name it: {VARIABLE}=amqp://…"
        ) from error
    return url
