"""Hostile clients: raw bytes against the real server, which may refuse but never be fooled or held up."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable

import pytest
from tests.http.serving import ServedScript

SOURCE = """
import asyncio
from hypern.http.application import WebApp

app = WebApp(request_timeout=1.0, max_body_size=1_000_000)
app.handled = []

@app.all("/echo/*rest")
def echo(req, res, ctx):
    app.handled.append(req.param("rest"))
    res.json({"method": req.method, "rest": req.param("rest"), "body": req.body_bytes().hex()})

@app.post("/json")
async def read_json(req, res, ctx):
    res.json(req.json())

@app.get("/header")
def header(req, res, ctx):
    res.header("X-Echo", req.query("value"))
    return "set"

@app.get("/cookie")
def cookie(req, res, ctx):
    res.cookie("echo", req.query("value"))
    return "set"

@app.get("/redirect")
def redirect(req, res, ctx):
    res.redirect(req.query("value"))

@app.get("/big")
async def big(req, res, ctx):
    return b"x" * 30_000_000

@app.get("/handled")
async def handled(req, res, ctx):
    found, app.handled[:] = list(app.handled), []
    return found

app.listen(0)
"""


@pytest.fixture(scope="module")
def server(serve_script_once: Callable[[str], ServedScript]) -> ServedScript:
    return serve_script_once(SOURCE)


def handled(server: ServedScript) -> list[str]:
    """Which paths reached the echo handler since the last time this was asked."""
    reply = server.exchange(b"GET /handled HTTP/1.1\r\nHost: test\r\n\r\n")
    found: list[str] = json.loads(reply.body)
    return found


def everything(server: ServedScript, data: bytes) -> bytes:
    """All that the server says before it closes; the client's side stays open until then."""
    with server.connect(timeout=15) as connection:
        connection.send(data)
        return connection.read_to_end()


SMUGGLED = b"POST /echo/smuggled HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n"


def head(*lines: bytes, request: bytes = b"POST /echo/first HTTP/1.1") -> bytes:
    return b"\r\n".join([request, b"Host: test", *lines]) + b"\r\n\r\n"


MALFORMED = {
    "two lengths": head(b"Content-Length: 2", b"Content-Length: 3") + b"ab",
    "a list of lengths": head(b"Content-Length: 2, 3") + b"ab",
    "a signed length": head(b"Content-Length: +2") + b"ab",
    "a hexadecimal length": head(b"Content-Length: 0x2") + b"ab",
    "an underscored length": head(b"Content-Length: 1_0") + b"0123456789",
    "a negative length": head(b"Content-Length: -1"),
    "an empty length": head(b"Content-Length: "),
    "a huge length": head(b"Content-Length: 99999999999999999999999"),
    "two hosts": head(b"Host: other", b"Content-Length: 0"),
    "space before the colon": head(b"Content-Length : 0"),
    "an obsolete line fold": head(b"X-A: b", b" c", b"Content-Length: 0"),
    "NUL in a header": head(b"X-A: b\x00c", b"Content-Length: 0"),
    "NUL in the path": head(b"Content-Length: 0", request=b"POST /echo/\x00 HTTP/1.1"),
    "CR in a header": head(b"X-A: b\rX-B: c", b"Content-Length: 0"),
    "an unknown encoding": head(b"Transfer-Encoding: xchunked") + b"0\r\n\r\n",
    "identity encoding": head(b"Transfer-Encoding: identity", b"Content-Length: 0"),
    "chunked not last": head(b"Transfer-Encoding: chunked, identity") + b"0\r\n\r\n",
    "a nameless header": head(b": b", b"Content-Length: 0"),
    "no version": b"POST /echo/first\r\n\r\n",
    "another version": head(request=b"POST /echo/first HTTP/9.9"),
    "a space in the path": head(request=b"POST /echo/a b HTTP/1.1"),
    "raw bytes in the path": head(request=b"POST /echo/\xff HTTP/1.1"),
    "not HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(64),
    "HTTP/2 in the clear": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_is_refused_and_the_connection_closed(server: ServedScript, name: str) -> None:
    """Whatever follows it on the connection is never taken for a request."""
    answer = everything(server, MALFORMED[name] + SMUGGLED)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413", b"HTTP/1.0 400")), answer
    assert answer.count(b"HTTP/1.") <= 1
    assert handled(server) == []


BAD_CHUNKS = {
    "a signed size": b"+2\r\nab\r\n0\r\n\r\n",
    "a 0x size": b"0x2\r\nab\r\n0\r\n\r\n",
    "no size": b"\r\nab\r\n0\r\n\r\n",
    "not a number": b"zz\r\nab\r\n0\r\n\r\n",
    "a size that overflows": b"fffffffffffffffff1\r\nab\r\n0\r\n\r\n",
    "a bare LF after an extension": b"2;a\nab\r\n0\r\n\r\n",
    "data longer than its size": b"2\r\nabcd\r\n0\r\n\r\n",
    "endless extensions": b"2;" + b"a" * 100_000 + b"\r\nab\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_CHUNKS)
def test_a_malformed_chunk_is_refused_and_the_connection_closed(server: ServedScript, name: str) -> None:
    """The handler does not run on half a body, and the rest is not taken for a request."""
    answer = everything(server, head(b"Transfer-Encoding: chunked") + BAD_CHUNKS[name] + SMUGGLED)
    assert answer.startswith(b"HTTP/1.1 400"), answer
    assert b"connection: close" in answer.lower()
    assert answer.count(b"HTTP/1.") == 1
    assert handled(server) == []


def test_both_length_and_chunked_is_one_request(server: ServedScript) -> None:
    """The server drops the length, as RFC 9112 says, and closes: what follows is not a request."""
    lines = (b"Content-Length: 4", b"Transfer-Encoding: chunked")
    for order in (lines, lines[::-1]):
        answer = everything(server, head(*order) + b"0\r\n\r\n" + SMUGGLED)
        assert answer.count(b"HTTP/1.") == 1
        assert b"smuggled" not in answer
        assert handled(server) in ([], ["first"])


def test_bare_line_feeds_end_lines_for_all_alike(server: ServedScript) -> None:
    """The server reads LF as CRLF, as RFC 9112 allows; bodies still end where their length says."""
    body = SMUGGLED
    data = head(b"Content-Length: %d" % len(body)).replace(b"\r\n", b"\n") + body
    reply = server.exchange(data)
    assert (reply.status, json.loads(reply.body)["body"]) == (200, body.hex())
    assert handled(server) == ["first"]


def test_chunk_extensions_are_passed_over(server: ServedScript) -> None:
    """A body in chunks with extensions and trailers is the body."""
    data = head(b"Transfer-Encoding: chunked") + b'2;a="b"\r\nab\r\n3 ;x\r\ncde\r\n0\r\nX-Trailer: 1\r\n\r\n'
    assert json.loads(server.exchange(data).body)["body"] == b"abcde".hex()
    assert handled(server) == ["first"]


def test_a_body_is_never_a_request(server: ServedScript) -> None:
    """Also where no handler reads it: without a route, with a wrong method, or too large."""
    for request, status in ((b"POST /nowhere HTTP/1.1", b"404"), (b"POST /handled HTTP/1.1", b"405")):
        with server.connect() as connection:
            connection.send(head(b"Content-Length: %d" % len(SMUGGLED), request=request) + SMUGGLED)
            assert str(connection.read_reply().status).encode() == status
    assert handled(server) == []


def test_pipelined_requests_are_answered_in_order(server: ServedScript) -> None:
    """Each once, and each with its own answer."""
    with server.connect() as connection:
        connection.send(b"".join(b"GET /echo/%d HTTP/1.1\r\nHost: test\r\n\r\n" % n for n in range(50)))
        replies = [json.loads(connection.read_reply().body)["rest"] for _ in range(50)]
    assert replies == [str(n) for n in range(50)]
    assert handled(server) == replies


def test_headers_are_bounded(server: ServedScript) -> None:
    """Too many or too long: 431, and 414 for a path without end."""
    many = b"".join(b"X-%d: a\r\n" % n for n in range(10_000))
    assert everything(server, b"GET /echo/ HTTP/1.1\r\nHost: test\r\n" + many + b"\r\n").startswith(
        b"HTTP/1.1 431"
    )
    long = b"X-A: " + b"a" * 200_000 + b"\r\n"
    assert everything(server, b"GET /echo/ HTTP/1.1\r\nHost: test\r\n" + long + b"\r\n").startswith(
        b"HTTP/1.1 431"
    )
    path = b"GET /echo/" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: test\r\n\r\n"
    assert everything(server, path).startswith((b"HTTP/1.1 414", b"HTTP/1.1 431"))
    assert handled(server) == []


def resident_kilobytes(server: ServedScript) -> int:
    with open(f"/proc/{server.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def test_a_body_without_end_costs_no_memory(server: ServedScript) -> None:
    """Announced or in chunks it is refused at the limit, long before it has arrived."""
    before = resident_kilobytes(server)
    assert everything(server, head(b"Content-Length: 1000000000")).startswith(b"HTTP/1.1 413")
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with server.connect() as connection:
        connection.send(head(b"Transfer-Encoding: chunked"))
        sent = 0
        try:
            while sent < 100_000_000:
                connection.send(chunk)
                sent += len(chunk)
        except OSError:
            pass
    assert sent < 50_000_000
    assert resident_kilobytes(server) - before < 50_000
    assert handled(server) == []


SLOW_STARTS = {
    "says nothing": b"",
    "half a request line": b"GET /ec",
    "half a header": b"GET /echo/ HTTP/1.1\r\nHost: te",
    "half a body": head(b"Content-Length: 10") + b"abc",
    "half a chunk": head(b"Transfer-Encoding: chunked") + b"5\r\nab",
    "stays after an answer": head(b"Content-Length: 0"),
}


@pytest.mark.parametrize("name", SLOW_STARTS)
def test_a_client_that_falls_silent_is_let_go(server: ServedScript, name: str) -> None:
    """After `request_timeout`, whatever it is in the middle of; half a body is answered with 408."""
    started = time.monotonic()
    answer = everything(server, SLOW_STARTS[name])
    assert 0.5 < time.monotonic() - started < 10
    if "half a body" in name or "half a chunk" in name:
        assert answer.startswith(b"HTTP/1.1 408")
    handled(server)


@pytest.mark.parametrize("start", [b"GET /echo/ HTTP/1.1\r\nX-A: ", head(b"Content-Length: 1000")])
def test_a_client_that_drips_is_let_go(server: ServedScript, start: bytes) -> None:
    """A byte now and then does not buy time."""
    started = time.monotonic()
    with server.connect(timeout=15) as connection:
        connection.send(start)
        stop = threading.Event()

        def drip() -> None:
            try:
                while not stop.wait(0.05):
                    connection.send(b"a")
            except OSError:
                pass

        thread = threading.Thread(target=drip)
        thread.start()
        connection.read_to_end()
        stop.set()
        thread.join()
    assert time.monotonic() - started < 10
    assert handled(server) == []


def test_others_are_served_beside_a_thousand_idle_connections(server: ServedScript) -> None:
    """And their descriptors are given back when their time is over."""
    descriptors = f"/proc/{server.process.pid}/fd"
    before = len(os.listdir(descriptors))
    idle = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(900)]
    try:
        assert server.exchange(head(b"Content-Length: 0")).status == 200
        for connection in idle:
            connection.settimeout(15)
            try:
                assert connection.recv(100) == b""
            except ConnectionResetError:
                pass
    finally:
        for connection in idle:
            connection.close()
    deadline = time.monotonic() + 10
    while len(os.listdir(descriptors)) > before + 5 and time.monotonic() < deadline:
        handled(server)
    assert len(os.listdir(descriptors)) <= before + 5


def test_a_client_that_does_not_take_its_answer_holds_up_nobody(server: ServedScript) -> None:
    """Others are served while megabytes wait for it."""
    with server.connect() as connection:
        connection.send(b"GET /big HTTP/1.1\r\nHost: test\r\n\r\n")
        for _ in range(20):
            assert server.exchange(head(b"Content-Length: 0")).status == 200
    handled(server)


def test_a_client_that_leaves_is_served_once_or_not_at_all(server: ServedScript) -> None:
    """A complete request may run, half of one never does, and the server goes on."""
    for n in range(20):
        with server.connect() as connection:
            connection.send(head(b"Content-Length: 0", request=b"POST /echo/whole-%d HTTP/1.1" % n))
        with server.connect() as connection:
            connection.send(head(b"Content-Length: 9", request=b"POST /echo/half-%d HTTP/1.1" % n) + b"ab")
    assert server.exchange(head(b"Content-Length: 0")).status == 200
    found = handled(server)
    assert len(found) == len(set(found))
    assert not [rest for rest in found if rest.startswith("half")]


@pytest.mark.parametrize("value", ["a%0d%0aX-Evil:%201", "a%0aX-Evil:%201", "a%0dX-Evil:%201", "a%00b"])
@pytest.mark.parametrize("path", ["header", "cookie", "redirect"])
def test_a_handler_that_echoes_cannot_be_made_to_split_its_answer(
    server: ServedScript, path: str, value: str
) -> None:
    """The call in the handler fails; the client gets a 500 without the forged header."""
    reply = server.exchange(f"GET /{path}?value={value} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
    assert reply.status == 500
    assert "x-evil" not in reply.headers


def test_hostile_json_is_a_400_in_no_time(server: ServedScript) -> None:
    """Depth, numbers, encodings and doubled keys; the next client is not kept waiting."""
    for body in (
        b"[" * 900_000,
        b'{"a":' * 150_000,
        b"9" * 900_000,
        b'{"a": NaN}',
        b'{"a": 1, "a": 2}',
        b'"\xff"',
        b"",
    ):
        started = time.monotonic()
        reply = server.exchange(
            head(b"Content-Length: %d" % len(body), request=b"POST /json HTTP/1.1") + body
        )
        assert reply.status == 400, body[:20]
        assert time.monotonic() - started < 10


def test_json_at_the_edge_of_depth_is_read_and_written_or_refused(server: ServedScript) -> None:
    """There is no depth that can be read and then breaks the answer, wherever a version of Python ends."""

    def status(depth: int) -> int:
        body = b"[" * depth + b"]" * depth
        data = head(b"Content-Length: %d" % len(body), request=b"POST /json HTTP/1.1") + body
        return server.exchange(data).status

    read, refused = 100, 200_000
    assert (status(read), status(refused)) == (200, 400)
    while refused - read > 1:
        middle = (read + refused) // 2
        if status(middle) == 200:
            read = middle
        else:
            refused = middle
    around = {depth: status(depth) for depth in range(max(1, read - 150), read + 150, 5)}
    assert around == {depth: 200 if depth <= read else 400 for depth in around}


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /echo/%ff HTTP/1.1", 400),
        (b"GET /echo/%00 HTTP/1.1", 400),
        (b"GET http://elsewhere.example/echo/x HTTP/1.1", 200),
        (b"OPTIONS * HTTP/1.1", 404),
        (b"get /echo/x HTTP/1.1", 200),
        (b"GET /handled/../echo/x HTTP/1.1", 404),
        (b"GET //echo/x HTTP/1.1", 404),
    ],
)
def test_odd_targets(server: ServedScript, request_line: bytes, status: int) -> None:
    """They are answered by what they say, without being tidied up into something else."""
    assert server.exchange(request_line + b"\r\nHost: test\r\n\r\n").status == status
    handled(server)


def test_underscores_and_dashes_are_different_headers() -> None:
    """A proxy that strips `X-User` is not got round with `X_User`."""
    from hypern.http.headers import Headers

    headers = Headers([(b"x_user", b"forged")])
    assert headers.get("x-user") is None
