"""Who may read the metrics: bearers of a token, whom a function lets in, or everybody."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from hypern.callables import is_async
from hypern.errors import ConfigurationError, Unauthorized
from hypern.http.request import Request

MayRead = Callable[[Request], "bool | Awaitable[bool]"]

SHORTEST_TOKEN = 24
_FEWEST_CHARACTERS = 10
_HOW = (
    "give it a token from your secrets, auth=os.environ['METRICS_TOKEN'], which the scraper sends as "
    "'Authorization: Bearer …', or a function auth(req) that returns whether this one may read them. Where "
    "everybody who reaches the path may, say so: public=True"
)


class Access:
    """Raises ConfigurationError unless exactly one way in is given, and for a token that could be guessed."""

    def __init__(self, auth: str | MayRead | None, public: bool) -> None:
        if (auth is None) is not bool(public):
            what = "both auth and public" if public else "no auth"
            raise ConfigurationError(f"Metrics with {what}: they tell names of tasks and queues, so {_HOW}.")
        if isinstance(auth, str):
            if len(auth) < SHORTEST_TOKEN or len(set(auth)) < _FEWEST_CHARACTERS:
                raise ConfigurationError(
                    f"the token of Metrics could be guessed: it needs at least {SHORTEST_TOKEN} random "
                    'characters. python -c "import secrets; print(secrets.token_urlsafe(32))" makes one.'
                )
        elif auth is not None and not callable(auth):
            raise ConfigurationError(f"auth={type(auth).__name__} of Metrics lets nobody in: {_HOW}.")
        self._auth = auth

    async def check(self, req: Request) -> None:
        """Unauthorized for those who may not."""
        if self._auth is None:
            return
        if isinstance(self._auth, str):
            may = _is_token(req.header("authorization"), self._auth)
        elif is_async(self._auth):
            may = await _answer(self._auth(req))
        else:
            may = await _answer(await asyncio.to_thread(self._auth, req))
        if not may:
            raise Unauthorized("Metrics are not for everybody.", headers={"WWW-Authenticate": "Bearer"})


async def _answer(said: Any) -> bool:
    # Exactly True, not something that only counts as it, such as a function that was not called.
    return (await said if isinstance(said, Awaitable) else said) is True


def _is_token(header: str | None, token: str) -> bool:
    kind, _, sent = (header or "").partition(" ")
    return kind.lower() == "bearer" and hmac.compare_digest(
        sent.strip().encode("utf-8", "replace"), token.encode("utf-8", "replace")
    )
