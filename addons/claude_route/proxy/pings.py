"""Pings for a client whose stream has fallen silent.

Claude Code gives a stream up after 180 s without a byte at api.anthropic.com's name, after 300 s at any
other, and skips pings wherever they stand: https://code.claude.com/docs/en/network-config. So a provider
may take its time, and another may take its place, while the client waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from collections.abc import Callable

from mitmproxy import http

from claude_route import background
from claude_route.dialects import envelope
from claude_route.dialects import error_body
from claude_route.proxy.upstream import timers
from claude_route.wire import sse

INTERVAL = 15.0
"""Seconds of silence towards the client before a ping, and between two."""

PING = sse.encode("ping", b'{"type": "ping"}')


class Pings:
    """One timer for a stream, which an event doesn't touch: it finds out by itself that it has to wait
    longer."""

    def __init__(self, clock: timers.Timers, send: Callable[[], Awaitable[None]]) -> None:
        """`send` sends a ping. It is never called twice at once."""
        self._clock = clock
        self._now = clock.time
        self._send = send
        self._timer: timers.Handle | None = None
        self._task: asyncio.Task[None] | None = None
        self.last = clock.time()
        """When the client got something. Whoever writes to it sets this."""
        self._set()

    def wrote(self) -> None:
        self.last = self._now()

    def _set(self) -> None:
        self._timer = self._clock.call_at(self.last + INTERVAL, self._ring)

    def _ring(self) -> None:
        if self._now() < self.last + INTERVAL:
            self._set()
        else:
            self._timer = None
            self._task = background.start(self._ping(), "a ping")

    async def _ping(self) -> None:
        await self._send()
        self.last = self._now()
        self._task = None
        self._set()

    async def pause(self) -> None:
        """Send none from now on, and wait for one that is under way."""
        if self._task:
            await asyncio.wait([self._task])
            self._task = None
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def resume(self) -> None:
        """The client has just got something else."""
        self.last = self._now()
        self._set()

    def stop(self) -> None:
        if self._timer:
            self._timer.cancel()
        if self._task:
            self._task.cancel()


def head() -> http.Response:
    """What a stream begins with that has no answer yet: nobody knows who will give it."""
    headers = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
    return http.Response.make(200, b"", headers)


def failure(response: http.Response) -> tuple[str, bytes]:
    """An error for a client that has had status 200 already: in a few words, and as the event that ends
    the stream."""
    body = response.content or b""
    fault = error_body.read(body)
    kind = envelope.kind(response.status_code)
    if not (error_body.is_error(body) and fault.kind):
        body = envelope.body(kind, fault.message or f"HTTP {response.status_code}")
    why = f"{response.status_code} {error_body.clean(fault.kind or fault.message) or kind}"
    return why, sse.encode("error", body)
