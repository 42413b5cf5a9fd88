"""The HTTP layer that answers one request by a series of attempts.

Stock mitmproxy sends a request once. This `HttpStream` asks an `Exchange` what to send, holds an
answer back until it is known to be good, and sends the next attempt when it is not; the client sees
one answer, streamed as it comes. Real credentials exist only on the copies of requests that are
written here: a flow holds placeholders.

`patches.http_stream` puts it in place of the stock one, so that no request, a replayed one included,
can get around it. It relies on these names of mitmproxy's, which
tests/unit/patches/test_mitmproxy_names.py checks one by one; `patches.digests` lists the code behind
those whose inner order matters:

    HttpLayer          make_stream, streams, connections, command_sources,
                       waiting_for_establishment, event_to_child
    HttpStream         _handle_event, client_state, server_state, flow, stream_id,
                       state_wait_for_request_headers, state_consume_request_body,
                       state_wait_for_response_headers, state_done, state_errored,
                       make_server_connection, send_response, request_body_buf, response_body_buf
    GetHttpConnection  blocking, connection_spec_matches
    commands, events   RequestWakeup.delay, Wakeup.command, CloseConnection, and those that
                       layers.http passes between streams and connections
"""

from __future__ import annotations

import itertools
import logging
import time
import weakref
from collections.abc import Callable
from collections.abc import Generator
from typing import Any

from mitmproxy import connection
from mitmproxy import flow
from mitmproxy import http
from mitmproxy.proxy import commands
from mitmproxy.proxy import context
from mitmproxy.proxy import events
from mitmproxy.proxy.layers import http as layers

from claude_route import responses
from claude_route.access import credentials
from claude_route.dialects import envelope
from claude_route.patches import http_stream
from claude_route.proxy import contract
from claude_route.wire import sse

logger = logging.getLogger(__name__)

type Commands[T] = Generator[commands.Command, Any, T]

ERROR_BODY_TIMEOUT = 2.0
"""Seconds that the body of a failed answer is waited for."""

LINGER = 2.0
"""Seconds that the end of a stream is waited for when its answer is complete."""

IDLE = 1.0
"""Seconds without use after which an upstream may close a kept connection for that alone, just as
the next request is on its way."""

TICK = 2.0
"""Seconds: a wakeup can't be taken back, so none is longer. No wait above is shorter, so one at a
time does for nearly every stream."""

FIRST_ATTEMPT_ID = 1 << 40

_attempt_ids = itertools.count(FIRST_ATTEMPT_ID)
"""Each attempt has a stream id of its own, out of the clients' range: what an abandoned attempt
still says is dropped by its id, and the same host can be asked again."""


_last_used = weakref.WeakKeyDictionary[connection.Connection, float]()
"""Unix seconds at which an attempt last had to do with a connection."""


class FailoverStream(layers.HttpStream):
    """A request that has an exchange goes through these phases, each a method that takes the
    upstream's events:

        ready → waiting (for the head) → judging (the answer is held back) → streaming → over

    and back to `ready` from any but the last two. In `ready` a connection is asked for, and no
    upstream has anything to say. All else is left to the stock state machine.

    Commands are answered while the generator that yields them is suspended, so none yields
    anything, or looks at anything, after it has asked for a connection.
    """

    def __init__(
        self,
        context: context.Context,
        stream_id: int,
        parent: layers.HttpLayer,
        policy: contract.Policy,
    ) -> None:
        super().__init__(context, stream_id)
        self.parent = parent
        self.policy = policy
        self.is_routed = False
        self.exchange: contract.Exchange | None = None
        self.attempt: contract.Attempt
        self.reply: contract.Reply
        self.phase: Callable[[layers.HttpEvent], Commands[None]] = self.over
        self.attempt_id: int | None = None
        self.alarm = Alarm()
        self.wanted: layers.GetHttpConnection | None = None
        self.asked = 0.0
        self.shared = False
        """The connection is not this attempt's own: kept, idle, from an earlier one, or being made
        for another stream. That it fails says nothing about the upstream."""
        self.insisted = False
        self.upstream_done = False
        self.held = b""
        self.cookies: credentials.Secrets = {}
        """Those that the answer sets, by the placeholders that stand for them in the flow."""

    def _handle_event(self, event: events.Event) -> Commands[None]:
        try:
            yield from self.dispatch(event)
        except Exception:
            # Mitmproxy would log this and leave the client waiting for ever.
            logger.exception("Cannot go on with a request")
            try:
                yield from self.recover()
            except Exception:
                logger.exception("Cannot even end it in form")
                yield from self.hang_up()

    def dispatch(self, event: events.Event) -> Commands[None]:
        if isinstance(event, layers.HttpEvent) and event.stream_id >= FIRST_ATTEMPT_ID:
            if event.stream_id == self.attempt_id:
                event.stream_id = self.stream_id
                yield from self.phase(event)
        elif isinstance(event, events.Wakeup):
            if (yield from self.alarm.rings(event.command)):
                yield from self.timed_out()
            elif self.exchange and self.is_killed:
                yield from self.killed()
        elif isinstance(event, layers.GetHttpConnectionCompleted):
            yield from self.connected(event)
        elif isinstance(event, layers.RequestProtocolError) and self.attempt_id is not None:
            yield from self.client_left(event)
        else:
            yield from self.stock(event)

    # What the client sends

    def state_wait_for_request_headers(self, event: layers.RequestHeaders) -> Commands[None]:
        self.policy.arrives(event.request)
        yield from super().state_wait_for_request_headers(event)
        if self.client_state == self.state_consume_request_body and self.flow.response:
            yield from self.refuse()

    def state_consume_request_body(self, event: events.Event) -> Commands[None]:
        yield from super().state_consume_request_body(event)
        if len(self.request_body_buf) > responses.MAX_BODY:
            self.flow.response = responses.too_large()
            yield from self.refuse()

    def refuse(self) -> Commands[None]:
        """Answer with `flow.response` at once; what is still to come of the body is dropped."""
        assert self.flow.response
        self.flow.response.headers["connection"] = "close"
        yield layers.HttpResponseHeadersHook(self.flow)
        yield from self.send_response()
        is_sent = self.client_state != self.state_errored
        yield from self.drop()
        if is_sent:
            yield layers.SendHttp(layers.ResponseEndOfMessage(self.stream_id), self.context.client)

    def client_left(self, event: layers.RequestProtocolError) -> Commands[None]:
        yield from self.abandon()
        self.finish(event.message)
        self.keep_partial_body()
        if self.server_state not in (self.state_done, self.state_errored):
            self.flow.error = flow.Error(event.message)
            yield layers.HttpErrorHook(self.flow)
        yield from self.drop()

    # Attempts

    def make_server_connection(self) -> Commands[bool]:
        exchange = self.policy.exchange(self.flow)
        if exchange is None:
            return (yield from super().make_server_connection())
        if isinstance(exchange, http.Response):
            step: contract.Attempt | http.Response = exchange
        else:
            self.is_routed, self.exchange = True, exchange
            step = exchange.begin()
        if isinstance(step, http.Response):
            yield from self.answer(step)
        else:
            self.attempt = step
            yield from self.connect()
        return False  # the stock code must not send anything

    def connect(self) -> Commands[None]:
        self.attempt_id = next(_attempt_ids)
        self.parent.streams[self.attempt_id] = self
        self.phase = self.ready
        self.held, self.upstream_done = b"", False
        self.asked = time.time()
        yield from self.alarm.set(self.attempt.limits.connect)
        wanted = layers.GetHttpConnection(
            self.attempt.address, self.attempt.tls, self.flow.server_conn.via, "tcp"
        )
        self.forget_refusals(wanted)
        self.shared = any(
            wanted.connection_spec_matches(each) for each in self.parent.waiting_for_establishment
        )
        # mitmproxy pauses a layer while a command blocks; marked as handled by this stream, it
        # isn't paused, so that a timeout or a client that leaves is seen meanwhile.
        wanted.blocking = self  # type: ignore[assignment]
        self.wanted = wanted
        yield wanted

    def connected(self, event: layers.GetHttpConnectionCompleted) -> Commands[None]:
        upstream, error = event.reply
        if event.command is not self.wanted:
            if upstream and self.context.client.alpn == b"h2" and upstream.alpn != b"h2":
                yield commands.CloseConnection(upstream)  # came too late; nobody else may use it
            return
        self.wanted = None
        if upstream is None:
            yield from self.lost(contract.Failure("connect", error or "no connection"))
            return
        assert isinstance(upstream, connection.Server)
        self.context.server = self.flow.server_conn = upstream
        is_kept = bool(upstream.timestamp_start and upstream.timestamp_start < self.asked)
        self.shared = is_kept and self.asked - _last_used.get(upstream, 0) >= IDLE
        yield from self.send(upstream)

    def send(self, upstream: connection.Server) -> Commands[None]:
        assert self.attempt_id is not None
        assert upstream.address
        try:
            request = self.attempt.request((upstream.address[0], upstream.address[1]))
        except ValueError as e:
            yield from self.fail(contract.Failure("local", str(e)))
            return
        self.phase = self.waiting
        yield from self.alarm.set(self.attempt.limits.first_byte)
        content = request.raw_content
        yield layers.SendHttp(
            layers.RequestHeaders(self.attempt_id, request, not content), upstream
        )
        if content:
            yield layers.SendHttp(layers.RequestData(self.attempt_id, content), upstream)
        yield layers.SendHttp(layers.RequestEndOfMessage(self.attempt_id), upstream)

    def ready(self, event: layers.HttpEvent) -> Commands[None]:
        yield from ()

    def waiting(self, event: layers.HttpEvent) -> Commands[None]:
        if isinstance(event, layers.ResponseProtocolError):
            self.upstream_done = True
            yield from self.lost(contract.Failure("reset", event.message))
        elif isinstance(event, layers.ResponseHeaders):
            if event.response.status_code < 200:
                # Mitmproxy takes an HTTP/1 upstream's 103 for the whole answer, and what follows
                # for that of the next request.
                yield from self.fail(contract.Failure("status", "no final answer", event.response))
                return
            self.reply = self.attempt.reply(event.response)
            self.phase = self.judging
            if not self.is_success:
                yield from self.alarm.set(ERROR_BODY_TIMEOUT)
            yield from self.judge()

    def judging(self, event: layers.HttpEvent) -> Commands[None]:
        if isinstance(event, layers.ResponseData):
            self.held += self.reply.feed(event.data)
            if self.is_success:
                yield from self.alarm.set(self.attempt.limits.first_byte)
        elif isinstance(event, layers.ResponseEndOfMessage):
            self.upstream_done = True
            self.held += self.reply.end()
        elif isinstance(event, layers.ResponseProtocolError):
            self.upstream_done = True
            if self.is_success:
                yield from self.fail(contract.Failure("reset", event.message))
                return
            self.held += self.reply.end()
        yield from self.judge()

    def judge(self) -> Commands[None]:
        if self.reply.failure:
            yield from self.fail(self.reply.failure)
        elif self.reply.good:
            yield from self.commit()
        elif self.upstream_done:
            yield from self.fail(contract.Failure("reset", "ended before its first event"))

    @property
    def is_success(self) -> bool:
        return 200 <= self.reply.response.status_code < 300

    def commit(self) -> Commands[None]:
        assert self.exchange
        if self.is_killed:
            yield from self.killed()
            return
        response = self.reply.response
        self.exchange.committed(response)
        if "content-length" not in response.headers:
            response.stream = True
            if self.flow.request.http_version == "HTTP/1.1":
                response.headers["transfer-encoding"] = "chunked"
        self.phase = self.streaming
        yield from self.alarm.set(LINGER if self.reply.complete else self.attempt.limits.idle)
        held, self.held = self.held, b""
        yield from self.stock(layers.ResponseHeaders(self.stream_id, response))
        if held:
            yield from self.stock(layers.ResponseData(self.stream_id, held))
        if self.upstream_done:
            yield from self.stock(layers.ResponseEndOfMessage(self.stream_id))

    def streaming(self, event: layers.HttpEvent) -> Commands[None]:
        if self.is_killed:
            yield from self.killed()
        elif isinstance(event, layers.ResponseData):
            data = self.reply.feed(event.data)
            if self.reply.complete:
                yield from self.alarm.set(LINGER)
            else:
                self.alarm.put_off(self.attempt.limits.idle)
            if data:
                # What stock() does besides is of no use here, and this is done for each event.
                yield from self.server_state(layers.ResponseData(self.stream_id, data))
        elif isinstance(event, layers.ResponseEndOfMessage):
            self.upstream_done = True
            if data := self.reply.end():
                yield from self.stock(layers.ResponseData(self.stream_id, data))
            yield from self.stock(event)
        elif isinstance(event, layers.ResponseProtocolError):
            self.upstream_done = True
            yield from self.break_off(event.message)

    def over(self, event: layers.HttpEvent) -> Commands[None]:
        yield from ()

    def answer(self, response: http.Response) -> Commands[None]:
        """An answer of our own, told to the stock code as if an upstream had given it."""
        content, response.data.content = response.raw_content or b"", None
        yield from self.stock(layers.ResponseHeaders(self.stream_id, response, not content))
        if content:
            yield from self.stock(layers.ResponseData(self.stream_id, content))
        yield from self.stock(layers.ResponseEndOfMessage(self.stream_id))

    # What goes wrong

    def lost(self, failure: contract.Failure) -> Commands[None]:
        """There was no connection, or it went away before it brought a head."""
        if self.shared and not self.insisted:
            self.insisted = True
            yield from self.abandon()
            yield from self.alarm.set(0)
        else:
            yield from self.fail(failure)

    def fail(self, failure: contract.Failure) -> Commands[None]:
        assert self.exchange
        yield from self.abandon()
        if self.is_killed:
            yield from self.killed()
            return
        if failure.kind == "timeout" and self.context.server.alpn == b"h2" != (
            self.context.client.alpn
        ):
            # The whole connection may be dead, and nobody else can be using it: connections are
            # kept for each client connection.
            yield commands.CloseConnection(self.context.server)
        step = self.exchange.failed(failure)
        if isinstance(step, http.Response):
            yield from self.answer(step)
        else:
            self.attempt = step
            self.insisted = False
            # Not at once: this may be the upstream's connection telling us of its answer's end,
            # before it is ready to take the next request.
            yield from self.alarm.set(0)

    def abandon(self) -> Commands[None]:
        """Give up the current attempt: whatever it still says is dropped by its id."""
        self.note_use()
        was, self.phase = self.phase, self.ready
        if self.wanted:
            self.wanted.blocking, self.wanted = False, None  # what give_up_connecting() goes by
        self.alarm.clear()
        if self.attempt_id is None or self.parent.streams.pop(self.attempt_id, None) is None:
            return
        if was not in (self.ready, self.over) and not self.upstream_done:
            yield layers.SendHttp(
                layers.RequestProtocolError(self.attempt_id, "abandoned", layers.ErrorCode.CANCEL),
                self.context.server,
            )

    def timed_out(self) -> Commands[None]:
        limits = self.attempt.limits
        if self.is_killed:
            yield from self.killed()
        elif self.wanted:
            yield from self.give_up_connecting(self.wanted)
        elif self.phase == self.ready:
            yield from self.connect()
        elif self.phase == self.judging and not self.is_success:
            self.held += self.reply.end()
            yield from self.fail(
                self.reply.failure or contract.Failure("status", "its body never ended")
            )
        elif self.phase in (self.waiting, self.judging):
            yield from self.fail(contract.Failure("timeout", f"silent for {limits.first_byte:g} s"))
        elif self.phase == self.streaming and not self.upstream_done:
            yield from self.abandon()
            yield from self.break_off(f"silent for {limits.idle:g} s")

    def give_up_connecting(self, wanted: layers.GetHttpConnection) -> Commands[None]:
        limit = self.attempt.limits.connect
        for upstream, waiting in self.parent.waiting_for_establishment.items():
            if not any(each is wanted for each in waiting):
                continue
            if upstream.timestamp_start is None and wanted.via is None:
                # Queued: mitmproxy has five connections to an address and client connection. That
                # is no fault of the upstream's, and closed, it would never be answered.
                yield from self.alarm.set(limit)
                return
            if not any(each.blocking for each in waiting if each is not wanted):
                yield commands.CloseConnection(upstream)
            break
        yield from self.fail(contract.Failure("connect", f"no connection within {limit:g} s"))

    def break_off(self, why: str) -> Commands[None]:
        """The upstream died in the middle of the answer: end it so that the client knows."""
        if not self.reply.complete:
            self.flow.error = flow.Error(why)
            if self.exchange:
                self.exchange.broke_off(why)
        yield from self.end(self.reply.broken(why))

    def end(self, tail: bytes) -> Commands[None]:
        self.phase = self.over
        self.alarm.clear()
        if tail:
            yield from self.stock(layers.ResponseData(self.stream_id, tail))
        yield from self.stock(layers.ResponseEndOfMessage(self.stream_id))

    @property
    def is_killed(self) -> bool:
        """By a user, in mitmweb or in the console."""
        return self.flow.error is not None and self.flow.error.msg == flow.Error.KILLED_MESSAGE

    def killed(self) -> Commands[None]:
        yield from self.abandon()
        self.finish("killed")
        yield layers.HttpErrorHook(self.flow)
        yield from self.hang_up()

    def recover(self) -> Commands[None]:
        """Something of ours, or of an addon's, has failed: whatever can be told is told."""
        was = self.phase
        yield from self.abandon()
        if was in (self.waiting, self.judging) and self.exchange:
            yield from self.fail(contract.Failure("local", "the proxy cannot read its answer"))
        elif self.server_state == self.state_wait_for_response_headers:
            yield from self.answer(responses.error(500, "The proxy failed; its log says why"))
        elif was == self.streaming:
            why = envelope.body("api_error", "The proxy failed in the middle of the answer")
            yield from self.end(b"" if self.reply.complete else sse.encode("error", why))
        else:
            yield from self.hang_up()

    def hang_up(self) -> Commands[None]:
        yield layers.SendHttp(
            layers.ResponseProtocolError(self.stream_id, "broken off", layers.ErrorCode.KILL),
            self.context.client,
        )
        yield from self.drop()

    def drop(self) -> Commands[None]:
        """The stream is over without the stock state machine having come to its end."""
        yield from self.abandon()
        self.finish("broken off")
        self.flow.live = False
        self.client_state = self.server_state = self.state_errored
        yield layers.DropStream(self.stream_id)

    def note_use(self) -> None:
        if self.phase not in (self.ready, self.over):
            _last_used[self.context.server] = time.time()

    def finish(self, why: str | None) -> None:
        self.note_use()
        self.phase = self.over
        self.alarm.clear()
        for wakeup in self.alarm.wakeups & self.parent.command_sources.keys():
            # It can't be taken back, but need not keep this stream and its bodies until it fires.
            self.parent.command_sources[wakeup] = _Nobody()  # type: ignore[assignment]
        exchange, self.exchange = self.exchange, None
        if exchange:
            exchange.closed(why)

    def forget_refusals(self, wanted: layers.GetHttpConnection) -> None:
        """Else an address that once refused stays refused for the client connection's life."""
        for each in self.parent.connections:
            if isinstance(each, connection.Server) and wanted.connection_spec_matches(each):
                each.error = None

    # The stock state machine

    def stock(self, event: events.Event) -> Commands[None]:
        """Mitmproxy's own handling of an event. Towards an upstream, the request is replaced by a
        copy that carries the client's own credential again; towards the client, the answer by one
        that carries its cookies again."""
        if isinstance(event, layers.ResponseHeaders):
            self.cookies = credentials.hide_cookies(event.response.headers)
        generator = super()._handle_event(event)
        reply = None
        while True:
            try:
                command = generator.send(reply)
            except StopIteration:
                break
            if isinstance(command, layers.SendHttp) and command.connection != self.context.client:
                if self.attempt_id is not None:
                    command.event.stream_id = self.attempt_id
                elif isinstance(command.event, layers.RequestHeaders):
                    command.event.request = self.policy.passthrough(self.flow)
            elif isinstance(command, layers.SendHttp):
                if isinstance(command.event, layers.ResponseHeaders):
                    command.event.response = credentials.with_cookies(
                        command.event.response, self.cookies
                    )
            elif isinstance(command, commands.Log) and self.is_routed:
                # "Streaming response from …" names the host that the client meant.
                reply = None
                continue
            elif isinstance(command, layers.DropStream):
                if self.attempt_id is not None:
                    self.parent.streams.pop(self.attempt_id, None)
                self.finish(self.flow.error.msg if self.flow.error else None)
            reply = yield command
        if self.is_routed and self.client_state == self.state_errored:
            # Killed in a hook, or an answer that mitmproxy refuses: the client knows already.
            if self.stream_id in self.parent.streams:
                yield from self.drop()

    def keep_partial_body(self) -> None:
        """The stock code stores a streamed body only when it ended well."""
        if self.response_body_buf and self.flow.response:
            self.flow.response.data.content = bytes(self.response_body_buf)
            self.response_body_buf.clear()


class Alarm:
    """One deadline at a time, made of wakeups, which mitmproxy can't take back: so none is long,
    and one that comes too early asks for another."""

    def __init__(self) -> None:
        self.deadline: float | None = None
        self.wakeups: set[commands.RequestWakeup] = set()

    def set(self, seconds: float) -> Commands[None]:
        """In place of any deadline set before."""
        self.deadline = time.monotonic() + seconds
        for wakeup in self.wakeups:
            if wakeup.delay <= seconds:
                return
        wakeup = commands.RequestWakeup(min(seconds, TICK))
        self.wakeups.add(wakeup)
        yield wakeup

    def put_off(self, seconds: float) -> None:
        """To no earlier than before: the wakeup that is under way will do."""
        self.deadline = time.monotonic() + seconds

    def clear(self) -> None:
        self.deadline = None

    def rings(self, wakeup: commands.RequestWakeup) -> Commands[bool]:
        """Whether the deadline has come."""
        self.wakeups.discard(wakeup)
        if self.deadline is None:
            return False
        left = self.deadline - time.monotonic()
        if left > 0.001:
            yield from self.set(left)
            return False
        self.deadline = None
        return True


class _Nobody:
    """Takes the wakeups of streams that are over."""

    def handle_event(self, event: events.Event) -> Commands[None]:
        yield from ()


def made_for(policy: contract.Policy) -> http_stream.MakeStream:
    """What makes a `FailoverStream` for each request, to be told by the policy what to send."""

    def make(
        context: context.Context, stream_id: int, parent: layers.HttpLayer
    ) -> layers.HttpStream:
        return FailoverStream(context, stream_id, parent, policy)

    return make
