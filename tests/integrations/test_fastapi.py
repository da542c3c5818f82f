"""Tasks from FastAPI and Starlette, served by uvicorn."""

import signal
from collections.abc import Iterator
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI, HTTPException
from fastapi.testclient import TestClient
from tests.integrations.conftest import Start
from tests.journeys.running import UVICORN, until

from hypern import background, get_task
from hypern.errors import InvalidTask, NotSerializable
from hypern.integrations.fastapi import BackgroundTasks, RequestTasks
from hypern.testing import TaskRunner

TASKS = """
    import os
    from pathlib import Path

    from hypern import background

    @background()
    def write_down(text: str) -> str:
        with Path("journal.txt").open("a") as journal:
            journal.write(text + os.linesep)
        return f"wrote {text}"

    @background()
    async def greet(name: str) -> str:
        return f"hello {name}"

    @background()
    def hold(name: str) -> str:
        while not Path("go").exists():
            pass
        return write_down.func(name)
"""

FASTAPI = {
    "tasks.py": TASKS,
    "app.py": """
        from fastapi import FastAPI
        from tasks import greet, hold, write_down

        import hypern

        hypern.configure(task_store="sqlite:///tasks.db", task_grace_seconds=0.5)
        app = FastAPI(lifespan=hypern.lifespan)

        @app.post("/write")
        def write(text: str):
            return {"task_id": write_down(text)}

        @app.post("/greet")
        async def say(name: str):
            return {"task_id": await greet.submit_async(name)}

        @app.post("/hold")
        def keep(name: str):
            return {"task_id": hold(name)}

        @app.get("/tasks/{task_id}")
        def look(task_id: str):
            task = hypern.get_task(task_id)
            return {"status": task.status, "result": task.result}
    """,
}
STARLETTE = {
    "tasks.py": TASKS,
    "app.py": """
        from contextlib import asynccontextmanager

        from starlette.applications import Starlette
        from starlette.responses import JSONResponse
        from starlette.routing import Route
        from tasks import greet

        import hypern

        @asynccontextmanager
        async def lifespan(app):
            async with hypern.lifespan():
                yield

        async def say(request):
            return JSONResponse({"task_id": greet(request.query_params["name"])})

        async def look(request):
            task = hypern.get_task(request.path_params["task_id"])
            return JSONResponse({"status": task.status, "result": task.result})

        app = Starlette(
            lifespan=lifespan,
            routes=[Route("/greet", say, methods=["POST"]), Route("/tasks/{task_id}", look)],
        )
    """,
}
ENDED_BY_SIGNAL = {"status": -signal.SIGTERM}


def test_fastapi(start: Start) -> None:
    """Plain and async path operations submit; their tasks are run and found."""
    with start(FASTAPI, UVICORN, **ENDED_BY_SIGNAL) as program:
        written = program.post("/write?text=one")["task_id"]
        greeted = program.post("/greet?name=ann")["task_id"]
        assert program.ended(f"/tasks/{written}") == {"status": "completed", "result": "wrote one"}
        assert program.ended(f"/tasks/{greeted}") == {"status": "completed", "result": "hello ann"}


def test_fastapi_killed(start: Start) -> None:
    """kill -9 with one task running and others waiting: the next start runs them, before any request."""
    program = start(FASTAPI, UVICORN)
    ids = [program.post(f"/hold?name=n{number}")["task_id"] for number in range(8)]
    program.runs(f"/tasks/{ids[0]}")
    program.http.close()
    program.kill()
    (program.directory / "go").touch()
    with start({}, UVICORN, **ENDED_BY_SIGNAL) as program:
        journal = program.directory / "journal.txt"
        until(lambda: journal.exists() and len(journal.read_text().split()) == 8)
        assert all(program.ended(f"/tasks/{task_id}")["status"] == "completed" for task_id in ids)


def test_starlette_in_memory(start: Start) -> None:
    """hypern.lifespan within a lifespan of one's own."""
    with start(STARLETTE, UVICORN, **ENDED_BY_SIGNAL) as program:
        greeted = program.post("/greet?name=bob")["task_id"]
        assert program.ended(f"/tasks/{greeted}") == {"status": "completed", "result": "hello bob"}


# -- the drop-in --------------------------------------------------------------------------------------


@background()
def add(a: int, b: int) -> int:
    return a + b


@background(unique=True)
def only_one() -> None: ...


@pytest.fixture
def tasks() -> Iterator[TaskRunner]:
    with TaskRunner() as tasks:
        yield tasks


def test_add_task(tasks: TaskRunner) -> None:
    """add_task takes plain functions and tasks; the ids in the answer are known when it arrives."""
    app = FastAPI()

    def nested(background_tasks: BackgroundTasks) -> RequestTasks:
        background_tasks.add_task(add, 3, b=4)
        return background_tasks

    @app.post("/")
    async def submit(
        background_tasks: BackgroundTasks, same: Annotated[RequestTasks, Depends(nested)]
    ) -> list[str]:
        assert same is background_tasks
        return [background_tasks.add_task(sum, [1, 2]), background_tasks.add_task(add.with_options(), 1, 1)]

    with TestClient(app) as client:
        ids = client.post("/").json()
    assert [task.result for task in tasks.run_pending()] == [7, 3, 2]
    assert [get_task(task_id).result for task_id in ids] == [3, 2]  # type: ignore[union-attr]


@pytest.mark.parametrize("error", [HTTPException(409), ValueError("oh")], ids=["answered", "unexpected"])
def test_a_request_that_fails_submits_nothing(tasks: TaskRunner, error: Exception) -> None:
    """Whatever the path operation raises, what it had added is dropped."""
    app = FastAPI()

    @app.post("/")
    def submit(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(add, 1, 2)
        raise error

    client = TestClient(app, raise_server_exceptions=False)
    assert client.post("/").status_code in (409, 500)
    assert tasks.pending() == []


def test_what_cannot_be_submitted_is_said_at_once(tasks: TaskRunner) -> None:
    """Wrong arguments, and tasks whose id only submitting tells."""
    request = RequestTasks()
    with pytest.raises(InvalidTask, match="missing a required argument"):
        request.add_task(add, 1)
    with pytest.raises(InvalidTask, match="unique"):
        request.add_task(only_one)


def test_all_or_none(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """One argument that cannot be kept: the request fails, and none of its tasks is queued."""
    monkeypatch.setenv("HYPERN_TASK_STORE", f"sqlite:///{tmp_path}/tasks.db")
    app = FastAPI()

    @app.post("/")
    def submit(background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(add, 1, 2)
        background_tasks.add_task(add, object(), 2)

    with TaskRunner() as tasks:
        with pytest.raises(NotSerializable):
            TestClient(app).post("/")
        assert tasks.pending() == []
