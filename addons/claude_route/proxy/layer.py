"""The HTTP layer that answers one request by a series of attempts.

Stock mitmproxy sends a request once. This `HttpStream` asks an `Exchange` what to send, holds an
answer back until it is known to be good, and makes the next attempt if it is not. The client sees
one answer, streamed as it arrives. Real credentials exist only in the copies of requests that are
written here; flows contain placeholders.

`patches.http_stream` installs it in place of the stock one, so that no request can bypass it, not even
a replayed one. It relies on these names of mitmproxy's, and on those that `dialing` and `alarm` list.
tests/unit/patches/test_mitmproxy_names.py checks each of them; `patches.digests` lists the code behind
those whose inner order matters:

    HttpLayer    streams
    HttpStream   _handle_event, client_state, server_state, flow, stream_id,
                 state_wait_for_request_headers, state_consume_request_body,
                 state_wait_for_response_headers, state_done, state_errored,
                 make_server_connection, send_response, request_body_buf, response_body_buf
    events       those that layers.http passes between streams and connections, Wakeup
    commands     SendHttp, DropStream, Log, and the hooks of a response and of an error
"""

from __future__ import annotations

import logging
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
from claude_route.proxy import alarm
from claude_route.proxy import contract
from claude_route.proxy import dialing
from claude_route.routing import failures
from claude_route.wire import sse

logger = logging.getLogger(__name__)

type Commands[T] = Generator[commands.Command, Any, T]

ERROR_BODY_TIMEOUT = 2.0
"""Seconds to wait for the body of an error response."""

LINGER = 2.0
"""Seconds to wait for the end of a stream whose answer is complete."""


class FailoverStream(layers.HttpStream):
    """A request with an exchange goes through these phases. Each is a method that handles the
    upstream's events:

        pausing     between attempts
        connecting  waiting for a connection
        waiting     the request is sent, and no answer has begun
        judging     an answer has begun and is held back
        streaming   the answer is good, and the client gets it as it arrives
        over        the client has been answered

    A failure in any phase before `streaming` leads back to `pausing`. The stock state machine does
    everything else. `dialing.Dialer` makes the connections and sends to them.

    mitmproxy carries out a command while the generator that yielded it is suspended, and the result
    may enter this object again before the generator resumes. So a method that asks for a connection
    must neither yield nor read state after that.
    """

    def __init__(
        self,
        context: context.Context,
        stream_id: int,
        parent: layers.HttpLayer,
        policy: contract.Policy,
        clock: alarm.Clock,
        last_uses: dialing.LastUses,
    ) -> None:
        super().__init__(context, stream_id)
        self.parent = parent
        self.policy = policy
        self.dialer = dialing.Dialer(self, parent, clock, last_uses)
        self.alarm = alarm.Alarm(clock)
        self.is_routed = False
        """Whether the request has, or had, an exchange."""
        self.exchange: contract.Exchange | None = None
        self.attempt: contract.Attempt
        self.retried_stale = False
        """Whether the current attempt was repeated because its first connection was stale."""
        self.reply: contract.Reply
        self.phase: Callable[[layers.HttpEvent], Commands[None]] = self.over
        self.held = b""
        """The beginning of the answer, which the client gets once the answer is known to be good."""
        self.cookies: credentials.Secrets = {}
        """Cookies that the response sets, by their placeholders in the flow."""

    def _handle_event(self, event: events.Event) -> Commands[None]:
        try:
            yield from self.dispatch(event)
        except Exception:
            # mitmproxy would log the exception and leave the client waiting forever.
            logger.exception("Internal error while proxying a request")
            try:
                yield from self.recover()
            except Exception:
                logger.exception("Internal error while reporting the error; closing the connection")
                yield from self.hang_up()

    def dispatch(self, event: events.Event) -> Commands[None]:
        if isinstance(event, layers.HttpEvent) and event.stream_id >= dialing.FIRST_ATTEMPT_ID:
            # A hook may have paused this stream, and events of an attempt abandoned since were queued.
            if event.stream_id == self.dialer.attempt_id:
                event.stream_id = self.stream_id
                yield from self.phase(event)
        elif isinstance(event, events.Wakeup):
            if (yield from self.alarm.rings(event.command)):
                yield from self.timed_out()
            elif self.exchange and self.is_killed:
                yield from self.killed()
        elif isinstance(event, layers.GetHttpConnectionCompleted):
            yield from self.connected(event)
        elif isinstance(event, layers.RequestProtocolError) and self.dialer.attempt_id:
            yield from self.client_left(event)
        else:
            yield from self.stock(event)

    # From the client

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
        """Send `flow.response` at once, and drop the rest of the request body."""
        assert self.flow.response
        self.flow.response.headers["connection"] = "close"
        yield layers.HttpResponseHeadersHook(self.flow)
        yield from self.send_response()
        is_sent = self.client_state != self.state_errored
        yield from self.drop()
        if is_sent:
            yield layers.SendHttp(layers.ResponseEndOfMessage(self.stream_id), self.context.client)

    def client_left(self, event: layers.RequestProtocolError) -> Commands[None]:
        # All of this before the hook, which pauses this stream.
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
        # False: the stock code must not send anything. If connect() got a connection at once, the
        # request has already been sent.
        return False

    def connect(self) -> Commands[None]:
        self.phase = self.connecting
        self.held = b""
        yield from self.alarm.set(self.attempt.limits.connect)
        # This must come last: the reply may arrive while this generator is suspended.
        yield from self.dialer.connect(self.attempt.address, self.attempt.tls)

    def connected(self, event: layers.GetHttpConnectionCompleted) -> Commands[None]:
        result = yield from self.dialer.connected(event)
        if isinstance(result, str):
            yield from self.lost(contract.Failure(failures.Kind.CONNECT, result))
        elif result:
            yield from self.send(result)

    def send(self, upstream: connection.Server) -> Commands[None]:
        assert upstream.address
        try:
            request = self.attempt.request((upstream.address[0], upstream.address[1]))
        except ValueError as e:
            yield from self.fail(contract.Failure(failures.Kind.LOCAL, str(e)))
            return
        # Both before anything is sent: the answer may arrive while this generator is suspended.
        self.phase = self.waiting
        yield from self.alarm.set(self.attempt.limits.first_byte)
        yield from self.dialer.send(request)

    def pausing(self, event: layers.HttpEvent) -> Commands[None]:
        yield from ()

    def connecting(self, event: layers.HttpEvent) -> Commands[None]:
        yield from ()

    def waiting(self, event: layers.HttpEvent) -> Commands[None]:
        assert self.exchange
        if isinstance(event, layers.ResponseProtocolError):
            self.dialer.ended()
            yield from self.lost(contract.Failure(failures.Kind.RESET, event.message))
        elif isinstance(event, layers.ResponseHeaders):
            if event.response.status_code < 200:
                # mitmproxy treats a 1xx from an HTTP/1 upstream as the whole response, and what
                # follows as the response to the next request.
                yield from self.fail(
                    contract.Failure(
                        failures.Kind.STATUS, "1xx without a final response", event.response
                    )
                )
                return
            self.reply = self.exchange.reply(event.response)
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
            self.dialer.ended()
            self.held += self.reply.end()
        elif isinstance(event, layers.ResponseProtocolError):
            self.dialer.ended()
            if self.is_success:
                yield from self.fail(contract.Failure(failures.Kind.RESET, event.message))
                return
            self.held += self.reply.end()
        yield from self.judge()

    def judge(self) -> Commands[None]:
        if self.reply.failure:
            yield from self.fail(self.reply.failure)
        elif self.reply.good:
            yield from self.commit()
        elif self.dialer.has_ended:
            yield from self.fail(
                contract.Failure(failures.Kind.RESET, "ended before the first event")
            )

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
            # The reply has none of the upstream's framing headers. Without any, mitmproxy would end
            # the body by closing the client's connection.
            if self.flow.request.http_version == "HTTP/1.1":
                response.headers["transfer-encoding"] = "chunked"
        # Both before the stock code runs hooks, because hooks pause this stream.
        self.phase = self.streaming
        yield from self.alarm.set(LINGER if self.reply.complete else self.attempt.limits.idle)
        held, self.held = self.held, b""
        yield from self.stock(layers.ResponseHeaders(self.stream_id, response))
        if held:
            yield from self.stock(layers.ResponseData(self.stream_id, held))
        if self.dialer.has_ended:
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
                # Bypass stock(), which does nothing for data: this runs for each event.
                yield from self.server_state(layers.ResponseData(self.stream_id, data))
        elif isinstance(event, layers.ResponseEndOfMessage):
            self.dialer.ended()
            if data := self.reply.end():
                yield from self.stock(layers.ResponseData(self.stream_id, data))
            yield from self.stock(event)
        elif isinstance(event, layers.ResponseProtocolError):
            self.dialer.ended()
            yield from self.end_interrupted(event.message)

    def over(self, event: layers.HttpEvent) -> Commands[None]:
        yield from ()

    def answer(self, response: http.Response) -> Commands[None]:
        """Give the stock code a response of our own, as if an upstream had sent it."""
        content, response.data.content = response.raw_content or b"", None
        yield from self.stock(layers.ResponseHeaders(self.stream_id, response, not content))
        if content:
            yield from self.stock(layers.ResponseData(self.stream_id, content))
        yield from self.stock(layers.ResponseEndOfMessage(self.stream_id))

    # Failures

    def lost(self, failure: contract.Failure) -> Commands[None]:
        """There was no connection, or it was lost before the response headers."""
        if self.dialer.connection_may_be_stale and not self.retried_stale:
            # The upstream isn't at fault, so try once more, over another connection.
            self.retried_stale = True
            yield from self.abandon()
            yield from self.alarm.set(0)
        else:
            yield from self.fail(failure)

    def fail(self, failure: contract.Failure) -> Commands[None]:
        assert self.exchange
        # First: nothing may be in progress when the exchange decides, or when the flow is killed.
        yield from self.abandon()
        if self.is_killed:
            yield from self.killed()
            return
        if failure.kind is failures.Kind.TIMEOUT:
            yield from self.dialer.discard()
        step = self.exchange.failed(failure)
        if isinstance(step, http.Response):
            yield from self.answer(step)
        else:
            self.attempt = step
            self.retried_stale = False
            # Not at once: we may be handling the end of an answer, which the upstream's connection
            # reports before it is ready for the next request.
            yield from self.alarm.set(0)

    def abandon(self) -> Commands[None]:
        """End the current attempt. Its late events are dropped by id."""
        self.phase = self.pausing
        self.alarm.clear()
        yield from self.dialer.abandon()

    def timed_out(self) -> Commands[None]:
        limits = self.attempt.limits
        if self.is_killed:
            yield from self.killed()
        elif self.phase == self.pausing:
            yield from self.connect()
        elif self.phase == self.connecting:
            yield from self.give_up_connecting()
        elif self.phase == self.judging and not self.is_success:
            self.held += self.reply.end()
            yield from self.fail(
                self.reply.failure
                or contract.Failure(failures.Kind.STATUS, "the error body timed out")
            )
        elif self.phase in (self.waiting, self.judging):
            yield from self.fail(
                contract.Failure(failures.Kind.TIMEOUT, f"silent for {limits.first_byte:g} s")
            )
        elif self.phase == self.streaming and not self.dialer.has_ended:
            yield from self.abandon()
            yield from self.end_interrupted(f"silent for {limits.idle:g} s")

    def give_up_connecting(self) -> Commands[None]:
        limit = self.attempt.limits.connect
        if (yield from self.dialer.give_up_connecting()):
            yield from self.fail(
                contract.Failure(failures.Kind.CONNECT, f"no connection within {limit:g} s")
            )
        else:
            yield from self.alarm.set(limit)

    def end_interrupted(self, why: str) -> Commands[None]:
        """The upstream died in mid-answer: end the stream with an error that the client
        recognises."""
        if not self.reply.complete:
            self.flow.error = flow.Error(why)
            if self.exchange:
                self.exchange.interrupted(why)
        yield from self.end(self.reply.broken(why))

    def end(self, tail: bytes) -> Commands[None]:
        self.phase = self.over
        self.alarm.clear()
        # No note_use(): a connection that failed in mid-answer must not count as fresh.
        self.dialer.release()
        if tail:
            yield from self.stock(layers.ResponseData(self.stream_id, tail))
        yield from self.stock(layers.ResponseEndOfMessage(self.stream_id))

    @property
    def is_killed(self) -> bool:
        """Whether a user killed the flow, in mitmweb or in the console."""
        return self.flow.error is not None and self.flow.error.msg == flow.Error.KILLED_MESSAGE

    def killed(self) -> Commands[None]:
        yield from self.abandon()
        self.finish("killed")
        yield layers.HttpErrorHook(self.flow)
        yield from self.hang_up()

    def recover(self) -> Commands[None]:
        """Our code or an addon raised: report the error to the client as far as possible."""
        phase = self.phase  # before abandon() changes it
        yield from self.abandon()
        if phase in (self.waiting, self.judging) and self.exchange:
            yield from self.fail(
                contract.Failure(
                    failures.Kind.LOCAL, "internal error in the proxy while reading the answer"
                )
            )
        elif self.server_state == self.state_wait_for_response_headers:
            yield from self.answer(responses.error(500, "Internal error in the proxy; see its log"))
        elif phase == self.streaming:
            why = envelope.body(
                "api_error", "Internal error in the proxy while streaming the answer"
            )
            yield from self.end(b"" if self.reply.complete else sse.encode("error", why))
        else:
            yield from self.hang_up()

    def hang_up(self) -> Commands[None]:
        yield layers.SendHttp(
            layers.ResponseProtocolError(
                self.stream_id, "closed by the proxy", layers.ErrorCode.KILL
            ),
            self.context.client,
        )
        yield from self.drop()

    def drop(self) -> Commands[None]:
        """End the stream before the stock state machine has finished."""
        yield from self.abandon()
        self.finish("closed by the proxy")  # has no effect if a reason was given before
        self.flow.live = False
        self.client_state = self.server_state = self.state_errored
        yield layers.DropStream(self.stream_id)

    def finish(self, why: str | None) -> None:
        """May be called again; only the first `why` counts."""
        self.phase = self.over
        self.dialer.note_use()
        self.dialer.release()
        self.alarm.release(self.parent)
        # Cleared first: if closed() raises, recover() calls this again.
        exchange, self.exchange = self.exchange, None
        if exchange:
            exchange.closed(why)

    # The stock state machine

    def stock(self, event: events.Event) -> Commands[None]:
        """mitmproxy's own handling of an event."""
        if isinstance(event, layers.ResponseHeaders):
            self.cookies = credentials.hide_cookies(event.response.headers)
        generator = super()._handle_event(event)
        reply = None
        while True:
            try:
                command = generator.send(reply)
            except StopIteration:
                break
            reply = (yield command) if self.passes(command) else None
        if self.is_routed and self.client_state == self.state_errored:
            # A hook killed it, or mitmproxy refused the response. The client has been notified.
            if self.stream_id in self.parent.streams:
                yield from self.drop()

    def passes(self, command: commands.Command) -> bool:
        """Adapt a command of the stock code in place. Returns False for a command to drop, which must be
        one that expects no reply."""
        if isinstance(command, layers.SendHttp):
            if command.connection == self.context.client:
                self.to_client(command.event)
            else:
                self.to_upstream(command.event)
        elif isinstance(command, layers.DropStream):
            # The last command of the stock code for this stream.
            self.finish(self.flow.error.msg if self.flow.error else None)
        elif isinstance(command, commands.Log):
            # "Streaming response from …" would name the client's destination, not the upstream.
            return not self.is_routed
        return True

    def to_client(self, event: layers.HttpEvent) -> None:
        """Replace the response with a copy that has the real cookies."""
        if isinstance(event, layers.ResponseHeaders):
            event.response = credentials.with_cookies(event.response, self.cookies)

    def to_upstream(self, event: layers.HttpEvent) -> None:
        """Replace the request with a copy that has the client's real credential. After an attempt, the
        only event that the stock code sends upstream is a cancellation."""
        if self.dialer.attempt_id is not None:
            event.stream_id = self.dialer.attempt_id
        elif isinstance(event, layers.RequestHeaders):
            event.request = self.policy.passthrough(self.flow)

    def keep_partial_body(self) -> None:
        """The stock code stores a streamed body only if the stream ended without an error."""
        if self.response_body_buf and self.flow.response:
            self.flow.response.data.content = bytes(self.response_body_buf)
            self.response_body_buf.clear()


def made_for(
    policy: contract.Policy, clock: alarm.Clock = alarm.SYSTEM_CLOCK
) -> http_stream.MakeStream:
    """A factory of `FailoverStream`s that ask this policy what to send."""
    last_uses = dialing.LastUses(clock)

    def make(
        context: context.Context, stream_id: int, parent: layers.HttpLayer
    ) -> layers.HttpStream:
        return FailoverStream(context, stream_id, parent, policy, clock, last_uses)

    return make
