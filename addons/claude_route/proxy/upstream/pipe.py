"""A tunnel through a proxy whose bytes somebody else reads and writes.

Unlike requests of our own, what comes through it may begin with the other end: servers of many protocols
greet first.
"""

from __future__ import annotations

import asyncio

from claude_route.proxy.upstream import dial

SECONDS = 30.0
"""For a proxy to answer: it may need as long itself to find that nobody answers there."""

type Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Pipe(dial.Tunnel):
    """Hands its transport over as soon as the tunnel stands, in the same turn of the event loop: no byte
    is lost."""

    streams: Streams

    def accepted(self, rest: bytes) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        if rest:
            reader.feed_data(rest)
        self.streams = reader, asyncio.StreamWriter(self.transport, protocol, reader, loop)
        self.opened.set_result(None)


async def opened(dialer: dial.Dialer, destination: dial.Destination) -> Streams:
    """The two ends of a tunnel through `destination.proxy`. Raises UnreachableError, with what a user can
    do about it."""
    proxy = destination.proxy
    assert proxy
    try:
        outer = dialer.context(destination.tls) if proxy.scheme == "https" else None
        pipe = Pipe(proxy, destination.authority)
    except ValueError as e:
        raise dial.UnreachableError(str(e)) from e
    try:
        async with asyncio.timeout(SECONDS):
            sock = await dialer.connect(proxy.host, proxy.port, destination.local)
            await dial.open_transport(sock, pipe, outer, proxy.host)
            await pipe.opened
    except BaseException as e:
        pipe.close()
        if isinstance(e, TimeoutError):
            raise dial.UnreachableError(f"proxy {proxy} doesn't answer") from e
        raise
    return pipe.streams
