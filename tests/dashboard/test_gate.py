"""Who gets in: nobody without being let in, and nobody further than that."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from tests.dashboard.site import CHANGES, GUEST, HOST, PAGES, READS, TOKEN, Site, get, post

from hypern import Hypern
from hypern.dashboard import Dashboard, Viewer
from hypern.errors import ConfigurationError
from hypern.http.request import Request
from hypern.tasks.runtime import use_engine
from hypern.testing import TestClient


@pytest.mark.parametrize("auth", [None, "", {}, False, 7, Viewer])
def test_there_is_no_dashboard_without_auth(auth: Any) -> None:
    """Whatever is no way to tell who looks is refused when the dashboard is made, with what to write."""
    with pytest.raises(ConfigurationError, match="token_urlsafe"):
        Dashboard(auth=auth)


@pytest.mark.parametrize("token", ["secret", "x" * 40, "changeme" * 4, "short-but-r4ndom-Yq9"])
def test_tokens_that_could_be_guessed_are_refused(token: str) -> None:
    """A token needs length and different characters; there is no default one."""
    with pytest.raises(ConfigurationError, match="guessed"):
        Dashboard(auth=token)


@pytest.mark.parametrize("path", ["dashboard", "/x/:id", "/*", 7])
def test_paths_that_are_none_are_refused(path: Any) -> None:
    """The path is plain text from the root on."""
    with pytest.raises(ConfigurationError, match="path"):
        Dashboard(auth=TOKEN, path=path)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_nothing_is_told_to_strangers_even_on_loopback(site: Site, host: str) -> None:
    """Without a session every path but the form is 401, known or not, and the page itself is the form."""
    stranger = site.client(base=f"http://{host}:3000")
    for path in READS:
        assert get(stranger, path).status_code == 401, path
    for path in CHANGES:
        own = {"Sec-Fetch-Site": "same-origin", "Origin": f"http://{host}:3000"}
        answer = stranger.post(f"/dashboard/api/{path}", json={}, headers=own)
        assert answer.status_code == 401, path
    assert "Sign in" in stranger.get("/dashboard/").text
    assert stranger.get("/dashboard/static/app.js").status_code == 401
    assert stranger.get("/dashboard/static/../app.py").status_code in (401, 404)


def test_a_function_that_says_who_it_is_has_no_open_paths(tmp_path: Path) -> None:
    """With auth by a function nothing at all is open, not even a form."""

    def who(req: Request) -> Viewer | None:
        return Viewer("ann", act=True) if req.header("x-user") == "ann" else None

    app = Hypern()
    app.use(Dashboard(auth=who))
    with TestClient(app, base_url=HOST) as client:
        for path in [*PAGES, "static/login.js", *(f"api/{path}" for path in [*READS, "login"])]:
            assert client.get(f"/dashboard/{path}").status_code == 401, path
        known = {"x-user": "ann"}
        assert client.get("/dashboard/", headers=known).status_code == 200
        assert client.get("/dashboard/api/session", headers=known).json()["viewer"] == "ann"
        assert client.get("/dashboard/api/tasks/x/arguments", headers=known).status_code == 403
    use_engine(None)


@pytest.mark.parametrize("answer", [True, "ann", {"name": "ann"}, object()])
def test_an_auth_function_that_answers_nonsense_lets_nobody_in(
    answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Only a Viewer is a viewer; anything else is an error, in the log and not in the answer."""
    app = Hypern()
    app.use(Dashboard(auth=lambda req: answer))
    with TestClient(app, base_url=HOST) as client:
        refused = client.get("/dashboard/api/tasks")
    assert refused.status_code == 500
    assert "Viewer" not in refused.text
    assert "has to return a Viewer" in caplog.text
    use_engine(None)


async def _late(req: Request) -> Viewer | None:
    return Viewer("ann")


def test_an_auth_function_may_be_async() -> None:
    """A coroutine function is awaited."""
    app = Hypern()
    app.use(Dashboard(auth=_late))
    with TestClient(app, base_url=HOST) as client:
        assert client.get("/dashboard/api/session").json()["viewer"] == "ann"
    use_engine(None)


def test_who_may_only_look_changes_nothing_and_sees_no_arguments(site: Site) -> None:
    """Every change and the arguments are 403 for a guest; the rest is not."""
    guest, task_id = site.client(GUEST), site.failed()
    for path in CHANGES[:-2]:
        assert post(guest, path.replace("/x/", f"/{task_id}/")).status_code == 403, path
    assert get(guest, f"tasks/{task_id}/arguments").status_code == 403
    assert get(guest, f"tasks/{task_id}").status_code == 200
    assert site.app.get_task(task_id) is not None


def test_each_action_is_audited(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Who did what to which task, from where, is logged in one line each, and told to the hook."""
    caplog.set_level(logging.INFO, "hypern.audit")
    client, task_id = site.client(TOKEN), site.failed()
    post(client, f"tasks/{task_id}/retry")
    post(client, f"tasks/{task_id}/run")
    post(client, "queues", {"queue": "default", "paused": True})
    told = [(event.viewer, event.action, event.outcome) for event in site.audit]
    assert told == [
        ("ann", "sign in", "done"), ("ann", "retry", "done"), ("ann", "run", "refused"),
        ("ann", "set queue", "done"),
    ]  # fmt: skip
    lines = [record.getMessage() for record in caplog.records if record.name == "hypern.audit"]
    assert len(lines) == 4
    assert task_id in lines[1]


def test_an_audit_hook_that_raises_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The action goes on, and the log says what the hook did."""

    def hook(event: object) -> None:
        raise RuntimeError("the audit store is down")

    app = Hypern()
    app.use(Dashboard(auth=TOKEN, on_audit=hook))
    assert post(TestClient(app, base_url=HOST), "login", {"token": TOKEN}).status_code == 200
    assert "the audit hook raised" in caplog.text
    use_engine(None)
