"""Values as text for people: bounded, and without what is secret."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from hypern.redacting import HIDDEN, Shown


@dataclasses.dataclass
class Account:
    user: str
    password: str


class Card(msgspec.Struct):
    holder: str
    card_number: str


class Login(BaseModel):
    name: str
    api_key: str


class Colour(enum.Enum):
    RED = 1


class Hostile:
    def __repr__(self) -> str:
        raise AssertionError("a value's own method was called")

    __str__ = __repr__


def send(to: str, password: str, *parts: Any, **options: Any) -> None: ...


def test_arguments_bear_the_names_of_their_parameters() -> None:
    """Positional, variable and keyword arguments are named as in the signature."""
    said = Shown().call(send, ("ann", "hunter2", 1, 2), {"copy": "bob", "auth_token": "t"})
    assert said == [
        ("to", "'ann'"),
        ("password", HIDDEN),
        ("parts[0]", "1"),
        ("parts[1]", "2"),
        ("copy", "'bob'"),
        ("auth_token", HIDDEN),
    ]


def test_arguments_of_an_unknown_function_are_numbered() -> None:
    """Where the parameters are not known, numbers stand for their names."""
    assert Shown().call(lambda: None, (1, 2), {}) == [("0", "1"), ("1", "2")]


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ({"a": [{"Api-Key": "k3y"}]}, "k3y"),
        (Account("ann", "hunter2"), "hunter2"),
        (Card("ann", "4111"), "4111"),
        (Login(name="ann", api_key="k3y"), "k3y"),
        ({"dsn": "postgres://u:pw@db/x"}, "pw@"),
        ("see postgres://user:pw@db/x", "user:pw"),
        ({"old": {"SESSION_ID": ("s3ss",)}}, "s3ss"),
    ],
)
def test_secrets_are_left_out_wherever_they_are(value: Any, secret: str) -> None:
    """What bears a secret name is hidden in mappings and records at any depth, and so is a URL's userinfo."""
    said = Shown().value(value)
    assert secret not in said
    assert HIDDEN in said


def test_further_names_can_be_given() -> None:
    """The names that a program adds are compared like the others: case and punctuation do not matter."""
    assert Shown(["tax id"]).value({"Tax_ID": "123", "x": 1}) == f"{{'Tax_ID': {HIDDEN}, 'x': 1}}"


def test_methods_of_values_are_not_called() -> None:
    """An object of an unknown class is told by the class alone."""
    assert Shown().value([Hostile(), Colour.RED]) == "[<Hostile>, Colour.RED]"


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10_000_000,
        list(range(1_000_000)),
        dict.fromkeys(range(1000), "y" * 5000),
        2**1_000_000,
        b"z" * 10**7,
    ],
    ids=["text", "list", "mapping", "number", "bytes"],
)
def test_text_is_bounded(value: Any) -> None:
    """However large the value, its text is not."""
    assert len(Shown().value(value)) < 30_000


def test_depth_is_bounded() -> None:
    """What contains itself comes to an end."""
    loop: list[Any] = []
    loop.append(loop)
    assert "…" in Shown().value(loop)


def test_plain_values_look_as_in_python() -> None:
    """Numbers, dates, None and text are shown as they would be written."""
    value = (1, 2.5, None, True, "é", datetime.date(2026, 1, 2))
    assert Shown().value(value) == "(1, 2.5, None, True, 'é', datetime.date(2026, 1, 2))"
