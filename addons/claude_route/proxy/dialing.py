"""Connects one stream to its upstreams, over mitmproxy's own connections.

This half of the layer handles connections. It knows nothing of answers, nor of what to do when an
attempt fails. The other half, `layer`, uses only these methods of it:

    connect             begin an attempt by asking for a connection
    connected           handle the reply
    give_up_connecting  stop waiting, because it takes too long
    send                send the attempt's request; the answer reaches the stream as events whose
                        stream id is `attempt_id`
    ended               note that the upstream has ended that answer
    abandon             end the attempt in whatever state it is
    release             end an attempt that needs no cancelling
    note_use            note that the attempt's connection is fresh
    discard             close the connection of an attempt that ended in silence

and three attributes: `attempt_id`, `connection_may_be_stale` and `has_ended`. A client of another
kind can replace it by providing these.

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
"""Seconds after which an upstream may have closed a kept connection as idle, while our next request
was on its way."""

FIRST_ATTEMPT_ID = 1 << 40

_attempt_ids = itertools.count(FIRST_ATTEMPT_ID)
"""Each attempt has its own stream id, outside the range of the clients' ids, so that late events of an
abandoned attempt can be dropped by id, and the same host can be tried again. No id is used twice in a
process, because connections outlive the addons of a script that is reloaded."""


class LastUses:
    """When attempts last used each connection. Shared by all streams."""

    def __init__(self, clock: alarm.Clock) -> None:
        self._now = clock.wall
        self._times = weakref.WeakKeyDictionary[connection.Connection, float]()
        """Unix seconds."""

    def note(self, upstream: connection.Connection) -> None:
        self._times[upstream] = self._now()

    def idle(self, upstream: connection.Connection, at: float) -> float:
        """Seconds from the last use until `at`, in Unix seconds; very large if no attempt used it."""
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
        """The id of the current attempt, or else of the last one; None before the first."""
        self.connection_may_be_stale = False
        """Whether the connection is an idle one kept from an earlier request, or one being made for
        another stream. If such a connection fails, the upstream isn't at fault."""
        self._stream = stream
        self._parent = parent
        self._now = clock.wall
        self._last_uses = last_uses
        self._wanted: layers.GetHttpConnection | None = None
        """The command that asks for a connection, until its reply."""
        self._wanted_since = 0.0
        """Unix seconds at which it was yielded."""
        self._is_using = False
        """Whether the current attempt's request was sent over the connection `context.server`."""
        self.has_ended = False
        """Whether the upstream has ended its answer, with or without an error."""

    def connect(self, address: tuple[str, int], tls: bool) -> layer.CommandGenerator[None]:
        """Begin an attempt. The reply reaches the stream as an event, often while this generator is
        still suspended at its last yield, so the caller must do nothing afterwards."""
        self.attempt_id = next(_attempt_ids)
        self._parent.streams[self.attempt_id] = self._stream
        self.has_ended = False
        self._wanted_since = self._now()
        wanted = layers.GetHttpConnection(address, tls, self._stream.flow.server_conn.via, "tcp")
        # Both before mitmproxy carries out the command, which reads the refusals and adds to the
        # connections that are being made.
        self._forget_refusals(wanted)
        self.connection_may_be_stale = any(
            wanted.connection_spec_matches(upstream)
            for upstream in self._parent.waiting_for_establishment
        )
        # mitmproxy pauses a layer that yields a command with `blocking is True`, and then sets
        # `blocking` to the layer. We set it first: the reply still reaches the stream, but the stream
        # isn't paused, and can handle a timeout or a client that disconnects meanwhile.
        wanted.blocking = self._stream  # type: ignore[assignment]
        self._wanted = wanted
        yield wanted

    def connected(
        self, event: layers.GetHttpConnectionCompleted
    ) -> layer.CommandGenerator[connection.Server | str | None]:
        """Handle the reply to connect(). Returns the connection, or why there is none; None if the
        attempt was abandoned meanwhile."""
        context = self._stream.context
        upstream, error = event.reply
        if event.command is not self._wanted:
            if upstream and context.client.alpn == b"h2" and upstream.alpn != b"h2":
                # mitmproxy keeps it for the stream that asked for it, so it would never be used.
                yield commands.CloseConnection(upstream)
            return None
        self._wanted = None
        if upstream is None:
            return error or "no connection"
        assert isinstance(upstream, connection.Server)
        context.server = self._stream.flow.server_conn = upstream
        is_kept = bool(upstream.timestamp_start and upstream.timestamp_start < self._wanted_since)
        is_idle = self._last_uses.idle(upstream, at=self._wanted_since) >= IDLE
        self.connection_may_be_stale = is_kept and is_idle
        return upstream

    def give_up_connecting(self) -> layer.CommandGenerator[bool]:
        """Close the connection that is being made, unless another stream is waiting for it too.

        Does nothing and returns False if mitmproxy has not begun to make it. mitmproxy opens at most
        five connections to an address for each client connection, and queues the others: the upstream
        is not at fault then, and mitmproxy never replies for a queued connection that is closed.
        """
        wanted = self._wanted
        assert wanted
        for upstream, waiting in self._parent.waiting_for_establishment.items():
            # Compare by identity: commands for the same address are equal.
            if not any(command is wanted for command in waiting):
                continue
            # Through an upstream proxy the connection never has a timestamp: mitmproxy sets it on the
            # connection to that proxy.
            if upstream.timestamp_start is None and wanted.via is None:
                return False
            # Commands of other streams that still wait: _stop_waiting() marks those that don't.
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
        """Note that the upstream has ended its answer, so there is nothing left to cancel."""
        self.has_ended = True

    def abandon(self) -> layer.CommandGenerator[None]:
        """End the current attempt, if there is one. Its late events are dropped."""
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
        # mitmproxy drops events whose stream id it doesn't know.
        return self._parent.streams.pop(self.attempt_id, None) is not None

    def note_use(self) -> None:
        """Note that the current attempt's connection, if it has one, was in use until now."""
        if self._is_using:
            self._last_uses.note(self._stream.context.server)

    def discard(self) -> layer.CommandGenerator[None]:
        """After silence, close the connection of the abandoned attempt. Over HTTP/2, abandon() resets
        only the stream, but the whole connection may be dead."""
        context = self._stream.context
        # Streams of an HTTP/2 client may be using it. An HTTP/1 client has one request at a time,
        # and mitmproxy shares no connection between clients.
        is_shared = context.client.alpn == b"h2"
        if context.server.alpn == b"h2" and not is_shared:
            yield commands.CloseConnection(context.server)

    def _stop_waiting(self) -> None:
        wanted, self._wanted = self._wanted, None
        if wanted:
            # mitmproxy keeps the command in its list of those that wait for the connection. This mark
            # tells give_up_connecting() of other streams in the list that we no longer wait.
            wanted.blocking = False

    def _forget_refusals(self, wanted: layers.GetHttpConnection) -> None:
        """Otherwise an address that refused once would count as refused for as long as the client
        connection lasts."""
        for other in self._parent.connections:
            if isinstance(other, connection.Server) and wanted.connection_spec_matches(other):
                other.error = None
