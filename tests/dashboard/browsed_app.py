"""The program whose dashboard the browser opens. Its routes do what other users of the app would do."""

from __future__ import annotations

import os
import threading

from hypern import Hypern, QueueUnavailable, current_task
from hypern.dashboard import Dashboard, Viewer

app = Hypern(task_store="sqlite:///tasks.db", task_workers=2, task_log_level="INFO")
app.use(
    Dashboard(
        auth={
            os.environ["TOKEN"]: Viewer("ann", act=True, arguments=True),
            os.environ["GUEST"]: Viewer("guest"),
        }
    )
)
HOSTILE = (
    "<img src=x onerror=alert(1)></script><script>alert(2)</script>\u202egnp.exe"
    "\u00ad\u2028\ufff9\U000e0041e" + "\u0301" * 60
)
go_on = threading.Event()


@app.background(name="works")
def works(number: int) -> int:
    return number * 2


@app.background(name="breaks", queue="fragile")
def breaks(message: str, password: str = "") -> None:
    raise ValueError(message)


@app.background(name="later", queue="later")
def later(number: int) -> None: ...


@app.background(name=HOSTILE, queue="hostile")
def hostile(text: str) -> None:
    current_task().progress(0.5, HOSTILE + "M" * 300)
    raise ValueError(HOSTILE + text)


@app.background(name="shop.jobs:send_mail")
def named() -> None: ...


@app.background(name="comes back", retries=1, backoff=0.2)
def comes_back() -> None:
    if current_task().attempt == 1:
        raise ConnectionError("not yet")


@app.background(name="slow", queue="slow")
def slow() -> None:
    current_task().progress(0.5, "half way")
    go_on.wait(60)


@app.get("/submit/:name")
def submit(req, res, ctx):  # type: ignore[no-untyped-def]
    match req.param("name"):
        case "works":
            return works(21)
        case "breaks":
            return breaks("no such row", password="hunter2")
        case "later":
            return later.with_options(delay_seconds=3600)(1)
        case "hostile":
            return hostile("x" * 100_000)
        case "named":
            return named()
        case "comes_back":
            return comes_back()
        case "slow":
            return slow()
    return None


@app.get("/trouble/:begins")
def trouble(req, res, ctx):  # type: ignore[no-untyped-def]
    store = app.engine.store
    if req.param("begins") == "no":
        del store.totals
        return "over"

    def away() -> None:
        raise QueueUnavailable(f"the task store {'x' * 200} is away")

    store.totals = away
    return "begun"


@app.get("/go-on")
def let_go_on(req, res, ctx):  # type: ignore[no-untyped-def]
    go_on.set()
    return "gone on"


app.listen(0)
