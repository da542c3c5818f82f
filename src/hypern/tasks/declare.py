"""Declare: from a function to a task that can be called anywhere."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from types import MethodType
from typing import Any, Generic, ParamSpec, TypeVar, Unpack, overload

from hypern.callables import bare, is_async, qualname
from hypern.codec.calls import dump_call
from hypern.codec.naming import function_path
from hypern.errors import InvalidTask
from hypern.records import Lane, TaskSpec
from hypern.tasks.channel import LIMIT
from hypern.tasks.engine import Engine
from hypern.tasks.ids import is_storable_text
from hypern.tasks.options import CallOptions, Options, TaskOptions
from hypern.tasks.runtime import current_engine
from hypern.tasks.submit import submit, submit_all, submit_async

P = ParamSpec("P")
R = TypeVar("R")


class Task(Generic[P, R]):
    """A function that runs in the background when it is called: `f(...)` submits it and returns the id.

    `f.func` is the plain function, for a direct call. `f.with_options(delay_seconds=5)(...)` submits
    with other options, `await f.submit_async(...)` submits from a coroutine.
    Calling raises InvalidTask if the arguments do not fit the function's signature, QueueFull if too
    many tasks are waiting; nothing is queued then.
    """

    # What functools.update_wrapper takes over from the function.
    __name__: str
    __qualname__: str
    __wrapped__: Callable[..., Any]

    def __init__(
        self,
        func: Callable[P, R],
        options: Options,
        name: str | None = None,
        engine: Callable[[], Engine] = current_engine,
    ) -> None:
        self._bind = not isinstance(func, staticmethod)
        self.func: Callable[P, R] = func.__func__ if isinstance(func, staticmethod) else func
        self.lane = _lane(self.func)
        self.name = name or _name(self.func)
        self.origin: Callable[..., Any] = self
        self._engine = engine
        self._signature = _signature(self.func)
        self._instance: tuple[object, ...] = ()
        self.least_args, self.most_args = _positional(self._signature)
        functools.update_wrapper(self, self.func, updated=())
        self._set(options)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> str:
        return submit(self._engine(), self, args, kwargs)

    async def submit_async(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Submit without ever holding up the event loop for a disk. The id.

        The memory store never waits for anything, so there this is the same as calling.
        """
        return await submit_async(self._engine(), self, args, kwargs)

    def submit_many(self, calls: Iterable[tuple[Any, ...] | Mapping[str, Any]]) -> list[str]:
        """Submit many calls at once, all or none of them. Their ids, in the same order.

        Each of `calls` is a tuple of positional arguments or a dict of keyword arguments.
        """
        return submit_all(self._engine(), [(self, *_arguments(call)) for call in calls])

    def with_options(self, **options: Unpack[CallOptions]) -> Task[P, R]:
        """The same task with other options (see `CallOptions`), to be called once or kept.

        Raises InvalidOption.
        """
        return self.with_checked(self.options.but(**options))

    @property
    def engine(self) -> Callable[[], Engine]:
        """Says in which engine the task runs."""
        return self._engine

    def with_checked(self, options: Options) -> Task[P, R]:
        """The same task with these options in the place of its own."""
        other = self._copy()
        other._set(options)
        return other

    def _set(self, options: Options) -> None:
        self.options = options
        lane = self.lane
        if options.rules.isolate:
            lane = Lane.THREAD  # it attends to the process, whatever runs in there
            self.least_args, self.most_args = 1, 0.0  # no call is submitted without a look at its arguments
        self.spec = TaskSpec.of(self.name, self.origin, self.func, lane, options.rules)
        # Whether submitting has to look at more than the arguments and the delay.
        self.has_conditions = bool(options.unique) or options.rules.expires is not None

    def check_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Raises InvalidTask unless the function could be called with these; for one that runs in another
        process also, and NotSerializable, TaskTooLarge, unless it could be called there."""
        self.check_signature(args, kwargs)
        if self.options.rules.isolate:
            function_path(self.origin)
            dump_call(args, kwargs, LIMIT)

    def check_signature(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Raises InvalidTask unless the function takes these arguments."""
        if self._signature is None:
            return
        try:
            self._signature.bind(*self._instance, *args, **kwargs)
        except TypeError as error:
            raise InvalidTask(f"{self.name}{self._signature} cannot be submitted: {error}.") from None

    def full_arguments(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """These, after the instance where the task is a bound method."""
        return (*self._instance, *args)

    def bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> inspect.BoundArguments | None:
        """Which parameter gets which of them; None for the few functions that do not tell."""
        if self._signature is None:
            return None
        return self._signature.bind(*self._instance, *args, **kwargs)

    @overload
    def __get__(self, instance: None, owner: type) -> Task[P, R]: ...
    @overload
    def __get__(self, instance: object, owner: type | None = None) -> Task[..., R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """As with functions: looked up on an instance, the instance becomes the first argument."""
        if instance is None or not self._bind:
            return self
        bound = self._copy()
        bound.func = MethodType(self.func, instance)
        bound.origin = bound
        bound._bind, bound._instance = False, (instance,)
        bound._set(self.options)
        bound.least_args, bound.most_args = max(0, self.least_args - 1), self.most_args - 1
        return bound

    def __repr__(self) -> str:
        return f"<Task {self.name}>"

    def _copy(self) -> Task[P, R]:
        copy: Task[P, R] = object.__new__(Task)
        copy.__dict__.update(self.__dict__)
        return copy


class Decorate:
    """What `@background(...)` returns: turns a function into a task."""

    def __init__(self, options: Options, name: str | None, engine: Callable[[], Engine]) -> None:
        self._options, self._name, self._engine = options, name, engine

    def __call__(self, func: Callable[P, R], /) -> Task[P, R]:
        return declare(func, self._options, self._name, self._engine)


def declare(
    func: Callable[P, R],
    options: Options,
    name: str | None = None,
    engine: Callable[[], Engine] = current_engine,
) -> Task[P, R]:
    """Turn a function into a task. Raises InvalidTask for what cannot be one."""
    if isinstance(func, Task):
        raise InvalidTask(f"{func.name} is a task already; decorate it once, or use its with_options(...).")
    if name is not None and not (is_storable_text(name, 1000) and name.strip()):
        raise InvalidTask(
            "the name of a task is a str of 1 to 1000 characters, none of them NUL or half of one, "
            f"not {name!r:.100}."
        )
    return Task(func, options, name, engine)


@overload
def background(func: Callable[P, R], /) -> Task[P, R]: ...
@overload
def background(*, name: str | None = None, **options: Unpack[TaskOptions]) -> Decorate: ...
def background(
    func: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    **options: Unpack[TaskOptions],
) -> Any:
    """Make a function a background task; with or without parentheses. No app is needed.

    `name`: what to call it in logs and results, `module:function` unless given. The other options are those
    of `TaskOptions`; the most used are `delay_seconds` (run it no earlier than so many seconds after the
    call), `priority` (`"low"`, `"normal"`, `"high"`, `"critical"` or an int, higher runs first) and
    `retries` (how often to try again after an exception).
    Raises InvalidOption, InvalidTask.
    """
    return background_with(current_engine, func, name, options)


def background_with(
    engine: Callable[[], Engine],
    func: Callable[..., Any] | None,
    name: str | None,
    options: TaskOptions,
) -> Any:
    """`background` for the tasks of a certain engine."""
    decorate = Decorate(Options().but(**options).of_a_task(), name, engine)
    return decorate if func is None else decorate(func)


def _arguments(call: object) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(call, tuple):
        return call, {}
    if isinstance(call, Mapping):
        return (), dict(call)
    raise InvalidTask(
        f"submit_many() takes a tuple of arguments, or a dict of keyword arguments, for each call, "
        f"not {type(call).__name__}; write (value,) for one value."
    )


def _lane(func: object) -> Lane:
    if not callable(func):
        hint = ""
        if inspect.iscoroutine(func):
            func.close()
            hint = " Hand over the function itself, without calling it."
        elif isinstance(func, str):
            hint = " A decorated task was called here, which has submitted it; hand it over uncalled."
        elif isinstance(func, classmethod):
            hint = " Write @classmethod above @background()."
        raise InvalidTask(f"a task must be a function, not {type(func).__name__}.{hint}")
    function = bare(func)
    code = function, function.__call__
    if any(inspect.isgeneratorfunction(part) or inspect.isasyncgenfunction(part) for part in code):
        raise InvalidTask(f"{_name(func)} is a generator; a task returns one value, it cannot yield.")
    if isinstance(inspect.unwrap(function, stop=lambda part: isinstance(part, Task)), Task):
        # In memory it would submit that task a second time, in a durable store its wrapper would be left out.
        raise InvalidTask(
            f"{_name(func)} is a wrapper around a task, and would only submit it. Write @background() above "
            "the decorator that makes the wrapper."
        )
    if is_async(func) or inspect.iscoroutinefunction(inspect.unwrap(function)):
        return Lane.LOOP
    return Lane.THREAD


def _name(func: Callable[..., Any]) -> str:
    function = bare(func)
    module = getattr(function, "__module__", None) or type(function).__module__
    return f"{module}:{qualname(function)}"


def _signature(func: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(func)
    except (TypeError, ValueError):  # some built-in functions do not tell
        return None


def _positional(signature: inspect.Signature | None) -> tuple[int, float]:
    """How few and how many positional arguments make a call valid that has no keyword arguments."""
    if signature is None:
        return 0, float("inf")
    least, most = 0, 0.0
    for parameter in signature.parameters.values():
        required = parameter.default is parameter.empty
        if parameter.kind is parameter.VAR_POSITIONAL:
            most = float("inf")
        elif parameter.kind is parameter.KEYWORD_ONLY and required:
            return 1, 0.0  # never valid without keywords: always look at the signature itself
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            most += 1
            least += required
    return least, most
