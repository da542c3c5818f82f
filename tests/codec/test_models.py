"""Models of pydantic are kept where it is installed; it is not needed otherwise."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

import pytest

from hypern.codec.calls import dump_call, load_call
from hypern.codec.values import dumps, loads
from hypern.errors import CorruptData, NotSerializable

T = TypeVar("T")


pydantic = pytest.importorskip("pydantic")


class Address(pydantic.BaseModel):
    street: str
    zip: str | None = None


class User(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")

    user_id: int = pydantic.Field(alias="userId")
    since: datetime
    balance: Decimal = Decimal("0.10")
    addresses: list[Address] = pydantic.Field(default_factory=list)
    anything: Any = None
    _secret: tuple[int, ...] = pydantic.PrivateAttr(default=(1,))

    @pydantic.field_validator("since")
    @classmethod
    def not_again(cls, since: datetime) -> datetime:
        assert not READING, "a validator ran when an object was read"
        return since

    @pydantic.field_serializer("balance")
    def rounded(self, balance: Decimal) -> int:
        return int(balance)


class FrozenModel(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True)

    x: int


class Numbers(pydantic.RootModel[list[int]]):
    pass


class Typed(pydantic.BaseModel, Generic[T]):
    x: T


class WithUrl(pydantic.BaseModel):
    url: pydantic.HttpUrl


@pydantic.dataclasses.dataclass
class PydanticPoint:
    x: int
    y: int = 2


READING: list[bool] = []


def user() -> User:
    made = User(userId=1, since=datetime.now(UTC), addresses=[Address(street="a")], more=(1, 2))
    made._secret = (7,)
    made.anything = {1: Address(street="b", zip="c")}
    return made


def test_a_model_comes_back_as_what_it_was() -> None:
    """With nested ones, extra and private values and the set of given fields; nothing is validated."""
    value = user()
    READING.append(True)
    try:
        back = loads(dumps(value))
    finally:
        READING.clear()
    assert back == value
    assert type(back) is User
    assert back.model_fields_set == value.model_fields_set
    assert back.model_extra == {"more": (1, 2)}
    assert back._secret == (7,)
    assert back.anything[1].zip == "c"
    assert back.addresses[0].model_dump(exclude_unset=True) == {"street": "a"}
    assert back.balance.as_tuple() == Decimal("0.10").as_tuple()
    back.addresses.append(Address(street="later"))
    assert len(back.model_dump()["addresses"]) == 2


@pytest.mark.parametrize("value", [FrozenModel(x=1), Numbers([1, 2]), Typed(x=(1,)), PydanticPoint(1)])
def test_models_of_other_forms_come_back(value: Any) -> None:
    """Frozen ones, those of one value, generic ones and dataclasses; also as arguments."""
    assert loads(dumps(value)) == value
    assert load_call(dump_call((value,), {"m": value})) == ((value,), {"m": value})
    assert type(loads(dumps(value))) is type(value)


def test_a_field_that_cannot_be_stored_is_named() -> None:
    """Types that belong to pydantic itself are passed as text."""
    with pytest.raises(NotSerializable, match="HttpUrl") as caught:
        dumps([WithUrl(url="http://example.com")])
    assert caught.value.path == "result[0].url"


def test_a_model_without_one_of_its_fields_is_refused() -> None:
    """It could not be made again."""
    with pytest.raises(NotSerializable, match="'x' has no value"):
        dumps(FrozenModel.model_construct())


def test_a_field_that_is_new_takes_its_default() -> None:
    """And a new one that has none is a reason to refuse what was stored before."""
    data = dumps(Address(street="a"))
    assert loads(data.replace(b',"zip":null', b"").replace(b'"zip":null,', b"")) == Address(street="a")
    with pytest.raises(CorruptData, match="'street' that was not stored"):
        loads(data.replace(b'"street":"a"', b'"other":"a"'))
