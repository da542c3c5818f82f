"""What happens when somebody orders."""

from models.order import Order
from tasks.mails import ask_for_review, send_receipt
from tasks.warehouse import reserve


def place_order(email: str, teas: list[str]) -> dict[str, object]:
    order = Order.create(email, teas)
    return {
        "order": order.number,
        "receipt_task": send_receipt(email, order.number),
        "warehouse_task": reserve(order.number, teas),
        "review_task": ask_for_review(email, order.number),
    }
