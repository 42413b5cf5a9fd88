"""The proxy on the way for what passes through unrouted: mitmproxy opens these connections itself, and
knows a proxy only as the mode of a listener."""

from __future__ import annotations

from typing import Protocol

from mitmproxy import connection
from mitmproxy import http
from mitmproxy.proxy import mode_specs

from claude_route.access import listeners
from claude_route.proxy.upstream import client
from claude_route.proxy.upstream import dial
from claude_route.proxy.upstream import pipe
from claude_route.proxy.upstream import proxies
from claude_route.proxy.upstream import tls

UNTRUSTED = "Certificate verify failed: "
"""How mitmproxy begins what it says about a certificate."""


class Reach(Protocol):
    """What is on the way to a place; `upstreams.Upstreams` knows."""

    @property
    def client(self) -> client.Client: ...

    def proxy(self, scheme: str, host: str, port: int) -> proxies.Proxy | None: ...

    def settings(self, host: str) -> tls.Settings: ...


class Dialer:
    """Implements `patches.dialing.Dial`."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    async def __call__(
        self, source: connection.Client, upstream: connection.Server
    ) -> pipe.Streams | None:
        """A tunnel, since what is sent through it is TLS or unknown. Raises OSError."""
        if upstream.transport_protocol != "tcp" or upstream.address is None:
            return None
        if isinstance(source.proxy_mode, mode_specs.UpstreamMode):
            return None  # mitmproxy asks that listener's proxy for the tunnel
        host, port = upstream.address[:2]
        proxy = self._reach.proxy("https", host, port)
        if proxy is None or (proxy.host, proxy.port) == (host, port):
            return None
        settings = self._reach.settings(proxy.host)
        local = upstream.sockname[0] if upstream.sockname else None  # by `connect_addr`
        return await self._reach.client.pipe(
            dial.Destination("https", host, port, proxy, settings, local=local)
        )


def relay(reach: Reach, flow: http.HTTPFlow) -> proxies.Proxy | None:
    """The proxy that takes a request itself, without a tunnel, which many proxies open for port 443
    only: one for an http URL."""
    request = flow.request
    if request.scheme != "http" or request.is_http2 or "upgrade" in request.headers:
        return None
    # The address of the proxy tells nothing about where the request goes, which has to be checked for
    # clients on other machines.
    if flow.server_conn.via or listeners.is_outside(flow.client_conn):
        return None
    return reach.proxy("http", request.host, request.port)


def address(request: http.Request, proxy: proxies.Proxy) -> None:
    """Make a request one for the proxy (RFC 9112, 3.2.2). It holds the password then: it must not be a
    flow's."""
    request.authority = f"{proxies.bracketed(request.host)}:{request.port}"
    if proxy.authorization:
        request.headers["proxy-authorization"] = proxy.authorization.decode()


def is_final(why: str) -> bool:
    """Whether there will be no connection until somebody changes a setting."""
    return why.startswith(UNTRUSTED) or dial.NO_TUNNEL in why


def explain(why: str) -> str:
    """An error of mitmproxy's, with what a user can do about it."""
    return f"{why}; {tls.ADVICE}" if why.startswith(UNTRUSTED) else why
