"""Mails to customers. A real shop would hand them to an SMTP server; this one writes a line to its log."""

import logging

from hypern import background

logger = logging.getLogger("shop.mails")


@background()
def send_receipt(email: str, number: int) -> dict[str, str | int]:
    logger.info("receipt for order %d goes to %s", number, email)
    return {"to": email, "order": number}


@background(delay_seconds=3 * 24 * 3600)
def ask_for_review(email: str, number: int) -> None:
    logger.info("asking %s how order %d tasted", email, number)
