"""`hypern dashboard`: the page on its own, for the tasks of any durable store."""

from __future__ import annotations

import argparse
import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from hypern.cli.arguments import STORE, Commands
from hypern.cli.looking import add_store, looking
from hypern.cli.output import say
from hypern.config import without_password
from hypern.dashboard import Dashboard, Viewer
from hypern.dashboard.sessions import Tokens
from hypern.errors import ConfigurationError
from hypern.http.application import WebApp
from hypern.http.listening import Listening
from hypern.tasks.engine import Engine

_PORT = 3210
_KEY_BYTES = 32


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "dashboard",
        help="open the page on which tasks are watched and put right",
        description="Serve the dashboard of a store, for this machine only, until Ctrl-C. Runs no task.",
        allow_abbrev=False,
    )
    command.add_argument("url", nargs="?", metavar="URL", help=STORE)
    add_store(command)
    command.add_argument(
        "--port", type=int, default=_PORT, help="port to listen on (%(default)s); 0: a free one"
    )
    command.add_argument("--look-only", action="store_true", help="change nothing: no retry, no cancel, …")
    command.add_argument(
        "--args", action="store_true", help="arguments and results can be shown, but no secrets"
    )
    command.set_defaults(do=dashboard)


def dashboard(given: argparse.Namespace) -> None:
    """Serve until told to stop. Raises ConfigurationError."""
    if given.url is not None:
        if hasattr(given, "store") or hasattr(given, "app"):
            raise ConfigurationError("the store is named twice: give its URL, or --store, or --app.")
        given.store = given.url
    token = secrets.token_urlsafe(24)
    with looking(given) as engine:
        url = engine.settings.task_store
        viewer = Viewer(_user(), act=not given.look_only, arguments=given.args)
        app = _Alone(engine)
        app.use(Dashboard(auth=Tokens({token: viewer}, secret=_secret(url), one_time=True), path="/"))

        def announce(address: str) -> None:
            say(f"The tasks of {without_password(url)}: {address}/#token={token}")
            say("That opens the page once; the browser then stays signed in for 8 hours. Ctrl-C ends it.")

        app.serve(given.port, announce)


class _Alone(WebApp):
    """An app that has nothing but the dashboard of an engine that runs nothing."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine

    def serve(self, port: int, announce: Callable[[str], None]) -> None:
        """On this machine only. `announce` is told the address."""
        listening = Listening("127.0.0.1", port)
        self._listen(listening, lambda: announce(listening.url), 1)


def _user() -> str:
    """Who started it, for the audit log."""
    return os.environ.get("USER") or os.environ.get("LOGNAME") or f"user {os.getuid()}"


def _secret(url: str) -> bytes:
    """What the sessions of this store's dashboard are signed with, the same at each start."""
    return hmac.new(_key(), url.encode("utf-8", "surrogateescape"), hashlib.sha256).digest()


def _key() -> bytes:
    """The key of this user, made at the first start. Raises ConfigurationError if others could know it."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    path = state / "hypern" / "dashboard.key"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            return _read(path)
        with open(opened, "wb") as file:
            key = secrets.token_bytes(_KEY_BYTES)
            file.write(key)
        return key
    except OSError as error:
        raise ConfigurationError(
            f"the key that sessions are signed with cannot be kept in {path}: {error.strerror}. Let "
            "XDG_STATE_HOME name a directory of yours."
        ) from None


def _read(path: Path) -> bytes:
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        state = os.fstat(file.fileno())
        key = file.read()
    if state.st_uid != os.getuid() or stat.S_IMODE(state.st_mode) & 0o077 or len(key) != _KEY_BYTES:
        raise ConfigurationError(
            f"{path} is not a key that only you can read: delete it, and it is made anew. Sessions "
            "end with it."
        )
    return key
