"""The upstream client of this process, as mitmproxy's options, the profile and the environment want it.

One client for all listeners and all clients. To other addons its connections look like mitmproxy's
own: `flow.server_conn` says what was connected to, and the hooks server_connect, server_connected,
server_connect_error and server_disconnected are called for each. It relies on these names of
mitmproxy's:

    Server        address, via, sni, tls and what else is set in _describe()
    server_hooks  ServerConnectHook and its like, ServerConnectionHookData
    options       upstream_auth, mode, connect_addr, and those that tls_options has
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import logging
import os
import time
import weakref
from collections.abc import Callable
from collections.abc import Coroutine
from collections.abc import Mapping
from collections.abc import Sequence

from cryptography import x509
from mitmproxy import addonmanager
from mitmproxy import certs
from mitmproxy import connection
from mitmproxy import ctx
from mitmproxy import hooks
from mitmproxy import http
from mitmproxy.net import server_spec
from mitmproxy.net.http import validate
from mitmproxy.proxy import mode_specs
from mitmproxy.proxy import server_hooks
from mitmproxy.utils import human

from claude_route import background
from claude_route.access import listener_modes
from claude_route.access import loops
from claude_route.access import reach
from claude_route.profile import profiles
from claude_route.proxy import contract
from claude_route.proxy import tls_options
from claude_route.proxy.upstream import answer
from claude_route.proxy.upstream import client
from claude_route.proxy.upstream import dial
from claude_route.proxy.upstream import http1
from claude_route.proxy.upstream import proxies
from claude_route.proxy.upstream import tls

logger = logging.getLogger(__name__)

type Hook = server_hooks.ServerConnectionHookData

_asking: contextvars.ContextVar[connection.Client | None] = contextvars.ContextVar(
    "asking", default=None
)
"""The client connection that the running task works for."""
_making: contextvars.ContextVar[Hook] = contextvars.ContextVar("making")
"""The connection that the running task makes."""


class Upstreams:
    """Implements `client.Watcher`."""

    def __init__(
        self,
        profile: Callable[[], profiles.Profile | None] = lambda: None,
        make_client: Callable[[client.Watcher], client.Client] = lambda watcher: client.Client(
            watcher=watcher
        ),
    ) -> None:
        self._profile = profile
        self._make_client = make_client
        self._client: client.Client | None = None
        self._tls: dict[str, tls.Settings] = {}
        self._rules: tuple[str | None, proxies.Rules] | None = None
        self._connections = weakref.WeakKeyDictionary[http1.Connection, Hook]()
        """Also closed ones, whose last answer is still on its way."""
        self._ignored: set[proxies.Proxy] = set()

    @property
    def client(self) -> client.Client:
        """Made in the event loop that asks first for it."""
        if self._client is None:
            self._client = self._make_client(self)
        return self._client

    # Hooks

    def load(self, loader: addonmanager.Loader) -> None:
        loader.add_option(
            "warm_connections",
            bool,
            True,
            "Keep a connection ready to each provider that was used in the last minutes.",
        )

    def configure(self, updated: set[str]) -> None:
        if updated & tls_options.NAMES:
            self._tls.clear()
        if self._client and "warm_connections" in updated:
            self._keep_warm()

    def running(self) -> None:
        self._keep_warm()
        for line in proxies.announcement(self.rules()):
            logger.info(line)
        if advice := shell_advice(os.environ):
            logger.info(advice)

    def _keep_warm(self) -> None:
        self.client.keep_warm(at_most=8 if ctx.options.warm_connections else 0)

    def done(self) -> None:
        """Closes each connection once nobody uses it any more: where this script has changed, streams
        go on."""
        if self._client:
            self._client.keep_warm(at_most=0)
            self._start(retire(self._client))

    # What the layer asks

    def asks(self, source: connection.Client) -> None:
        """From now on the running task works for this client connection."""
        _asking.set(source)

    def destination(
        self, attempt: contract.Attempt, via: server_spec.ServerSpec | None
    ) -> dial.Destination:
        """Where an attempt goes, and how. `via` is the proxy of the listener that a client came to,
        where it has one."""
        scheme = "https" if attempt.tls else "http"
        return self.place(scheme, *attempt.address, account=attempt.account, via=via)

    def place(
        self,
        scheme: str,
        host: str,
        port: int,
        *,
        account: Sequence[bytes],
        via: server_spec.ServerSpec | None = None,
    ) -> dial.Destination:
        """Where a request with these secrets goes, and how."""
        proxy = self.proxy(scheme, host, port, via)
        is_tls = scheme == "https" or (proxy is not None and proxy.scheme == "https")
        return dial.Destination(
            scheme,
            host,
            port,
            proxy,
            self.settings(host) if is_tls else tls.Settings(),
            self.client.fingerprint(*account),
            ctx.options.connect_addr or None,
        )

    def server(self, opened: answer.Opened) -> connection.Server:
        """The connection as mitmproxy knows it."""
        return self._connections[opened.connection].server

    def malformed(self, response: http.Response) -> str:
        """Why mitmproxy would refuse to pass a response's headers on; "" where it would not."""
        if ctx.options.validate_inbound_headers:
            try:
                validate.validate_headers(response)
            except ValueError as e:
                return str(e)
        return ""

    def rules(self) -> proxies.Rules:
        """The profile's proxy and the environment's, where no listener brings its own."""
        profile = self._profile()
        configured = profile.upstream_proxy if profile else None
        if self._rules is None or self._rules[0] != configured:
            self._rules = configured, environment_rules(configured)
        return self._rules[1]

    def proxy(
        self, scheme: str, host: str, port: int, via: server_spec.ServerSpec | None = None
    ) -> proxies.Proxy | None:
        """The proxy on the way to a place; None: there is none."""
        if via := via or mode_proxy(ctx.options.mode):
            user, _, password = (ctx.options.upstream_auth or "").partition(":")
            return proxies.Proxy(via[0], *via[1], user or None, password)
        proxy = self.rules().proxy(scheme, host, port)
        if proxy and is_own_listener(proxy):
            if proxy not in self._ignored:
                self._ignored.add(proxy)
                logger.warning(f"{proxy} is this proxy itself: upstreams are reached without it")
            return None
        return proxy

    def settings(self, host: str) -> tls.Settings:
        """mitmproxy's options for a host."""
        if (settings := self._tls.get(host)) is None:
            settings = self._tls[host] = tls_options.settings(host)
        return settings

    # What the client reports

    async def connecting(self, destination: dial.Destination) -> None:
        address = destination.host, destination.port
        upstream = connection.Server(address=address, tls=destination.scheme == "https")
        if destination.scheme == "https":
            upstream.sni = destination.host
        if proxy := destination.proxy:
            upstream.via = (proxy.scheme, (proxy.host, proxy.port))  # type: ignore[assignment]
        data = server_hooks.ServerConnectionHookData(
            client=_asking.get() or nobody(), server=upstream
        )
        _making.set(data)
        await self._trigger(server_hooks.ServerConnectHook(data))
        upstream.timestamp_start = time.time()
        if upstream.error:
            raise dial.UnreachableError(f"Connection killed: {upstream.error}")
        if upstream.address != address:
            # It would bring a credential to somewhere it is not for.
            raise dial.BarredError("an addon changed the address of a provider")

    async def connected(
        self, destination: dial.Destination, made: http1.Connection, link: dial.Link
    ) -> None:
        data = _making.get()
        _describe(data.server, destination, link)
        self._connections[made] = data
        logger.debug(f"server connect {_name(data.server)}", extra=_origin(data))
        await self._trigger(server_hooks.ServerConnectedHook(data))
        if data.server.error:
            raise dial.UnreachableError(f"Connection killed: {data.server.error}")

    async def failed(self, destination: dial.Destination, error: OSError) -> None:
        data = _making.get()
        data.server.error = data.server.error or str(error)
        logger.info(f"error establishing server connection: {error}", extra=_origin(data))
        await self._trigger(server_hooks.ServerConnectErrorHook(data))

    def given_up(self, destination: dial.Destination) -> None:
        data = _making.get()
        if data.server.timestamp_tcp_setup:
            return  # it stood: server_disconnected is called
        data.server.error = data.server.error or "connection cancelled"  # mitmproxy's words
        logger.info(
            f"error establishing server connection: {data.server.error}", extra=_origin(data)
        )
        self._start(self._trigger(server_hooks.ServerConnectErrorHook(data)))

    def closed(self, made: http1.Connection) -> None:
        if data := self._connections.get(made):
            data.server.state = connection.ConnectionState.CLOSED
            data.server.timestamp_end = time.time()
            logger.debug(f"server disconnect {_name(data.server)}", extra=_origin(data))
            self._start(self._trigger(server_hooks.ServerDisconnectedHook(data)))

    async def _trigger(self, hook: hooks.Hook) -> None:
        await ctx.master.addons.trigger_event(hook)

    def _start(self, work: Coroutine[object, object, None]) -> None:
        background.start(work, "the care for upstream connections")


async def retire(upstream: client.Client) -> None:
    while upstream.open > upstream.idle:  # noqa: ASYNC110 (what is left ends in its own time)
        await asyncio.sleep(1)
    await upstream.close()


def shell_advice(environ: Mapping[str, str]) -> str:
    """For a client in a shell like that of the proxy; "" where it needs none."""
    if proxies.of_claude_code("127.0.0.1", listener_modes.REVERSE_PORT, environ) is None:
        return ""
    return (
        'A client with these variables and ANTHROPIC_BASE_URL needs NO_PROXY="$NO_PROXY,127.0.0.1"'
    )


def environment_rules(configured: str | None) -> proxies.Rules:
    """A proxy in the environment that can't be used is reported, and not used."""
    try:
        return proxies.rules(os.environ, configured)
    except ValueError as e:
        logger.warning(f"{e}; the environment's proxies are not used")
        return proxies.rules({}, configured)


def mode_proxy(modes: list[str]) -> server_spec.ServerSpec | None:
    """That of `--mode upstream:`, which counts at every listener."""
    for spec in map(mode_specs.ProxyMode.parse, modes):
        if isinstance(spec, mode_specs.UpstreamMode):
            return spec.scheme, spec.address
    return None


def is_own_listener(proxy: proxies.Proxy) -> bool:
    """Requests would go round in circles."""
    return _is_own(proxy.host, proxy.port, tuple(reach.listening()))


@functools.lru_cache(16)  # for each request, the same few are asked for
def _is_own(host: str, port: int, listening: tuple[loops.Address, ...]) -> bool:
    return loops.is_own((host, port), listening)


def nobody() -> connection.Client:
    """Whom a connection is for that is only kept ready."""
    here = ("127.0.0.1", 0)
    return connection.Client(peername=here, sockname=here, timestamp_start=time.time())


def _describe(upstream: connection.Server, destination: dial.Destination, link: dial.Link) -> None:
    upstream.timestamp_start = link.started
    upstream.timestamp_tcp_setup = link.tcp_connected
    upstream.timestamp_tls_setup = link.tls_connected
    upstream.sockname = link.local[:2]  # type: ignore[assignment]
    if not destination.proxy:
        # Else only the proxy knows it.
        upstream.peername = link.peer[:2]  # type: ignore[assignment]
    if destination.scheme == "https":
        upstream.tls_version = link.tls_version  # type: ignore[assignment]
        upstream.cipher = link.cipher
        upstream.alpn = link.alpn.encode() if link.alpn else b""
        upstream.sni = link.server_name
        with contextlib.suppress(ValueError):  # one that only OpenSSL can read
            upstream.certificate_list = [
                certs.Cert(x509.load_der_x509_certificate(each)) for each in link.certificates
            ]
    upstream.state = connection.ConnectionState.OPEN


def _name(upstream: connection.Server) -> str:
    assert upstream.address
    address = human.format_address(upstream.address)
    if upstream.peername and upstream.peername[0] != upstream.address[0]:
        return f"{address} ({human.format_address(upstream.peername)})"
    return address


def _origin(data: Hook) -> dict[str, object]:
    """As mitmproxy's log shows it."""
    return {"client": data.client.peername}
