"""New connections: addresses raced against each other (RFC 8305), through a proxy or not, with TLS or
not.

asyncio's own race fails where tasks start eagerly, as mitmproxy's do, before Python 3.12.8 and 3.13.1
(python/cpython#124309).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import aiohappyeyeballs

from claude_route.proxy.upstream import http1
from claude_route.proxy.upstream import proxies
from claude_route.proxy.upstream import resolver
from claude_route.proxy.upstream import tls

RACE_DELAY = 0.25
"""Seconds until the next address is tried as well (RFC 8305, section 5)."""

ROOM_DELAY = 0.01
"""Seconds for a connection to be closed, so that there is a file for another."""

KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""Seconds, and how often: a peer that went away in the middle of a silent stream is found within two
minutes, and what is in between sees that a connection is still used."""

MAX_CONNECT_RESPONSE = 64 * 1024
"""Bytes of a proxy's header section, with interim responses before it."""

INTERIM = re.compile(rb"HTTP/1\.1 1(?!01)\d\d\b")
"""The line of a response that another follows (RFC 9110, 15.2)."""


NO_TUNNEL = " opens no tunnel: "


class UnreachableError(OSError):
    """No connection could be made, and so nothing was sent."""


class AbsentError(UnreachableError):
    """No program listens there, on this machine."""


class BarredError(UnreachableError):
    """There will be none until somebody changes a setting."""


class UntrustedError(BarredError):
    """Its certificate."""


class CrowdedError(UnreachableError):
    """This process can open no more files: nothing is wrong with the upstream."""


class Destination(NamedTuple):
    """Where requests go: connections of equal destinations can stand for each other."""

    scheme: str
    """`http` or `https`."""
    host: str
    port: int
    proxy: proxies.Proxy | None = None
    tls: tls.Settings = tls.Settings()
    credential: str = ""
    """Tells accounts apart, without being a secret itself: no connection carries those of two. ""
    for a connection that has carried none yet."""
    local: str | None = None
    """The address of this machine that connections come from; None where the system chooses."""

    @property
    def authority(self) -> str:
        return f"{proxies.bracketed(self.host)}:{self.port}"


@dataclass(frozen=True)
class Link:
    """What a connection turned out to be. Times are seconds since the epoch."""

    peer: tuple[object, ...]
    """The other end's address: the proxy's, where there is one."""
    local: tuple[object, ...]
    started: float
    tcp_connected: float
    tls_connected: float | None = None
    tls_version: str | None = None
    cipher: str | None = None
    alpn: str | None = None
    server_name: str | None = None
    certificates: tuple[bytes, ...] = ()
    """DER, the upstream's own first; only that one before Python 3.13."""
    is_resumed: bool = False

    @property
    def is_local(self) -> bool:
        """Whether the other end is on this machine: at a loopback address, or at our own."""
        host = str(self.peer[0]) if self.peer else ""
        if self.local and host == self.local[0]:
            return True
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return (mapped or address).is_loopback


class Dialer:
    def __init__(
        self,
        names: resolver.Resolver,
        *,
        race_delay: float = RACE_DELAY,
        clock: Callable[[], float] = time.time,
        make_room: Callable[[], bool] = lambda: False,
    ) -> None:
        """`make_room` has a file closed that is needed less, if there is one."""
        self._names = names
        self._make_room = make_room
        self._race_delay = race_delay
        self._clock = clock
        self._contexts: dict[tls.Settings, tls.Context] = {}

    def context(self, settings: tls.Settings) -> tls.Context:
        """Raises ValueError for settings that can't be."""
        if (context := self._contexts.get(settings)) is None:
            context = self._contexts[settings] = tls.context(settings)
        return context

    async def dial(self, destination: Destination, connection: http1.Connection) -> Link:
        """Opens `connection`. Raises UnreachableError, with what a user can do about it."""
        started = self._clock()
        proxy = destination.proxy
        try:
            inner = self.context(destination.tls) if destination.scheme == "https" else None
            outer = self.context(destination.tls) if proxy and proxy.scheme == "https" else None
            tunnel = Tunnel(proxy, destination.authority) if proxy and inner else None
        except ValueError as e:
            raise UnreachableError(str(e)) from e
        host, port = (proxy.host, proxy.port) if proxy else (destination.host, destination.port)
        sock = await self.connect(host, port, destination.local)
        connected = self._clock()
        try:
            if tunnel and inner:
                await open_transport(sock, tunnel, outer, host)
                await tunnel.opened
                await _start_tls(tunnel.transport, connection, inner, destination.host)
            else:
                await open_transport(sock, connection, outer or inner, host)
        except BaseException:
            if tunnel:
                tunnel.close()
            if hasattr(connection, "transport"):
                connection.close()
            raise
        connection.socket = sock
        return self._link(connection.transport, started, connected)

    async def connect(self, host: str, port: int, local: str | None = None) -> socket.socket:
        """Raises UnreachableError; as AbsentError where this machine refuses, as CrowdedError where we
        can open no more files."""
        try:
            addresses = await self._names.resolve(host, port)
        except OSError as e:
            raise UnreachableError(f"cannot resolve {host}: {e.strerror or e}") from e
        try:
            try:
                sock = await self._race(addresses, local)
            except OSError as e:
                if not is_crowded(e) or not self._make_room():
                    raise
                await asyncio.sleep(ROOM_DELAY)
                sock = await self._race(addresses, local)
        except OSError as e:
            if is_crowded(e):
                raise CrowdedError("this proxy has as many open files as it may (ulimit -n)") from e
            self._names.forget(host, port)
            why = f"no connection to {proxies.bracketed(host)}:{port}"
            if is_refused(e) and is_here(addresses):
                raise AbsentError(f"{why}: no server is running there") from e
            raise UnreachableError(f"{why}: {e.strerror or e}") from e
        keep_alive(sock)
        return sock

    async def _race(
        self, addresses: Sequence[resolver.AddressInfo], local: str | None
    ) -> socket.socket:
        return await aiohappyeyeballs.start_connection(
            [(*address[:4], address[4]) for address in addresses],
            local_addr_infos=await self._names.resolve(local, 0) if local else None,
            happy_eyeballs_delay=self._race_delay,
        )

    def _link(self, transport: asyncio.Transport, started: float, connected: float) -> Link:
        peer = transport.get_extra_info("peername") or ()
        local = transport.get_extra_info("sockname") or ()
        ssl_object: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        if ssl_object is None:
            return Link(peer, local, started, connected)
        cipher = ssl_object.cipher()
        return Link(
            peer,
            local,
            started,
            connected,
            self._clock(),
            ssl_object.version(),
            cipher[0] if cipher else None,
            ssl_object.selected_alpn_protocol(),
            ssl_object.server_hostname,
            certificates(ssl_object),
            bool(ssl_object.session_reused),
        )


class Tunnel(asyncio.Protocol):
    """Asks a proxy for a connection to somewhere else (RFC 9110, 9.3.6)."""

    transport: asyncio.Transport

    def __init__(self, proxy: proxies.Proxy, authority: str) -> None:
        fields = [(b"Host", ascii_host(authority))]
        if proxy.authorization:
            fields.append((b"Proxy-Authorization", proxy.authorization))
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = http1.Request(b"CONNECT", ascii_host(authority), fields).encode()
        self._proxy = proxy
        self._response = b""
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self.opened.done():
            self._refuse("it speaks before it is spoken to")
            return
        self._response += data
        self._size += len(data)
        head, end, rest = self._response.partition(b"\r\n\r\n")
        while end and INTERIM.match(head):
            self._response = rest
            head, end, rest = self._response.partition(b"\r\n\r\n")
        if not end:
            if self._size > MAX_CONNECT_RESPONSE:
                self._refuse("it answered with endless headers")
            return
        line = head.partition(b"\r\n")[0].decode("latin-1")
        match = re.match(r"HTTP/1\.[01] (\d\d\d)\b", line)
        status = int(match[1]) if match else 0
        if status in (401, 407):
            self._refuse(f"it wants another user and password ({status})", BarredError)
        elif 400 <= status < 500:
            self._refuse(f"it answered {line[:100]!r}", BarredError)
        elif status // 100 != 2:
            self._refuse(f"it answered {line[:100]!r}")
        else:
            self.accepted(rest)

    def accepted(self, rest: bytes) -> None:
        """The tunnel stands; `rest` has come through it already."""
        if rest:
            self._refuse("it speaks before it is spoken to")
        else:
            self.opened.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._refuse("it closed the connection")

    def close(self) -> None:
        self.opened.cancel()
        if hasattr(self, "transport"):
            self.transport.abort()

    def _refuse(self, why: str, error: type[UnreachableError] = UnreachableError) -> None:
        if not self.opened.done():
            self.opened.set_exception(error(f"proxy {self._proxy}{NO_TUNNEL}{why}"))


async def open_transport(
    sock: socket.socket, protocol: asyncio.BaseProtocol, context: tls.Context | None, host: str
) -> None:
    """The transport that this makes first of all owns the socket, and closes it on failure."""
    with _explained(host):
        await asyncio.get_running_loop().create_connection(
            lambda: protocol, sock=sock, ssl=context, server_hostname=host if context else None
        )


async def _start_tls(
    transport: asyncio.Transport, protocol: asyncio.BaseProtocol, context: tls.Context, host: str
) -> None:
    with _explained(host):
        encrypted = await asyncio.get_running_loop().start_tls(
            transport, protocol, context, server_hostname=host
        )
    if encrypted is None:
        raise UnreachableError(f"TLS handshake with {host} failed: the connection was lost")
    protocol.connection_made(encrypted)  # start_tls() takes it for made


@contextlib.contextmanager
def _explained(host: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLCertVerificationError as e:
        raise UntrustedError(tls.explain(e, host)) from e
    except ssl.SSLError as e:
        raise UnreachableError(tls.explain(e, host)) from e
    except OSError as e:
        raise UnreachableError(f"the connection to {host} was lost before it stood: {e}") from e


def is_refused(error: OSError) -> bool:
    """Whether one of the addresses refused. Where `localhost` is `::1` too and the system has no IPv6,
    aiohappyeyeballs has the reasons only in its words."""
    return isinstance(error, ConnectionRefusedError) or f"[Errno {errno.ECONNREFUSED}]" in str(
        error
    )


def is_crowded(error: OSError) -> bool:
    """Whether this process, or this machine, has as many open files as it may."""
    numbers = (errno.EMFILE, errno.ENFILE)
    return error.errno in numbers or any(f"[Errno {number}]" in str(error) for number in numbers)


def is_here(addresses: Sequence[resolver.AddressInfo]) -> bool:
    return all(proxies.is_loopback(str(address[4][0])) for address in addresses)


def certificates(ssl_object: ssl.SSLObject) -> tuple[bytes, ...]:
    if chain := getattr(ssl_object, "get_unverified_chain", None):  # from Python 3.13 on
        return tuple(chain())
    leaf = ssl_object.getpeercert(binary_form=True)
    return (leaf,) if leaf else ()


def ascii_host(text: str) -> bytes:
    return text.encode("ascii" if text.isascii() else "idna")


UNACKNOWLEDGED = slice(24, 28)
"""Where Linux's struct tcp_info has the segments that its peer has not acknowledged."""


def acknowledged(sock: socket.socket) -> bool | None:
    """Whether the peer has confirmed all that was sent; None where the system does not say."""
    if not (option := getattr(socket, "TCP_INFO", None)):
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, option, 104)
    except OSError:
        return None
    return not any(info[UNACKNOWLEDGED]) if len(info) >= UNACKNOWLEDGED.stop else None


def keep_alive(sock: socket.socket) -> None:
    """Have the system find out whether the other end is still there, as KEEPALIVE says."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if option := getattr(socket, name, None):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
