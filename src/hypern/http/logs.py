"""The web side's log of what went wrong. A logging handler that is itself broken harms nobody."""

from __future__ import annotations

import logging

logger = logging.getLogger("hypern.http")


def log_error(error: BaseException, message: str, *arguments: object) -> None:
    """One line, as `logging` takes it, and the traceback of `error`. Raises nothing."""
    try:
        logger.error(message, *arguments, exc_info=error)
    except BaseException:
        # logging reports its own handlers' errors on stderr; there is nobody else left to tell.
        return
