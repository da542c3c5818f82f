"""The other end of a puppet: starts the process, tells it what to do, reads its answers, ends it."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crash.fleet import ROOT
from crash.surroundings import HOME, STORE, WHO

ANSWERS_WITHIN = 50.0


class Raised(Exception):
    """What the puppet was told to do raised there. `kinds`: the names of the exception's class and its
    bases; `task_id`: the field of that name."""

    def __init__(self, kinds: Sequence[str], message: str, task_id: str | None) -> None:
        super().__init__(f"{kinds[0]}: {message}")
        self.kinds = kinds
        self.is_ours = "HypernError" in kinds
        self.task_id = task_id


class Puppet:
    """`who`: its name in the journals of `home`; `before`: the words of a command that runs it; the settings
    are those of `Hypern`."""

    def __init__(
        self,
        home: Path,
        who: str,
        *,
        url: str | None = None,
        environment: Mapping[str, str] | None = None,
        opens: bool = True,
        before: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        url = f"sqlite:///{home / 'tasks.db'}" if url is None else url
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HYPERN_")}
        self.log = home / f"log-{who}"
        self._answers: queue.Queue[str] = queue.Queue()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*before, sys.executable, "-m", "tests.crash.puppet"],
                cwd=ROOT,
                env={**kept, HOME: str(home), STORE: url, WHO: who, **(environment or {})},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if opens:
            self.tell("open", **settings)
            if settings.get("task_workers", 4):
                self.tell("start")

    def tell(self, do: str, **told: Any) -> Any:
        """Have it done; the answer. Raises Raised."""
        self.ask(do, **told)
        return self.answer()

    def ask(self, do: str, **told: Any) -> None:
        """Have it done, and do not wait for the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": do, **told}) + "\n")
        self.process.stdin.flush()

    def answer(self, within: float = ANSWERS_WITHIN) -> Any:
        """The answer to what was asked last. Raises Raised."""
        try:
            line = self._answers.get(timeout=within)
        except queue.Empty:
            line = ""
        assert line, f"no answer; the process printed:\n{self.log.read_text()}"
        told = json.loads(line)
        if "error" in told:
            raise Raised(told["error"], told["message"], told["task_id"])
        return told["answer"]

    def submit(
        self, task_id: str, kind: str = "quick", delay: float = 0.0, *args: Any, **options: Any
    ) -> str:
        return str(self.tell("submit", task_id=task_id, kind=kind, delay=delay, args=args, options=options))

    def refusal(self, task_id: str, kind: str = "quick", delay: float = 3600.0) -> Raised | None:
        """What submitting raises, which has to be an error of Hypern's; None: it was accepted."""
        try:
            self.submit(task_id, kind, delay)
        except Raised as raised:
            if not raised.is_ours:
                raise
            return raised
        return None

    def status(self, task_id: str) -> str | None:
        """The state of the task by `get_task`; None: not known."""
        known = self.tell("get", task_id=task_id)
        return None if known is None else str(known[0])

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, also when stopped."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:  # what had not been sent when it died
                pass

    def end(self, within: float = 20.0) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        try:
            return self.process.wait(within)
        finally:
            self.kill()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._answers.put(line)
        self._answers.put("")
