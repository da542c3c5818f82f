"""The sockets that several processes listen with, as the parent holds them."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable

import pytest

from hypern.errors import ConfigurationError
from hypern.http.listening import Listening
from hypern.processes import port as module
from hypern.processes.port import Port

Bind = Callable[[bool], socket.socket]


@pytest.fixture
def listening() -> Listening:
    return Listening("127.0.0.1", 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shares connections out")
def test_each_process_has_a_socket_of_its_own(listening: Listening) -> None:
    """On the same port; the one at a post stays the same until it is dropped, and all are closed together."""
    port = Port(listening.bind, 3)
    sockets = [port.socket(number) for number in (1, 2, 3)]
    assert len({one.fileno() for one in sockets}) == 3
    assert {one.getsockname()[1] for one in sockets} == {listening.port}
    assert port.socket(2) is sockets[1]
    port.drop(2)
    port.drop(2)
    assert sockets[1].fileno() == -1
    assert port.socket(2) is not sockets[1]
    port.close()
    assert {one.fileno() for one in sockets} == {-1}


@pytest.mark.parametrize("processes", [1, 3])
def test_one_socket_for_all_where_the_system_does_not_share_out(
    listening: Listening, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    """And for one process anywhere; it is not dropped with one of them."""
    monkeypatch.setattr(module, "SHARES_OUT", processes == 1)
    port = Port(listening.bind, processes)
    only = port.socket(1)
    port.drop(1)
    assert port.socket(processes) is only
    listening.open(only)
    socket.create_connection(only.getsockname(), 10).close()
    port.close()
    assert only.fileno() == -1


def test_a_port_that_others_share_is_not_joined(listening: Listening) -> None:
    """Another program of the same user, which would not mind, keeps it for itself."""
    first = Port(listening.bind, 2)
    listening.open(first.socket(1))
    with pytest.raises(ConfigurationError, match="another program listens there already"):
        Port(Listening("127.0.0.1", listening.port).bind, 2)
    first.close()
