"""What editors and mypy know of tasks: the arguments are those of the function, the answer is an id.

Never run; `mypy --strict` must find every line right, and every `type: ignore` needed.
"""

from __future__ import annotations

from typing import assert_type

from hypern import Hypern, Task, TaskResult, background, cancel_task, get_task, submit_task

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
    assert_type(cancel_task("id"), bool)
    found = get_task("id")
    assert_type(found, TaskResult | None)
    if found is not None:
        assert_type(found.error, str | None)
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
    submit_task(5)  # type: ignore[arg-type]
    Shelf.outside("x")  # type: ignore[arg-type]
