"""The engines of this process when it ends, is told to end, or forks."""

from __future__ import annotations

import atexit
import os
import signal
import threading
import traceback
import weakref

# Imported so that its exit hook is registered before ours and runs after it: a task that is being
# finished at the end may still use an executor.
import concurrent.futures.thread  # isort: skip
from types import FrameType
from typing import TYPE_CHECKING

from hypern import threads

if TYPE_CHECKING:
    from hypern.tasks.engine import Engine

_engines: weakref.WeakSet[Engine] = weakref.WeakSet()
_ending = False
_main_has_ended = False


def look_after(engine: Engine) -> None:
    """Have this engine stopped when the process ends and emptied when it forks."""
    _engines.add(engine)


def is_ending() -> bool:
    """Whether the process ends, and the engines with it."""
    return _ending


def starts_no_threads() -> bool:
    """Whether it is too late to start threads, in a Python that starts none when main has ended."""
    return _main_has_ended and not threads.STARTS_LATE


def prepare_for_the_end() -> None:
    """Turn SIGTERM into an orderly end where nobody else handles it."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _on_sigterm)


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    if _ending:
        for engine in list(_engines):
            engine.hurry()
    else:
        raise SystemExit(128 + number)


def _when_main_ends() -> None:
    """Stop the engines, or, where threads of the program's own go on, only finish what there is as yet:
    they may still submit tasks. (Not to be waited for here: they may in turn wait for main's end.)"""
    global _main_has_ended
    _main_has_ended = True
    of_executors = getattr(concurrent.futures.thread, "_threads_queues", {})
    others = set(threading.enumerate()) - {threading.current_thread()}
    if all(thread.daemon or thread in of_executors for thread in others):
        _stop_engines()
    else:
        for engine in list(_engines):
            if not threads.STARTS_LATE:
                engine.stay_stopped()
            engine.drain()


def _stop_engines() -> None:
    global _ending
    _ending = True
    for engine in list(_engines):
        try:
            engine.stop(final=True)
        except KeyboardInterrupt:
            engine.stop(grace=0.0, final=True)
        except Exception:
            # The others are to be stopped, too; this one is said to have failed.
            traceback.print_exc()


def _in_forked_child() -> None:
    for engine in list(_engines):
        engine.after_fork()


os.register_at_fork(after_in_child=_in_forked_child)
# Python calls the first kind of hook (also used by concurrent.futures) when main has ended, and the second
# when the other threads have ended, too: then executors are shut, and threads can no longer be started.
getattr(threading, "_register_atexit", atexit.register)(_when_main_ends)
atexit.register(_stop_engines)
