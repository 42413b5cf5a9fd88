"""Requests that would come back to this proxy: providers that are its own listeners, however their
address is written, and chains of proxies on this machine that lead back here."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import socket
from collections.abc import Iterable
from collections.abc import Sequence

from mitmproxy import ctx
from mitmproxy import http
from mitmproxy.proxy import server_hooks

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


class Loops:
    """Ends connections to our own listeners before they are made. mitmproxy does so too, but knows only
    some spellings of their addresses."""

    async def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        address, server = data.server.address, ctx.master.addons.get("proxyserver")
        if not address or data.server.via or data.server.error or not server:
            return
        listening = [each[:2] for one in server.servers for each in one.listen_addrs]
        if address[1] not in [port for _, port in listening]:
            return
        with contextlib.suppress(OSError, UnicodeError):
            found = await asyncio.get_running_loop().getaddrinfo(*address, type=socket.SOCK_STREAM)
            resolved = [str(sockaddr[0]) for *_, sockaddr in found]
            if leads_here(address, resolved, listening):
                data.server.error = "this is one of the proxy's own listeners"


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
    ports = {port for _, port in listening}
    for provider in providers:
        if provider.port in ports:
            resolved = _resolve(provider.host, provider.port)
            if leads_here((provider.host, provider.port), resolved, listening):
                raise ValueError(
                    f"{source}: providers.{provider.name}.base_url: expected another address than "
                    f"this proxy's own listener, got {provider.base_url!r}"
                )


def _resolve(host: str, port: int) -> list[str]:
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
        if listen_host in EVERY_INTERFACE and any(map(_is_own, reached)):
            return True
        if addresses.is_loopback(listen_host) and any(
            each.is_loopback or each.is_unspecified for each in reached
        ):
            return True
        if addresses.parse_address(listen_host) in reached:
            return True
    return False


def _is_own(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address is this machine's. Only its own can be bound, and nothing is sent."""
    if address.is_loopback or address.is_unspecified:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
