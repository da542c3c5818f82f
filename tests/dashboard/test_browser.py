"""The page in a real browser, against a program in a process of its own."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys
from tests.dashboard.browser import Browser
from tests.dashboard.site import GUEST, TOKEN
from tests.http.serving import ServedScript

# What the program's hostile name is shown as.
HOSTILE = (
    "<img src=x onerror=alert(1)></script><script>alert(2)</script>\\u202egnp.exe"
    "\\u00ad\\u2028\\ufff9\\U000e0041e\u0301\u0301\u0301\u0301…"
)
PROGRAM = Path(__file__).with_name("browsed_app.py").read_text()


class Program:
    def __init__(self, served: ServedScript) -> None:
        self.served = served
        self.url = f"http://127.0.0.1:{served.port}"

    def ask(self, path: str) -> str:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as answer:
            text: str = answer.read().decode()
            return text


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    served = ServedScript(tmp_path_factory.mktemp("browsed"), PROGRAM, {"TOKEN": TOKEN, "GUEST": GUEST})
    yield Program(served)
    served.kill()


@pytest.fixture(scope="module")
def chromium(program: Program) -> Iterator[Browser]:
    started = Browser.start(program.url)
    yield started
    started.quit()


@pytest.fixture
def stranger(chromium: Browser) -> Iterator[Browser]:
    """The browser of somebody who has not signed in. In the end it must have had nothing to complain of."""
    chromium.forget()
    chromium.size(1440)
    chromium.complaints()
    yield chromium
    assert [line for line in chromium.complaints() if "401 (Unauthorized)" not in line] == []


@pytest.fixture
def ann(stranger: Browser) -> Browser:
    stranger.sign_in(TOKEN)
    return stranger


def test_signing_in_by_the_form(stranger: Browser) -> None:
    """A wrong token is said to be wrong, the right one opens the place that was meant."""
    stranger.open("#/queues")
    stranger.type("#token", "wrong")
    stranger.click("button[type=submit]")
    stranger.see("#problem", "not a token")
    stranger.type("#token", TOKEN)
    stranger.click("button[type=submit]")
    stranger.see("h1", "Queues")


def test_a_token_in_the_address_does_not_stay_there(stranger: Browser) -> None:
    """The token after the # signs in, and is in the address no more."""
    stranger.sign_in(TOKEN)
    assert TOKEN not in stranger.run("location.href")
    stranger.see("h1", "Overview")
    stranger.open(f"#token={TOKEN}")
    stranger.see("h1", "Overview")
    assert TOKEN not in stranger.run("location.href")


def test_the_end_of_a_task_is_seen_without_reloading(ann: Browser, program: Program) -> None:
    """The count goes up, and the task's own page turns from waiting to its end, by themselves."""
    ann.see("[data-count=completed]")
    before = int(ann.texts("[data-count=completed]")[0])
    ann.driver.execute_script("window.sameOne = true")
    program.ask("/submit/works")
    ann.see("[data-count=completed]", str(before + 1))
    task_id = program.ask("/submit/slow")
    ann.go(f"#/tasks/{task_id}")
    ann.see(".state.running", "Running")
    ann.see("main", "half way")
    program.ask("/go-on")
    ann.see(".state.completed", "Completed")
    assert ann.run("window.sameOne") is True


def test_filters_stand_in_the_address(ann: Browser, program: Program) -> None:
    """What is chosen and typed is in the address; the address alone brings the same list back."""
    task_id = program.ask("/submit/breaks")
    ann.go("#/tasks")
    ann.see(f"tr[data-id='{task_id}'] .state", "Failed")
    ann.click(".tabs a[href*='status=failed']")
    ann.type("#search", "SUCH ROW")
    ann.until(lambda: "status=failed" in ann.place and "text=SUCH+ROW" in ann.place, "the address")
    ann.see(f"tr[data-id='{task_id}']")
    address = ann.place
    ann.type("#search", "nothing is like this")
    ann.see(".empty", "No task is like this")
    ann.open(address)
    ann.see(f"tr[data-id='{task_id}']")
    assert ann.run("document.getElementById('search').value") == "SUCH ROW"
    assert set(ann.texts("tr[data-id] .state")) == {"Failed"}


def test_a_name_and_its_module_are_two_words(ann: Browser, program: Program) -> None:
    """Of `module:function` the function comes first, with a space before its module."""
    program.ask("/submit/named")
    ann.go("#/overview")
    ann.see("tbody td.named", "send_mail shop.jobs")


def test_the_steps_of_a_retried_task_are_in_order(ann: Browser, program: Program) -> None:
    """A retry is ready for a worker after the attempt before it has failed, and is shown so."""
    task_id = program.ask("/submit/comes_back")
    ann.go(f"#/tasks/{task_id}")
    ann.see(".steps", "Completed")
    steps = ann.texts(".steps li > span:nth-child(2)")
    assert [step.partition(" after")[0] for step in steps] == [
        "Submitted", "Attempt 1 failed", "Ready for a worker", "Attempt 2 started", "Completed",
    ]  # fmt: skip


def test_a_failed_task_is_retried(ann: Browser, program: Program) -> None:
    """The traceback is there; Retry leads to a new task, which names the old one."""
    task_id = program.ask("/submit/breaks")
    ann.go(f"#/tasks/{task_id}")
    ann.see("details[open] pre", "raise ValueError(message)")
    ann.click("[data-act=retry]")
    ann.see(".toast", "Submitted anew")
    ann.click(".toast a")
    ann.until(lambda: task_id not in ann.place, "the new task")
    ann.see(".task-head", task_id)
    ann.see(".state.failed", "Failed")


def test_a_failed_task_is_found_and_retried_with_keys(ann: Browser, program: Program) -> None:
    """Without a mouse: search for what failed, open it, reach its traceback and Retry, open the new one."""
    task_id = program.ask("/submit/breaks")
    ann.press("g", "t", "/")
    ann.until(lambda: ann.run("document.activeElement.id") == "search", "the search")
    ann.press("such row")
    ann.until(lambda: "text=such+row" in ann.place, "the address")
    ann.see(f"tr[data-id='{task_id}']")
    ann.press(Keys.ENTER)
    ann.until(lambda: ann.run("document.activeElement.matches('.rows a.title')"), "the first of the list")
    ann.press(Keys.ENTER)
    ann.see(".task-head", task_id)
    ann.tab_to("[data-act=retry]")
    ann.tab_to("details[open] pre")
    ann.tab_to("[data-act=retry]", back=True)
    ann.press(Keys.ENTER)
    ann.see(".toast", "Submitted anew")
    ann.tab_to(".toast a")
    ann.press(Keys.ENTER)
    ann.until(lambda: task_id not in ann.place, "the new task")


def test_many_are_cancelled_after_a_preview(ann: Browser, program: Program) -> None:
    """The dialog says how many it would be; then all of them are cancelled, in front of one's eyes."""
    ids = [program.ask("/submit/later") for _ in range(3)]
    ann.go("#/tasks?queue=later&status=pending")
    ann.see(f"tr[data-id='{ids[-1]}'] .state", "Delayed")
    ann.click("[data-bulk=cancel]")
    ann.see("dialog h2[data-preview='3']", "Cancel 3 tasks?")
    ann.click("dialog button[type=submit]")
    ann.see(".toast", "3 tasks cancelled")
    ann.gone("dialog")
    ann.go("#/tasks?queue=later")
    for task_id in ids:
        ann.see(f"tr[data-id='{task_id}'] .state", "Cancelled")


def test_a_dialog_can_be_left(ann: Browser, program: Program) -> None:
    """Escape closes the dialog, and nothing has been done; nor does an Enter too many do harm."""
    task_id = program.ask("/submit/later")
    ann.go(f"#/tasks/{task_id}")
    ann.click("[data-act=cancel]")
    ann.see("dialog h2", "Cancel this task?")
    ann.press(Keys.ENTER)
    ann.gone("dialog")
    ann.click("[data-act=cancel]")
    ann.see("dialog h2", "Cancel this task?")
    ann.press(Keys.ESCAPE)
    ann.gone("dialog")
    ann.see(".state.delayed", "Delayed")
    ann.click("[data-act=run]")
    ann.see(".state.completed", "Completed")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_hostile_text_is_text(ann: Browser, program: Program, scheme: str) -> None:
    """Names and errors that would be elements, scripts or turned round are shown letter by letter."""
    ann.size(1440, scheme=scheme)
    task_id = program.ask("/submit/hostile")
    for place in ("#/tasks?queue=hostile", f"#/tasks/{task_id}", "#/overview"):
        ann.go(place)
        ann.see("main", HOSTILE)
        assert not ann.all("main img, main script, main iframe")
        assert not set("\u202e\u00ad\u2028\ufff9\U000e0041") & set(ann.run("document.body.innerText")), place
        assert ann.run("document.scrollingElement.scrollWidth <= innerWidth"), place
    ann.go(f"#/tasks/{task_id}")
    ann.click("[data-act=arguments]")
    ann.see(".argument", "(100,000 characters)")


def test_arguments_are_shown_on_demand(ann: Browser, program: Program) -> None:
    """They are not on the page until asked for, and secrets are not then either."""
    task_id = program.ask("/submit/breaks")
    ann.go(f"#/tasks/{task_id}")
    ann.see("[data-act=arguments]")
    assert "'no such row'" not in ann.run("document.getElementById('arguments').closest('section').innerText")
    ann.click("[data-act=arguments]")
    ann.see(".argument", "'no such row'")
    assert "hunter2" not in ann.run("document.body.innerText")


def test_who_may_only_look_is_offered_no_more(stranger: Browser, program: Program) -> None:
    """For a guest there are no buttons that change anything, nor one for arguments."""
    task_id = program.ask("/submit/breaks")
    stranger.sign_in(GUEST)
    for place in (f"#/tasks/{task_id}", "#/tasks", "#/queues"):
        stranger.go(place)
        stranger.see("main", "fragile")
        assert not stranger.all("[data-act], [data-bulk], main input[type=checkbox]"), place


def test_all_can_be_done_with_keys(ann: Browser, program: Program) -> None:
    """g t, j, k, Enter, Esc, / and ? do what the help says."""
    ids = [program.ask("/submit/breaks") for _ in range(2)]
    ann.press("g", "q")
    ann.see("h1", "Queues")
    ann.press("g", "t")
    ann.see(f"tr[data-id='{ids[1]}']")
    ann.press("j", "j", "k", "j")
    focused = ann.run("document.activeElement.closest('tr').dataset.id")
    assert focused == ids[0]
    ann.press("x")
    ann.see(".picked", "1 chosen")
    ann.press(Keys.ENTER)
    ann.until(lambda: ann.place == f"#/tasks/{ids[0]}", "the task")
    ann.press(Keys.ESCAPE)
    ann.until(lambda: ann.place == "#/tasks", "the list")
    ann.press("/")
    ann.until(lambda: ann.run("document.activeElement.id") == "search", "the search")
    ann.press(Keys.ESCAPE, "?")
    ann.see("dialog h2", "Keys")


def test_a_queue_is_paused_and_resumed(ann: Browser, program: Program) -> None:
    """Pause holds tasks back, and the page of a task says why it waits."""
    # There is no queue before its first task.
    program.ask("/submit/works")
    ann.go("#/queues")
    ann.click("tr[data-queue=default] [data-act=pause]")
    ann.see("tr[data-queue=default] .state.paused", "Paused")
    task_id = program.ask("/submit/works")
    ann.go(f"#/tasks/{task_id}")
    ann.see(".says", "'default' is paused")
    ann.go("#/queues")
    ann.click("tr[data-queue=default] [data-act=pause]")
    ann.gone("tr[data-queue=default] .state.paused")
    ann.go(f"#/tasks/{task_id}")
    ann.see(".state.completed", "Completed")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 820, 1440])
def test_every_view_fits_the_window(ann: Browser, program: Program, width: int, scheme: str) -> None:
    """At each width no view is wider than the window, and each has its heading."""
    task_id = program.ask("/submit/hostile")
    ann.size(width, scheme=scheme)
    for place, heading in (
        ("#/overview", "Overview"), ("#/tasks", "Tasks"), (f"#/tasks/{task_id}", "<img"),
        ("#/queues", "Queues"), ("#/recurring", "Recurring"), ("#/workers", "Workers"),
    ):  # fmt: skip
        ann.go(place)
        ann.see("h1", heading)
        assert ann.run("document.scrollingElement.scrollWidth") <= width, place


@pytest.mark.parametrize("width", [390, 820, 1440])
def test_tables_are_seen_whole(ann: Browser, program: Program, width: int) -> None:
    """On a phone, a tablet and a desk no table has to be moved sideways, no cell is wider than its column."""
    program.ask("/submit/works")
    program.ask("/submit/later")
    ann.size(width)
    for place, row in (("#/overview", "works"), ("#/queues", "default"), ("#/tasks", "later")):
        ann.go(place)
        ann.see("tbody tr", row)
        assert ann.run(
            "[...document.querySelectorAll('.scrolls, td.when, td.took')]"
            ".filter((one) => one.offsetParent && one.scrollWidth > one.clientWidth).length"
        ) == 0, place  # fmt: skip


def test_a_place_that_is_not_there_says_so(ann: Browser) -> None:
    """An unknown view and an unknown task are said, with a way on."""
    ann.go("#/nowhere")
    ann.see(".empty", "There is no such page")
    ann.go("#/tasks/unknown")
    ann.see(".empty", "This task is not here")


@pytest.mark.parametrize("width", [390, 1440])
def test_a_store_in_trouble_is_said(ann: Browser, program: Program, width: int) -> None:
    """While the store cannot be read the page says why and that it is not up to date, until it is again."""
    ann.size(width)
    ann.see(".side footer", "Live")
    program.ask("/trouble/yes")
    ann.see(".banner", "is away")
    ann.see(".side footer", "Not up to date")
    assert ann.run("getComputedStyle(document.querySelector('.head')).opacity") == "0.55"
    assert ann.run("document.scrollingElement.scrollWidth") <= width
    program.ask("/trouble/no")
    ann.see(".side footer", "Live")
    ann.gone(".banner")


def test_a_lost_server_is_said_and_found_again(chromium: Browser, tmp_path: Path) -> None:
    """When the server goes the page says so and keeps what it shows."""
    served = ServedScript(tmp_path, PROGRAM, {"TOKEN": TOKEN, "GUEST": GUEST})
    before, chromium.url = chromium.url, f"http://127.0.0.1:{served.port}"
    try:
        chromium.sign_in(TOKEN)
        chromium.see(".side footer", "Live")
        served.kill()
        chromium.see(".banner", "cannot be reached")
        opacity = "getComputedStyle(document.querySelector(arguments[0])).opacity"
        assert chromium.run(opacity, ".head") == "0.55"
        assert chromium.run(opacity, ".banner") == chromium.run(opacity, ".main") == "1"
        chromium.see(".side footer", "Disconnected")
        chromium.see("h1", "Overview")
    finally:
        chromium.url = before
        served.kill()
        chromium.driver.get("about:blank")
        chromium.complaints()
