"""Ready turns red, says why, and turns green again; live stays as it is; neither holds up the event loop."""

from __future__ import annotations

import asyncio
import math
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.running import Program, until, write
from tests.postgres.fixtures import PrivatePostgres
from tests.telemetry.conftest import MakeApp

from hypern import Hypern
from hypern.errors import ConfigurationError, RouteError
from hypern.telemetry import Health
from hypern.telemetry.health import NO_CLAIMS, NOT_RUNNING, STOPPING, STORE_FAILS, STORE_IS_SILENT
from hypern.testing import TestClient


def fine() -> None:
    """A task."""


def why(client: TestClient) -> list[str]:
    """What keeps it from being ready; nothing: it is."""
    answer = client.get("/ready")
    assert answer.headers["Cache-Control"] == "no-store"
    assert client.get("/live").status_code == 200
    if answer.status_code == 200:
        assert answer.json() == {"status": "ready"}
        return []
    assert answer.status_code == 503
    reasons: list[str] = answer.json()["because"]
    assert reasons
    return reasons


def client_of(app: Hypern, **options: Any) -> TestClient:
    app.use(Health(fresh=0, **options))
    return TestClient(app)


def test_ready_with_each_store(store: str, make_app: MakeApp) -> None:
    """An app that has just been started is ready, and the question leaves no trace in the store."""
    app = make_app(task_store=store)
    assert why(client_of(app)) == []
    assert app.engine.store.totals() == []


def test_not_ready_while_tasks_are_not_run(store: str, make_app: MakeApp) -> None:
    """Where this process is there to run tasks, it has to; one that leaves them to others need not."""
    app = make_app(task_store=store)
    client = client_of(app)
    assert why(client) == []
    app.engine.stop()
    assert why(client) == [NOT_RUNNING]
    app.engine.start()
    assert why(client) == []
    if app.engine.store.shared:
        assert why(client_of(make_app(task_store=store, task_workers=0))) == []


def test_a_file_that_is_gone(tmp_path: Path, make_app: MakeApp) -> None:
    """A database that has been deleted makes it not ready, though it could still be read."""
    app = make_app(task_store=f"sqlite:///{tmp_path}/tasks.db")
    client = client_of(app)
    assert why(client) == []
    for file in tmp_path.glob("tasks.db*"):
        if file.is_file():
            file.unlink()
    until(lambda: STORE_FAILS in why(client))


def test_a_file_that_is_locked(tmp_path: Path, make_app: MakeApp) -> None:
    """While another program keeps the database locked, it is not ready, and says so within its patience."""
    app = make_app(task_store=f"sqlite:///{tmp_path}/tasks.db")
    client = client_of(app, patience=0.3)
    until(lambda: why(client) == [])
    with closing(sqlite3.connect(tmp_path / "tasks.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert why(client) in ([STORE_IS_SILENT], [STORE_FAILS])
        other.execute("ROLLBACK")
    until(lambda: why(client) == [])


def test_a_server_that_is_stopped(private_postgres: PrivatePostgres, make_app: MakeApp) -> None:
    """While the PostgreSQL server is down it is not ready; when it is back, it is, without a new start."""
    app = make_app(task_store=f"{private_postgres.url}?hypern_timeout=1")
    client = client_of(app, patience=0.5)
    until(lambda: why(client) == [])
    private_postgres.server.stop()
    until(lambda: why(client) != [])
    assert set(why(client)) <= {STORE_FAILS, STORE_IS_SILENT, NO_CLAIMS}
    private_postgres.server.start()
    until(lambda: why(client) == [], 30)
    task_id = app.submit_task(fine)
    until(lambda: app.get_task(task_id).is_success())  # type: ignore[union-attr]


def test_claims_that_fail(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that may not start tasks is not ready to run them."""
    app = make_app()
    client = client_of(app)
    assert why(client) == []
    monkeypatch.setattr(app.engine.store, "can_claim", lambda: False)
    assert why(client) == [NO_CLAIMS]


def test_stopping(make_app: MakeApp) -> None:
    """A server that has been told to stop says so without asking the store."""
    app = make_app()
    client = client_of(app)
    assert why(client) == []
    app.end_streams()
    assert why(client) == [STOPPING]


def test_a_silent_store_holds_up_nobody(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask meanwhile, one thread asks the store; all others are answered, live at once."""
    app = make_app()
    app.use(Health(patience=0.2, fresh=0))
    client = TestClient(app)
    until(lambda: why(client) == [])
    answers = threading.Event()
    asked: list[int] = []

    def cancel(*args: object) -> None:
        asked.append(threading.get_ident())
        answers.wait(20)

    monkeypatch.setattr(app.engine.store, "cancel", cancel)
    try:
        assert [why(client) for _ in range(3)] == [[STORE_IS_SILENT]] * 3
        assert len(asked) == 1
        assert asked[0] != threading.get_ident()
    finally:
        answers.set()
    until(lambda: why(client) == [])


def test_one_answer_is_good_for_a_while(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked again within a second, the store is not."""
    app = make_app()
    app.use(Health(fresh=1000))
    client = TestClient(app)
    assert why(client) == []
    monkeypatch.setattr(app.engine.store, "can_claim", lambda: False)
    assert why(client) == []


def test_many_at_once(make_app: MakeApp) -> None:
    """A hundred questions at the same time are all answered."""
    app = make_app()
    health = Health()
    app.use(health)
    app.engine.start()

    async def ask() -> list[tuple[str, ...]]:
        return await asyncio.gather(*(health._reasons(app.engine) for _ in range(100)))

    assert set(asyncio.run(ask())) == {()}


def test_over_the_network(tmp_path: Path) -> None:
    """A served program says that it is ready, to HEAD too; a path that is None is not there."""
    source = """
    import os
    from hypern import Hypern
    from hypern.telemetry import Health

    app = Hypern(task_store="sqlite:///tasks.db?synchronous=normal")
    app.use(Health(ready="/healthz", live=None))

    app.listen(int(os.environ["PORT"]))
    """
    write(tmp_path, {"app.py": source})
    with Program(tmp_path) as program:
        assert program.get("/healthz") == {"status": "ready"}
        assert program.http.head("/healthz").status_code == 200
        assert program.http.get("/live").status_code == 404


@pytest.mark.parametrize("given", [{"patience": 0}, {"patience": "1"}, {"fresh": -1}, {"fresh": math.nan}])
def test_times_that_cannot_work(given: dict[str, Any]) -> None:
    """They are refused when they are given."""
    with pytest.raises(ConfigurationError, match="number of seconds"):
        Health(**given)


def test_a_path_that_is_none() -> None:
    """A path that cannot be matched is refused when it is given."""
    with pytest.raises(RouteError):
        Health(live="live:")
