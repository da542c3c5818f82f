"""Between records and rows: what is kept of a task, and how its function, arguments and result come back."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, NoReturn

import msgspec

from hypern.callables import is_async
from hypern.codec.calls import dump_call, load_call_and_trail
from hypern.codec.naming import find_function, function_path
from hypern.codec.values import LIMIT, dumps, loads
from hypern.errors import TaskError, UnknownTask
from hypern.records import Attempt, Completed, Lane, Progress, Rules, TaskRecord, TaskSpec, TaskStatus
from hypern.stores.base import AGEING
from hypern.stores.durable.states import READY, SCHEDULED, is_state, status_of
from hypern.stores.pulse import Tally

LANES = (Lane.THREAD, Lane.LOOP)

_rules_encoder = msgspec.json.Encoder()
_rules_decoder = msgspec.json.Decoder(Rules)
_progress_decoder = msgspec.json.Decoder(Progress)
_tally_decoder = msgspec.json.Decoder(Tally)
_PRIORITIES = 2**31
_specs: dict[tuple[str, str, int, bytes], TaskSpec] = {}
_SPECS_KEPT = 10_000
# What reading raises where bytes are not what was written; of a text that is none it is not msgspec's own.
DAMAGE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
# What stands in a text for bytes that are none.
_REPLACED = "\N{REPLACEMENT CHARACTER}"


def lane_number(lane: Lane) -> int:
    return 0 if lane is Lane.THREAD else 1


def lane_of(number: int) -> Lane:
    """What a task is shown with; where the number is none of a lane, nobody runs it."""
    return Lane.LOOP if number == 1 else Lane.THREAD


def lanes_of(numbers: Iterable[int]) -> list[Lane]:
    """The lanes that have these numbers."""
    return [LANES[number] for number in numbers if 0 <= number < len(LANES)]


@functools.lru_cache(maxsize=10_000)
def _named(spec: TaskSpec) -> tuple[str, bytes]:
    """What is kept of a spec: where its function is found, and its rules."""
    return function_path(spec.func), _rules_encoder.encode(spec.rules)


def to_row(record: TaskRecord, offset: float) -> tuple[Any, ...]:
    """The parameters of `statements.ADD`. `offset`: wall-clock minus steady seconds.

    Raises InvalidTask, NotSerializable, TaskTooLarge.
    """
    spec = record.spec
    func, rules = _named(spec)
    state = READY if record.due is None else SCHEDULED
    return (
        record.id,
        state,
        lane_number(spec.lane),
        spec.queue,
        rank(record.ready_at - offset, spec.priority),
        spec.name,
        func,
        rules,
        dump_call(record.args, record.kwargs, LIMIT, record.trail),
        record.due,
        record.expires_at,
        record.unique_key,
        record.submitted_at,
        record.ready_at,
    )


def read_tally(data: bytes) -> Tally:
    """What ended of a task in a beat; nothing where that is damaged: such a row harms no other."""
    try:
        return _tally_decoder.decode(data)
    except DAMAGE:
        return Tally()


def as_it_was(
    former: tuple[Any, ...], new_id: str, steady: float, wall: float, offset: float
) -> tuple[TaskRecord, tuple[Any, ...]]:
    """A task like one that has ended, from the columns of `statements.PAYLOAD`: what can be said of it
    without decoding its call, and the parameters of `statements.ADD`."""
    _, number, queue, name, func, rules, call, unique_key = former
    known, lane = read_rules(rules), lane_of(number)
    missing = _missing(func, UnknownTask(func, "it has not been looked for"))
    spec = TaskSpec.of(name, missing, missing, lane, known)
    expires_at = None if known.expires is None else steady + known.expires
    record = TaskRecord(new_id, spec, (), {}, wall, None, None, wall, expires_at, unique_key)
    place = rank(wall - offset, known.priority)
    kept = (new_id, READY, lane_number(lane), queue, place, name, func, rules, call)
    return record, (*kept, None, expires_at, unique_key, wall, wall)


def rank(steady: float, priority: int) -> float:
    """Where a task that waits since `steady` stands among the ready ones, lowest first."""
    return steady - priority * AGEING


def read_rules(data: bytes) -> Rules:
    """The rules of a task; the usual ones where they are damaged."""
    try:
        return _decoded(data)
    except DAMAGE:
        return Rules()


def _decoded(data: bytes) -> Rules:
    rules = _rules_decoder.decode(data)
    if not -_PRIORITIES <= rules.priority < _PRIORITIES:
        raise msgspec.ValidationError("its priority is no int of 32 bits")
    return rules


class Unreadable(TaskError):
    """What is kept of a task cannot be brought back here."""


def to_claimed(row: tuple[Any, ...], started_at: float) -> TaskRecord:
    """The record of a task that has just been claimed, from the columns of `statements.CLAIM`.

    Raises UnknownTask if its function is not found here, Unreadable if its rules or arguments cannot be read.
    """
    (_, task_id, name, func, lane, rules, call, submitted_at, due, ready_at, expires_at, unique_key,
     attempt, fence, lost, _, cancel_requested, _) = row  # fmt: skip
    spec = _specs.get((name, func, lane, rules)) or _spec(name, func, lane, rules)
    try:
        args, kwargs, trail = load_call_and_trail(call)
    except TaskError as error:
        raise Unreadable(f"its arguments cannot be read here: {error}") from None
    return TaskRecord(
        task_id, spec, args, kwargs, submitted_at, due, None, ready_at, expires_at, unique_key,
        TaskStatus.RUNNING, attempt, fence, lost, started_at, cancel_requested=bool(cancel_requested),
        trail=trail,
    )  # fmt: skip


def read_progress(data: bytes) -> Progress | None:
    """How far a task said that it is; None where that is damaged."""
    try:
        return _progress_decoder.decode(data)
    except DAMAGE:
        return None


def to_view(row: tuple[Any, ...], attempts: list[tuple[Any, ...]]) -> TaskRecord:
    """A record for looking at, from the columns of `statements.VIEW`: never raises for what it finds."""
    (_, task_id, name, func, lane, rules, call, submitted_at, due, ready_at, expires_at, unique_key,
     attempt, fence, lost, _, cancel_requested, _,
     state, started_at, finished_at, result, omitted, error, traceback, reason, progress,
     origin) = row  # fmt: skip
    try:
        spec = _specs.get((name, func, lane, rules)) or _spec(name, func, lane, rules)
    except (UnknownTask, Unreadable) as unknown:
        missing = _missing(func, unknown)
        spec = TaskSpec.of(name, missing, missing, lane_of(lane), read_rules(rules))
    try:
        args, kwargs, trail = load_call_and_trail(call)
    except TaskError as unreadable:
        args, kwargs, trail = (f"<cannot be read here: {unreadable}>",), {}, None
    if not is_state(state):
        error = f"Unreadable: its state is kept as {state}, which is none"
    value = None
    if result is not None:
        try:
            value = loads(result)
        except TaskError as unreadable:
            omitted = f"it cannot be read here: {unreadable}"
    return TaskRecord(
        task_id, spec, args, kwargs, submitted_at, due, None, ready_at, expires_at, unique_key,
        status_of(state), attempt, fence, lost, started_at, finished_at, value, omitted, error, traceback,
        reason, None if progress is None else read_progress(progress),
        bool(cancel_requested),
        tuple(Attempt(*values) for values in attempts),
        origin,
        trail,
    )  # fmt: skip


def encode_result(ending: Completed) -> tuple[bytes | None, str | None]:
    """A returned value as it is kept, and why it is not, where it cannot be."""
    if ending.value is None:
        return None, ending.omitted
    try:
        return dumps(ending.value), ending.omitted
    except TaskError as error:
        return None, str(error)
    except Exception as error:  # a value whose own methods raise
        return None, f"it could not be written down: {type(error).__name__}"


def encode_progress(progress: Progress) -> bytes:
    return _rules_encoder.encode(progress)


def _spec(name: str, func: str, lane: int, rules: bytes) -> TaskSpec:
    """Raises UnknownTask, Unreadable."""
    if _REPLACED in func:
        raise Unreadable("the name of its function is damaged")
    found = find_function(func)
    target = getattr(found, "func", found) if hasattr(found, "spec") else found
    # It may have become a coroutine function, or ceased to be one, since it was submitted.
    if is_async(target) and lane == 0:
        target = _blocking(target)
    elif not is_async(target) and lane == 1:
        target = functools.partial(asyncio.to_thread, target)
    try:
        known = _decoded(rules)
    except DAMAGE as error:
        raise Unreadable(f"its rules cannot be read here: {error}") from None
    spec = TaskSpec.of(name, found, target, lane_of(lane), known)
    if len(_specs) >= _SPECS_KEPT:
        _specs.clear()
    _specs[name, func, lane, rules] = spec
    return spec


def _blocking(target: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return asyncio.run(target(*args, **kwargs))

    return call


def _missing(func: str, unknown: TaskError) -> Callable[..., Any]:
    reason = str(unknown)

    def missing(*args: Any, **kwargs: Any) -> NoReturn:
        raise UnknownTask(func, reason)

    missing.__qualname__ = missing.__name__ = func
    return missing


def clean(text: str) -> str:
    """A text as every database can take it: without null characters and halves of characters. What it is
    compared with has none either."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
