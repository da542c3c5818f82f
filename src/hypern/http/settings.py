"""The settings of the web side: what they mean, and that they can work."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hypern.errors import ConfigurationError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Some thirty years; timers cannot be set to any time whatever.
_LONGEST = 10**9


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Checked when made: ConfigurationError names the setting that cannot work.

    `debug`: tracebacks in the answers to unexpected errors. `max_body_size`: bytes. `request_timeout`:
    seconds that a request may take to arrive, body included. `request_grace_seconds`: seconds that open
    requests get when the server stops. `handler_threads`: plain handlers that run at the same time.
    `max_form_parts`: fields and files in one form. `trusted_proxies`: addresses or networks whose
    X-Forwarded-* headers are believed.
    """

    debug: bool = False
    max_body_size: int = 16 * 1024 * 1024
    request_timeout: float = 30.0
    request_grace_seconds: float = 10.0
    handler_threads: int = 40
    max_form_parts: int = 1000
    trusted_proxies: Iterable[str] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.debug, bool):
            raise ConfigurationError(f"debug must be True or False, not {self.debug!r:.80}.")
        _check_whole("max_body_size", self.max_body_size, 0, "bytes")
        _check_whole("handler_threads", self.handler_threads, 1, "threads")
        _check_whole("max_form_parts", self.max_form_parts, 1, "parts")
        _check_seconds("request_timeout", self.request_timeout, may_be_zero=False)
        _check_seconds("request_grace_seconds", self.request_grace_seconds, may_be_zero=True)
        if isinstance(self.trusted_proxies, str | bytes) or not isinstance(self.trusted_proxies, Iterable):
            raise ConfigurationError('trusted_proxies is a list of addresses, as in ["127.0.0.1"].')
        object.__setattr__(self, "trusted_proxies", tuple(self.trusted_proxies))

    def proxy_networks(self) -> tuple[Network, ...]:
        """`trusted_proxies` as networks. ConfigurationError for what is not one."""
        return tuple(_network(proxy) for proxy in self.trusted_proxies)


def _check_whole(name: str, value: object, least: int, unit: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigurationError(f"{name}={value!r} has to be a whole number of {unit}, at least {least}.")


def _check_seconds(name: str, value: object, may_be_zero: bool) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= _LONGEST or not (value or may_be_zero):  # type: ignore[operator]
        raise ConfigurationError(f"{name}={value!r:.80} has to be a number of seconds, at most {_LONGEST}.")


def _network(proxy: Any) -> Network:
    try:
        if isinstance(proxy, int | bytes):
            # It would be taken for an address: 7 for 0.0.0.7.
            raise ValueError
        return ipaddress.ip_network(proxy)
    except ValueError:
        raise ConfigurationError(
            f"trusted_proxies has {proxy!r}, which is neither an address nor a network like '10.0.0.0/8'."
        ) from None
