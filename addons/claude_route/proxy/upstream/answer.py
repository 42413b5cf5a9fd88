"""A request that is under way, and what comes back, for a task that waits for it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterable
from collections.abc import AsyncIterator
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple
from typing import Protocol
from typing import Self

from claude_route.proxy.upstream import dial
from claude_route.proxy.upstream import http1
from claude_route.proxy.upstream import timers

type Body = bytes | AsyncIterable[bytes]

SLICE = 256 * 1024
"""Bytes of a body that are handed to the socket at once; before the next, the peer has to read."""


@dataclass(frozen=True)
class Limits:
    """Seconds and bytes."""

    connect: float = 10.0
    """Names, connection, proxy and TLS together."""
    first_byte: float = 120.0
    """From the last byte of the request to the response's header section."""
    idle: float = 300.0
    """Between two pieces of a body."""
    head_size: int = 256 * 1024
    """The header section with interim responses before it; and trailers."""
    total: float | None = None
    """From the request to the end of its answer, whatever comes meanwhile."""
    body_size: int | None = None
    buffered: int = 64 * 1024
    """Of a body that nobody takes, before the upstream has to wait. One read more can come: 256 KiB."""
    dormant: float = 20.0
    """A kept connection that was idle for this long may have been forgotten by something in between..."""
    dead_after: float = 1.0
    """... and is taken for dead when it is silent for this long and its peer has not acknowledged the
    request."""


class OverdueError(TimeoutError):
    """The answer did not come to its end within `Limits.total`."""


class Opened(NamedTuple):
    connection: http1.Connection
    link: dial.Link
    idle: float | None = None
    """Seconds for which it was kept; None: it is new."""


class Connector(Protocol):
    """Where connections come from, and go back to."""

    clock: timers.Timers

    async def connect(
        self, destination: dial.Destination, limits: Limits, *, new: bool = False
    ) -> Opened: ...

    def release(self, destination: dial.Destination, opened: Opened) -> None: ...

    def is_acknowledged(self, destination: dial.Destination, opened: Opened) -> bool: ...

    def lost(self, destination: dial.Destination) -> None:
        """A kept connection was dead."""
        ...


class Answer:
    """What an upstream answers: an async context manager, which closes the connection of an answer
    that is left before its end.

    For one task at a time. Raises dial.UnreachableError where no connection could be made, ConnectionError
    where one was lost or made no sense, TimeoutError where one was silent for too long, as OverdueError
    where it took too long in all.

    A request is only ever sent twice where it went over a kept connection that died, or seems dead,
    without one byte of an answer; that is no failure, and nobody hears of it.
    """

    direct: Callable[[bytes], bool] | None = None
    """Takes a piece of the body in the read's own callback, without a task's turn, and says whether it
    did. Called only while `next()` is awaited, which raises what this raises."""

    def __init__(
        self,
        connector: Connector,
        destination: dial.Destination,
        request: http1.Request,
        body: Body,
        limits: Limits,
    ) -> None:
        """ValueError: the request can't be sent as it is."""
        self.response: http1.Response | None = None
        self.sent = connector.clock.time()
        """When the last part of the request went out, or the first bytes of it did."""
        self.trailers: http1.Fields = ()
        """Known at the end."""
        self.is_over = False
        """Whether the answer has come to its end; pieces of it may still be waiting here."""
        self.opened: Opened | None = None
        """The connection; another one after `head()`, where the first was dead."""
        self._connector = connector
        self._destination = destination
        self._limits = limits
        self._idle_limit = limits.idle
        self._body = body
        self._is_head = request.method == b"HEAD"
        self._length, self._is_chunked = framing(request, body)
        self._head = request.encode()
        self._request = request
        self._clock = connector.clock
        self._now = connector.clock.time
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._size = 0
        self._is_woken = False
        self._is_paused = self._is_full = False
        self._can_repeat = False
        self._is_probing = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._sender: asyncio.Task[None] | None = None
        self._is_written = False
        """The sender has handed over all of the body, though it may wait until the peer has read it."""
        self._silence = 0.0  # the limit that is in force, in seconds
        self._deadline = math.inf
        self._timer: timers.Handle | None = None
        self._timer_at = math.inf
        self._end: timers.Handle | None = None

    async def __aenter__(self) -> Self:
        await self._send()
        if (total := self._limits.total) is not None:
            self._end = self._clock.call_at(self._now() + total, self._overdue)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def head(self) -> http1.Response:
        while self.response is None:
            if self._error is None:
                await self._wait()
            elif self._can_repeat:
                self._connector.lost(self._destination)
                self._error = None
                await self._send(new=True)
            else:
                raise self._error
        return self.response

    async def next(self) -> bytes | None:
        """All that has come since; None at the end; b"" after `wake()`."""
        await self.head()
        while True:
            if self._pieces:
                return self._take()
            if self._is_woken:
                self._is_woken = False
                return b""
            if self._error:
                raise self._error
            if self.is_over:
                return None
            await self._wait()

    @property
    def is_exhausted(self) -> bool:
        """Whether `next()` would return None at once."""
        return self.is_over and not (self._pieces or self._is_woken)

    async def read(self) -> bytes:
        """What is left of the body."""
        return b"".join([piece async for piece in self])

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self.next()) is not None:
            if piece:
                yield piece

    def limit(self, seconds: float) -> None:
        """Replaces `Limits.idle` from now on."""
        self._idle_limit = seconds
        if self.response and not self.is_over:
            self._expect(seconds)

    def wake(self) -> None:
        """Has `next()` return although nothing came."""
        self._is_woken = True
        self._wake()

    def pause(self) -> None:
        """The upstream has to wait, for as long as it takes."""
        self._is_paused = True
        self._regulate()

    def resume(self) -> None:
        self._is_paused = False
        self._regulate()

    def close(self) -> None:
        """Gives up what has not come to its end, and its connection. Can be called at any time."""
        self._stop()
        self._forget_end()
        if self.opened and not self.is_over:
            self.opened.connection.close()

    # The request

    async def _send(self, *, new: bool = False) -> None:
        limits, body = self._limits, self._body
        self._can_repeat = False
        try:
            self.opened = await self._connector.connect(self._destination, limits, new=new)
        except OSError as e:
            self._error = e
            raise
        connection, link, idle = self.opened
        head = self._head
        if self._request.local_fields and link.is_local and not self._destination.proxy:
            head = self._request.with_local_fields().encode()
        self._is_probing = (
            idle is not None and idle >= limits.dormant and limits.dead_after < limits.first_byte
        )
        parts: list[bytes | memoryview] = [head]
        is_whole = isinstance(body, bytes) and len(body) <= SLICE
        if is_whole:
            assert isinstance(body, bytes)
            if self._is_chunked:
                parts += [*framed(body), b"0\r\n\r\n"]
            elif body:
                parts.append(body)
        connection.send(self, *parts, is_head=self._is_head, max_head=limits.head_size)
        self._expect_head()
        if not is_whole:
            self._is_written = False
            self._sender = asyncio.create_task(self._send_body(connection))

    async def _send_body(self, connection: http1.Connection) -> None:
        sent = 0
        try:
            async for piece in slices(self._body):
                sent += len(piece)
                if self._length is not None and sent > self._length:
                    break
                for part in framed(piece) if self._is_chunked else [piece]:
                    connection.write(part)
                self._is_written = sent == self._length
                await connection.drain()
                self._expect_head()
            if self._length is not None and sent != self._length:
                raise ValueError(f"the request's body is not the {self._length} bytes long it says")
            if self._is_chunked:
                connection.write(b"0\r\n\r\n")
            self._is_written = True
            await connection.drain()
        except Exception as e:
            self._fail(e)
        else:
            self._sender = None
            self._expect_head()

    def _stop(self) -> None:
        self._deadline = math.inf
        if self._timer:
            self._timer.cancel()
            self._timer, self._timer_at = None, math.inf
        if self._sender:
            self._sender.cancel()
            self._sender = None

    # What the connection reports

    def on_head(self, response: http1.Response) -> None:
        self.response = response
        self._is_probing = False
        self._expect(self._idle_limit)
        self._wake()

    def on_data(self, data: bytes) -> None:
        self._size += len(data)
        if self._limits.body_size is not None and self._size > self._limits.body_size:
            self._fail(ConnectionError(f"more than {self._limits.body_size} bytes of body"))
            return
        # What `_expect` does, but for the timer, which finds out by itself that it has to wait longer.
        self._deadline = self._now() + self._silence
        if self.direct and self._waiter and not self._pieces and not self._waiter.done():
            try:
                if self.direct(data):
                    return
            except Exception as e:
                self._fail(e)
                return
        self._pieces.append(data)
        self._buffered += len(data)
        if self._buffered > self._limits.buffered and not self._is_full:
            self._is_full = True
            self._regulate()
        self._wake()

    def on_end(self, trailers: http1.Fields) -> None:
        assert self.opened
        self.trailers = trailers
        self.is_over = True
        if self._is_paused or self._is_full:
            self.opened.connection.resume()  # for the next request
        if self._sender and not self._is_written:  # it has not even listened to the end
            self.opened.connection.close()
        else:
            self._connector.release(self._destination, self.opened)
        self._stop()
        self._forget_end()
        self._wake()

    def on_failure(self, error: ConnectionError) -> None:
        assert self.opened
        connection, _, idle = self.opened
        is_repeatable = isinstance(self._body, bytes)  # another one can be read only once
        self._can_repeat = idle is not None and connection.received == 0 and is_repeatable
        self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._stop()
        if self.opened:
            self.opened.connection.close()
        if self._error is None:
            self._error = error
        self._wake()

    def _overdue(self) -> None:
        self._can_repeat = False
        self._fail(OverdueError(f"no end after {self._limits.total:g} s"))

    def _forget_end(self) -> None:
        if self._end:
            self._end.cancel()
            self._end = None

    # Waiting

    def _take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        self._buffered = 0
        if self._is_full:
            self._is_full = False
            self._regulate()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _wait(self) -> None:
        assert self._waiter is None, "an answer is for one task at a time"
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _regulate(self) -> None:
        if self.opened is None or self.is_over or self._error:
            return
        if self._is_paused or self._is_full:
            self.opened.connection.pause()
            self._deadline = math.inf  # who may not speak is not silent
        else:
            self.opened.connection.resume()
            self._expect(self._silence)

    def _expect_head(self) -> None:
        if self.response is None:
            limits = self._limits
            self.sent = self._now()
            self._expect(limits.dead_after if self._is_probing else limits.first_byte)

    def _expect(self, seconds: float) -> None:
        """Something has to come within this time."""
        self._silence = seconds
        if self._is_paused or self._is_full:
            return
        self._deadline = self._now() + seconds
        if self._deadline < self._timer_at:
            if self._timer:
                self._timer.cancel()
            self._timer, self._timer_at = None, math.inf
            self._set_timer()

    def _set_timer(self) -> None:
        if self._deadline < math.inf:
            self._timer_at = self._deadline
            self._timer = self._clock.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        self._timer, self._timer_at = None, math.inf
        if self._now() < self._deadline:
            self._set_timer()
        elif self._is_probing:
            assert self.opened
            self._is_probing = False
            if isinstance(self._body, bytes) and not self._connector.is_acknowledged(
                self._destination, self.opened
            ):
                self._can_repeat = True
                self._fail(TimeoutError("a kept connection is dead"))
            else:
                self._expect(self._limits.first_byte - self._limits.dead_after)
        else:
            self._fail(TimeoutError(f"silent for {self._silence:g} s"))


def framing(request: http1.Request, body: Body) -> tuple[int | None, bool]:
    """The content-length, and whether the body goes in chunks. ValueError: the header fields do not
    say what comes."""
    lengths, codings = [], []
    for name, value in request.fields:
        if len(name) == 14 and name.lower() == b"content-length":
            lengths.append(value)
        elif len(name) == 17 and name.lower() == b"transfer-encoding":
            codings.append(value)
    if len(lengths) > 1 or not all(value.isdigit() for value in lengths):
        raise ValueError("the request's content-length is not one number")
    length = int(lengths[0]) if lengths else None
    if codings and (codings != [b"chunked"] or length is not None):
        raise ValueError("the request's transfer-encoding is not `chunked` alone")
    if isinstance(body, bytes):
        if not codings and len(body) != (length or 0):
            raise ValueError(
                f"the request's body has {len(body)} bytes, content-length says {length}"
            )
    elif not codings and length is None:
        raise ValueError("the request has a body, but neither content-length nor transfer-encoding")
    return length, bool(codings)


def framed(piece: bytes | memoryview) -> list[bytes | memoryview]:
    """As one chunk, which an empty piece is none of: it would end the body."""
    return [b"%x\r\n" % len(piece), piece, b"\r\n"] if piece else []


async def slices(body: Body) -> AsyncIterator[bytes | memoryview]:
    if isinstance(body, bytes):
        view = memoryview(body)
        for start in range(0, len(body), SLICE):
            yield view[start : start + SLICE]
        return
    async for piece in body:
        yield piece
