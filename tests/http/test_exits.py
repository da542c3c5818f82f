"""Handlers and streams that try to end the program they are in: the server goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.http.serving import ServedScript

SOURCE = """
import asyncio, os, sys
from hypern.http.application import WebApp

app = WebApp()

class ByPlain(Exception): ...
class ByAsync(Exception): ...
class ByCancelled(Exception): ...

@app.get("/pid")
async def pid(req, res, ctx):
    return str(os.getpid())

@app.get("/handler/plain")
def plain(req, res, ctx):
    sys.exit(3)

@app.get("/handler/async")
async def asynchronous(req, res, ctx):
    sys.exit(3)

@app.get("/error/:kind")
def fails(req, res, ctx):
    raise {"plain": ByPlain, "async": ByAsync, "cancelled": ByCancelled}[req.param("kind")]

@app.errorhandler(ByPlain)
def by_plain(req, res, error):
    sys.exit(4)

@app.errorhandler(ByAsync)
async def by_async(req, res, error):
    raise KeyboardInterrupt

@app.errorhandler(ByCancelled)
async def by_cancelled(req, res, error):
    raise asyncio.CancelledError

def exits():
    yield 1
    sys.exit(5)

async def exits_async():
    yield 1
    raise KeyboardInterrupt

async def exits_when_closed():
    try:
        yield 1
        await asyncio.Event().wait()
    finally:
        print("closing", flush=True)
        sys.exit(6)

app.get("/stream/plain")(lambda req, res, ctx: res.sse(exits()))
app.get("/stream/async")(lambda req, res, ctx: res.sse(exits_async()))
app.get("/stream/closed")(lambda req, res, ctx: res.sse(exits_when_closed()))
app.listen(0)
"""


@pytest.fixture(scope="module")
def server(serve_script_once: Callable[[str], ServedScript]) -> ServedScript:
    return serve_script_once(SOURCE)


def goes_on(server: ServedScript) -> bool:
    reply = server.exchange(b"GET /pid HTTP/1.1\r\nHost: t\r\n\r\n")
    return reply.body == str(server.process.pid).encode()


@pytest.mark.parametrize(
    "path", ["handler/plain", "handler/async", "error/plain", "error/async", "error/cancelled"]
)
def test_whoever_tries_gets_a_500_for_the_client(server: ServedScript, path: str) -> None:
    """In the shape of every error, on a connection that can be used on."""
    with server.connect() as connection:
        for _ in range(2):
            connection.send(f"GET /{path} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
            reply = connection.read_reply()
            assert (reply.status, reply.headers["content-type"]) == (500, "application/json")
    assert goes_on(server)


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_stream_that_tries_ends_alone(server: ServedScript, kind: str) -> None:
    """What came before is delivered, and the stream has a proper end."""
    with server.connect() as connection:
        connection.send(f"GET /stream/{kind} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
        assert b"data: 1" in connection.read_until(b"0\r\n\r\n")
    assert goes_on(server)


def test_a_stream_that_tries_while_it_is_closed(server: ServedScript) -> None:
    """The client has left, and nobody else notices."""
    with server.connect() as connection:
        connection.send(b"GET /stream/closed HTTP/1.1\r\nHost: t\r\n\r\n")
        connection.read_until(b"data: 1")
    server.wait_for_line("closing")
    server.wait_for_line("a stream of events failed on '/stream/closed'")
    assert goes_on(server)
