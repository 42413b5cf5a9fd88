"""How one stream reaches the upstreams that it asks: by mitmproxy's own connections.

This half of the layer knows connections, and neither answers nor what to do when one fails; the
other half, `layer`, sees of it

    connect             begin an attempt by asking for a connection
    connected           what came of that
    give_up_connecting  it took too long
    send                send the attempt's request; the answer comes to the stream as events whose
                        stream id is `attempt_id`
    ended               note that the upstream has ended that answer
    abandon             end the attempt, whatever has become of it
    note_use, release   end an attempt that needs no cancelling; its connection is fresh, or not
    discard             close the connection of an attempt that ended in silence

and three attributes, `attempt_id`, `connection_may_be_stale` and `has_ended`. A client of another
kind takes its place by having these.

It relies on these names of mitmproxy's:

    HttpLayer          streams, connections, waiting_for_establishment
    GetHttpConnection  blocking, connection_spec_matches
    Server             address, alpn, error, timestamp_start
    commands, events   CloseConnection, GetHttpConnectionCompleted, SendHttp, RequestHeaders,
                       RequestData, RequestEndOfMessage, RequestProtocolError
"""

from __future__ import annotations

import itertools
import weakref

from mitmproxy import connection
from mitmproxy import http
from mitmproxy.proxy import commands
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers import http as layers

from claude_route.proxy import alarm

IDLE = 1.0
"""Seconds without use after which an upstream may close a kept connection merely for being idle,
just as the next request is on its way."""

FIRST_ATTEMPT_ID = 1 << 40

_attempt_ids = itertools.count(FIRST_ATTEMPT_ID)
"""Each attempt has a stream id of its own, outside the range of the clients' ids: late events of an
abandoned attempt are dropped by its id, and the same host can be asked again. Never used twice in a
process, since connections outlive the addons of a script that was reloaded."""


class LastUses:
    """When attempts last used each connection. Shared by all streams."""

    def __init__(self, clock: alarm.Clock) -> None:
        self._now = clock.wall
        self._times = weakref.WeakKeyDictionary[connection.Connection, float]()
        """Unix seconds."""

    def note(self, upstream: connection.Connection) -> None:
        self._times[upstream] = self._now()

    def idle(self, upstream: connection.Connection, at: float) -> float:
        """Seconds since the last use, at that Unix time; very many if no attempt has used it."""
        return at - self._times.get(upstream, 0)


class Dialer:
    """Serves the attempts of one stream, one after the other."""

    def __init__(
        self,
        stream: layers.HttpStream,
        parent: layers.HttpLayer,
        clock: alarm.Clock,
        last_uses: LastUses,
    ) -> None:
        self.attempt_id: int | None = None
        """Of the current attempt, or of the last one; None before the first."""
        self.connection_may_be_stale = False
        """It was kept, idle, from an earlier request, or is being made for another stream. That it
        fails says nothing about the upstream."""
        self._stream = stream
        self._parent = parent
        self._now = clock.wall
        self._last_uses = last_uses
        self._wanted: layers.GetHttpConnection | None = None
        """The command for a connection, until its reply."""
        self._asked = 0.0
        """Unix seconds at which the connection was asked for."""
        self._is_using = False
        """The current attempt's request went over the connection `context.server`."""
        self.has_ended = False
        """The upstream has ended its answer, well or not."""

    def connect(self, address: tuple[str, int], tls: bool) -> layer.CommandGenerator[None]:
        """Begin an attempt. The reply comes to the stream as an event, often while this is still
        suspended at its last yield: whoever calls it does and looks at nothing afterwards."""
        self.attempt_id = next(_attempt_ids)
        self._parent.streams[self.attempt_id] = self._stream
        self.has_ended = False
        self._asked = self._now()
        wanted = layers.GetHttpConnection(address, tls, self._stream.flow.server_conn.via, "tcp")
        # Both before the command is carried out: it reads the refusals, and adds to the connections
        # that are being made.
        self._forget_refusals(wanted)
        self.connection_may_be_stale = any(
            wanted.connection_spec_matches(upstream)
            for upstream in self._parent.waiting_for_establishment
        )
        # mitmproxy pauses a layer whose command has `blocking is True`, and then sets that to the
        # layer. We set it first: the reply still comes to the stream, which isn't paused, and so
        # sees a timeout or a client that leaves meanwhile.
        wanted.blocking = self._stream  # type: ignore[assignment]
        self._wanted = wanted
        yield wanted

    def connected(
        self, event: layers.GetHttpConnectionCompleted
    ) -> layer.CommandGenerator[connection.Server | str | None]:
        """The connection, or why there is none; None for an attempt that was abandoned."""
        context = self._stream.context
        upstream, error = event.reply
        if event.command is not self._wanted:
            if upstream and context.client.alpn == b"h2" and upstream.alpn != b"h2":
                # mitmproxy keeps it for the stream that asked, so nobody would ever use it.
                yield commands.CloseConnection(upstream)
            return None
        self._wanted = None
        if upstream is None:
            return error or "no connection"
        assert isinstance(upstream, connection.Server)
        context.server = self._stream.flow.server_conn = upstream
        is_kept = bool(upstream.timestamp_start and upstream.timestamp_start < self._asked)
        is_idle = self._last_uses.idle(upstream, at=self._asked) >= IDLE
        self.connection_may_be_stale = is_kept and is_idle
        return upstream

    def give_up_connecting(self) -> layer.CommandGenerator[bool]:
        """Close the connection that is being made, unless another stream is waiting for it too.

        False, with nothing done, if mitmproxy has not begun to make it: it has five connections to
        an address for each client connection, and the others queue. That is no fault of the
        upstream's, and a queued connection that is closed is never replied to.
        """
        wanted = self._wanted
        assert wanted
        for upstream, waiting in self._parent.waiting_for_establishment.items():
            # By identity: commands for the same address are equal.
            if not any(command is wanted for command in waiting):
                continue
            # That a connection through a proxy has no timestamp means nothing: mitmproxy connects to
            # the proxy, and notes it there.
            if upstream.timestamp_start is None and wanted.via is None:
                return False
            # Other streams' commands, unless _stop_waiting() has marked them.
            if not any(command.blocking for command in waiting if command is not wanted):
                yield commands.CloseConnection(upstream)
            break
        return True

    def send(self, request: http.Request) -> layer.CommandGenerator[None]:
        assert self.attempt_id is not None
        self._is_using = True
        upstream = self._stream.context.server
        content = request.raw_content
        headers = layers.RequestHeaders(self.attempt_id, request, end_stream=not content)
        yield layers.SendHttp(headers, upstream)
        if content:
            yield layers.SendHttp(layers.RequestData(self.attempt_id, content), upstream)
        yield layers.SendHttp(layers.RequestEndOfMessage(self.attempt_id), upstream)

    def ended(self) -> None:
        """Note that the upstream has ended its answer: there is nothing left to cancel."""
        self.has_ended = True

    def abandon(self) -> layer.CommandGenerator[None]:
        """End the current attempt, if there is one. What its upstream still sends is dropped."""
        self._stop_waiting()
        needs_cancel = self._is_using and not self.has_ended
        self.note_use()
        if self.release() and needs_cancel:
            assert self.attempt_id is not None
            # Closes an HTTP/1 connection, and resets the stream of an HTTP/2 one.
            cancel = layers.RequestProtocolError(
                self.attempt_id, "abandoned", layers.ErrorCode.CANCEL
            )
            yield layers.SendHttp(cancel, self._stream.context.server)

    def release(self) -> bool:
        """End the current attempt without cancelling it. False if there was none."""
        self._is_using = False
        if self.attempt_id is None:
            return False
        # mitmproxy drops events whose stream it doesn't know.
        return self._parent.streams.pop(self.attempt_id, None) is not None

    def note_use(self) -> None:
        """Note that the connection of the current attempt, if it has one, is in use now."""
        if self._is_using:
            self._last_uses.note(self._stream.context.server)

    def discard(self) -> layer.CommandGenerator[None]:
        """After silence, close the connection of the attempt that was abandoned. Over HTTP/2, the
        stream was reset but the connection stays, though all of it may be dead."""
        context = self._stream.context
        # Streams of an HTTP/2 client may be using it. An HTTP/1 client has one request at a time,
        # and mitmproxy shares no connection between clients.
        is_shared = context.client.alpn == b"h2"
        if context.server.alpn == b"h2" and not is_shared:
            yield commands.CloseConnection(context.server)

    def _stop_waiting(self) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted:
            # mitmproxy keeps the command in its list of those that wait for the connection. By this
            # mark, give_up_connecting() of the other streams in that list sees that nobody does.
            wanted.blocking = False

    def _forget_refusals(self, wanted: layers.GetHttpConnection) -> None:
        """Otherwise an address that refused once stays refused while the client is connected."""
        for other in self._parent.connections:
            if isinstance(other, connection.Server) and wanted.connection_spec_matches(other):
                other.error = None
