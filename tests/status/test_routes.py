"""The status of a task over HTTP: what each route answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from hypern import ConfigurationError, Hypern, Router, TaskRoutes, background, wait_for_task
from hypern.http.application import WebApp

WAIT = 20.0
gate = threading.Event()


@background()
def double(number: int) -> int:
    return 2 * number


@background()
def stands_still() -> None:
    gate.wait(WAIT)


@background()
def fails() -> None:
    raise ValueError("the secret is 42")


@background()
def odd() -> object:
    return object()


def make(*parts: Any, **options: Any) -> tuple[Hypern, TestClient]:
    app = Hypern(task_workers=2, task_grace_seconds=1.0)

    @app.post("/double")
    def submit(req: Any, res: Any, ctx: Any) -> None:
        res.accepted(double(req.json()["number"]))

    app.use(*parts, TaskRoutes(**options))
    return app, TestClient(app)


@pytest.fixture(autouse=True)
def _gate() -> Iterator[None]:
    gate.clear()
    yield
    gate.set()


def ended(task_id: str) -> str:
    assert wait_for_task(task_id, WAIT) is not None
    return task_id


def test_accepted_leads_to_the_status() -> None:
    """202 with Location, Retry-After and a body; the Location shows the task and its result."""
    _, client = make()
    taken = client.post("/double", json={"number": 4})
    body = taken.json()
    assert (taken.status_code, taken.headers["retry-after"]) == (202, "1")
    assert body == {"id": body["id"], "status": "pending", "url": taken.headers["location"]}
    shown = client.get(body["url"], headers={"Prefer": "wait=20"}).json()
    assert (shown["id"], shown["status"], shown["result"]) == (body["id"], "completed", 8)
    assert "args" not in shown


def test_the_task_of_a_tick() -> None:
    """A task that a schedule submitted has a longer id, and is shown like others."""
    app, client = make()
    ticked = threading.Semaphore(0)

    @app.every(seconds=1)
    @app.background()
    def tick() -> None:
        ticked.release()

    with client:
        assert ticked.acquire(timeout=WAIT)
        task = app.list_tasks(search="@").tasks[-1]
        assert client.get(f"/tasks/{quote(task.task_id)}").json()["id"] == task.task_id


@pytest.mark.parametrize(
    ("parts", "path", "root", "place"),
    [
        ((), "/tasks", "", "/tasks/"),
        ((), "/a/b", "", "/a/b/"),
        (("/api",), "/tasks", "", "/api/tasks/"),
        ((), "/tasks", "/shop", "/shop/tasks/"),
    ],
)
def test_the_place_follows_the_mount(parts: tuple[str, ...], path: str, root: str, place: str) -> None:
    """Location is right below a prefix, and below a path that the whole app is mounted at."""
    app, _ = make(*parts, path=path)
    client = TestClient(app, root_path=root)
    taken = client.post(f"{root}/double", json={"number": 1})
    assert taken.headers["location"].startswith(place)
    assert client.get(taken.headers["location"]).status_code == 200


def test_a_router_takes_the_routes_along() -> None:
    """TaskRoutes in a router stand where the router is put."""
    app, router = Hypern(), Router("/inner")
    router.use(TaskRoutes())
    app.use("/outer", router)
    assert app.path_of_tasks() == "/outer/inner/tasks/:task_id"


def test_accepted_behind_middlewares_and_in_error_handlers() -> None:
    """The place is known, too, where an answer is a branch of another one."""
    app, client = make()

    async def passing(req: Any, res: Any, ctx: Any, next: Any) -> None:
        await next()

    app.use(passing)

    @app.get("/raises")
    def raises(req: Any, res: Any, ctx: Any) -> None:
        raise KeyError("x")

    app.error(KeyError)(lambda req, res, error: res.accepted("a"))
    assert client.post("/double", json={"number": 4}).headers["location"].startswith("/tasks/")
    assert client.get("/raises").headers["location"] == "/tasks/a"


def test_without_a_place_accepted_says_what_to_do() -> None:
    """Without TaskRoutes it is an error that names them; a location given is taken."""
    app = WebApp()
    app.get("/no")(lambda req, res, ctx: res.accepted("a"))
    app.get("/yes")(lambda req, res, ctx: res.accepted("a", location="/jobs/a", retry_after=5))
    raised: list[Exception] = []

    @app.error(ConfigurationError)
    def keep(req: Any, res: Any, error: Exception) -> None:
        raised.append(error)

    client = TestClient(app)
    assert client.get("/no").status_code == 500
    assert "TaskRoutes" in str(raised[0])
    taken = client.get("/yes")
    assert (taken.headers["location"], taken.headers["retry-after"]) == ("/jobs/a", "5")


def test_a_known_status_is_304() -> None:
    """The ETag stays while nothing changes, and with it If-None-Match is answered with 304."""
    _, client = make()
    task_id = ended(double(1))
    first = client.get(f"/tasks/{task_id}")
    again = client.get(f"/tasks/{task_id}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["cache-control"] == "no-store"
    assert "retry-after" not in first.headers
    other = client.get(f"/tasks/{ended(double(2))}", headers={"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200


def test_waiting_is_clamped_and_told() -> None:
    """A wait is at most `longest_wait`, said so, and a task that still runs is shown as it is."""
    _, client = make(longest_wait=1.9)
    task_id = stands_still()
    shown = client.get(f"/tasks/{task_id}", headers={"Prefer": "respond-async, wait=100"})
    while shown.json()["status"] == "pending":
        shown = client.get(f"/tasks/{task_id}", headers={"Prefer": "respond-async, wait=100"})
    assert shown.headers["preference-applied"] == "wait=1"
    assert (shown.json()["status"], shown.headers["retry-after"]) == ("running", "1")
    for wish in ("wait", "wait=-1", "wait=x", "waiting=3"):
        plain = client.get(f"/tasks/{task_id}", headers={"Prefer": wish})
        assert "preference-applied" not in plain.headers


def test_unknown_and_foreign_are_alike() -> None:
    """404 with the same words for an id that is none, one that is not kept, and one of somebody else."""

    async def owner(req: Any, task: Any) -> bool:
        return task.args[0] == int(req.header("x-user", "0"))

    for check in (owner, lambda req, task: task.args[0] == int(req.header("x-user", "0"))):
        _, client = make(owner=check)
        task_id = ended(double(7))
        assert client.get(f"/tasks/{task_id}", headers={"x-user": "7"}).json()["result"] == 14
        answers = [
            client.request(method, f"/tasks/{name}{rest}")
            for method, rest in (("GET", ""), ("GET", "/events"), ("DELETE", ""))
            for name in (task_id, "nobody", "a%20b", "x" * 200, "%00")
        ]
        told = {(a.status_code, a.text, a.headers["cache-control"]) for a in answers if a.status_code == 404}
        assert len(told) == 1
        assert {a.status_code for a in answers} == {404, 400}  # NUL in a path never gets as far as a route


def test_errors_and_results_are_shown_by_choice() -> None:
    """The error's text only with `error=True`, the result not with `result=False`."""
    _, client = make()
    task_id = ended(fails())
    assert "secret" not in client.get(f"/tasks/{task_id}").text
    _, client = make(error=True, result=False)
    task_id = ended(fails())
    assert client.get(f"/tasks/{task_id}").json()["error"] == "ValueError: the secret is 42"
    assert "result" not in client.get(f"/tasks/{ended(double(1))}").json()


def test_a_result_that_json_cannot_say() -> None:
    """Such a result is left out, and why is said."""
    _, client = make()
    shown = client.get(f"/tasks/{ended(odd())}").json()
    assert (shown["status"], shown["result"]) == ("completed", None)
    assert "JSON" in shown["result_omitted"]


def test_delete_cancels() -> None:
    """DELETE: 200 for a task that waited, 202 for one that runs and is asked, 409 for one that has ended."""
    _, client = make()
    waiting = stands_still.with_options(delay_seconds=100)()
    assert client.delete(f"/tasks/{waiting}").json()["status"] == "cancelled"
    assert client.delete(f"/tasks/{waiting}").status_code == 409
    running = stands_still()
    while client.get(f"/tasks/{running}").json()["status"] == "pending":
        pass
    asked = client.delete(f"/tasks/{running}")
    assert (asked.status_code, asked.json()["cancel_requested"]) == (202, True)
    _, client = make(cancel=False)
    assert client.delete(f"/tasks/{ended(double(1))}").status_code == 405


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://friend.example"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://testserver"}, 200),
    ],
)
def test_other_sites_cannot_cancel(headers: dict[str, str], status: int) -> None:
    """A page of another site gets 403, unless its origin was named."""
    _, client = make(origins=["https://friend.example"])
    task_id = stands_still.with_options(delay_seconds=100)()
    assert client.delete(f"/tasks/{task_id}", headers=headers).status_code == status


def test_events_of_an_ended_task() -> None:
    """One event, then the end; whoever comes back with its id gets 204, and an EventSource stops."""
    _, client = make()
    task_id = ended(double(3))
    stream = client.get(f"/tasks/{task_id}/events")
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert "no-store" in stream.headers["cache-control"]
    assert stream.text.count("data: ") == 1
    event_id = stream.text.partition("id: ")[2].partition("\n")[0]
    over = client.get(f"/tasks/{task_id}/events", headers={"Last-Event-ID": event_id})
    assert over.status_code == 204


def test_all_streams_taken() -> None:
    """Where no stream is left a client gets 503 with Retry-After, and a wait is answered without waiting."""
    _, client = make(streams=0)
    task_id = stands_still.with_options(delay_seconds=100)()
    refused = client.get(f"/tasks/{task_id}/events")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
    assert refused.headers["cache-control"] == "no-store"
    shown = client.get(f"/tasks/{task_id}", headers={"Prefer": "wait=20"})
    assert (shown.status_code, "preference-applied" in shown.headers) == (200, False)


@pytest.mark.parametrize(
    "options",
    [
        {"owner": "me"},
        {"longest_wait": -1},
        {"longest_wait": float("nan")},
        {"retry_after": True},
        {"streams": -1},
        {"streams_per_client": 1.5},
        {"origins": "https://a.example"},
        {"path": "tasks"},
    ],
)
def test_impossible_options(options: dict[str, Any]) -> None:
    """What cannot work is refused when it is given."""
    with pytest.raises(ConfigurationError):
        TaskRoutes(**options)
