"""The doors: which connections, tunnels and requests are let in, and how far they reach."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import weakref
from collections.abc import Iterable

from mitmproxy import connection
from mitmproxy import http
from mitmproxy.proxy import mode_specs
from mitmproxy.proxy import server_hooks

from claude_route import responses
from claude_route.access import clients

logger = logging.getLogger(__name__)

DEFAULT_MODES = ("regular@127.0.0.1:8080", "reverse:https://api.anthropic.com@127.0.0.1:4000")


class Doors:
    """Checks each connection by the address that it came in on, whatever was checked at start:
    mitmproxy opens its default listener on every interface before it loads a script."""

    def __init__(self) -> None:
        self.key: str | None = None
        """What clients must present, from PROXY_STATIC_TOKEN."""
        self.is_open = False
        self.provider_addresses: frozenset[tuple[str, int]] = frozenset()
        self._proxy_clients: weakref.WeakSet[connection.Client] = weakref.WeakSet()
        """Connections whose CONNECT brought the key as its password."""

    def client_connected(self, client: connection.Client) -> None:
        if not self.key and not self.is_open and _is_outside(client):
            logger.warning("A connection from another machine is refused: no key guards this door")
            client.error = "refused"

    def http_connect(self, flow: http.HTTPFlow) -> None:
        password = _take_proxy_password(flow.request)
        client = flow.client_conn
        if not self.key:
            return
        if clients.is_key(password, self.key):
            self._proxy_clients.add(client)
        elif password or _is_outside(client):
            flow.response = http.Response.make(
                407, b"", {"proxy-authenticate": 'Basic realm="proxy"', "connection": "close"}
            )

    def admits(self, flow: http.HTTPFlow, presented_key: str | None, *, ours: bool) -> bool:
        """Whether a request comes from a client that may send it. Requests that aren't ours go
        through a tunnel, where there is no header of ours, with the client's own identity."""
        password = _take_proxy_password(flow.request)
        client = flow.client_conn
        if not self.key:
            return True
        if (
            client in self._proxy_clients
            or clients.is_key(presented_key, self.key)
            or clients.is_key(password, self.key)
        ):
            return True
        return not ours and not is_reverse(client) and not _is_outside(client)

    def answers_to(self, client: connection.Client, host: str | None) -> bool:
        """Whether a client may see our own pages under this name. A web page can have its own name
        point to this machine, and its reader's browser then shows it ours (DNS rebinding)."""
        return bool(self.key) or _is_outside(client) or clients.names_address(host)

    async def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Keep clients of other machines out of this machine and its network."""
        address = data.server.address
        if address is None or not _is_outside(data.client) or address in self._own(data.client):
            return
        try:
            found = await asyncio.get_running_loop().getaddrinfo(*address, type=socket.SOCK_STREAM)
        except OSError as e:
            data.server.error = str(e)
            return
        public = [each[4] for each in found if clients.is_public(str(each[4][0]))]
        if len(public) < len(found):
            data.server.error = "addresses of this machine and its network are not for clients"
        elif data.server.sockname is None:
            # What was checked is what is connected to, whatever the name stands for a moment later.
            data.server.address = (str(public[0][0]), int(public[0][1]))

    def _own(self, client: connection.Client) -> Iterable[tuple[str, int] | None]:
        mode = client.proxy_mode
        return (
            *self.provider_addresses,
            mode.address if isinstance(mode, mode_specs.ReverseMode) else None,
        )


def is_reverse(client: connection.Client) -> bool:
    return isinstance(client.proxy_mode, mode_specs.ReverseMode)


def listen_hosts(modes: Iterable[str], listen_host: str) -> list[str]:
    """The addresses that mitmproxy's `mode` option listens on; the empty one is every interface."""
    specs = (mode_specs.ProxyMode.parse(mode) for mode in modes)
    return [spec.listen_host(listen_host) for spec in specs]


def default_modes(listen_host: str, listen_port: int | None) -> list[str]:
    """The two doors; `--listen-host` moves both, `--listen-port` the first."""
    proxy, reverse = DEFAULT_MODES
    if listen_port:
        proxy = proxy.replace(":8080", f":{listen_port}")
    return [each.replace("127.0.0.1", listen_host or "127.0.0.1") for each in (proxy, reverse)]


def allow_hosts(hosts: Iterable[str], modes: Iterable[str]) -> list[str]:
    """Mitmproxy's `allow_hosts` for the hosts that we open: all others are tunnelled unread. What
    comes to a reverse door is for us, whatever stands behind it."""
    specs = [mode_specs.ProxyMode.parse(mode) for mode in modes]
    behind = [spec.address[0] for spec in specs if isinstance(spec, mode_specs.ReverseMode)]
    return [rf"^\[?{re.escape(host)}\]?:\d+$" for host in dict.fromkeys([*hosts, *behind])]


def refusal() -> http.Response:
    return responses.error(
        401, "This proxy expects its own key in x-litellm-api-key, or as the proxy password"
    )


def is_from_browser(request: http.Request) -> bool:
    """A web page could have its reader's browser post to a door on loopback."""
    return "origin" in request.headers or "sec-fetch-site" in request.headers


def _is_outside(client: connection.Client) -> bool:
    return client.sockname is None or not clients.is_loopback(client.sockname[0])


def _take_proxy_password(request: http.Request) -> str | None:
    return clients.proxy_password(request.headers.pop("proxy-authorization", None))
