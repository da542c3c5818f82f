"""Messages to the warehouse, whose system never answers at the first call."""

import asyncio

from hypern import background, current_task


@background(retries=3, priority="high")
async def reserve(number: int, teas: list[str]) -> dict[str, int]:
    """A coroutine: many of these wait for the warehouse together without taking a thread each."""
    await asyncio.sleep(0.05)
    if current_task().attempt == 1:
        raise ConnectionError("the warehouse did not answer")
    return {"order": number, "boxes": len(teas)}
