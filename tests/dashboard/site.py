"""An app with a dashboard, its tasks, and whoever looks at it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from hypern import Hypern, current_task
from hypern.dashboard import AuditEvent, Dashboard, Viewer
from hypern.testing import TestClient

TOKEN = "k3y-for-the-one-who-is-on-call"
GUEST = "another-key-for-those-who-l00k"
HOST = "http://localhost:3000"
SAME_SITE = {"Sec-Fetch-Site": "same-origin", "Origin": HOST}
WAIT = 20.0

# What the page asks for and sends, below its path; the last of each are not there.
PAGES = ["", "index.html", "static/app.js", "static/vendor/preact.js"]
READS = [
    "session", "summary", "overview", "tasks", "recurring", "workers", "preview", "events", "tasks/x",
    "tasks/x/arguments", "nothing",
]  # fmt: skip
CHANGES = [
    "tasks/x/retry", "tasks/x/cancel", "tasks/x/delete", "tasks/x/run", "bulk", "queues",
    "logout", "nothing",
]  # fmt: skip


def works(number: int = 0) -> int:
    return number * 2


def breaks(message: str, password: str = "") -> None:
    raise ValueError(message)


class Gate:
    """Where a task stands until it is let through."""

    entered, opened = threading.Event(), threading.Event()


def waits() -> None:
    current_task().progress(0.25, "a quarter")
    Gate.entered.set()
    assert Gate.opened.wait(WAIT)


class Site:
    """`app` and `dashboard`; `audit`: the events it has told."""

    def __init__(self, store: str, **options: Any) -> None:
        self.audit: list[AuditEvent] = []
        self.app = Hypern(task_store=store, task_workers=2)
        auth = {TOKEN: Viewer("ann", act=True, arguments=True), GUEST: Viewer("guest")}
        self.dashboard = Dashboard(**{"auth": auth, "on_audit": self.audit.append, **options})
        self.app.use(self.dashboard)
        self.works = self.app.background(name="works")(works)
        self.waits = self.app.background(name="waits")(waits)
        self.breaks = self.app.background(name="breaks", queue="fragile")(breaks)

    def client(self, token: str | None = None, base: str = HOST) -> TestClient:
        """A browser, signed in with the token if there is one."""
        client = TestClient(self.app, base_url=base)
        if token is not None:
            answer = client.post("/dashboard/api/login", json={"token": token}, headers=SAME_SITE)
            assert answer.status_code == 200, answer.text
        return client

    def ended(self, *task_ids: str) -> None:
        """Wait until these have ended, and that is recorded."""
        for task_id in task_ids:
            wait_for(lambda one=task_id: (task := self.app.get_task(one)) and task.is_done(), task_id)

    def failed(self, message: str = "no such row", **arguments: Any) -> str:
        """The id of a task that has failed."""
        task_id = self.breaks(message, **arguments)
        self.ended(task_id)
        return task_id

    def delayed(self) -> str:
        return self.works.with_options(delay_seconds=3600)(1)


def wait_for(found: Callable[[], Any], what: str = "it") -> Any:
    """What `found` returns as soon as that is true."""
    deadline = time.monotonic() + WAIT
    while not (value := found()):
        assert time.monotonic() < deadline, f"{what} did not come"
        time.sleep(0.02)
    return value


def post(client: TestClient, path: str, body: Any = None, **headers: str) -> Any:
    """As the page sends a change."""
    return client.post(
        f"/dashboard/api/{path}", json={} if body is None else body, headers={**SAME_SITE, **headers}
    )


def get(client: TestClient, path: str) -> Any:
    return client.get(f"/dashboard/api/{path}")
