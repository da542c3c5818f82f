"""Forks: a child must neither use nor close the connections of its parent.

To close one properly is to tell the server that its session has ended, and that is the parent's. To keep one
open is to hide the parent's death from the server. So in the child their sockets are closed without a word.
"""

from __future__ import annotations

import os
import threading
import weakref

from hypern.stores.postgres.link import Link

_all: weakref.WeakSet[Links] = weakref.WeakSet()
# What the child has inherited is kept, for its end would be an end in the parent's name.
_inherited: list[Link] = []


class Links:
    """The open connections of one store in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[Link] = set()
        self.is_inherited = False
        _all.add(self)

    def add(self, link: Link) -> None:
        with self._lock:
            self._open.add(link)

    def close(self, link: Link | None) -> None:
        if link is not None:
            with self._lock:
                self._open.discard(link)
            if not self.is_inherited:
                link.close()

    def close_all(self) -> None:
        for link in list(self._open):
            self.close(link)

    def leave_to_the_parent(self) -> None:
        self.is_inherited = True
        for link in self._open:
            link.leave_to_the_parent()
            _inherited.append(link)
        self._open = set()
        self._lock = threading.Lock()


def _in_child() -> None:
    for links in list(_all):
        links.leave_to_the_parent()
    _all.clear()


os.register_at_fork(after_in_child=_in_child)
