"""The lines that tasks write to the log, kept with them."""

from __future__ import annotations

import logging
import threading

from hypern.stores.base import Store
from hypern.stores.overview import LINE_LENGTH, LogLine
from hypern.tasks.current import running
from hypern.tasks.ids import storable_text


class TaskLog(logging.Handler):
    """Keeps what the tasks of one store log, from a level on. It never raises and does not wait for a disk.

    What the loggers do not let through, as below WARNING where the program has not set a level, does not get
    here.
    """

    def __init__(self, store: Store, level: str) -> None:
        super().__init__(level)
        self._store = store
        self._busy = threading.local()

    def handle(self, record: logging.LogRecord) -> bool:
        # As in `logging`, but without the handler's lock: nothing here needs one, and a task that logs shall
        # not wait for another that does.
        # A filter may answer with another record, from Python 3.12 on.
        passed: object = self.filter(record)
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        run = running.get()
        # Keeping a line may itself be worth a line.
        if run is None or run[3] is not self._store or getattr(self._busy, "is_busy", False):
            return
        self._busy.is_busy = True
        try:
            line = LogLine(record.created, record.levelno, record.name, _text(self.format(record)))
            self._store.log(run[0], run[2], [line])
        except Exception:
            self.handleError(record)
        finally:
            self._busy.is_busy = False

    def begin(self) -> None:
        logging.getLogger().addHandler(self)

    def end(self) -> None:
        logging.getLogger().removeHandler(self)


def _text(text: str) -> str:
    if len(text) > LINE_LENGTH:
        text = f"{text[:LINE_LENGTH]}… ({len(text)} characters)"
    return storable_text(text)
