"""One client for all requests of an event loop: its connections, its names, its TLS sessions."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import socket
from collections.abc import Callable
from collections.abc import Iterable
from typing import NamedTuple
from typing import Protocol

from claude_route.proxy.upstream import answer
from claude_route.proxy.upstream import dial
from claude_route.proxy.upstream import http1
from claude_route.proxy.upstream import pipe
from claude_route.proxy.upstream import pool
from claude_route.proxy.upstream import resolver
from claude_route.proxy.upstream import timers
from claude_route.proxy.upstream import tls

WARM_CHECK = 5.0
"""Seconds between two looks at what is to be kept warm."""
WARM_PAUSE = 15.0
"""Seconds until another connection is made where a server closes idle ones at once..."""
COLD_PAUSE = 60.0
"""... and where none could be made."""


class Watcher(Protocol):
    """Hears of connections. The first two are awaited by the task that wants one, or by one that keeps
    a destination warm, and may take part in what is done."""

    async def connecting(self, destination: dial.Destination) -> None:
        """Raises OSError to refuse."""
        ...

    async def connected(
        self, destination: dial.Destination, connection: http1.Connection, link: dial.Link
    ) -> None: ...

    async def failed(self, destination: dial.Destination, error: OSError) -> None: ...

    def given_up(self, destination: dial.Destination) -> None:
        """The task that wanted it was cancelled, and nobody waits for it any more."""
        ...

    def closed(self, connection: http1.Connection) -> None: ...


class Use(NamedTuple):
    """The last one of a destination."""

    at: float
    destination: dial.Destination
    """With its credential."""
    is_shared: bool
    """Whether others came with another credential."""


class Client:
    """For the event loop that it is made in."""

    def __init__(
        self,
        *,
        bounds: pool.Bounds | None = None,
        clock: timers.Timers | None = None,
        watcher: Watcher | None = None,
        lookup: Callable[[str, int], Iterable[resolver.AddressInfo]] = resolver.lookup,
        race_delay: float = dial.RACE_DELAY,
        acknowledged: Callable[[socket.socket], bool | None] = dial.acknowledged,
        make_room: Callable[[], bool] = lambda: False,
    ) -> None:
        """`clock` is the event loop's, `lookup` and `acknowledged` the system's, if nothing else is
        given. `make_room` has a file closed, where there are too many."""
        self.clock: timers.Timers = clock or asyncio.get_running_loop()
        self.made = 0
        """Connections since the start."""
        self._names = resolver.Resolver(self.clock, ask=lambda *key: tuple(lookup(*key)))
        self._dialer = dial.Dialer(self._names, race_delay=race_delay, make_room=make_room)
        self._pool = pool.Pool(self.clock, bounds or pool.Bounds())
        self._watcher = watcher
        self._acknowledged = acknowledged
        # asyncio's own way allocates as much for each read, which takes longer than all the rest of it.
        self._buffer = memoryview(bytearray(http1.READ_SIZE))
        self._links: dict[http1.Connection, dial.Link] = {}
        self._salt = secrets.token_bytes(16)
        self._used: dict[dial.Destination, Use] = {}
        """By destination without a credential."""
        self._not_before: dict[dial.Destination, float] = {}
        self._warm_timer: timers.Handle | None = None
        self._check_warm: Callable[[], None] = lambda: None
        self._warming: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def request(
        self,
        destination: dial.Destination,
        request: http1.Request,
        body: answer.Body = b"",
        limits: answer.Limits | None = None,
    ) -> answer.Answer:
        """To be entered with `async with`, which sends it. ValueError: it can't be sent as it is."""
        self._use(destination)
        if destination.proxy and destination.scheme == "http":
            request = through_proxy(destination, request)
        return answer.Answer(self, destination, request, body, limits or answer.Limits())

    async def pipe(self, destination: dial.Destination) -> pipe.Streams:
        """A tunnel through the destination's proxy, that nothing is sent through yet; the caller closes
        it. Raises OSError."""
        return await pipe.opened(self._dialer, destination)

    def fingerprint(self, *secret: bytes) -> str:
        """For `Destination.credential`: tells secrets apart, and says nothing about them."""
        digest = hashlib.blake2b(key=self._salt, digest_size=16)
        for part in secret:
            digest.update(b"%d:%b" % (len(part), part))
        return digest.hexdigest()

    @property
    def open(self) -> int:
        """Connections, used and idle."""
        return len(self._links)

    @property
    def idle(self) -> int:
        return len(self._pool)

    # Warm connections

    async def warm(self, destination: dial.Destination, limits: answer.Limits) -> None:
        """Makes a connection for whoever comes first, with whatever credential. Raises OSError."""
        bare = destination._replace(credential="")
        opened = await self.connect(bare, limits, new=True)
        self._pool.give(bare, opened.connection)

    def keep_warm(
        self,
        destinations: Iterable[dial.Destination] = (),
        *,
        seconds: float = 300.0,
        at_most: int = 8,
        limits: answer.Limits | None = None,
    ) -> None:
        """From now on keeps a connection ready to each destination that was used within `seconds`;
        those that are given count as used now. Of more than `at_most`, the last ones used."""
        for destination in destinations:
            self._use(destination)
        used = limits or answer.Limits()

        def check() -> None:
            if self._warm_timer:
                self._warm_timer.cancel()
            self._keep_warm(seconds, at_most, used)
            self._warm_timer = self.clock.call_at(self.clock.time() + WARM_CHECK, check)

        self._check_warm = check
        check()

    def _use(self, destination: dial.Destination) -> None:
        bare = destination._replace(credential="")
        last = self._used.get(bare)
        is_shared = last is not None and (last.is_shared or last.destination != destination)
        self._used[bare] = Use(self.clock.time(), destination, is_shared)

    def _keep_warm(self, seconds: float, at_most: int, limits: answer.Limits) -> None:
        now = self.clock.time()
        last = sorted(self._used.items(), key=lambda item: item[1].at, reverse=True)
        self._used = {bare: use for bare, use in last[:at_most] if now - use.at <= seconds}
        self._not_before = {b: at for b, at in self._not_before.items() if at > now}
        for bare, use in self._used.items():
            # The next one may come with a credential that no connection has carried yet.
            is_ready = self._pool.count(bare) or (
                not use.is_shared and self._pool.count(use.destination)
            )
            if not is_ready and bare not in self._not_before:
                self._not_before[bare] = now + WARM_PAUSE
                task = asyncio.create_task(self._warm_quietly(bare, limits))
                self._warming.add(task)
                task.add_done_callback(self._warming.discard)

    async def _warm_quietly(self, bare: dial.Destination, limits: answer.Limits) -> None:
        """Whoever needs the connection will see what is wrong."""
        try:
            await self.warm(bare, limits)
        except OSError:
            self._not_before[bare] = self.clock.time() + COLD_PAUSE

    async def close(self) -> None:
        """Closes every connection, those in use too, and those that are only being made."""
        self._is_closed = True
        self._check_warm = lambda: None
        if self._warm_timer:
            self._warm_timer.cancel()
            self._warm_timer = None
        for task in self._warming:
            task.cancel()
        await asyncio.gather(*self._warming, return_exceptions=True)
        self._pool.close()
        for connection in list(self._links):
            connection.abort()
        await asyncio.sleep(0)  # in this turn of the loop the sockets are closed

    # What answers need

    async def connect(
        self, destination: dial.Destination, limits: answer.Limits, *, new: bool = False
    ) -> answer.Opened:
        if not new and (idle := self._pool.take(destination)):
            seconds = self.clock.time() - idle.since
            return answer.Opened(idle.connection, self._links[idle.connection], seconds)
        connection = http1.Connection(self._buffer, self._closed)
        try:
            async with timers.within(self.clock, limits.connect):
                link = await self._dial(destination, connection)
        except TimeoutError:
            error = dial.UnreachableError(f"no connection within {limits.connect:g} s")
            await self._failed(destination, error)
            raise error from None
        except OSError as e:
            error = e if isinstance(e, dial.UnreachableError) else dial.UnreachableError(str(e))
            await self._failed(destination, error)
            raise error from e.__cause__
        except asyncio.CancelledError:
            if self._watcher:
                self._watcher.given_up(destination)
            raise
        return answer.Opened(connection, link)

    async def _dial(self, destination: dial.Destination, connection: http1.Connection) -> dial.Link:
        if self._watcher:
            await self._watcher.connecting(destination)
        link = await self._dialer.dial(destination, connection)
        self._links[connection] = link
        self.made += 1
        try:
            if self._watcher:
                await self._watcher.connected(destination, connection, link)
            if self._is_closed or not connection.is_open:
                raise dial.UnreachableError("the connection was closed as soon as it stood")
        except BaseException:
            connection.close()
            raise
        return link

    async def _failed(self, destination: dial.Destination, error: OSError) -> None:
        if self._watcher:
            await self._watcher.failed(destination, error)

    def _closed(self, connection: http1.Connection) -> None:
        if self._pool.forget(connection):
            self._check_warm()
        if self._links.pop(connection, None) and self._watcher:
            self._watcher.closed(connection)

    def release(self, destination: dial.Destination, opened: answer.Opened) -> None:
        connection = opened.connection
        if connection.requests == 1 and (
            tunnel := connection.transport.get_extra_info("ssl_object")
        ):
            context = tunnel.context
            if isinstance(context, tls.Context):
                context.remember(tunnel)
        self._pool.give(destination, connection)

    def is_acknowledged(self, destination: dial.Destination, opened: answer.Opened) -> bool:
        """By the upstream itself: what a proxy has acknowledged may still not have got there."""
        sock = opened.connection.socket
        return not destination.proxy and sock is not None and bool(self._acknowledged(sock))

    def lost(self, destination: dial.Destination) -> None:
        self._pool.drop(destination)


def through_proxy(destination: dial.Destination, request: http1.Request) -> http1.Request:
    """What a proxy is asked for without a tunnel (RFC 9112, 3.2.2)."""
    assert destination.proxy
    authority = destination.authority.removesuffix(":80")
    fields = list(request.fields)
    if authorization := destination.proxy.authorization:
        fields.append((b"Proxy-Authorization", authorization))
    target = b"http://%b%b" % (dial.ascii_host(authority), request.target)
    return request._replace(target=target, fields=fields)
