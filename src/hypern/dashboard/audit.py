"""Who did what on the page: one line in the log `hypern.audit` and one call of a hook for each action."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger("hypern.audit")


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """`viewer`: whose action, None before anybody has signed in; `action`: "retry", "sign in", …; `target`:
    the task, queue or filter; `outcome`: "done", "refused", or what else came of it; `number`: of how many
    tasks; `ip`: from where."""

    viewer: str | None
    action: str
    target: str
    outcome: str
    number: int
    ip: str


class Audit:
    """`hook`: called with each event; one that raises is logged and stops nothing."""

    def __init__(self, hook: Callable[[AuditEvent], object] | None = None) -> None:
        self._hook = hook

    def tell(self, event: AuditEvent) -> None:
        logger.info(
            "%s: %s %s from %s: %s (%d)",
            _plain(event.viewer or "nobody"),
            event.action,
            _plain(event.target),
            _plain(event.ip or "unknown"),
            event.outcome,
            event.number,
        )
        if self._hook is not None:
            try:
                self._hook(event)
            except Exception:
                logger.exception("the audit hook raised")


def _plain(text: str) -> str:
    """Control characters and line ends cannot forge lines of a log."""
    return text[:300].encode("unicode_escape").decode("ascii")
