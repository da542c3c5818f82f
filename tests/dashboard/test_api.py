"""What the page is told, and what it can do: over real stores, through the same paths as the page itself."""

from __future__ import annotations

import time

import pytest
from tests.dashboard.site import GUEST, WAIT, Gate, Site, get, post, wait_for

from hypern import TaskStatus
from hypern.testing import TestClient

# What the page shows is the same whatever keeps the tasks.
pytestmark = pytest.mark.parametrize("site", ["memory", "sqlite", "postgres"], indirect=True)


def test_counts_are_those_of_the_store(site: Site, ann: TestClient) -> None:
    """The summary has each queue, and what all of them add up to."""
    site.ended(*(site.works(number) for number in range(3)))
    site.failed()
    site.delayed()
    said = get(ann, "summary").json()
    assert said["totals"]["completed"] == 3
    assert said["totals"]["failed"] == 1
    assert said["totals"]["delayed"] == 1
    assert said["totals"]["submitted"] == 5
    assert {queue["name"]: queue["failed"] for queue in said["queues"]} == {"default": 0, "fragile": 1}


def test_the_overview_has_rates_and_durations_by_task(site: Site, ann: TestClient) -> None:
    """Each task stands in the table with what became of it, and the lines over time add up to the same."""
    get(ann, "overview")  # a store in memory begins to count when it is first asked
    site.ended(*(site.works(number) for number in range(4)))
    site.failed()
    said = get(ann, "overview?window=900").json()
    by_name = {line["name"]: line for line in said["names"]}
    assert by_name["works"]["completed"] == 4
    assert by_name["works"]["failure_rate"] == 0
    assert by_name["works"]["p50"] > 0
    assert by_name["breaks"]["failure_rate"] == 1
    assert len(said["series"]["at"]) == len(said["series"]["completed"]) == len(said["series"]["p95"])
    assert [row["name"] for row in said["failed"]] == ["breaks"]


def test_the_list_is_filtered_and_paged(site: Site, ann: TestClient) -> None:
    """Filters narrow the list, and `after` goes on where a page ended, without a gap or a double."""
    ids = [site.works(number) for number in range(5)]
    broken = site.failed("disk on fire")
    assert [row["id"] for row in get(ann, "tasks?status=failed").json()["rows"]] == [broken]
    assert [row["id"] for row in get(ann, "tasks?text=ON+FIRE").json()["rows"]] == [broken]
    assert [row["id"] for row in get(ann, "tasks?queue=fragile").json()["rows"]] == [broken]
    seen: list[str] = []
    after = ""
    while after is not None:
        page = get(ann, f"tasks?name=works&limit=2&after={after}").json()
        seen += [row["id"] for row in page["rows"]]
        after = page["after"]
    assert seen == ids[::-1]


def test_one_task_is_told_with_its_attempts(site: Site, ann: TestClient) -> None:
    """A failed task comes with its error, its traceback and why it ended, and without its arguments."""
    task_id = site.failed("no such row", password="hunter2")
    said = get(ann, f"tasks/{task_id}").json()
    assert said["status"] == "failed"
    assert said["error"] == "ValueError: no such row"
    assert "raise ValueError(message)" in said["attempts"][-1]["traceback"]
    assert "failed at" in said["explained"]
    assert "hunter2" not in get(ann, f"tasks/{task_id}").text


def test_progress_is_told_while_a_task_runs(site: Site, ann: TestClient) -> None:
    """What a task says of itself is on the page before it ends."""
    Gate.entered.clear()
    Gate.opened.clear()
    task_id = site.waits()
    assert Gate.entered.wait(WAIT)
    said = wait_for(lambda: (task := get(ann, f"tasks/{task_id}").json())["progress"] and task, "progress")
    running = get(ann, "workers").json()["running"]
    Gate.opened.set()
    assert said["progress"] == {"fraction": 0.25, "message": "a quarter"}
    assert said["status"] == "running"
    assert [row["id"] for row in running] == [task_id]
    site.ended(task_id)


def test_a_failed_task_is_retried(site: Site, ann: TestClient) -> None:
    """Retry submits a new task that names the old one, which stays as it was."""
    task_id = site.failed()
    new = post(ann, f"tasks/{task_id}/retry").json()["id"]
    site.ended(new)
    assert new != task_id
    assert get(ann, f"tasks/{new}").json()["origin"] == task_id
    assert get(ann, f"tasks/{new}").json()["status"] == "failed"
    assert get(ann, f"tasks/{task_id}").json()["status"] == "failed"


def test_a_delayed_task_is_started_now(site: Site, ann: TestClient) -> None:
    """Run now lets a delayed task run at once."""
    task_id = site.delayed()
    assert get(ann, f"tasks/{task_id}").json()["due"] is not None
    assert post(ann, f"tasks/{task_id}/run").status_code == 200
    wait_for(lambda: get(ann, f"tasks/{task_id}").json()["status"] == "completed", "its end")


def test_a_waiting_task_is_cancelled_and_deleted(site: Site, ann: TestClient) -> None:
    """Cancel ends a waiting task; delete forgets an ended one; each only where it is possible."""
    task_id = site.delayed()
    assert post(ann, f"tasks/{task_id}/delete").status_code == 409
    assert post(ann, f"tasks/{task_id}/cancel").status_code == 200
    assert post(ann, f"tasks/{task_id}/cancel").status_code == 409
    assert post(ann, f"tasks/{task_id}/delete").status_code == 200
    assert get(ann, f"tasks/{task_id}").status_code == 404
    assert post(ann, f"tasks/{task_id}/retry").status_code == 404


def test_many_are_previewed_and_done_part_by_part(
    site: Site, ann: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preview says how many are meant; what comes after it is left alone; parts follow each other."""
    monkeypatch.setattr("hypern.dashboard.actions.AT_ONCE", 3)
    ids = [site.delayed() for _ in range(7)]
    preview = get(ann, "preview?status=pending").json()
    assert (preview["number"], preview["is_all"]) == (7, True)
    time.sleep(0.01)  # a later moment, not an event
    later = site.delayed()
    body = {"action": "cancel", "filter": {"status": "pending", "until": preview["until"]}}
    done, after = 0, None
    while True:
        part = post(ann, "bulk", {**body, "after": after}).json()
        done, after = done + part["done"], part["after"]
        if after is None:
            break
    states = {task_id: site.app.get_task(task_id) for task_id in [*ids, later]}
    assert done == 7
    assert all(states[task_id].status is TaskStatus.CANCELLED for task_id in ids)  # type: ignore[union-attr]
    assert states[later].status is TaskStatus.PENDING  # type: ignore[union-attr]


def test_chosen_tasks_are_done(site: Site, ann: TestClient) -> None:
    """A list of ids is done as far as their states allow."""
    ids = [site.failed(), site.delayed()]
    assert post(ann, "bulk", {"action": "delete", "ids": ids}).json() == {"done": 1, "seen": 2, "after": None}
    assert site.audit[-1].action == "delete many"
    assert site.audit[-1].number == 1


def test_queues_are_paused_and_limited(site: Site, ann: TestClient) -> None:
    """Pausing a queue holds its tasks back until it is resumed, and a limit stands beside it."""
    assert post(ann, "queues", {"queue": "default", "paused": True}).status_code == 200
    assert post(ann, "queues", {"queue": "default", "limit": 3}).status_code == 200
    task_id = site.works(1)
    queue = next(one for one in get(ann, "summary").json()["queues"] if one["name"] == "default")
    assert (queue["paused"], queue["limit"], queue["waiting"]) == (True, 3, 1)
    assert "paused" in get(ann, f"tasks/{task_id}").json()["explained"]
    post(ann, "queues", {"queue": "default", "paused": False})
    post(ann, "queues", {"queue": "default", "limit": None})
    wait_for(lambda: get(ann, f"tasks/{task_id}").json()["status"] == "completed", "its end")
    queue = next(one for one in get(ann, "summary").json()["queues"] if one["name"] == "default")
    assert (queue["paused"], queue["limit"]) == (False, None)


def test_recurring_tasks_are_told_in_words(site: Site, ann: TestClient) -> None:
    """Each recurring task of the process stands there with its schedule and its next tick."""

    @site.app.cron("0 3 * * *")
    def nightly() -> None: ...

    said = [one for one in get(ann, "recurring").json()["recurring"] if one["name"].endswith("nightly")]
    assert said[0]["schedule"] == "at 03:00 every day (UTC)"
    assert said[0]["next"] > time.time()


def test_arguments_are_told_on_demand_without_secrets(site: Site, ann: TestClient) -> None:
    """Who may see arguments asks for them task by task, gets no secrets, and that is audited."""
    task_id = site.failed("row 7", password="hunter2")
    said = get(ann, f"tasks/{task_id}/arguments")
    assert {"name": "message", "text": "'row 7'"} in said.json()["arguments"]
    assert {"name": "password", "text": "•••"} in said.json()["arguments"]
    assert "hunter2" not in said.text
    assert (site.audit[-1].action, site.audit[-1].target) == ("see arguments", task_id)
    done = site.works(21)
    site.ended(done)
    assert get(ann, f"tasks/{done}/arguments").json()["result"] == "42"


def test_the_page_knows_what_its_viewer_may_do(site: Site, ann: TestClient) -> None:
    """The session tells the permissions, for the page to offer no more than that."""
    guest = get(site.client(GUEST), "session").json()
    assert (guest["viewer"], guest["act"], guest["arguments"]) == ("guest", False, False)
    assert get(ann, "session").json()["act"] is True
