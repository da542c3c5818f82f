"""`hypern dashboard`: the page on its own."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from tests.cli.conftest import WAIT, Filled, Said, Terminal

ADDRESS = re.compile(r"(http://127\.0\.0\.1:\d+)/#token=([\w-]+)")


class Page:
    """A dashboard that somebody has started, and a browser that signs in."""

    def __init__(self, terminal: Callable[..., Terminal], state: Path, *arguments: str) -> None:
        self.command = terminal("dashboard", *arguments, "--port", "0", XDG_STATE_HOME=str(state))
        self.command.wait_for("Ctrl-C ends it.")
        shown = self.command.shown.replace("\r", "").replace("\n", "")
        found = ADDRESS.search(self.command.shown) or ADDRESS.search(shown)
        assert found is not None, self.command.shown
        self.url, self.token = found.groups()
        self.own = {"Origin": self.url, "Sec-Fetch-Site": "same-origin"}
        self.client = self.browser()

    def browser(self, **cookies: str) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, headers=self.own, timeout=WAIT, cookies=cookies)

    def sign_in(self) -> int:
        return self.client.post("/api/login", json={"token": self.token}).status_code

    def sees(self, cookies: dict[str, str]) -> int:
        """What another browser with these cookies is answered."""
        with self.browser(**cookies) as other:
            return other.get("/api/tasks").status_code


@pytest.fixture
def open_page(terminal: Callable[..., Terminal], tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Start dashboards of one user."""
    opened: list[Page] = []

    def start(*arguments: str) -> Page:
        opened.append(Page(terminal, tmp_path, *arguments))
        return opened[-1]

    yield start
    for page in opened:
        page.client.close()


def test_it_shows_the_tasks_of_a_store(
    filled: Filled, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    """The address that it prints leads to the tasks, once; Ctrl-C ends it."""
    page = open_page(filled.url)
    assert page.client.get("/api/tasks").status_code == 401
    assert page.sign_in() == 200
    rows = page.client.get("/api/tasks").json()["rows"]
    assert {row["id"] for row in rows} == {filled.greeted, filled.failed, filled.delayed, filled.waiting}
    assert page.client.get(f"/api/tasks/{filled.greeted}/arguments").status_code == 403
    assert (
        httpx2.post(f"{page.url}/api/login", json={"token": page.token}, headers=page.own).status_code == 401
    )
    page.command.interrupt()
    assert page.command.end() == 0
    assert "Traceback" not in page.command.shown


def test_it_acts_and_runs_nothing(filled: Filled, open_page: Callable[..., Page]) -> None:
    """A retried task waits: somebody else has to run it."""
    page = open_page("--store", filled.url)
    page.sign_in()
    made = page.client.post(f"/api/tasks/{filled.failed}/retry", json={}).json()["id"]
    assert page.client.get(f"/api/tasks/{made}").json()["status"] == "pending"
    assert page.client.get("/api/workers").json()["workers"] == []


def test_what_may_be_done_is_said_when_it_is_started(
    filled: Filled, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    """--look-only changes nothing, --args shows arguments, without secrets."""
    page = open_page(filled.url, "--look-only", "--args")
    page.sign_in()
    assert page.client.post(f"/api/tasks/{filled.failed}/retry", json={}).status_code == 403
    shown = page.client.get(f"/api/tasks/{filled.greeted}/arguments").text
    assert "ann" in shown
    assert "hunter2" not in shown


def test_sessions_outlive_a_restart_of_the_same_dashboard(
    filled: Filled, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    """The key is in a file that nobody else can read; with other permissions a session is another one."""
    page = open_page(filled.url)
    page.sign_in()
    cookies = dict(page.client.cookies)
    key = tmp_path / "hypern" / "dashboard.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    again = open_page(filled.url)
    assert again.sees(cookies) == 200
    only = open_page(filled.url, "--look-only")
    assert only.sees(cookies) == 401


@pytest.mark.parametrize(("mode", "content"), [(0o644, b"k" * 32), (0o600, b"short")])
def test_a_key_that_others_could_know_is_refused(
    filled: Filled, hypern: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    mode: int, content: bytes,
) -> None:  # fmt: skip
    """A key file that others can read, or that is none, is named, and nothing is served."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    key = tmp_path / "hypern" / "dashboard.key"
    key.parent.mkdir()
    key.write_bytes(content)
    key.chmod(mode)
    said = hypern("dashboard", filled.url)
    assert said.status == 2
    assert str(key) in said.err


def test_no_store_is_made(hypern: Callable[..., Said], tmp_path: Path) -> None:
    """Where there is no store the command says so, and there is none afterwards."""
    said = hypern("dashboard", f"sqlite:///{tmp_path}/none.db")
    assert (said.status, list(tmp_path.iterdir())) == (2, [])
    assert hypern("dashboard", "memory://").status == 2
    assert hypern("dashboard", "sqlite:///a.db", "--store", "sqlite:///b.db").status == 2
