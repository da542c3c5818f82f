"""The limits: bare functions under Granian that only parse the JSON and write the answer.

`http_bare.py PORT asgi` and `PORT rsgi`: Granian's embedded server on uvloop, set as `app.listen` sets it;
`granian --interface asginl http_bare:asgi`: the same function under Granian's own process manager.
"""

import asyncio
import sys

import msgspec
import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from work import counts, save_user

CONTENT_TYPE = "application/json"
CONNECTIONS = 1024

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


def answer(method: str, body: bytes) -> tuple[int, bytes]:
    if method == "GET":
        return 200, encode(counts())
    return 201, encode({"user": save_user(decode(body)), "email_task_id": None})


async def asgi(scope, receive, send):
    message = await receive()
    body = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    status, content = answer(scope["method"], body)
    headers = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def rsgi(scope, protocol):
    status, content = answer(scope.method, await protocol())
    protocol.response_bytes(status, [("content-type", CONTENT_TYPE)], content)


async def serve(port: int, interface: str) -> None:
    application, kind = {"asgi": (asgi, Interfaces.ASGINL), "rsgi": (rsgi, Interfaces.RSGI)}[interface]
    server = Server(
        application,
        port=port,
        interface=kind,
        http=HTTPModes.http1,
        websockets=False,
        backlog=CONNECTIONS,
        backpressure=CONNECTIONS,
        http1_settings=HTTP1Settings(header_read_timeout=30_000, max_buffer_size=64 * 1024),
        log_enabled=False,
    )
    await server.serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1]), sys.argv[2]))
