"""Signing in with a token: the cookie, its end, and guesses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.dashboard.site import GUEST, HOST, TOKEN, Site, get, post

from hypern import Hypern
from hypern.dashboard import Dashboard, Viewer
from hypern.dashboard.sessions import SESSION_SECONDS, TRIES, Tokens
from hypern.tasks.runtime import use_engine
from hypern.testing import TestClient


def test_a_session_is_a_cookie_that_scripts_and_other_sites_do_not_get(site: Site) -> None:
    """HttpOnly, SameSite=Strict, with an end; over https also Secure, with the prefix for this host only."""
    for base, secure in ((HOST, False), ("https://localhost:3000", True)):
        client = site.client(base=base)
        answer = client.post(
            "/dashboard/api/login",
            json={"token": TOKEN},
            headers={"Origin": base, "Sec-Fetch-Site": "same-origin"},
        )
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert f"Max-Age={SESSION_SECONDS}" in cookie
        assert ("Secure" in cookie, cookie.startswith("__Host-")) == (secure, secure)
        assert TOKEN not in cookie


def test_forged_and_old_cookies_are_refused(site: Site) -> None:
    """A changed end, name or signature, and a session that is over, are all no session."""
    client = site.client(TOKEN)
    name, value = next(iter(client.cookies.items()))
    until, whose, nonce, mac = value.split(".")
    guest = next(iter(site.client(GUEST).cookies.values()))
    forged = [
        f"{int(until) + 1}.{whose}.{nonce}.{mac}",
        f"{until}.{guest.split('.')[1]}.{nonce}.{mac}",
        f"{until}.{whose}.{nonce}.{'0' * 64}",
        f"{until}.{whose}.{nonce}",
        "",
        "a.b.c.d",
        "é",
        mac,
        "." * 5000,
    ]
    for cookie in forged:
        client.cookies.clear()
        sent = f"{name}={cookie}".encode()
        answer = client.get("/dashboard/api/tasks", headers=[(b"cookie", sent)])
        assert answer.status_code == 401, cookie[:80]


def test_a_session_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time a cookie is worth nothing, whatever the browser does."""
    now = [1_000_000.0]
    app = Hypern()
    app.use(Dashboard(auth=Tokens({TOKEN: Viewer("ann")}, clock=lambda: now[0])))
    client = TestClient(app, base_url=HOST)
    post(client, "login", {"token": TOKEN})
    assert get(client, "session").status_code == 200
    now[0] += SESSION_SECONDS + 1
    assert get(client, "session").status_code == 401
    use_engine(None)


def test_a_token_that_is_taken_away_ends_its_sessions(site: Site, tmp_path: Path) -> None:
    """The cookie of a token that a restarted app does not know any more is refused."""
    client = site.client(TOKEN)
    cookies = dict(client.cookies)
    other = Hypern()
    other.use(Dashboard(auth={GUEST: Viewer("guest")}))
    assert TestClient(other, base_url=HOST, cookies=cookies).get("/dashboard/api/tasks").status_code == 401


def test_guessing_tokens_is_slowed_down(site: Site) -> None:
    """After some wrong tokens an address has to wait, also with the right one; others need not."""
    client = site.client()
    for _ in range(TRIES):
        assert post(client, "login", {"token": "wrong"}).status_code == 401
    refused = post(client, "login", {"token": TOKEN})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0
    assert [event.outcome for event in site.audit] == ["refused"] * TRIES
    other = TestClient(site.app, base_url=HOST, client=("10.0.0.9", 1))
    assert post(other, "login", {"token": TOKEN}).status_code == 200


def test_tokens_are_compared_in_constant_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each known token is compared with what was sent, by compare_digest, as digests of one length."""
    compared: list[tuple[str, str]] = []
    real = __import__("hmac").compare_digest
    monkeypatch.setattr(
        "hypern.dashboard.sessions.hmac.compare_digest",
        lambda known, given: (compared.append((known, given)), real(known, given))[1],
    )
    post(site.client(), "login", {"token": "wrong"})
    assert len(compared) == 2
    assert {len(part) for pair in compared for part in pair} == {64}


def test_a_one_time_token_opens_once() -> None:
    """The token that `hypern dashboard` prints is used up by the first who signs in with it."""
    app = Hypern()
    app.use(Dashboard(auth=Tokens({TOKEN: Viewer("ann")}, secret=b"s" * 32, one_time=True)))
    assert post(TestClient(app, base_url=HOST), "login", {"token": TOKEN}).status_code == 200
    assert post(TestClient(app, base_url=HOST), "login", {"token": TOKEN}).status_code == 401
    use_engine(None)


@pytest.mark.parametrize("body", [{}, [], {"token": 7}, {"token": "x" * 5000}, "token", {"token": None}])
def test_nonsense_is_no_token(site: Site, body: Any) -> None:
    """What is no token is refused with 400, and says nothing."""
    assert post(site.client(), "login", body).status_code == 400


def test_signing_out_takes_the_cookie_away(site: Site) -> None:
    """After signing out the browser has no session any more."""
    client = site.client(TOKEN)
    assert post(client, "logout").status_code == 200
    assert get(client, "session").status_code == 401


def test_signing_out_ends_the_session_itself(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the cookie is worth nothing after its session was signed out of; other sessions go on, and
    what is kept of ended ones is bounded."""
    client, other = site.client(TOKEN), site.client(TOKEN)
    copy = TestClient(site.app, base_url=HOST, cookies=dict(client.cookies))
    assert get(copy, "session").status_code == 200
    assert post(client, "logout").status_code == 200
    assert get(copy, "session").status_code == 401
    assert get(other, "session").status_code == 200
    monkeypatch.setattr("hypern.dashboard.sessions._MOST_ENDED", 2)
    for _ in range(4):
        assert post(site.client(TOKEN), "logout").status_code == 200
    assert isinstance(site.dashboard.door, Tokens)
    assert len(site.dashboard.door._ended) == 2
