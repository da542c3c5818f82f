"""`app.use(Metrics("/metrics", auth=...))`: what Prometheus reads, from the counts of the store itself.

Whichever process answers, it tells of the tasks of all of them, and two that are asked at the same time say
the same.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from prometheus_client import exposition
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from hypern.http.application import WebApp
from hypern.http.context import Context
from hypern.http.paths import parse_path
from hypern.http.request import Request
from hypern.http.response import Response
from hypern.stores.overview import QueueTotals, Vitals
from hypern.stores.pulse import Histogram, Tally, longest, middle
from hypern.tasks.engine import Engine
from hypern.tasks.runtime import current_engine
from hypern.telemetry.access import Access, MayRead
from hypern.telemetry.engines import EngineOf, engine_of, engine_of_request
from hypern.telemetry.requests import RequestCounts, as_label

_STATES = ("waiting", "delayed", "running", "completed", "failed", "cancelled")
_OUTCOMES = ("completed", "failed", "cancelled", "retried")
# Every eighth class of duration, 2.14 times as long as the one before: from 0.1 ms to a day.
_BOUNDS = {kind: f"{longest(kind):.3g}" for kind in range(24, 241, 8)}


class Collecting(Protocol):
    """What `prometheus_client` has as its registries, and what they ask."""

    def collect(self) -> Iterable[Metric]: ...


class TaskCollector(Collector):
    """The tasks of one engine as metrics of `prometheus_client`: `REGISTRY.register(TaskCollector())` adds
    them to those that a program has already. `engine`: says whose; None: that of the module-level functions.

    `collect` asks the store, and raises what that raises: QueueUnavailable.
    """

    def __init__(self, engine: EngineOf | None = None) -> None:
        self._engine = current_engine if engine is None else engine

    def describe(self) -> Iterable[Metric]:
        # Without it a registry would ask the store when this is registered.
        return []

    def collect(self) -> Iterator[Metric]:
        engine = self._engine()
        totals, vitals = engine.store.totals(), engine.store.vitals()
        yield from _of_queues(totals)
        yield from _of_heads(totals, vitals, engine.clock.wall())
        yield from _of_tasks(vitals)
        yield from _of_workers(engine)


class Metrics:
    """A path at which Prometheus reads what becomes of the tasks: `app.use(Metrics("/metrics", auth=token))`.

    `auth`: a token of 24 random characters or more, sent as `Authorization: Bearer …`, or a function
    `auth(req)`, also async, that returns True for those who may read. `public=True` in its place: everybody
    may. `registry`: another registry of `prometheus_client` whose metrics are shown as well, such as its
    `REGISTRY`; those are of the one process that answers. `requests`: whether the requests that this process
    answers are counted and timed as well.

    Raises ConfigurationError without either, RouteError for a path that is none.
    """

    def __init__(
        self,
        path: str = "/metrics",
        *,
        auth: str | MayRead | None = None,
        public: bool = False,
        registry: Collecting | None = None,
        requests: bool = True,
    ) -> None:
        parse_path(path)
        self._path = path
        self._access = Access(auth, public)
        self._registry = registry
        self._requests = RequestCounts() if requests else None
        self._lock = threading.Lock()

    def install(self, app: Any) -> None:
        """Answer at the path. `app.use` calls it."""
        store = engine_of(app).store
        if not store.shared:
            # From now on it counts, and not only from the first scrape on.
            store.vitals()
        self._watch(app)
        app.add_route("GET", self._path, self._show)

    async def _show(self, req: Request, res: Response, ctx: Context) -> None:
        """The metrics of the tasks."""
        await self._access.check(req)
        engine = engine_of_request(req)
        self._watch(req.scope.get("app"))
        body, kind = await asyncio.to_thread(self._text, engine, req.header("accept") or "")
        res.send(body).header("Content-Type", kind).cache_control(no_store=True)
        res.header("X-Content-Type-Options", "nosniff")

    def _watch(self, app: Any) -> None:
        """Count the requests of this app; below a prefix it is a router at first, and the app comes later."""
        if self._requests is not None and isinstance(app, WebApp):
            app.watch_requests(self._requests)

    def _text(self, engine: Engine, accept: str) -> tuple[bytes, str]:
        encode, kind = exposition.choose_encoder(accept)
        # One at a time, however many ask: each costs the store some work.
        with self._lock:
            return encode(_Together(TaskCollector(lambda: engine), self._requests, self._registry)), kind


class _Together:
    """As much of a registry as writing it down needs."""

    def __init__(self, *parts: Collecting | None) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        for part in self._parts:
            if part is not None:
                yield from part.collect()


def _of_queues(totals: list[QueueTotals]) -> Iterator[Metric]:
    submitted = CounterMetricFamily(
        "hypern_tasks_submitted",
        "Tasks that were ever submitted: at every scrape the sum of all states of hypern_tasks and "
        "hypern_tasks_pruned_total.",
        labels=["queue"],
    )
    pruned = CounterMetricFamily(
        "hypern_tasks_pruned", "Tasks that have ended and are forgotten.", labels=["queue"]
    )
    kept = GaugeMetricFamily("hypern_tasks", "Tasks that are kept, by state.", labels=["queue", "state"])
    for queue in totals:
        name = as_label(queue.queue)
        submitted.add_metric([name], queue.submitted)
        pruned.add_metric([name], queue.pruned)
        for state in _STATES:
            kept.add_metric([name, state], getattr(queue, state))
    yield from (submitted, pruned, kept)


def _of_heads(totals: list[QueueTotals], vitals: Vitals, now: float) -> Iterator[Metric]:
    waited = GaugeMetricFamily(
        "hypern_queue_wait_seconds",
        "For how long the task has been waiting that is next; 0 where none waits.",
        labels=["queue"],
    )
    for name in sorted({*vitals.heads, *(queue.queue for queue in totals)}):
        since = vitals.heads.get(name)
        waited.add_metric([as_label(name)], 0.0 if since is None else max(0.0, now - since))
    yield waited


def _of_tasks(vitals: Vitals) -> Iterator[Metric]:
    ended = CounterMetricFamily(
        "hypern_attempts",
        "Attempts that have ended, by how: after one that is retried another follows. Cancelled are also "
        "tasks that were still waiting.",
        labels=["task", "outcome"],
    )
    ran = HistogramMetricFamily(
        "hypern_attempt_run_seconds",
        "For how long attempts ran. Durations are counted in classes a tenth wide, so the sum is within 5 %.",
        labels=["task"],
    )
    waited = HistogramMetricFamily(
        "hypern_attempt_wait_seconds",
        "For how long tasks had been waiting when an attempt began. The sum is within 5 %.",
        labels=["task"],
    )
    for name, tally in sorted(vitals.tallies.items()):
        label = as_label(name)
        _add_outcomes(ended, label, tally)
        for family, histogram in ((ran, tally.ran), (waited, tally.waited)):
            if histogram:
                buckets, total = cumulated(histogram)
                family.add_metric([label], buckets, total)
    yield from (ended, ran, waited)


def _add_outcomes(family: CounterMetricFamily, label: str, tally: Tally) -> None:
    for outcome in _OUTCOMES:
        family.add_metric([label, outcome], getattr(tally, outcome))


def _of_workers(engine: Engine) -> Iterator[Metric]:
    workers = engine.store.workers()
    if workers is None:
        threads = engine.settings.task_workers if engine.is_started else 0
        number = int(engine.is_started)
    else:
        number, threads = len(workers), sum(worker.workers for worker in workers)
    yield GaugeMetricFamily("hypern_worker_processes", "Living processes that run tasks.", value=number)
    yield GaugeMetricFamily("hypern_worker_threads", "The threads that these have for tasks.", value=threads)
    scheme = engine.settings.task_store.partition(":")[0]
    yield InfoMetricFamily("hypern_task_store", "Where tasks are kept.", value={"scheme": scheme})


def cumulated(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """Buckets as Prometheus has them, each with all that is shorter, and the sum of all, in seconds."""
    buckets = []
    for bound, label in _BOUNDS.items():
        buckets.append((label, float(sum(number for kind, number in histogram.items() if kind <= bound))))
    buckets.append(("+Inf", float(sum(histogram.values()))))
    return buckets, sum(middle(kind) * number for kind, number in sorted(histogram.items()))
