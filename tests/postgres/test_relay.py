"""The relay and the second host do to a connection what they say they do."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from tests.crash.conftest import until
from tests.postgres.hosts import Host, need_hosts
from tests.postgres.relay import Relay
from tests.postgres.server import PrivateServer, with_database


@pytest.fixture
def relay(postgres_url: str) -> Iterator[Relay]:
    with Relay(postgres_url) as relay:
        yield relay


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url, autocommit=True, connect_timeout=2)


def test_it_passes_on_what_is_said(relay: Relay) -> None:
    """Without a command nobody notices it."""
    with connect(relay.url) as connection:
        assert connection.execute("SELECT repeat('x', 200000)").fetchone() == ("x" * 200_000,)
    assert len(relay.accepted) == 1


def test_cut_resets_connections_and_takes_new_ones(relay: Relay) -> None:
    """What was open is broken, what is opened works; while it refuses, nothing does."""
    connection = connect(relay.url)
    relay.cut()
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    connect(relay.url).close()
    relay.refuse()
    with pytest.raises(psycopg.OperationalError):
        connect(relay.url)
    relay.heal()
    connect(relay.url).close()


def test_silence_answers_nothing_and_closes_nothing(relay: Relay) -> None:
    """A call on a silenced connection hangs; new ones work after healing, the old one stays silent."""
    connection = connect(relay.url)
    relay.silence()
    answered = threading.Event()

    def ask() -> None:
        try:
            connection.execute("SELECT 1")
        except psycopg.Error:
            return
        answered.set()

    asking = threading.Thread(target=ask)
    asking.start()
    with pytest.raises(psycopg.OperationalError, match="timeout"):
        connect(relay.url)
    relay.heal()
    connect(relay.url).close()
    assert asking.is_alive()
    relay.cut()
    asking.join(10)
    assert not answered.is_set()


def test_a_lost_reply_comes_after_the_commit(relay: Relay, postgres_url: str) -> None:
    """The client is cut off, and what it had asked for has been done."""
    with connect(postgres_url) as direct:
        direct.execute("CREATE TABLE kept (id text)")
        connection = connect(relay.url)
        lost = relay.lose_reply_to(b"the-marker")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("INSERT INTO kept VALUES (%s)", ("the-marker",))
        assert lost.wait(20)
        assert direct.execute("SELECT id FROM kept").fetchall() == [("the-marker",)]


def test_cut_after_some_bytes(relay: Relay) -> None:
    """An answer longer than what is let through does not arrive whole."""
    connection = connect(relay.url)
    relay.cut_after(1000)
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT repeat('x', 200000)")


def test_notifications_are_dropped_and_nothing_else(relay: Relay, postgres_url: str) -> None:
    """A listener behind it hears nothing, and its queries are answered."""
    relay.drop_notifications()
    with connect(relay.url) as listener, connect(postgres_url) as other:
        listener.execute("LISTEN here")
        other.execute("NOTIFY here")
        assert listener.execute("SELECT 7").fetchone() == (7,)
        assert list(listener.notifies(timeout=0.1)) == []
    assert relay.dropped == 1


def test_a_host_of_its_own(postgres_url: str) -> None:
    """A program there reaches a server here, and does not while the link is down."""
    need_hosts()
    source = "import psycopg, sys; psycopg.connect(sys.argv[1], connect_timeout=2)"
    with Host() as host, PrivateServer(addresses=(host.address,)) as server:
        url = with_database(f"postgresql://postgres@{host.address}:{server.port}", "postgres")

        def reaches() -> bool:
            command = [*host.inside, sys.executable, "-c", source, url]
            return subprocess.run(command, capture_output=True, check=False).returncode == 0

        assert reaches()
        host.take_link_down()
        begin = time.monotonic()
        assert not reaches()
        assert time.monotonic() - begin < 20
        host.bring_link_up()
        until(reaches, "it is reached again")
