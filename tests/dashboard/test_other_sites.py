"""What other sites, and names that lead here, come to."""

from __future__ import annotations

import pytest
from tests.dashboard.site import HOST, PAGES, SAME_SITE, TOKEN, Site, get, post

from hypern import Hypern
from hypern.dashboard import Dashboard
from hypern.errors import ConfigurationError
from hypern.http.middleware import Cors
from hypern.tasks.runtime import use_engine
from hypern.testing import TestClient


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "10.0.0.1"])
def test_unknown_hosts_are_misdirected(site: Site, host: str) -> None:
    """A name that was not allowed is 421, for all paths, as DNS rebinding would have it."""
    client = site.client(base=f"http://{host}")
    for path in ("", "api/tasks", "static/app.css"):
        assert client.get(f"/dashboard/{path}").status_code == 421


def test_hosts_can_be_allowed() -> None:
    """A name given as `hosts` is answered, in any case and with any port."""
    app = Hypern()
    app.use(Dashboard(auth=TOKEN, hosts=["Tasks.Example.com"]))
    assert TestClient(app, base_url="https://tasks.example.com:8443").get("/dashboard/").status_code == 200
    with pytest.raises(ConfigurationError, match="list"):
        Dashboard(auth=TOKEN, hosts="tasks.example.com")
    use_engine(None)


BAD_HEADERS = [
    {"Sec-Fetch-Site": "cross-site", "Origin": HOST},
    {"Sec-Fetch-Site": "same-site", "Origin": HOST},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:4000"},
    {"Origin": "https://localhost:3000"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"},
    {},
]


@pytest.mark.parametrize("headers", BAD_HEADERS, ids=lambda headers: "+".join(headers.values()) or "none")
def test_changes_from_other_sites_are_refused(site: Site, headers: dict[str, str]) -> None:
    """A change that does not say that it comes from the page itself is 403, with a session and without."""
    client, task_id = site.client(TOKEN), site.failed()
    for path in (f"tasks/{task_id}/delete", "bulk", "queues", "logout", "login"):
        assert client.post(f"/dashboard/api/{path}", json={}, headers=headers).status_code == 403, path
    assert site.app.get_task(task_id) is not None


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_changes_have_to_be_json(site: Site, media_type: str) -> None:
    """What a form can send is refused by its type, whatever else it says."""
    client, task_id = site.client(TOKEN), site.failed()
    headers = {**SAME_SITE, "Content-Type": media_type}
    answer = client.post(f"/dashboard/api/tasks/{task_id}/delete", content=b"{}", headers=headers)
    assert answer.status_code == 403
    assert site.app.get_task(task_id) is not None


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_changes_but_by_post(site: Site, method: str) -> None:
    """Every other method is 405 and changes nothing."""
    client, task_id = site.client(TOKEN), site.failed()
    for action in ("retry", "cancel", "delete", "run"):
        answer = client.request(method, f"/dashboard/api/tasks/{task_id}/{action}", headers=SAME_SITE)
        assert answer.status_code == 405
        assert "allow" in answer.headers
    assert get(client, "summary").json()["totals"]["submitted"] == 1
    assert site.app.get_task(task_id) is not None


def test_other_sites_cannot_read_nor_frame(site: Site) -> None:
    """A script of another site gets nothing, and every answer forbids frames, inline code and guesses."""
    client = site.client(TOKEN)
    cross = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert client.get("/dashboard/api/tasks", headers=cross).status_code == 403
    answers = [client.get(f"/dashboard/{path}") for path in (*PAGES, "api/tasks", "api/nothing", "nothing")]
    answers += [
        TestClient(site.app, base_url=HOST).get("/dashboard/api/tasks"),
        post(client, "queues", {"x": 1}),
    ]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'",
                     "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"):  # fmt: skip
            assert part in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"


def test_an_open_cors_middleware_opens_no_change() -> None:
    """Where the app lets every origin in, the dashboard still does not."""
    app = Hypern()
    app.use(Cors.permissive())
    app.use(Dashboard(auth=TOKEN))
    client = TestClient(app, base_url=HOST)
    post(client, "login", {"token": TOKEN})
    evil = {"Origin": "https://evil.example", "Content-Type": "application/json"}
    assert client.post("/dashboard/api/queues", content=b"{}", headers=evil).status_code == 403
    use_engine(None)
