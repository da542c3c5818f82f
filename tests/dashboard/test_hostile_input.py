"""What numbers, ids and texts of the worst kind come to."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from tests.dashboard.site import TOKEN, Site, get, post

from hypern.dashboard.assets import read_assets
from hypern.dashboard.audit import Audit, AuditEvent

STATIC = Path(__file__).parents[2] / "src" / "hypern" / "dashboard" / "static"
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "javascript:alert(1)",
    "\u202egnp.exe",
    "{{7*7}}",
    "x" * 900_000,
]


@pytest.mark.parametrize(
    "query",
    [
        "limit=1e9",
        "limit=-5",
        "limit=0",
        "window=1e9",
        "window=-1",
        "since=1e300",
        "until=-1e300",
        "text=%25",
        "text=" + "(a%2B)%2B%24" * 20,
        "text=.*",
        "name=%25",
        "queue=_",
        "text=" + "x" * 5000,
        "since=inf",
        "text=%F0%9F%98%80",
    ],
)
@pytest.mark.parametrize("site", ["memory", "sqlite", "postgres"], indirect=True)
def test_numbers_and_texts_are_kept_within_bounds(site: Site, query: str) -> None:
    """Whatever is asked for, the answer is one page; text is never a pattern."""
    site.ended(*(site.works(number) for number in range(3)))
    client = site.client(TOKEN)
    for path in ("tasks", "overview", "preview"):
        answer = get(client, f"{path}?{query}")
        assert answer.status_code == 200, answer.text
    if query.startswith(("text=", "name=", "queue=")):
        assert get(client, f"tasks?{query}").json()["rows"] == []


@pytest.mark.parametrize(
    "query",
    [
        "limit=nan",
        "limit=x",
        "status=nope",
        "status=failed,nope",
        "since=x",
        "after=nonsense",
        "text=%ff",
        "text=a%00",
    ],
)
@pytest.mark.parametrize("site", ["memory", "sqlite", "postgres"], indirect=True)
def test_nonsense_is_refused(site: Site, query: str) -> None:
    """What cannot be understood is 400 with a word about it, never 500."""
    answer = get(site.client(TOKEN), f"tasks?{query}")
    assert answer.status_code == 400
    assert answer.json()["message"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "drop", "ids": []},
        {"action": "cancel"},
        {"action": "cancel", "filter": {}},
        {"action": "cancel", "filter": {"until": "x"}},
        {"action": "cancel", "filter": {"where": "1=1"}},
        {"action": "cancel", "filter": [], "after": None},
        {"action": "cancel", "ids": "abc"},
        {"action": "cancel", "ids": ["x"] * 1000},
        {"action": ["cancel"], "ids": []},
        {"action": "cancel", "filter": {"until": 9e9}, "after": 7},
        {"action": "cancel", "ids": [], "more": 1},
    ],
)
def test_bulk_nonsense_is_refused(site: Site, body: Any) -> None:
    """It needs an action, and ids or a filter that ends at its preview; nothing is done otherwise."""
    task_id = site.delayed()
    assert post(site.client(TOKEN), "bulk", body).status_code == 400
    assert site.app.get_task(task_id).is_pending()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"queue": "x"},
        {"queue": 7, "paused": True},
        {"queue": "x", "paused": 1},
        {"queue": "x", "limit": 0},
        {"queue": "x", "limit": "9"},
        {"queue": "<b>", "paused": True},
        {"queue": "x", "limit": 1.5},
    ],
)
def test_queue_nonsense_is_refused(site: Site, body: Any) -> None:
    """A queue is set by its name and by values that can be."""
    assert post(site.client(TOKEN), "queues", body).status_code == 400


@pytest.mark.parametrize("task_id", ["..", "%2e%2e", "a%2fb", "x'--", "<b>", "x" * 300, "é", "unknown"])
@pytest.mark.parametrize("site", ["memory", "sqlite", "postgres"], indirect=True)
def test_ids_that_are_none_are_not_found(site: Site, task_id: str) -> None:
    """An id that cannot be, and one that is not known, are answered alike."""
    client = site.client(TOKEN)
    assert get(client, f"tasks/{task_id}").status_code == 404
    for action in ("retry", "cancel", "delete", "run"):
        assert post(client, f"tasks/{task_id}/{action}").status_code == 404


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:20].encode("unicode_escape").decode())
@pytest.mark.parametrize("site", ["memory", "sqlite", "postgres"], indirect=True)
def test_hostile_text_is_data(site: Site, text: str) -> None:
    """Names and errors go out as JSON strings, bounded in lists, and never as part of a page."""
    hostile = site.app.background(name=text[:200])(_raise_for)
    task_id = hostile(text)
    site.ended(task_id)
    client = site.client(TOKEN)
    row = get(client, "tasks").json()["rows"][0]
    assert (row["id"], row["name"]) == (task_id, text[:200])
    assert len(row["error"]) <= 300
    assert len(get(client, f"tasks/{task_id}").content) < 1_000_000
    for path in ("tasks", f"tasks/{task_id}", f"tasks/{task_id}/arguments"):
        assert get(client, path).headers["content-type"] == "application/json"
    page = client.get("/dashboard/", params={"text": text[:200]})
    assert page.content == read_assets()["static/index.html"].body


def _raise_for(text: str) -> None:
    raise ValueError(text)


def test_the_audit_log_cannot_be_forged(caplog: pytest.LogCaptureFixture) -> None:
    """Line ends and escape sequences of names, targets and addresses are escaped in the log."""
    caplog.set_level(logging.INFO, "hypern.audit")
    Audit().tell(AuditEvent("ann\nroot", "retry", "x\r\nann: delete all\x1b[2J", "done", 1, "::1\n"))
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", caplog.messages[-1])
    assert "ann: delete all" in caplog.messages[-1]


def test_the_page_has_no_code_that_could_run_text() -> None:
    """No script of ours sets HTML, evaluates text or is inline, and no page loads anything from elsewhere."""
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|dangerouslySet|document\.write|\beval\b|new Function|srcdoc"
    )
    scripts = sorted(STATIC.glob("*.js"))
    assert len(scripts) > 5
    for script in scripts:
        assert not re.search(forbidden, script.read_text()), script.name
    for page in STATIC.glob("*.html"):
        text = page.read_text()
        assert not re.search(
            r"<script(?![^>]*\ssrc=)|\son\w+=|style=|https?:|//", text.replace("<!doctype", "")
        ), page


def test_assets_come_from_a_table(site: Site) -> None:
    """Only the files of the page are served, each with its type; no path reaches anything else."""
    client = site.client(TOKEN)
    for path, asset in read_assets().items():
        answer = client.get(f"/dashboard/{path}")
        assert (answer.content, answer.headers["content-type"]) == (asset.body, asset.media_type)
        again = client.get(f"/dashboard/{path}", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
    for path in (
        "static/NOTICE",
        "static/vendor/LICENSE.preact",
        "static/%2e%2e/gate.py",
        "static//etc/passwd",
        "static/..%2f..%2fgate.py",
        "gate.py",
    ):
        assert client.get(f"/dashboard/{path}").status_code == 404, path
