"""`app.listen()`: real programs on real sockets, from their first line to their exit status."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.http.serving import BASIC, GET, HEAD, ServedScript

from hypern.app import Hypern
from hypern.errors import ConfigurationError
from hypern.http.application import WebApp
from hypern.http.listening import Listening

Serve = Callable[..., ServedScript]


def free_port() -> int:
    listening = Listening("127.0.0.1", 0)
    listening.bind().close()
    return listening.port


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_program_serves_and_stops(serve_script: Serve, number: int) -> None:
    """One line with the URL, answers, then hooks, what follows `listen`, and status 0."""
    script = serve_script(BASIC)
    assert script.exchange(GET).body == b"hello"
    script.signal(number)
    assert script.wait() == 0
    assert script.lines == [
        "startup",
        f"Hypern listening on http://127.0.0.1:{script.port}",
        "shutdown",
        "after listen 1",
    ]


def test_a_busy_port_is_said_to_be_busy(serve_script: Serve, tmp_path: Path) -> None:
    """A second program on the same port ends at once, with one clear error and without stealing requests."""
    first = serve_script(BASIC)
    path = tmp_path / "second.py"
    path.write_text(BASIC.replace("listen(0)", f"listen({first.port})"))
    second = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=30)
    assert second.returncode != 0
    assert f"cannot listen on 127.0.0.1:{first.port}: another program listens there already" in second.stderr
    assert "listening on" not in second.stdout
    assert "panicked" not in second.stderr
    assert first.exchange(GET).body == b"hello"


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("203.0.113.1", 0, "address of this machine"),
        ("no-such-host.invalid", 0, "address of this machine"),
        ("127.0.0.1", -1, "port=-1"),
        ("127.0.0.1", 65536, "port=65536"),
        ("127.0.0.1", "3000", "port='3000'"),
    ],
)
def test_an_impossible_address_is_refused(host: str, port: Any, words: str) -> None:
    """With the setting that is wrong."""
    with pytest.raises(ConfigurationError, match=words):
        Listening(host, port).bind()


def test_a_free_port_is_chosen_and_names_are_resolved() -> None:
    """`port=0` gives a real one; `localhost` its address; an address of IPv6 stands in brackets."""
    listening = Listening("localhost", 0)
    with listening.bind() as bound:
        assert bound.getsockname()[0] in ("127.0.0.1", "::1")
        assert listening.port > 0
    assert Listening("::1", 80).url == "http://[::1]:80"


def test_an_address_is_had_by_one_alone() -> None:
    """Of two that were bound before either listened, the second is refused when it wants to."""
    first = Listening("127.0.0.1", 0)
    with first.bind() as one:
        second = Listening("127.0.0.1", first.port)
        with second.bind() as other:
            first.open(one)
            with pytest.raises(ConfigurationError, match="another program listens there already"):
                second.open(other)
        with pytest.raises(ConfigurationError, match="another program listens there already"):
            second.bind()


def test_settings_that_cannot_work_are_refused() -> None:
    """Before anything is bound."""
    for workers in (0, -1, "2", True, 1.5):
        with pytest.raises(ConfigurationError, match="workers="):
            WebApp().listen(0, workers=workers)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="ssl_key"):
        WebApp().listen(0, ssl_cert="cert.pem")


def test_several_processes_need_a_store_that_they_share() -> None:
    """In memory each would know only its own tasks."""
    app = Hypern(task_store="memory://")
    for processes in ({"workers": 2}, {"task_processes": 1}):
        with pytest.raises(ConfigurationError, match=r"memory://.*sqlite:///"):
            app.listen(0, **processes)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="task_processes="):
        app.listen(0, task_processes=-1)
    with pytest.raises(ConfigurationError, match="would never see one"):
        app.run_tasks()


def test_a_certificate_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """With the files' names and the reason."""
    with pytest.raises(ConfigurationError, match=r"missing\.pem.*No such file"):
        WebApp().listen(0, ssl_cert=tmp_path / "missing.pem", ssl_key=tmp_path / "missing.key")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_serving_over_tls(serve_script: Serve, tmp_path: Path) -> None:
    """With a certificate the URL says https, and requests know that they are secure."""
    arguments = "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost"
    subprocess.run(["openssl", *arguments.split()], cwd=tmp_path, check=True, capture_output=True)
    script = serve_script(
        HEAD
        + """
app = WebApp()
app.get("/")(lambda req, res, ctx: {"secure": req.secure})
app.listen(0, ssl_cert="cert.pem", ssl_key="key.pem")
"""
    )
    assert script.lines == [f"Hypern listening on https://127.0.0.1:{script.port}"]
    context = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    with (
        socket.create_connection(("127.0.0.1", script.port), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(GET)
        answer = b""
        while not answer.endswith(b'{"secure":true}'):
            chunk = connection.recv(4096)
            assert chunk, answer
            answer += chunk


def test_a_startup_that_fails_ends_the_program(serve_script: Serve, tmp_path: Path) -> None:
    """With the error, without serving, and with a status that says so."""
    path = tmp_path / "failing.py"
    path.write_text(
        HEAD
        + """
app = WebApp()
app.on_startup(lambda: 1 / 0)
app.on_shutdown(lambda: print("bye"))
app.listen(0)
"""
    )
    ended = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1
    assert "ZeroDivisionError" in ended.stderr
    assert ended.stdout == ""


def test_the_programs_logging_is_left_alone(serve_script: Serve, tmp_path: Path) -> None:
    """Handlers that the program has set up are neither closed nor doubled."""
    script = serve_script(
        HEAD
        + """
logging.basicConfig(level=logging.DEBUG, filename="own.log", filemode="w")
app = WebApp()
app.get("/")(lambda req, res, ctx: logging.warning("from a handler"))
app.on_shutdown(lambda: logging.warning("from a hook"))
app.listen(0)
"""
    )
    script.exchange(GET)
    script.signal()
    assert script.wait() == 0
    written = (tmp_path / "own.log").read_text()
    assert written.count("from a handler") == written.count("from a hook") == 1
    assert len(script.lines) == 1


def test_listening_in_another_thread() -> None:
    """Without signals; `stop()` ends it, `callback` tells when it is there, and it can be done again."""
    app = WebApp()
    app.get("/")(lambda req, res, ctx: "hello")
    for _ in range(2):
        reachable = threading.Event()
        port = free_port()
        thread = threading.Thread(target=app.listen, args=(port,), kwargs={"callback": reachable.set})
        thread.start()
        assert reachable.wait(20)
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(GET)
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        app.stop()
        thread.join(20)
        assert not thread.is_alive()
    app.stop()


def test_listening_inside_of_a_running_loop_is_refused() -> None:
    """With the reason, instead of asyncio's."""
    import asyncio

    async def main() -> None:
        WebApp().listen(0)

    with pytest.raises(ConfigurationError, match="event loop of its own"):
        asyncio.run(main())


def test_a_callback_that_fails_ends_the_program(tmp_path: Path) -> None:
    """Its error comes out of `listen`; nothing hangs."""
    path = tmp_path / "failing.py"
    path.write_text(HEAD + "WebApp().listen(0, callback=lambda: 1 / 0)\n")
    ended = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1
    assert "ZeroDivisionError" in ended.stderr


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_under_uvicorn(serve_script: Serve, tmp_path: Path, loop: str) -> None:
    """The app object is an ASGI application: requests, start and end work under another server."""
    (tmp_path / "served_app.py").write_text(BASIC.replace("app.listen(0)\n", "").replace('print("after', "#"))
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "served_app:app", "--port", str(port), "--loop", loop],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if "Uvicorn running" in line:
                break
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
            answer = b""
            while chunk := connection.recv(4096):
                answer += chunk
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"hello")
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        process.wait(20)
        assert "shutdown" in rest
        assert "Traceback" not in rest
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
