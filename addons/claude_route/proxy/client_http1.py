"""HTTP/1 with a client, within limits.

What is refused here gets its answer, and then a while in which we read on and throw away what comes
("lingering close"): a client reads no answer before it has sent its request, and TCP takes the answer
from one that still sends to a closed connection.
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Generator
from typing import Any

from h11._receivebuffer import ReceiveBuffer
from mitmproxy import http
from mitmproxy.net.http import http1
from mitmproxy.proxy import commands
from mitmproxy.proxy import context
from mitmproxy.proxy import events
from mitmproxy.proxy.layers import http as layers

from claude_route import responses
from claude_route.access import limits
from claude_route.access import places

logger = logging.getLogger(__name__)

type Commands[T] = Generator[commands.Command, Any, T]

BLANK_LINE = re.compile(rb"\n\r?\n")

LINGER = 30.0
"""Seconds for which a refused client may go on sending, if it sends `LINGER_RATE` bytes in each: as in nginx
(lingering_time)."""
LINGER_RATE = 64 * 1024
LINGER_TICK = 1.0

SPREAD = 1.0
"""Seconds: clients that begin at once aren't all refused at once, which would hold up the others."""

clock = time.monotonic


class BoundedServer(layers.Http1Server):
    """For a client whose connection has a place in a table; for any other it is the stock one."""

    def __init__(self, context: context.Context) -> None:
        super().__init__(context)
        self.place = places.current.get(None)
        self._looked_at = 0
        """Bytes of an incomplete head that hold no blank line."""
        self._since = 0.0
        """When a head, or the time to linger, began."""
        self._body_size = 0
        self._waited_before = 0.0
        """Seconds that we had waited for the client's bytes before the body."""
        self._thrown_away = 0
        """Bytes since the last tick, of a client that is leaving."""
        self._ticks = False
        """Whether a Wakeup is to come."""
        self._extra = random.uniform(0, SPREAD)  # noqa: S311

    def _handle_event(self, event: events.Event) -> Commands[None]:
        place = self.place
        if place is None:
            yield from super()._handle_event(event)
            return
        before = self.state
        if isinstance(event, events.Wakeup):
            self._ticks = False
            yield from self._tick(place)
        elif before == self.leave and isinstance(event, events.DataReceived):
            self._thrown_away += len(event.data)
        else:
            if before == self.read_body and isinstance(event, events.DataReceived):
                self._body_size += len(event.data)
            yield from super()._handle_event(event)
            if self.state == self.read_body and self.response_done and closes(self.response):
                yield from self._linger()
        if before == self.passthrough:
            return
        self._show(place, before)
        if not self._ticks and (delay := self._delay(place)):
            self._ticks = True
            yield commands.RequestWakeup(delay)

    def send(self, event: layers.HttpEvent) -> Commands[None]:
        if self.state != self.leave:
            yield from super().send(event)

    def read_headers(self, event: events.ConnectionEvent) -> Commands[None]:
        if self.place and isinstance(event, events.DataReceived):
            bounds, data = self.place.table.limits, self.buf._data
            end = BLANK_LINE.search(data, self._looked_at, bounds.head_size)
            if end is None:
                if len(data) > bounds.head_size:
                    kilobytes = bounds.head_size // 1024
                    yield from self.refuse(
                        "head_size", 431, f"Request headers exceed {kilobytes} KB (max_head_size)"
                    )
                    return
                self._looked_at = max(len(data) - 2, 0)
            else:
                self._looked_at = 0
                if data.count(b"\n", 0, end.start()) > bounds.head_fields:
                    why = f"More than {bounds.head_fields} request headers (max_head_fields)"
                    yield from self.refuse("head_fields", 431, why)
                    return
        yield from super().read_headers(event)

    def read_body(self, event: events.Event) -> Commands[None]:
        yield from super().read_body(event)
        # All of a chunk's data is passed on as it comes: this is a chunk's line, or trailers.
        if self.place and self.state == self.read_body:
            if len(self.buf) > self.place.table.limits.head_size:
                yield from self.refuse(
                    "head_size", 431, "A chunk's line or the trailers are too long"
                )

    def leave(self, event: events.ConnectionEvent) -> Commands[None]:
        """The state after a refusal."""
        if isinstance(event, events.ConnectionClosed):
            yield commands.CloseConnection(self.conn)

    def refuse(self, name: str, status: int, why: str) -> Commands[None]:
        """Answer the client with an error, unless it has an answer, and end its request if one has begun."""
        address = self.conn.peername[0] if self.conn.peername else "a client"
        message = f"Refused a request of {address}: {why}"
        if line := limits.meter.line(name, message, clock()):
            logger.warning(line)
        if self.response is None:
            answer = (
                responses.passing(status, why) if status == 408 else responses.error(status, why)
            )
            answer.headers["connection"] = "close"
            yield commands.SendData(self.conn, http1.assemble_response(answer))
            self.response = answer
        has_begun = self.request is not None
        yield from self._linger()
        if has_begun:
            code = layers.ErrorCode.GENERIC_CLIENT_ERROR
            yield layers.ReceiveHttp(layers.RequestProtocolError(self.stream_id, why, code))

    def _linger(self) -> Commands[None]:
        self.state = self.leave
        self.buf = ReceiveBuffer()
        self._since, self._thrown_away = clock(), LINGER_RATE
        if not self._is_in_tunnel:
            yield commands.CloseTcpConnection(self.conn, half_close=True)

    @property
    def _is_in_tunnel(self) -> bool:
        """Whether a proxy's client has its own connection in ours. mitmproxy can only close all of that."""
        return sum(isinstance(each, layers.HttpLayer) for each in self.context.layers) > 1

    def _show(self, place: places.Place, before: Any) -> None:
        """Tell the table what the connection is used for."""
        state, now = self.state, clock()
        if state == self.read_headers:
            if self.buf and not self._since:
                self._since = now
            place.turn("head" if self.buf else "idle", now)
        elif state in (self.read_body, self.wait):
            place.turn("busy", now)
        elif state == self.leave:
            place.turn("leaving", now)
        elif state == self.passthrough:
            # What comes through it has its own head, unless it is a tunnel.
            place.turn("idle", now)
        if state != before and state != self.leave:
            self._since = 0.0
        if state == self.read_body and before != self.read_body:
            self._body_size, self._waited_before = 0, place.waiting(now)
        if state == self.wait and len(self.buf) > place.table.limits.head_size:
            place.has_room.clear()
        elif not place.has_room.is_set():
            place.has_room.set()

    def _delay(self, place: places.Place) -> float:
        """Seconds until the next look at whether the client is too slow; 0 if there is nothing to look at."""
        bounds = place.table.limits
        if self.state == self.leave:
            return LINGER_TICK
        if self.state == self.read_headers and self.buf:
            return max(bounds.head_time - (clock() - self._since), 0.01) + self._extra
        if self.state == self.read_body:
            return max(self._allowance(place), LINGER_TICK) + self._extra
        return 0.0

    def _allowance(self, place: places.Place) -> float:
        """Seconds that the client may still let us wait for its body."""
        bounds = place.table.limits
        waited = place.waiting(clock()) - self._waited_before
        return bounds.body_time + self._body_size / bounds.body_rate - waited

    def _tick(self, place: places.Place) -> Commands[None]:
        bounds, now = place.table.limits, clock()
        if self.state == self.leave:
            if self._thrown_away < LINGER_RATE or now - self._since > LINGER:
                yield commands.CloseConnection(self.conn)
            self._thrown_away = 0
        elif self.state == self.read_headers and self.buf:
            if now - self._since >= bounds.head_time:
                why = (
                    f"The request's headers took longer than {bounds.head_time:g} s (head_timeout)"
                )
                yield from self.refuse("head_time", 408, why)
        elif self.state == self.read_body and self._allowance(place) <= 0:
            why = f"The request's body came at less than {bounds.body_rate} bytes a second (min_body_rate)"
            yield from self.refuse("body_time", 408, why)


def closes(response: http.Response | None) -> bool:
    """Whether the connection ends with a response."""
    return response is not None and bool(
        http1.connection_close(response.http_version, response.headers)
    )
