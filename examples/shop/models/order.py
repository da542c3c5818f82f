"""The orders, in a dictionary where a real shop has a database."""

import itertools
from dataclasses import dataclass

_numbers = itertools.count(1001)
_orders: dict[int, "Order"] = {}


@dataclass(frozen=True)
class Order:
    number: int
    email: str
    teas: list[str]

    @classmethod
    def create(cls, email: str, teas: list[str]) -> "Order":
        order = cls(next(_numbers), email, teas)
        _orders[order.number] = order
        return order


def all_orders() -> list[Order]:
    return list(_orders.values())
