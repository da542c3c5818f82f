"""How `app.listen()` ends: what is finished, what is given up, and in which order."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from tests.http.serving import BASIC, GET, HEAD, ServedScript

Serve = Callable[..., ServedScript]


ENDLESS_STREAM = """

async def events():
    try:
        yield "one"
        await asyncio.Event().wait()
    finally:
        print("generator closed", flush=True)

app.get("/")(lambda req, res, ctx: res.sse(events()))
app.listen(0)
"""


def test_idle_connections_do_not_hold_up_the_stop(serve_script: Serve) -> None:
    """Those kept alive, and those that never said a word."""
    script = serve_script(BASIC.replace("WebApp()", "WebApp(request_grace_seconds=3600)"))
    with script.connect() as used, script.connect():
        used.send(GET)
        used.read_reply()
        script.signal()
        assert script.wait() == 0


SLOW = (
    HEAD
    + """
app = WebApp(request_grace_seconds=GRACE)

@app.get("/plain")
def plain(req, res, ctx):
    print("began", flush=True)
    return sys.stdin.readline().strip()

@app.get("/async")
async def asynchronous(req, res, ctx):
    print("began", flush=True)
    return (await asyncio.to_thread(sys.stdin.readline)).strip()

@app.get("/forever")
async def forever(req, res, ctx):
    print("began", flush=True)
    await asyncio.Event().wait()

@app.get("/blocked")
def blocked(req, res, ctx):
    print("began", flush=True)
    time.sleep(60)

app.on_shutdown(lambda: print("shutdown", flush=True))
app.listen(0)
"""
)


@pytest.mark.parametrize("path", ["/plain", "/async"])
def test_a_request_under_way_is_finished(serve_script: Serve, path: str) -> None:
    """After the signal new connections are not accepted, and the answer still arrives, complete."""
    script = serve_script(SLOW.replace("GRACE", "20"))
    with script.connect() as connection:
        connection.send(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        script.wait_for_line("began")
        script.signal()
        script.wait_until_closed()
        script.tell("finished")
        reply = connection.read_reply()
    assert (reply.status, reply.body) == (200, b"finished")
    assert script.wait() == 0


@pytest.mark.parametrize("path", ["/forever", "/blocked"])
def test_a_request_that_does_not_finish_in_time_is_cancelled(serve_script: Serve, path: str) -> None:
    """The client hears that the server stops; hooks run and the program ends all the same."""
    script = serve_script(SLOW.replace("GRACE", "0.2"))
    with script.connect() as connection:
        connection.send(f"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        script.wait_for_line("began")
        script.signal()
        reply = connection.read_reply()
    assert (reply.status, reply.headers["connection"]) == (503, "close")
    assert script.wait() == 0
    assert script.lines[-1] == "shutdown"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_waits_for_nothing(serve_script: Serve, number: int) -> None:
    """However long the grace would have been."""
    script = serve_script(SLOW.replace("GRACE", "3600"))
    with script.connect() as connection:
        connection.send(b"GET /forever HTTP/1.1\r\nHost: test\r\n\r\n")
        script.wait_for_line("began")
        script.signal(number)
        # The system may merge two signals that come together.
        script.wait_until_closed()
        script.signal(number)
    assert script.wait() == 0
    assert script.lines[-1] == "shutdown"


def test_open_streams_do_not_hold_up_the_stop(serve_script: Serve) -> None:
    """They are ended, their generators closed, and the client sees a proper end."""
    script = serve_script(HEAD + "app = WebApp(request_grace_seconds=3600)" + ENDLESS_STREAM)
    with script.connect() as connection:
        connection.send(GET)
        connection.read_until(b"data: one\n\n")
        script.signal()
        assert connection.read_to_end().endswith(b"0\r\n\r\n")
    assert script.wait() == 0
    assert "generator closed" in script.lines


def test_a_client_that_leaves_closes_its_stream(serve_script: Serve) -> None:
    """The generator's `finally` runs when the connection breaks, not when the server stops."""
    script = serve_script(HEAD + "app = WebApp()" + ENDLESS_STREAM)
    with script.connect() as connection:
        connection.send(GET)
        connection.read_until(b"data: one\n\n")
    script.wait_for_line("generator closed")


def test_what_a_subclass_does_in_the_end(serve_script: Serve) -> None:
    """`_after_serving` comes after the requests and before the shutdown, may block, and sees `stop_now`."""
    script = serve_script(
        HEAD
        + """
class App(WebApp):
    async def _on_stop(self):
        print("on_stop", flush=True)

    def _after_serving(self):
        print("after serving", self.stop_now.is_set(), flush=True)
        self.stop_now.wait(20)
        print("stop now", flush=True)

app = App()
app.on_shutdown(lambda: print("shutdown", flush=True))
app.listen(0)
"""
    )
    script.signal()
    script.wait_for_line("after serving False")
    script.signal()
    assert script.wait() == 0
    assert script.lines[1:] == ["after serving False", "stop now", "on_stop", "shutdown"]
