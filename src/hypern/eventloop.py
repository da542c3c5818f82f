"""Which event loop Hypern runs on: uvloop's where it is installed, else asyncio's own."""

from __future__ import annotations

import asyncio

try:
    import uvloop
except ImportError:  # not built for this platform
    uvloop = None  # type: ignore[assignment]


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A new loop, not yet running."""
    return asyncio.new_event_loop() if uvloop is None else uvloop.new_event_loop()
