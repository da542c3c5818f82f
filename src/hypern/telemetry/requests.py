"""The requests that one process has answered, counted by method, route and status, and how long they took."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from hypern.telemetry.methods import METHODS

_OTHER = "other"
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_LABELS = ("method", "route", "process")


class _Durations:
    """Of one method and route: how many requests fell between two bounds, and all their seconds."""

    __slots__ = ("numbers", "seconds")

    def __init__(self) -> None:
        self.numbers = [0] * (len(_BOUNDS) + 1)
        self.seconds = 0.0


class RequestCounts(Collector):
    """Told of each request by the app, and read by a scrape, which may be in another thread.

    There are as many series as the program has routes and statuses, whatever clients send: a path without a
    route counts as "", a method that HTTP does not know as "other".
    """

    def __init__(self) -> None:
        self._answered: dict[tuple[str, str, int], int] = {}
        self._durations: dict[tuple[str, str], _Durations] = {}

    def __call__(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """A request was answered. `seconds`: until the answer began. On the event loop."""
        method = method if method in METHODS else _OTHER
        route = route or ""
        answered = (method, route, status)
        self._answered[answered] = self._answered.get(answered, 0) + 1
        durations = self._durations.get((method, route))
        if durations is None:
            durations = self._durations[method, route] = _Durations()
        durations.numbers[bisect_left(_BOUNDS, seconds)] += 1
        durations.seconds += seconds

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        process = str(os.getpid())
        requests = CounterMetricFamily(
            "hypern_http_requests",
            "Requests that this process has answered. The route is its path as declared, empty where there "
            "is none.",
            labels=[*_LABELS[:2], "status", _LABELS[2]],
        )
        # Sorting copies them in one step first: meanwhile the event loop may add to them.
        for (method, route, status), number in sorted(self._answered.items()):
            requests.add_metric([method, as_label(route), str(status), process], number)
        took = HistogramMetricFamily(
            "hypern_http_request_seconds",
            "For how long this process worked on requests until their answers began.",
            labels=_LABELS,
        )
        for (method, route), durations in sorted(self._durations.items(), key=lambda one: one[0]):
            sums = list(accumulate(durations.numbers))
            bounds = [*(f"{bound:g}" for bound in _BOUNDS), "+Inf"]
            buckets = [(bound, float(number)) for bound, number in zip(bounds, sums, strict=True)]
            took.add_metric([method, as_label(route), process], buckets, durations.seconds)
        yield from (requests, took)


def as_label(name: str) -> str:
    """A name as UTF-8 can say it."""
    return name.encode("utf-8", "backslashreplace").decode()
