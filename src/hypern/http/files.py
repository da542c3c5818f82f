"""Answers from the disk: one file, or a directory of them under a path."""

from __future__ import annotations

import hashlib
import os
import stat
from email.utils import formatdate
from pathlib import Path
from typing import Any

from starlette.responses import FileResponse

from hypern.errors import ConfigurationError, NotFound
from hypern.http.delivery import Delivery
from hypern.http.headers import Headers
from hypern.http.negotiate import is_fresh


class FileSource:
    """A file as an answer, with its validators, and in the ranges that the client asks for."""

    __slots__ = ("_path", "_state")

    def __init__(self, path: str, state: os.stat_result) -> None:
        self._path = path
        self._state = state

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> FileSource:
        """NotFound if there is no regular file at `path`, PermissionError if it may not be read."""
        name = os.fspath(path)
        try:
            state = os.stat(name)
        except (OSError, ValueError):
            raise NotFound("There is no such file.") from None
        if not stat.S_ISREG(state.st_mode):
            raise NotFound("There is no such file.")
        # One that may not be read has to fail here: later a part of the answer would have been sent.
        with open(name, "rb"):
            return cls(name, state)

    async def deliver(self, to: Delivery) -> None:
        own = {name.decode("latin-1"): value.decode("latin-1") for name, value in to.headers}
        validators = {name: value for name, value in self._validators().items() if name not in own}
        current = validators | own
        is_read = to.status == 200 and to.scope["method"] in ("GET", "HEAD")
        if is_read and is_fresh(Headers(to.scope["headers"]), current["etag"], current["last-modified"]):
            await self._not_modified(to, validators)
            return
        answer = FileResponse(self._path, status_code=to.status, headers=validators, stat_result=self._state)
        answer.raw_headers = [line for line in answer.raw_headers if line[0].decode("latin-1") not in own]
        answer.raw_headers += to.headers
        await answer(to.scope, to.receive, to.send)

    async def _not_modified(self, to: Delivery, validators: dict[str, str]) -> None:
        lines = [line for line in to.headers if line[0] not in (b"content-type", b"content-disposition")]
        lines += [(name.encode(), value.encode()) for name, value in validators.items()]
        await to.send({"type": "http.response.start", "status": 304, "headers": lines})
        await to.send({"type": "http.response.body", "body": b""})

    def _validators(self) -> dict[str, str]:
        version = f"{self._state.st_mtime_ns}-{self._state.st_size}-{self._state.st_ino}"
        return {
            "etag": f'"{hashlib.sha256(version.encode()).hexdigest()[:32]}"',
            "last-modified": formatdate(self._state.st_mtime, usegmt=True),
        }


class StaticFiles:
    """Answers `…/*path` from the files under one directory; never with one outside of it."""

    def __init__(self, directory: str | os.PathLike[str], index: str | None) -> None:
        self._root = Path(directory).resolve()
        if not self._root.is_dir():
            raise ConfigurationError(f"there is no directory {os.fspath(directory)!r} to serve files from.")
        self._index = index

    def __call__(self, req: Any, res: Any, ctx: Any) -> None:
        found = self._find(req.param("path") or "")
        if self._index and found.is_dir():
            if (slashed := _with_slash(req)) is not None:
                res.redirect(slashed)
                return
            found = self._inside(found / self._index)
        res.send_file(found).header("X-Content-Type-Options", "nosniff")

    def _find(self, path: str) -> Path:
        """The file or directory that a decoded path means. NotFound for what is odd, hidden or not inside."""
        segments = [segment for segment in path.split("/") if segment]
        if any(segment.startswith(".") or "\\" in segment or "\x00" in segment for segment in segments):
            raise NotFound("There is no such file.")
        return self._inside(self._root.joinpath(*segments))

    def _inside(self, path: Path) -> Path:
        """Where `path` leads. NotFound unless there is something, in the directory."""
        try:
            # strict: every link on the way is followed, so what is compared is where the file really is.
            found = path.resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            raise NotFound("There is no such file.") from None
        if not found.is_relative_to(self._root):
            raise NotFound("There is no such file.")
        return found


def _with_slash(req: Any) -> str | None:
    """Where a directory's page has to be asked for, so that the links in it lead below it; None if here.

    Relative, and never beginning with a slash, it stays on this host and below any proxy's own prefix.
    """
    path, question, query = req.original_url.partition("?")
    last = path.rpartition("/")[2]
    return f"./{last}/{question}{query}" if last else None
