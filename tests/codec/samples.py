"""Classes and functions of a user, as the tests of the codec need them."""

from __future__ import annotations

import dataclasses
import enum
import functools
import math
from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from hypern import background

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"
    GREEN = (0, 255, 0)
    LIME = (0, 255, 0)  # noqa: PIE796

    @property
    def name(self) -> str:  # type: ignore[override]
        return "not the name"


class Size(enum.StrEnum):
    SMALL = "s"
    LARGE = "l"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Rights(enum.Flag):
    READ = 1
    WRITE = 2
    ALL = 3


class Bits(enum.IntFlag):
    ONE = 1
    TWO = 2


@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.0
    seen: list[str] = dataclasses.field(default_factory=list)
    length: float = dataclasses.field(init=False, compare=False)

    def __post_init__(self) -> None:
        self.length = math.hypot(self.x, self.y)
        self._secret = "kept"


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    when: datetime
    tags: frozenset[str]


@dataclasses.dataclass(frozen=True, slots=True)
class Derived(Frozen):
    inner: Point | None = None
    start: dataclasses.InitVar[int] = 0

    def __post_init__(self, start: int) -> None:
        raise AssertionError("not called when an object is read")


@dataclasses.dataclass
class Box(Generic[T]):
    content: T


class Pair(NamedTuple):
    left: Any
    right: Any = "r"


class Order(msgspec.Struct, frozen=True, tag=True, rename="camel"):
    order_id: int
    lines: tuple[Pair, ...] = ()
    note: str | msgspec.UnsetType = msgspec.UNSET


class Adjusted(msgspec.Struct, kw_only=True):
    n: int

    def __post_init__(self) -> None:
        self.n += 1


class Outer:
    class Inner(enum.Enum):
        A = 1

    @staticmethod
    def helper(x: int) -> int:
        return x

    @background()
    @staticmethod
    def work(x: int) -> int:
        return x

    @classmethod
    def make(cls) -> None: ...

    def method(self) -> None: ...


class Row:
    """Like a row of an ORM: a class of its own kind."""


class CalledLikeAFunction:
    def __call__(self) -> None: ...


def plain(x: int) -> int:
    return x


async def coroutine(x: int) -> int:
    return x


def _doubled(func: Callable[..., int]) -> Callable[..., int]:
    @functools.wraps(func)
    def wrapper(*args: Any) -> int:
        return 2 * func(*args)

    return wrapper


@_doubled
def decorated(x: int) -> int:
    return x


@functools.lru_cache
def cached(x: int) -> int:
    return x


@background(name="another name")
def task(x: int) -> int:
    return x


@background()
async def async_task(x: int) -> int:
    return x


a_lambda = lambda: None  # noqa: E731
a_partial = functools.update_wrapper(functools.partial(plain, 1), plain)
an_object = CalledLikeAFunction()


def nested() -> Callable[[], None]:
    def inner() -> None: ...

    return inner


def plain_before(x: int) -> int:
    return x


shadowed = plain_before


def plain_before(x: int) -> int:  # type: ignore[no-redef]
    return -x
