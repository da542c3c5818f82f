"""Who sent a request: the peer, or whoever a trusted proxy says stands behind it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from hypern.http.asgi import Scope
from hypern.http.headers import Headers
from hypern.http.settings import Network


@dataclass(frozen=True, slots=True)
class Origin:
    """`ips`: the client's address first, then those of the trusted proxies between. `host`: with port."""

    ips: tuple[str, ...]
    protocol: str
    host: str

    @property
    def ip(self) -> str:
        return self.ips[0] if self.ips else ""

    @property
    def hostname(self) -> str:
        if self.host.startswith("["):
            return self.host[1:].partition("]")[0]
        return self.host.partition(":")[0]

    @classmethod
    def of(cls, scope: Scope, headers: Headers, trusted: tuple[Network, ...]) -> Origin:
        client = scope.get("client")
        ips: tuple[str, ...] = (str(client[0]),) if client else ()
        protocol = str(scope.get("scheme", "http"))
        host = headers.get("host") or _server_address(scope)
        if ips and trusted and _is_trusted(ips[0], trusted):
            ips = _before_proxies(headers.get("x-forwarded-for", ""), trusted) + ips
            protocol = _last(headers.get("x-forwarded-proto")) or protocol
            host = _last(headers.get("x-forwarded-host")) or host
        return cls(ips, protocol, host)


def _before_proxies(forwarded_for: str, trusted: tuple[Network, ...]) -> tuple[str, ...]:
    """The entries that can be believed: from the right, up to the first that is not a trusted proxy's."""
    believed: list[str] = []
    for entry in reversed([part.strip() for part in forwarded_for.split(",") if part.strip()]):
        believed.insert(0, entry)
        if not _is_trusted(entry, trusted):
            break
    return tuple(believed)


def _is_trusted(address: str, trusted: tuple[Network, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    # A socket that listens for both kinds of addresses shows 10.0.0.1 as ::ffff:10.0.0.1.
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(parsed in network for network in trusted)


def _last(forwarded: str | None) -> str | None:
    return forwarded.rpartition(",")[2].strip() if forwarded else None


def _server_address(scope: Scope) -> str:
    server = scope.get("server")
    return f"{server[0]}:{server[1]}" if server and server[1] else ""
