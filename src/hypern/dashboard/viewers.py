"""Who looks at the page, and what they may do there beyond looking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from hypern.errors import ConfigurationError
from hypern.http.request import Request


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who may see the page. `name`: who it is, for the audit log. `act`: may retry, cancel, delete,
    start and pause. `arguments`: may see what tasks were called with and what they returned."""

    name: str
    act: bool = False
    arguments: bool = False


WhoIs = Callable[[Request], "Viewer | Awaitable[Viewer | None] | None"]

SHORTEST_TOKEN = 24
_FEWEST_CHARACTERS = 10
_HOW = (
    "give it a token from your secrets, as in Dashboard(auth=os.environ['DASHBOARD_TOKEN']); "
    'python -c "import secrets; print(secrets.token_urlsafe(32))" makes one. Or a function '
    "auth(req) that returns a Viewer, or None for those who may not see the page"
)


class Door(Protocol):
    """How somebody proves to be a viewer. `has_login`: by a token, on the page's own form."""

    has_login: bool

    async def viewer(self, req: Request) -> Viewer | None: ...


class Asking:
    """The program says itself who sent a request."""

    has_login = False

    def __init__(self, who_is: Callable[[Request], Any]) -> None:
        self._who_is = who_is

    async def viewer(self, req: Request) -> Viewer | None:
        answer = self._who_is(req)
        if isinstance(answer, Awaitable):
            answer = await answer
        if answer is not None and not isinstance(answer, Viewer):
            raise TypeError(
                f"the auth function of the dashboard returned a {type(answer).__name__}; it has to return a "
                "Viewer, or None for those who may not see the page."
            )
        return answer


def checked_tokens(auth: str | Mapping[str, Viewer]) -> dict[str, Viewer]:
    """The tokens and whose they are. Raises ConfigurationError for one that could be guessed."""
    tokens = {auth: Viewer("operator", act=True)} if isinstance(auth, str) else dict(auth)
    for token, viewer in tokens.items():
        if not isinstance(token, str) or not isinstance(viewer, Viewer):
            raise ConfigurationError(f"the tokens of Dashboard(auth=…) are text, each with a Viewer: {_HOW}.")
        if len(token) < SHORTEST_TOKEN or len(set(token)) < _FEWEST_CHARACTERS:
            raise ConfigurationError(
                f"a token of Dashboard(auth=…) could be guessed: it needs at least {SHORTEST_TOKEN} random "
                f"characters. So {_HOW}."
            )
    return tokens


def no_auth(auth: object) -> ConfigurationError:
    """What to say to those who gave no `auth`, or one that is none."""
    given = "without auth" if not auth else f"with auth={type(auth).__name__}"
    return ConfigurationError(
        f"Dashboard {given} would show all tasks to everybody, and let them be cancelled, also on "
        f"localhost, where any web page can reach it: {_HOW}."
    )
