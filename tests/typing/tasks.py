"""What editors and mypy know of tasks: the arguments are those of the function, the answer is an id.

Never run; `mypy --strict` must find every line right, and every `type: ignore` needed.
"""

from __future__ import annotations

from typing import assert_type

from hypern import (
    Backoff,
    Cancel,
    Hypern,
    Retry,
    Snooze,
    Task,
    TaskResult,
    background,
    cancel_task,
    get_task,
    submit_many,
    submit_task,
)

app = Hypern()


@background()
def add(a: int, b: int = 0) -> int:
    return a + b


@background
def bare(text: str) -> None: ...


@background(priority="high", delay_seconds=5, retries=2, name="mail")
async def send(to: str, *, subject: str) -> bytes:
    return b""


@app.background
def of_app(a: int) -> int:
    return a


@app.background(priority=3)
def of_app_too(a: int) -> int:
    return a


@background(
    queue="mail",
    retries=5,
    backoff=Backoff(first=2, factor=3, longest=60, jitter=False),
    retry_on=(ConnectionError, TimeoutError),
    timeout=30,
    expires=3600,
    unique=True,
    unique_for=60,
    rate="10/s",
    on_crash="fail",
    result_ttl=86_400,
)
def with_rules(to: str) -> int | Retry | Snooze | Cancel:
    return Retry(5, "busy") if to else Snooze(60)


@background(unique="nightly", backoff=2.5, retry_on=ValueError, isolate="process", priority=None)
async def nightly(day: str) -> None: ...


@background(unique=lambda day: f"report {day}")
def by_day(day: str) -> None: ...


@app.background(rate="100/m", timeout=0.5)
async def of_app_with_rules(a: int) -> int:
    return a


class Shelf:
    @staticmethod
    @background
    def outside(a: int) -> int:
        return a

    @background
    def method(self, a: int) -> int:
        return a


async def right() -> None:
    assert_type(add(1), str)
    assert_type(add(1, b=2), str)
    assert_type(bare("x"), str)
    assert_type(send("x", subject="y"), str)
    assert_type(of_app(1), str)
    assert_type(of_app_too(1), str)
    assert_type(Shelf.outside(1), str)
    assert_type(Shelf().method(1), str)
    assert_type(await add.submit_async(1), str)
    assert_type(add.with_options(priority="low", delay_seconds=1.5, task_id="a")(1), str)
    assert_type(add.func(1, 2), int)
    kept: Task[..., int] = add.with_options(retries=1)
    assert_type(kept(1), str)
    assert_type(submit_task(add, args=(1,), kwargs={"b": 2}, priority="critical"), str)
    assert_type(submit_task(print, args=["x"]), str)
    assert_type(app.submit_task(add, (1,)), str)
    assert_type(with_rules("x"), str)
    assert_type(nightly("monday"), str)
    assert_type(by_day("monday"), str)
    assert_type(of_app_with_rules(1), str)
    assert_type(add.with_options(timeout=5, unique="k", expires=60, rate="1/s", queue="a")(1), str)
    assert_type(add.with_options(backoff=1, retry_on=OSError, on_crash="retry", result_ttl=0)(1), str)
    assert_type(await add.with_options(unique=lambda a, b=0: str(a)).submit_async(1), str)
    assert_type(submit_task(add, (1,), timeout=5, unique=True, unique_for=60, isolate="process"), str)
    assert_type(add.submit_many([(1,), (1, 2), {"a": 1}]), list[str])
    assert_type(submit_many([(add, (1,)), (print, ("x",), {"end": ""})]), list[str])
    assert_type(app.submit_many([(add, (1,))]), list[str])
    assert_type(cancel_task("id"), bool)
    found = get_task("id")
    assert_type(found, TaskResult | None)
    if found is not None:
        assert_type(found.error, str | None)
        assert_type(found.reason, str | None)
        assert_type([past.error for past in found.attempts], list[str])
        assert_type(submit_task(found.func, found.args, found.kwargs), str)


def wrong() -> None:
    add("x")  # type: ignore[arg-type]
    add()  # type: ignore[call-arg]
    add(1, c=3)  # type: ignore[call-arg]
    bare(1)  # type: ignore[arg-type]
    send("x")  # type: ignore[call-arg]
    of_app("x")  # type: ignore[arg-type]
    add.with_options(priority="urgent")  # type: ignore[arg-type]
    add.with_options(delay="5")  # type: ignore[call-arg]
    background(retries="3")  # type: ignore[call-overload]
    submit_task(add, args=(1,), priority="urgent")  # type: ignore[arg-type]
    with_rules(5)  # type: ignore[arg-type]
    of_app_with_rules("x")  # type: ignore[arg-type]
    background(timeout="5s")  # type: ignore[call-overload]
    background(unique=5)  # type: ignore[call-overload]
    background(rate=10)  # type: ignore[call-overload]
    background(isolate="thread")  # type: ignore[call-overload]
    background(retry_on="ValueError")  # type: ignore[call-overload]
    background(on_crash="ignore")  # type: ignore[call-overload]
    background(task_id="one")  # type: ignore[call-overload]
    background(retry=3)  # type: ignore[call-overload]
    app.background(expires="1h")  # type: ignore[call-overload]
    add.with_options(backoff="2s")  # type: ignore[arg-type]
    add.with_options(timeot=5)  # type: ignore[call-arg]
    submit_task(add, (1,), queue=5)  # type: ignore[arg-type]
    submit_many([add])  # type: ignore[list-item]
    add.submit_many([1])  # type: ignore[list-item]
    Snooze()  # type: ignore[call-arg]
    submit_task(5)  # type: ignore[arg-type]
    Shelf.outside("x")  # type: ignore[arg-type]
