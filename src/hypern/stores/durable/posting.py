"""What the ledgers of all durable stores hand to their writers in the same way."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from hypern.errors import QueueUnavailable
from hypern.stores.durable.writer import Writer

logger = logging.getLogger("hypern.tasks")


def post_progress(
    writer: Writer,
    take: Callable[[], bytes | None],
    write: Callable[[Any, bytes], None],
    written: Callable[[bytes], None],
) -> None:
    """Have `write(…, progress)` done soon with what `take()` gives then; see `Ledger.report`."""
    said: list[bytes] = []

    def work(target: Any) -> None:
        progress = take()
        if progress is not None:
            said[:] = [progress]
        # What was taken for a transaction that failed, or was not answered, is not there a second time.
        if said:
            write(target, said[0])

    def then(result: None, error: BaseException | None) -> None:
        if error is not None:
            # What could not be written is said no more; the next report is written again.
            lost = take()
            said.extend(() if lost is None else (lost,))
        for progress in said:
            written(progress)

    writer.post(work, then, soon=False)


def give_back_now_or_later(
    writer: Writer,
    work: Callable[[Any], None],
    number: int,
    when: str = "as soon as that is possible",
    *,
    durable: bool = True,
) -> None:
    """Do `work`, which gives so many claimed tasks back, now; where the store is in trouble, later."""
    try:
        writer.run(work, durable=durable)
    except QueueUnavailable as error:
        logger.error("%d claimed tasks are given back %s: %s", number, when, error)
        writer.post(work, lambda result, error: None, persistent=True, durable=durable)


# A process that ends may not come to it.
OR_AT_THE_END = "as soon as that is possible, or when this process has ended"
