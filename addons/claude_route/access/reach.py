"""Where connections may lead: not back to this proxy and, for clients on other machines, not to this machine
and its network. What is checked is what is connected to."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import weakref
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence

from mitmproxy import connection
from mitmproxy import ctx
from mitmproxy.proxy import mode_specs
from mitmproxy.proxy import server_hooks

from claude_route.access import addresses
from claude_route.access import guard
from claude_route.access import listeners
from claude_route.access import loops

type Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name. Raises OSError; UnicodeError for what can't be a name."""

OWN_LISTENER = "this is one of the proxy's own listeners"


async def resolve(host: str, port: int) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in answers]


class Reach:
    """Judges each connection before it is made. `patches.fail_closed` lets none be made that wasn't
    judged."""

    def __init__(self, in_force: Callable[[], guard.Guard], resolve: Resolve = resolve) -> None:
        self._guard = in_force
        self._resolve = resolve
        self._judged = weakref.WeakSet[connection.Server]()

    def has_judged(self, server: connection.Server) -> bool:
        return server in self._judged

    async def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        self._judged.discard(data.server)
        # mitmproxy itself knows some spellings of its own addresses.
        if data.server.address is not None and not data.server.error:
            data.server.error = await self._refusal(data) or None
        self._judged.add(data.server)

    async def _refusal(self, data: server_hooks.ServerConnectionHookData) -> str:
        """Why a connection may not be made; empty if it may. Has it made to the address that is judged."""
        server, is_outside = data.server, listeners.is_outside(data.client)
        assert server.address
        own = listening()
        if server.via:
            # It is the proxy on the way that is connected to.
            proxy = server.via[1]
            if await self._leads_here(proxy, own):
                return OWN_LISTENER
        host, port = server.address[:2]
        is_known = server.address in self._known(data.client)
        may_be_own = not server.via and any(port == each for _, each in own)
        if not may_be_own and (is_known or not is_outside):
            return _misnamed(host)
        try:
            resolved = await self._resolve(host, port)
        except (OSError, UnicodeError) as e:
            # Not tried again by whoever connects: the next answer may be another one.
            return f"cannot resolve {host}: {e}"
        if may_be_own and loops.leads_here((host, port), resolved, own):
            return OWN_LISTENER
        if is_outside and not is_known:
            if not resolved or not all(map(_is_public, resolved)):
                return "clients may not connect to local or private addresses"
        if is_known or server.via:
            return ""
        # The name may resolve to another address by now.
        fitting = _of_family(resolved, server.sockname)
        if not fitting:
            return f"no address of {host} can be reached from connect_addr"
        server.address = (fitting[0], port)
        return ""

    def server_connected(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Ends a connection of our own client, whose resolver may have got another answer."""
        peer = data.server.peername
        if peer and not data.server.via and loops.leads_here(peer[:2], (), listening()):
            data.server.error = OWN_LISTENER

    async def _leads_here(self, address: tuple[str, int], own: Sequence[loops.Address]) -> bool:
        if not any(address[1] == port for _, port in own):
            return False
        try:
            resolved = await self._resolve(*address)
        except (OSError, UnicodeError):
            return False
        return loops.leads_here(address, resolved, own)

    def _known(self, client: connection.Client) -> Iterable[tuple[str, int] | None]:
        """What clients on other machines may reach wherever it is."""
        mode = client.proxy_mode
        return (
            *self._guard().provider_addresses,
            mode.address if isinstance(mode, mode_specs.ReverseMode) else None,
        )


def listening() -> list[loops.Address]:
    """The addresses that mitmproxy listens on now."""
    master = getattr(ctx, "master", None)
    server = master.addons.get("proxyserver") if master else None
    return [each[:2] for one in (server.servers if server else ()) for each in one.listen_addrs]


def _is_public(host: str) -> bool:
    """Whether an address is of neither this machine nor its network, as far as this machine knows."""
    return addresses.is_global(host) and not addresses.is_own(host)


def _of_family(resolved: Sequence[str], local: tuple[str, int] | None) -> Sequence[str]:
    """The addresses that can be reached from a local one: that of mitmproxy's option `connect_addr`."""
    if local is None:
        return resolved
    version = ipaddress.ip_address(local[0].partition("%")[0]).version
    return [
        each for each in resolved if ipaddress.ip_address(each.partition("%")[0]).version == version
    ]


def _misnamed(host: str) -> str:
    try:
        host.encode("idna")
    except UnicodeError:
        # mitmproxy would leave the client waiting for the connection.
        return "this is no name of a host"
    return ""
