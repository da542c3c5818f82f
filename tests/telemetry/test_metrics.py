"""What Prometheus reads: the counts of the store, exact at every scrape, for those who may."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as metrics_of
from tests.tasks.conftest import WAIT
from tests.telemetry.conftest import MakeApp

from hypern import Hypern, NotFound, Retry, Router
from hypern.errors import ConfigurationError, QueueFull
from hypern.stores.pulse import duration_class
from hypern.telemetry import Metrics, TaskCollector
from hypern.telemetry.metrics import cumulated
from hypern.telemetry.requests import RequestCounts
from hypern.testing import TestClient

TOKEN = "kx93-Zm2q_LbT7-wRaeV5Yp0"
STATES = ("waiting", "delayed", "running", "completed", "failed", "cancelled")

Samples = dict[tuple[str, str], float]


_OTHER = """
import sys
from hypern import Hypern
from hypern.telemetry import Metrics
from hypern.testing import TestClient
app = Hypern(task_store=sys.argv[1], task_workers=0)
app.use(Metrics(public=True))
print(TestClient(app).get("/metrics").text, end="")
"""


def fine(number: int) -> int:
    return number


def fails() -> None:
    raise ValueError("bad row")


def tries_again() -> Retry:
    return Retry(0)


def scrape(app: Hypern) -> Samples:
    """The values of one scrape, by name and labels."""
    answer = TestClient(app).get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200, answer.text
    samples = [sample for family in metrics_of(answer.text) for sample in family.samples]
    found = {(sample.name, _labels(sample.labels)): sample.value for sample in samples}
    assert len(found) == len(samples)
    return found


def _labels(labels: dict[str, str]) -> str:
    return ",".join(value for _, value in sorted(labels.items()))


def check_sums(samples: Samples) -> None:
    """In each queue what was submitted is what is somewhere."""
    submitted = {labels: value for (name, labels), value in samples.items() if "submitted" in name}
    assert submitted
    for queue, value in submitted.items():
        kept = sum(samples["hypern_tasks", f"{queue},{state}"] for state in STATES)
        assert value == kept + samples["hypern_tasks_pruned_total", queue]


def test_each_task_is_in_one_of_the_numbers(store: str, make_app: MakeApp) -> None:
    """Submitted is waiting + delayed + running + completed + failed + cancelled + pruned, in each queue."""
    app = make_app(task_store=store, task_workers=2)
    app.use(Metrics(auth=TOKEN))
    mail = app.background(queue="mail")
    ids = [app.submit_task(fine, (number,)) for number in range(5)]
    ids += [mail(fails)(), mail(fails)()]
    later = [app.submit_task(fine, (1,), delay_seconds=3600) for _ in range(3)]
    assert app.cancel_task(later[0])
    assert app.engine.wait_until(lambda: all(app.get_task(one).is_done() for one in ids), WAIT)  # type: ignore[union-attr]
    assert app.delete_tasks(queue="mail") == 2
    samples = scrape(app)
    check_sums(samples)
    assert samples["hypern_tasks_submitted_total", "default"] == 8
    assert samples["hypern_tasks", "default,completed"] == 5
    assert samples["hypern_tasks", "default,delayed"] == 2
    assert samples["hypern_tasks", "default,cancelled"] == 1
    assert samples["hypern_tasks_pruned_total", "mail"] == 2
    name = f"{fine.__module__}:fine"
    assert samples["hypern_attempts_total", f"completed,{name}"] == 5
    assert samples["hypern_attempts_total", f"cancelled,{name}"] == 1
    assert samples["hypern_attempts_total", f"failed,{fails.__module__}:fails"] == 2
    assert samples["hypern_attempt_run_seconds_count", name] == 5
    assert samples["hypern_worker_processes", ""] == 1
    assert samples["hypern_worker_threads", ""] == 2


def test_sums_hold_while_all_moves(store: str, make_app: MakeApp) -> None:
    """Scraped again and again while tasks are submitted, run, retried and forgotten, no scrape is out by one
    and no counter ever goes down."""
    app = make_app(task_store=store, task_workers=2, task_result_limit=20)
    app.use(Metrics(auth=TOKEN))
    stop = threading.Event()

    def submit() -> None:
        while not stop.is_set():
            try:
                app.submit_task(fine, (1,))
                app.submit_task(fails, retries=0)
                app.submit_task(tries_again, retries=1)
            except QueueFull:
                stop.wait(0.01)

    submitting = threading.Thread(target=submit)
    submitting.start()
    before: Samples = {}
    try:
        for _ in range(15):
            samples = scrape(app)
            if samples.get(("hypern_tasks_submitted_total", "default")):
                check_sums(samples)
            for key, value in before.items():
                if key[0].endswith(("_total", "_count", "_bucket")):
                    assert samples[key] >= value, key
            before = samples
    finally:
        stop.set()
        submitting.join()
    assert before["hypern_tasks_submitted_total", "default"] > 0


def test_any_process_tells_of_all(tmp_path: Path, make_app: MakeApp) -> None:
    """An app that runs nothing itself tells what the one beside it has run, in the same numbers."""
    url = f"sqlite:///{tmp_path}/tasks.db?synchronous=normal"
    app = make_app(task_store=url)
    app.use(Metrics(auth=TOKEN))
    task_id = app.submit_task(fine, (1,))
    assert app.engine.wait_until(lambda: app.get_task(task_id).is_done(), WAIT)  # type: ignore[union-attr]
    other = subprocess.run([sys.executable, "-c", _OTHER, url], capture_output=True, text=True, timeout=30)
    assert other.returncode == 0, other.stderr
    answer = TestClient(app).get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert other.stdout == answer.text
    assert 'hypern_tasks{queue="default",state="completed"} 1.0' in answer.text
    assert "hypern_worker_processes 1.0" in answer.text


def test_histograms_are_valid(make_app: MakeApp) -> None:
    """Buckets only rise, the last is the count, and the sum is within 5 %; as text and as OpenMetrics."""
    durations = [0.0, 0.0003, 0.02, 0.5, 0.5, 40.0, 1e6]
    histogram: dict[int, int] = {}
    for seconds in durations:
        kind = duration_class(seconds)
        histogram[kind] = histogram.get(kind, 0) + 1
    buckets, total = cumulated(histogram)
    assert total == pytest.approx(sum(durations), rel=0.05)
    for label, number in buckets:
        assert number == sum(seconds < float(label) for seconds in durations), label
    app = make_app()
    app.use(Metrics(auth=TOKEN))
    task_id = app.submit_task(fine, (1,))
    assert app.engine.wait_until(lambda: app.get_task(task_id).is_done(), WAIT)  # type: ignore[union-attr]
    answer = TestClient(app).get(
        "/metrics",
        headers={"Authorization": f"Bearer {TOKEN}", "Accept": "application/openmetrics-text;version=1.0.0"},
    )
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    families = {family.name: family for family in open_metrics(answer.text)}
    assert {sample.name for sample in families["hypern_attempt_run_seconds"].samples} == {
        f"hypern_attempt_run_seconds_{part}" for part in ("bucket", "count", "sum")
    }


def test_how_long_the_next_one_has_waited(make_app: MakeApp) -> None:
    """The gauge of a queue is the age of the task that is next, and 0 where none waits."""
    app = make_app()
    app.use(Metrics(auth=TOKEN))
    app.engine.pause()
    app.submit_task(fine, (1,), queue="late", delay_seconds=3600)
    app.submit_task(fine, (1,))
    store = app.engine.store
    since = store.vitals().heads["default"]
    samples = scrape(app)
    assert 0 < samples["hypern_queue_wait_seconds", "default"] <= app.engine.clock.wall() - since
    assert samples["hypern_queue_wait_seconds", "late"] == 0


def test_names_are_only_text(make_app: MakeApp) -> None:
    """What stands in a name cannot end a line or a label."""
    hostile = 'a"} 1\nhypern_tasks{queue="x\\'
    app = make_app()
    app.use(Metrics(auth=TOKEN))
    app.background(name=hostile)(fine)(1)
    assert app.engine.wait_until(app.engine.idle, WAIT)
    samples = scrape(app)
    assert samples["hypern_attempts_total", f"completed,{hostile}"] == 1


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \xff"]
)
def test_without_the_token_nothing_is_told(header: str | None, make_app: MakeApp) -> None:
    """401, and how to come in; no name and no number."""
    app = make_app()
    app.use(Metrics(auth=TOKEN))
    client = TestClient(app)
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    answer = client.get("/metrics", headers=headers)  # type: ignore[arg-type]
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "hypern_" not in answer.text
    assert client.get("/metrics", headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200


async def _async_says(req: Any) -> bool:
    return bool(req.header("x-who") == "prometheus")


@pytest.mark.parametrize("auth", [lambda req: req.header("x-who") == "prometheus", _async_says])
def test_a_function_says_who_may(auth: Any, make_app: MakeApp) -> None:
    """Plain or async; only True lets anybody in."""
    app = make_app()
    app.use(Metrics(auth=auth))
    app.use("/broken", Metrics(auth=lambda req: "yes"))  # type: ignore[arg-type, return-value]
    client = TestClient(app)
    assert client.get("/metrics", headers={"X-Who": "prometheus"}).status_code == 200
    assert client.get("/metrics", headers={"X-Who": "me"}).status_code == 401
    assert client.get("/broken/metrics").status_code == 401


@pytest.mark.parametrize(
    "given",
    [{}, {"auth": TOKEN, "public": True}, {"auth": "short"}, {"auth": "a" * 40}, {"auth": ""}, {"auth": 5}],
)
def test_open_only_to_who_says_so(given: dict[str, Any]) -> None:
    """Without auth, with a token that could be guessed, or with both ways at once, it is refused at once."""
    with pytest.raises(ConfigurationError, match="Metrics"):
        Metrics(**given)


def test_public_and_below_a_prefix(make_app: MakeApp) -> None:
    """Who says that it is public gets that; below the prefix of a router it tells of the app's tasks."""
    app = make_app()
    router = Router("/internal")
    router.use(Metrics("/numbers", public=True))
    app.use(router)
    app.submit_task(fine, (1,))
    answer = TestClient(app).get("/internal/numbers")
    assert 'hypern_tasks_submitted_total{queue="default"} 1.0' in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


def test_with_the_metrics_of_the_program(make_app: MakeApp) -> None:
    """Another registry is shown beside them, and the collector can be put into one."""
    app = make_app()
    registry = CollectorRegistry()
    Counter("shop_orders", "Orders.", registry=registry).inc(3)
    app.use(Metrics(auth=TOKEN, registry=registry))
    assert scrape(app)["shop_orders_total", ""] == 3
    own = CollectorRegistry()
    own.register(TaskCollector(lambda: app.engine))
    app.submit_task(fine, (1,))
    assert own.get_sample_value("hypern_tasks_submitted_total", {"queue": "default"}) == 1


def test_a_store_that_is_gone(tmp_path: Path, make_app: MakeApp) -> None:
    """The scrape fails with 503 instead of telling old numbers."""
    app = make_app(task_store=f"sqlite:///{tmp_path}/tasks.db", task_workers=0)
    app.use(Metrics(auth=TOKEN))
    app.submit_task(fine, (1,))
    scrape(app)
    for file in tmp_path.iterdir():
        if file.is_file():
            file.write_bytes(b"no database" * 1000)
    client = TestClient(app)
    assert client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 503


def test_requests_are_counted_by_route(make_app: MakeApp) -> None:
    """Each request counts once, by its route and not its path, by method and final status; a scrape counts
    itself only in the next one."""
    app = make_app()
    app.use(Metrics(auth=TOKEN))

    @app.get("/users/:id")
    def user(req: Any, res: Any, ctx: Any) -> None:
        if req.param("id") == "broken":
            raise ValueError("a bug")
        if req.param("id") == "unknown":
            raise NotFound("no such user")
        res.json({})

    client = TestClient(app, raise_server_exceptions=False)
    for name in ("ann", "bob", "unknown", "broken"):
        client.get(f"/users/{name}")
    client.post("/users/ann")
    for number in range(30):
        client.get(f"/nothing/{number}")
        client.request(f"M{number}", "/users/ann")
    client.request("QUERY", "/users/ann")
    samples = scrape(app)
    pid, name = os.getpid(), "hypern_http_requests_total"
    counted = {labels: value for (metric, labels), value in samples.items() if metric == name}
    assert counted == {
        f"GET,{pid},/users/:id,200": 2,
        f"GET,{pid},/users/:id,404": 1,
        f"GET,{pid},/users/:id,500": 1,
        f"POST,{pid},/users/:id,405": 1,
        f"GET,{pid},,404": 30,
        f"other,{pid},/users/:id,405": 30,
        f"QUERY,{pid},/users/:id,405": 1,
    }
    assert samples["hypern_http_request_seconds_count", f"GET,{pid},/users/:id"] == 4
    assert samples["hypern_http_request_seconds_bucket", f"+Inf,GET,{pid},/users/:id"] == 4
    assert 0 < samples["hypern_http_request_seconds_sum", f"GET,{pid},/users/:id"] < WAIT
    assert scrape(app)[name, f"GET,{pid},/metrics,200"] == 1


def test_requests_below_a_prefix_and_not_at_all(make_app: MakeApp) -> None:
    """Below a prefix requests count from the first scrape on; `requests=False` counts none."""
    app, silent = make_app(), make_app()
    app.use("/inside", Metrics(public=True))
    client = TestClient(app)
    client.get("/inside/metrics")
    client.get("/inside/metrics")
    route = 'hypern_http_requests_total{method="GET",process="%d",route="/inside/metrics",status="200"} 1.0'
    assert route % os.getpid() in sorted_labels(client.get("/inside/metrics").text)
    silent.use(Metrics(public=True, requests=False))
    TestClient(silent).get("/metrics")
    assert "hypern_http" not in TestClient(silent).get("/metrics").text


def sorted_labels(text: str) -> str:
    """A scrape in which each sample has its labels in the order of the alphabet."""
    return re.sub(r"{(.*)}", lambda found: "{" + ",".join(sorted(found[1].split(","))) + "}", text)


def test_a_stream_is_timed_until_it_begins(make_app: MakeApp) -> None:
    """A stream of events counts when it begins, however long it goes on."""
    counts = RequestCounts()
    app = make_app()
    app.watch_requests(counts)
    app.watch_requests(counts)
    seen: list[int] = []

    @app.get("/events")
    def events(req: Any, res: Any, ctx: Any) -> None:
        def each() -> Iterator[str]:
            seen.append(len(list(next(iter(counts.collect())).samples)))
            yield "one"

        res.sse(each())

    TestClient(app).get("/events")
    assert seen == [1]
    family = next(iter(counts.collect()))
    assert [sample.value for sample in family.samples] == [1]
