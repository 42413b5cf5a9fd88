"""Access control at the listeners: which connections, tunnels and requests to accept."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from collections.abc import Iterable
from collections.abc import Sequence
from typing import TypeGuard

from mitmproxy import connection
from mitmproxy import ctx
from mitmproxy import http
from mitmproxy import tcp
from mitmproxy.proxy import mode_specs

from claude_route.access import addresses
from claude_route.access import clients
from claude_route.access import guard
from claude_route.access import keys
from claude_route.access import listener_modes
from claude_route.access import live_secrets
from claude_route.patches import fail_closed
from claude_route.profile import clients as profile_clients

logger = logging.getLogger(__name__)

_FROM_BROWSERS = (b"origin", b"sec-fetch-site")
"""Headers that only browsers send."""

GRACE = 2.0
"""Seconds in which a script that has changed is loaded again, before its tunnels are ended."""


class Listeners:
    """Checks each connection by the address on which it arrived. The check at start isn't enough:
    mitmproxy opens its default listener on every interface before it loads a script.

    Implements `patches.fail_closed.Entry`: whatever a hook here has not accepted is refused, so that one that
    fails lets nothing through.
    """

    def __init__(self) -> None:
        self.guard = guard.CLOSED
        self._accepted = weakref.WeakSet[connection.Client]()
        self._opened = weakref.WeakSet[http.HTTPFlow]()
        """The CONNECT requests that may have their tunnel."""
        self._tunnel_keys: weakref.WeakKeyDictionary[connection.Client, clients.Key] = (
            weakref.WeakKeyDictionary()
        )
        """Connection -> the valid key that its CONNECT request carried as the proxy password. It is
        checked again with each request, because it may have been changed."""
        self._standing: weakref.WeakKeyDictionary[connection.Client, tuple[clients.Key, ...]] = (
            weakref.WeakKeyDictionary()
        )
        """Connections that have become tunnels or WebSockets, so that no further request asks for a key
        -> the valid keys with which they were opened."""
        self._before: Listeners | None = None
        """Those of the script before, until this one is in force."""
        self._retired: set[str] = set()
        """Keys that are none any more. Their clients still send them, and they are nobody else's business."""
        self._shown = keys.Shown()
        """Those of clients that were taken out of the profile included."""
        self._searches: weakref.WeakKeyDictionary[
            connection.Client, tuple[tuple[object, ...], keys.Search]
        ] = weakref.WeakKeyDictionary()
        """What was looked for in a connection's last request, and what that depended on."""
        self._ended = guard.CLOSED
        """The guard that was in force when the script was taken away."""

    def succeeds(self, before: Listeners) -> None:
        """Before a script that has changed is in force again: its connections go on."""
        self._before = before

    def put_in_force(self, new: guard.Guard) -> None:
        """Put a guard in force, and end what was opened with a key that is none any more."""
        last = self.last_guard
        while before := self._before:
            self._accepted |= before._accepted
            self._tunnel_keys.update(before._tunnel_keys)
            self._standing.update(before._standing)
            before._standing.clear()
            self._retired |= before._retired
            self._shown.add(before._shown.secrets)
            self._before, before._before = before._before, None
        self._retired = self._retired.union(last.secrets).difference(new.secrets)
        self.guard = new
        for source in open_connections():
            if not self._may_stay(source):
                logger.info("Ended a connection that was opened with a key that is no longer valid")
                hang_up(source)

    @property
    def last_guard(self) -> guard.Guard:
        """The guard in force or, while none is, the last one that was."""
        if not self.guard.is_closed:
            return self.guard
        if self._ended.is_closed and self._before:
            return self._before.last_guard
        return self._ended

    def done(self) -> None:
        """Nothing more is accepted. What stands is left to the script that is loaded next; if it can't be,
        it ends."""
        self._ended, self.guard = self.guard, guard.CLOSED
        with contextlib.suppress(RuntimeError):  # no event loop runs
            asyncio.get_running_loop().call_later(GRACE, self._end_all)

    def _end_all(self) -> None:
        for source in list(self._standing):
            hang_up(source)

    def _may_stay(self, source: connection.Client) -> bool:
        if not self._accepts(source):
            return False
        if source not in self._standing or not self.guard.needs_key:
            return True  # each of its requests is checked
        if shown := self._standing[source]:
            return self.guard.client(*shown) is not None
        return self.admits(source, None, passes=True)

    def stands(self, source: connection.Client, presented: Sequence[clients.Key]) -> None:
        """A connection is a tunnel or a WebSocket from now on, opened with these keys among others."""
        tunnel_key = self._tunnel_keys.get(source)
        shown = [*presented, *([tunnel_key] if tunnel_key else [])]
        self._standing[source] = tuple(key for key in shown if self.guard.client(key))

    def tcp_start(self, flow: tcp.TCPFlow) -> None:
        # A tunnel to a host that we would read, but that carries no HTTP.
        self.stands(flow.client_conn, ())

    def has_accepted(self, client: connection.Client) -> bool:
        return client in self._accepted

    def has_opened(self, flow: http.HTTPFlow) -> bool:
        return flow in self._opened

    def client_connected(self, client: connection.Client) -> None:
        if self._accepts(client):
            self._accepted.add(client)
            return
        client.error = fail_closed.REFUSED
        if self.guard.is_closed:
            logger.info("Refused a connection, because no profile is in force")
            return
        why = self.refusal(client) or (
            "set PROXY_STATIC_TOKEN, or `clients` in the profile, to allow it"
        )
        logger.warning(f"Refused a connection from another machine: {why}")

    def refusal(self, client: connection.Client) -> str | None:
        """Why a client of another machine may not connect at all, whatever it would send."""
        if (
            listener_modes.asks_for_keys(client.proxy_mode)
            or not is_outside(client)
            or self.guard.is_open
        ):
            return None
        return f"mode {client.proxy_mode.type_name} can't ask for a key, and so serves this machine only"

    def _accepts(self, client: connection.Client) -> bool:
        outside = is_outside(client)
        if listener_modes.asks_for_keys(client.proxy_mode):
            return self.guard.accepts(is_outside=outside)
        return self.guard.accepts_keyless(is_outside=outside)

    def http_connect(self, flow: http.HTTPFlow) -> None:
        # Even if no key is set, because flows must not hold passwords.
        password = clients.basic_password(flow.request.headers.pop("proxy-authorization", None))
        if self._opens(flow, password):
            self._opened.add(flow)
        else:
            flow.response = http.Response.make(
                407, b"", {"proxy-authenticate": 'Basic realm="proxy"', "connection": "close"}
            )

    def _opens(self, flow: http.HTTPFlow, password: str | None) -> bool:
        if not self._accepts(flow.client_conn):
            return False
        if not self.guard.needs_key:
            return True
        key = clients.Key(password or "", "proxy password")
        if client := self.guard.client(key):
            self._tunnel_keys[flow.client_conn] = key
            live_secrets.remember([key.secret], clients.whose(client, flow.client_conn.peername))
            return True
        return not password and not is_outside(flow.client_conn)

    def search(self, source: connection.Client, presented: Iterable[clients.Key]) -> keys.Search:
        """Looks for keys of ours in a request that presents these: also for those of which only the client
        knows the text. Nearly all requests of a connection present the same."""
        shown = (*presented, self._tunnel_keys.get(source))
        # With the hash first, so that the time doesn't tell how much of a text is the same as of the last one.
        made = (hash(shown), self.guard, self.guard.today(), shown)
        last = self._searches.get(source)
        if last and last[0] == made:
            return last[1]
        valid = [key for key in shown if self._has(key)]
        texts = [key.secret for key in valid]
        self._shown.add(set(texts).difference(self.guard.secrets))
        secrets = dict.fromkeys((*self.guard.secrets, *sorted(self._retired), *texts))
        others = self._retired | self._shown.secrets
        search = keys.Search(
            secrets, lambda text: text in others or self.guard.has(text), self._shown
        )
        self._searches[source] = made, search
        return search

    def _has(self, key: clients.Key | None) -> TypeGuard[clients.Key]:
        return key is not None and self.guard.client(key) is not None

    def client(
        self, source: connection.Client, presented: Sequence[clients.Key]
    ) -> clients.Client | None:
        """Who sends a request that presents these keys, in their order; None if the client is unknown, or
        if no key is set."""
        return self.guard.client(*self._in_order(source, presented))

    def expired(
        self, source: connection.Client, presented: Sequence[clients.Key]
    ) -> profile_clients.Client | None:
        """The client whose key a request presents, if it is no longer valid."""
        return self.guard.expired(*self._in_order(source, presented))

    def _in_order(
        self, source: connection.Client, presented: Sequence[clients.Key]
    ) -> list[clients.Key | None]:
        for_us = ("header", "proxy password")
        return [
            *(key for key in presented if key.kind in for_us),
            self._tunnel_keys.get(source),
            *(key for key in presented if key.kind not in for_us),
        ]

    def admits(
        self, source: connection.Client, client: clients.Client | None, *, passes: bool
    ) -> bool:
        """Whether a client may send a request. One that passes through from this machine needs no key on
        the forward listener: it uses the client's own credential, and can't carry our headers."""
        if not self.guard.accepts(is_outside=is_outside(source)):
            return False  # it has come in before the settings changed
        if not self.guard.needs_key or client:
            return True
        return passes and not is_reverse(source) and not is_outside(source)

    def answers_to(self, source: connection.Client, host: str | None) -> bool:
        """Whether to serve our own pages under this host name. A web page can point its own domain
        at this machine, and then read our pages with its visitor's browser (DNS rebinding)."""
        return self.guard.needs_key or is_outside(source) or addresses.names_address(host)


def open_connections() -> list[connection.Client]:
    master = getattr(ctx, "master", None)
    server = master.addons.get("proxyserver") if master else None
    return [handler.client for handler in server.connections.values()] if server else []


def hang_up(source: connection.Client) -> None:
    """End a client's connection, whatever is under way on it."""
    server = ctx.master.addons.get("proxyserver")
    handler = server.connections.get(source.id) if server else None
    transport = handler.transports.get(source) if handler else None
    if transport and transport.handler:
        transport.handler.cancel("the key that opened it is no longer valid")


def is_reverse(client: connection.Client) -> bool:
    return isinstance(client.proxy_mode, mode_specs.ReverseMode)


def is_from_browser(request: http.Request) -> bool:
    """Whether a browser sent this: a web page could make its visitor's browser post to a listener on
    loopback."""
    return any(name.lower() in _FROM_BROWSERS for name, _ in request.headers.fields)


def is_outside(client: connection.Client) -> bool:
    """Whether a client came from another machine."""
    return client.sockname is None or not addresses.is_loopback(client.sockname[0])
