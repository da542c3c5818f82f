"""Tasks that talk to the world: a coroutine with an HTTP client, and mail over SMTP, to real servers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from tests.journeys.running import Program

Serve = Callable[..., Program]

FETCHER = {
    "app.py": """
        import os

        from hypern import Hypern

        app = Hypern(task_workers=1)


        @app.background(priority="normal")
        async def read_page(url: str):
            import aiohttp

            async with aiohttp.ClientSession() as session:
                async with session.get(url, raise_for_status=True) as response:
                    return await response.text()


        @app.post("/read")
        async def read(req, res, ctx):
            wanted = req.json()
            res.json({"status": "reading", "ids": [read_page(url) for url in wanted["urls"]]})


        @app.get("/read/:id")
        async def state(req, res, ctx):
            found = app.get_task(req.param("id"))
            res.json({"status": found.status.name, "result": found.result, "error": found.error})


        if __name__ == "__main__":
            app.listen(int(os.environ["PORT"]))
    """,
}
TOGETHER = 20


@contextmanager
def library() -> Iterator[str]:
    """The address of an HTTP server: `/meet/…` answers once twenty are asked for at the same time."""
    meeting = threading.Barrier(TOGETHER, timeout=20)

    class Shelf(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/meet"):
                meeting.wait()
            found = b"a page at " + self.path.encode()
            self.send_response(404 if self.path == "/gone" else 200)
            self.send_header("Content-Length", str(len(found)))
            self.end_headers()
            self.wfile.write(found)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Shelves(ThreadingHTTPServer):
        request_queue_size = TOGETHER

    with Shelves(("127.0.0.1", 0), Shelf) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def test_a_coroutine_fetches_with_a_real_client(serve: Serve) -> None:
    """Async task with normal priority: an async handler submits it, its result is the text fetched."""
    with library() as address, serve(FETCHER) as reader:
        answer = reader.post("/read", urls=[f"{address}/first"])
        assert answer["status"] == "reading"
        ended = reader.ended(f"/read/{answer['ids'][0]}")
        assert ended == {"status": "completed", "result": "a page at /first", "error": None}


def test_coroutines_wait_side_by_side(serve: Serve) -> None:
    """Async tasks: twenty that wait for one another on the far side all end, whatever the workers."""
    with library() as address, serve(FETCHER) as reader:
        ids = reader.post("/read", urls=[f"{address}/meet/{number}" for number in range(TOGETHER)])["ids"]
        results = [reader.ended(f"/read/{task_id}")["result"] for task_id in ids]
        assert results == [f"a page at /meet/{number}" for number in range(TOGETHER)]


def test_what_a_coroutine_raises_is_its_error(serve: Serve) -> None:
    """Async task to a page that is gone: failed with the client's own exception."""
    with library() as address, serve(FETCHER, failures=1) as reader:
        ended = reader.ended(f"/read/{reader.post('/read', urls=[f'{address}/gone'])['ids'][0]}")
        assert (ended["status"], ended["result"]) == ("failed", None)
        assert ended["error"].startswith("ClientResponseError: 404")


POST_ROOM = {
    "app.py": """
        import os

        from hypern import Hypern

        app = Hypern()
        guests = []


        def fill_in(template: str, context: dict) -> str:
            with open(template) as page:
                return page.read().format(**context)


        @app.background()
        def send_mail(to: str, template: str, context: dict):
            from email.mime.text import MIMEText
            import smtplib

            body = fill_in(template, context)
            msg = MIMEText(body, "html")
            msg["Subject"] = context.get("subject", "A note")
            msg["To"] = to

            with smtplib.SMTP("localhost", int(os.environ["SMTP_PORT"])) as smtp:
                smtp.send_message(msg)


        @app.post("/guests")
        def arrive(req, res, ctx):
            guest = {"room": len(guests) + 1, **req.json()}
            guests.append(guest)
            task_id = send_mail(to=guest["mail"], template="hello.html", context={"name": guest["name"]})
            res.status(201).header("x-task", task_id).json(guest)


        @app.get("/tasks/:id")
        def state(req, res, ctx):
            found = app.get_task(req.param("id"))
            res.json({"status": found.status.name, "error": found.error})


        if __name__ == "__main__":
            app.listen(int(os.environ["PORT"]))
    """,
    "hello.html": "<h1>Make yourself at home, {name}</h1>",
}


class Letterbox:
    """Keeps what an SMTP server accepts: recipients and message."""

    def __init__(self) -> None:
        self.letters: SimpleQueue[tuple[list[str], Message]] = SimpleQueue()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        self.letters.put((envelope.rcpt_tos, message_from_bytes(content)))
        return "250 kept"


class OnAFreePort(Controller):
    """Its own check of being up needs to know the port, which the system has chosen."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        super()._trigger_server()  # type: ignore[no-untyped-call]


def test_a_letter_arrives(serve: Serve) -> None:
    """Mail pattern with keyword arguments: 201 at once, and a mail server gets the rendered message."""
    box = Letterbox()
    server = OnAFreePort(box, hostname="127.0.0.1", port=0)
    server.start()
    try:
        with serve(POST_ROOM, SMTP_PORT=str(server.port)) as inn:
            answer = inn.http.post("/guests", json={"name": "Ida", "mail": "ida@example.net"})
            assert (answer.status_code, answer.json()["room"]) == (201, 1)
            recipients, letter = box.letters.get(timeout=20)
            assert recipients == ["ida@example.net"]
            assert (letter["Subject"], letter["To"]) == ("A note", "ida@example.net")
            assert letter.get_content_type() == "text/html"
            assert letter.get_payload().strip() == "<h1>Make yourself at home, Ida</h1>"  # type: ignore[union-attr]
            assert inn.ended(f"/tasks/{answer.headers['x-task']}") == {"status": "completed", "error": None}
    finally:
        server.stop()


def test_without_a_mail_server_the_task_fails_and_the_guest_is_still_welcome(serve: Serve) -> None:
    """Mail pattern, nobody listens: the request is answered all the same, the task says why it failed."""
    with serve(POST_ROOM, SMTP_PORT="1", failures=1) as inn:
        answer = inn.http.post("/guests", json={"name": "Ole", "mail": "ole@example.net"})
        assert answer.status_code == 201
        ended = inn.ended(f"/tasks/{answer.headers['x-task']}")
        assert ended["status"] == "failed"
        assert ended["error"].startswith("ConnectionRefusedError:")
