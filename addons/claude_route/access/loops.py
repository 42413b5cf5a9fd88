"""Requests that would come back to this proxy: providers that are its own listeners, however their
address is written, and chains of proxies on this machine that lead back here."""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Iterable
from collections.abc import Sequence

from mitmproxy import http

from claude_route import responses
from claude_route import targets
from claude_route.access import addresses

type Address = tuple[str, int]

EVERY_INTERFACE = ("", "*", "0.0.0.0", "::")  # noqa: S104

HEADER = "x-claude-route-hop"
"""Which proxies of this machine a request has come through, by their ids. It is never sent to another
machine (`http1.Request.local_fields`)."""

ID = secrets.token_hex(8)
"""This process."""

MAX_HOPS = 8
"""Nobody has so many proxies in a row on one machine. Ends a loop of proxies that don't know
themselves again."""


def refusal(request: http.Request) -> http.Response | None:
    """The refusal of a request that this proxy has sent itself; None for all others."""
    hops = _hops(request.headers.get(HEADER, ""))
    if ID not in hops and len(hops) < MAX_HOPS:
        return None
    return responses.error(
        508, "This request came from this proxy itself: the base_url of a provider leads back to it"
    )


def sent_on(request: http.Request) -> bytes:
    """The header's value for what is sent on to this machine because of a request."""
    return ", ".join([*_hops(request.headers.get(HEADER, "")), ID]).encode()


def _hops(value: str) -> list[str]:
    hops = [hop.strip() for hop in value.split(",")]
    return [hop for hop in hops if hop.isascii() and hop.isalnum()][:MAX_HOPS]


def check(
    providers: Iterable[targets.Provider], listening: Sequence[Address], source: object
) -> None:
    """Raises:
    ValueError: a provider is one of our own listeners. `source` names the profile's file.
    """
    for provider in providers:
        if is_own((provider.host, provider.port), listening):
            raise ValueError(
                f"{source}: providers.{provider.name}.base_url: expected another address than "
                f"this proxy's own listener, got {provider.base_url!r}"
            )


def is_own(address: Address, listening: Sequence[Address]) -> bool:
    """Whether an address, however it is written, is one that we listen on. May block to resolve it."""
    if address[1] not in {port for _, port in listening}:
        return False
    return leads_here(address, resolve(*address), listening)


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name; none if it has none. Blocks."""
    with contextlib.suppress(OSError, UnicodeError):
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [str(sockaddr[0]) for *_, sockaddr in found]
    return []


def leads_here(address: Address, resolved: Iterable[str], listening: Iterable[Address]) -> bool:
    """Whether a connection to an address, with what its name resolves to, would reach one of the
    addresses that we listen on.

    All loopback addresses count as one: which of them a listener has is nobody's idea of a difference.
    """
    host, port = address
    reached = [
        parsed
        for each in (host, *resolved)
        if (parsed := addresses.parse_address("127.0.0.1" if each == "localhost" else each))
    ]
    for listen_host, listen_port in listening:
        if listen_port != port:
            continue
        if listen_host in EVERY_INTERFACE and any(addresses.is_own(str(each)) for each in reached):
            return True
        if addresses.is_loopback(listen_host) and any(
            each.is_loopback or each.is_unspecified for each in reached
        ):
            return True
        if addresses.parse_address(listen_host) in reached:
            return True
    return False
