"""The same app under servers that are not its own: uvicorn, and a client that calls it in its process."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.journeys.running import UVICORN, Program, write
from tests.journeys.workshop import WORKSHOP

Serve = Callable[..., Program]


def test_uvicorn_serves_the_same_app(serve: Serve) -> None:
    """`uvicorn app:app`: routes, ids and results are as with listen; unknown ids are 404."""
    # uvicorn ends by the signal that it was sent.
    with serve(WORKSHOP, UVICORN, status=-signal.SIGTERM) as workshop:
        task_id = workshop.post("/jobs/measure", board="oak")["task_id"]
        assert workshop.ended(f"/tasks/{task_id}") == {"status": "completed", "result": 3}
        assert workshop.http.get("/tasks/none-such").json() == {"error": "no such job"}


def test_under_uvicorn_tasks_are_finished_and_named_too(serve: Serve) -> None:
    """`uvicorn app:app`, SIGTERM: the running task ends, the delayed one is named, before uvicorn does."""
    with serve(WORKSHOP, UVICORN, status=-signal.SIGTERM) as workshop:
        later = workshop.post("/jobs/varnish", board="oak")["task_id"]
        workshop.post("/jobs/saw", board="ash")
        workshop.wait_for_output("began ash")
        workshop.signal()
        workshop.wait_until_deaf()
        workshop.tell("in two")
        workshop.wait_for_end()
        assert "sawed ash in two" in workshop.output
        assert f":varnish {later} (pending)" in workshop.errors


VISITOR = """
    import asyncio

    import httpx2

    from app import app


    async def main():
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://workshop") as client:
            answer = await client.post("/jobs/measure", json={"board": "oak"})
            path = f"/tasks/{answer.json()['task_id']}"
            while (state := (await client.get(path)).json())["status"] in ("pending", "running"):
                await asyncio.sleep(0.01)
            print(answer.status_code, state)
            print((await client.get("/tasks/none-such")).status_code)
            await client.post("/jobs/varnish", json={"board": "ash"})


    asyncio.run(main())
"""


def test_a_client_calls_the_app_without_a_server(tmp_path: Path) -> None:
    """httpx2.ASGITransport in a script: tasks run beside it, the script ends with 0 and names what waits."""
    write(tmp_path, WORKSHOP | {"visitor.py": VISITOR})
    run = subprocess.run(
        [sys.executable, "visitor.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.stdout.splitlines() == ["202 {'status': 'completed', 'result': 3}", "404"]
    assert "app:varnish" in run.stderr
    assert "Traceback" not in run.stderr
    assert run.returncode == 0
