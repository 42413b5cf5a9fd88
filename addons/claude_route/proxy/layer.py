"""The HTTP layer that answers one request by a series of attempts.

Stock mitmproxy sends a request once. This `HttpStream` keeps the client's side of it: the flow, its
hooks, the stock state machine, answers of our own. What goes upstream is made by `attempts`, in a
task that ends with the client; the client sees one answer, streamed as it comes. Real credentials
exist only on the copies of requests that are written there: a flow holds placeholders.

`patches.http_stream` puts it in place of the stock one, so that no request, a replayed one included,
can get around it. It relies on these names of mitmproxy's, and on those that `client_writer` lists.
tests/unit/patches/test_mitmproxy_names.py checks them one by one; `patches.digests` lists the code
behind those whose inner order matters:

    HttpLayer    streams, connections
    HttpStream   _handle_event, mode, handle_connect_finish, client_state, server_state, flow, stream_id,
                 state_wait_for_request_headers, state_consume_request_body,
                 state_wait_for_response_headers, state_stream_response_body, state_done,
                 state_errored, handle_connect_regular, handle_connect_upstream, make_server_connection, send_response, request_body_buf,
                 response_body_buf
    events       those that layers.http passes between streams and connections, ConnectionEvent
    commands     SendHttp, GetHttpConnection, DropStream, Log, CloseConnection, and the hooks of a
                 response and an error
    handler      server_event, timeout_watchdog
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Generator
from typing import Any

from mitmproxy import connection
from mitmproxy import flow
from mitmproxy import http
from mitmproxy.proxy import commands
from mitmproxy.proxy import context
from mitmproxy.proxy import events
from mitmproxy.proxy import server
from mitmproxy.proxy.layers import http as layers

from claude_route import background
from claude_route import responses
from claude_route.access import credentials
from claude_route.access import fronts
from claude_route.access import listeners
from claude_route.access import places
from claude_route.access import refusals
from claude_route.dialects import envelope
from claude_route.patches import client_tasks
from claude_route.patches import hooktable
from claude_route.patches import http_stream
from claude_route.patches import slow_readers
from claude_route.proxy import attempts
from claude_route.proxy import client_writer
from claude_route.proxy import contract
from claude_route.proxy import passing
from claude_route.proxy import tunnels
from claude_route.proxy import upstreams
from claude_route.proxy import work
from claude_route.proxy.upstream import proxies
from claude_route.proxy.upstream import timers
from claude_route.wire import sse

logger = logging.getLogger(__name__)

type Commands[T] = Generator[commands.Command, Any, T]

INTERNAL = "Internal error in the proxy; see its log"

TICK = 1.0
"""Seconds between two looks at whether a user has killed a flow: nothing else tells."""


class Act(events.ConnectionEvent):
    """What a stream's attempts have it do in its turn."""

    def __init__(self, task: connection.Connection, act: attempts.Act) -> None:
        super().__init__(task)
        self.act = act
        self.done = asyncio.get_running_loop().create_future()


class FailoverStream(layers.HttpStream):
    """A request that has an exchange is answered by its attempts; all else is left to the stock state
    machine. Implements `attempts.Stream`."""

    def __init__(
        self,
        context: context.Context,
        stream_id: int,
        parent: layers.HttpLayer,
        policy: contract.Policy,
        reach: upstreams.Upstreams,
        patience: slow_readers.Patience,
    ) -> None:
        super().__init__(context, stream_id)
        self.parent = parent
        self.policy = policy
        self.upstreams = reach
        self.patience = patience
        self.is_routed = False
        """The request has, or had, an exchange."""
        self.is_over = False
        self.exchange: contract.Exchange | None = None
        self.reply: contract.Reply | None = None
        self.task: connection.Server | None = None
        """Stands for the task of the attempts."""
        self.handler: server.ConnectionHandler
        self.relay: proxies.Proxy | None = None
        """The proxy that a request to an http URL goes to, if it passes through one."""
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
        finally:
            if isinstance(event, Act) and not event.done.done():
                event.done.set_result(None)

    def dispatch(self, event: events.Event) -> Commands[None]:
        if isinstance(event, Act):
            if not self.is_over:
                yield from event.act()
        elif isinstance(event, layers.RequestProtocolError) and self.task:
            yield from self.client_left(event)
        else:
            self.from_upstream(event)
            yield from self.stock(event)

    def from_upstream(self, event: events.Event) -> None:
        """What is for the upstream's connection only ends here. Attempts have a connection of their
        own, and their answers don't come this way."""
        if isinstance(event, layers.ResponseHeaders):
            headers = event.response.headers
            headers.fields = fronts.answered(headers.fields, event.response.status_code)
        elif isinstance(event, layers.ResponseTrailers):
            event.trailers.fields = fronts.trailers(event.trailers.fields)

    # From the client

    def state_wait_for_request_headers(self, event: layers.RequestHeaders) -> Commands[None]:
        if event.request.method == "CONNECT" and listeners.is_reverse(self.context.client):
            yield from self.refuse_unseen(event.request, refusals.no_tunnel(self.context.client))
            return
        refusal = self.policy.arrives(event.request)
        if refusal and not event.replay_flow:
            yield from self.refuse_unseen(event.request, refusal)
            return
        yield from super().state_wait_for_request_headers(event)
        if self.client_state == self.state_consume_request_body and self.flow.response:
            yield from self.refuse()

    def state_consume_request_body(self, event: events.Event) -> Commands[None]:
        yield from super().state_consume_request_body(event)
        if len(self.request_body_buf) > responses.MAX_BODY:
            self.flow.response = responses.too_large()
            self.policy.rejects(self.flow)
            yield from self.refuse()

    def refuse_unseen(self, request: http.Request, response: http.Response) -> Commands[None]:
        """Answer a request that no hook sees, because it may hold a password: that of a client which uses
        the reverse listener as its HTTPS proxy, or one that arrives while there are no hooks of ours."""
        self.flow = http.HTTPFlow(self.context.client, self.context.server)
        self.flow.request = request
        self.client_state = self.server_state = self.state_errored
        content, response.data.content = response.raw_content, None
        yield layers.SendHttp(
            layers.ResponseHeaders(self.stream_id, response, end_stream=not content),
            self.context.client,
        )
        if content:
            yield layers.SendHttp(layers.ResponseData(self.stream_id, content), self.context.client)
        yield layers.SendHttp(layers.ResponseEndOfMessage(self.stream_id), self.context.client)
        yield layers.DropStream(self.stream_id)

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

    # Tunnels

    def handle_connect_regular(self) -> Commands[None]:
        self.check_tunnel()
        yield from super().handle_connect_regular()  # type: ignore[no-untyped-call]

    def handle_connect_upstream(self) -> Commands[None]:
        self.check_tunnel()
        yield from super().handle_connect_upstream()  # type: ignore[no-untyped-call]

    def check_tunnel(self) -> None:
        """Refuse a tunnel that no hook of ours has allowed, whatever others have."""
        if not self.policy.opens(self.flow):
            response = self.flow.response
            if response is None or response.status_code < 300:
                self.flow.request.headers.clear()  # the password is still in them
                self.flow.response = responses.error(500, tunnels.UNSEEN)

    def handle_connect_finish(self) -> Commands[None]:
        whole = self.context
        assert whole.server.address
        is_tunnel = tunnels.passes_unread(whole.server.address, whole.options)
        if is_tunnel and self.mode is layers.HTTPMode.regular and not self.flow.response:
            if not whole.server.connected:
                yield from tunnels.connect(whole, self.flow)
        yield from super().handle_connect_finish()  # type: ignore[no-untyped-call]
        if is_tunnel and self._handle_event == self.passthrough:
            self.policy.stands(self.flow)
            yield from tunnels.keep_open(whole)

    def send_response(self, already_streamed: bool = False) -> Commands[None]:
        yield from super().send_response(already_streamed)
        if self.flow.response and self.flow.response.status_code == 101:  # a WebSocket
            self.policy.stands(self.flow)
            yield from tunnels.keep_open(self.context)

    # Attempts

    def make_server_connection(self) -> Commands[bool]:
        exchange = self.policy.exchange(self.flow)
        if exchange is None:
            return (yield from self.connect())
        if isinstance(exchange, http.Response):
            yield from self.answer(exchange)
            return False
        self.is_routed, self.exchange = True, exchange
        first: contract.Attempt | None = None
        if not exchange.is_heavy:
            step = exchange.begin()
            if isinstance(step, http.Response):
                yield from self.answer(step)
                return False
            first = step
        self.task = connection.Server(address=first.address if first else None)
        run = functools.partial(self.run, exchange=exchange, first=first)
        yield client_tasks.RunTask(self.task, run)
        return False  # the stock code is not to send anything

    def connect(self) -> Commands[bool]:
        """A connection for a request that passes through."""
        self.relay = passing.relay(self.upstreams, self.flow)
        request, meant = self.relay or self.flow.request, self.flow.server_conn
        upstream, why = yield layers.GetHttpConnection(
            (request.host, request.port),
            request.scheme == "https",
            meant.via,
            meant.transport_protocol,
        )
        if why:
            code = layers.ErrorCode.CONNECT_FAILED
            if passing.is_final(why):
                # A 400: Claude Code asks for its settings again and again after a 502, and starts
                # only then.
                code = layers.ErrorCode.DESTINATION_UNKNOWN
            error = layers.ResponseProtocolError(self.stream_id, passing.explain(why), code)
            yield from self.handle_protocol_error(error)
            return False
        self.reaches(upstream)
        return True

    async def run(
        self,
        handler: server.ConnectionHandler,
        exchange: contract.Exchange,
        first: contract.Attempt | None,
    ) -> None:
        """The attempts: ends with the client. An exchange that is heavy is begun here."""
        self.handler = handler
        client_writer.join_writes(handler)
        self.upstreams.asks(handler.client)
        # That of a replayed flow, or of an attempt before, says what was on the way to something else.
        via = self.context.server.via
        watch = Watch(self, handler, self.upstreams.client.clock)
        try:
            step = await self.begun(exchange) if exchange.is_heavy else first
            if not self.is_over:
                await attempts.Attempts(self, exchange, self.upstreams, via).run(step)
        finally:
            watch.stop()
            assert self.task
            for each in self.context.layers:
                if isinstance(each, layers.HttpLayer):
                    each.connections.pop(self.task, None)

    async def begun(self, exchange: contract.Exchange) -> contract.Attempt | http.Response | None:
        """The first step of a heavy request; None if the client's limits have to allow it yet."""
        try:
            return await work.beside(exchange.beginning())
        except Exception:
            logger.exception("Internal error while proxying a request")
            return responses.error(500, INTERNAL)

    async def tell(self, act: attempts.Act) -> None:
        assert self.task
        if not self.is_over:
            event = Act(self.task, act)
            await self.handler.server_event(event)
            await event.done

    def reaches(self, upstream: connection.Server) -> None:
        self.context.server = self.flow.server_conn = upstream

    def writer(self) -> client_writer.ClientWriter:
        return client_writer.ClientWriter(self, self.parent, self.handler, self.patience)

    # What the attempts tell

    def begin(self, response: http.Response, held: bytes, *, is_whole: bool) -> Commands[None]:
        yield from self.stock(layers.ResponseHeaders(self.stream_id, response))
        if held:
            yield from self.stock(layers.ResponseData(self.stream_id, held))
        if is_whole:
            yield from self.stock(layers.ResponseEndOfMessage(self.stream_id))

    def pass_on(self, data: bytes, *, is_whole: bool = False) -> Commands[None]:
        if self.is_killed:
            yield from self.killed()
            return
        if data:
            yield from self.stock(layers.ResponseData(self.stream_id, data))
        if is_whole:
            yield from self.stock(layers.ResponseEndOfMessage(self.stream_id))

    def fail(self, why: str, tail: bytes) -> Commands[None]:
        """No attempt was good, and the client's stream is open already."""
        self.flow.error = flow.Error(why)
        yield from self.end(tail)

    def answer(self, response: http.Response) -> Commands[None]:
        """Give the stock code a response of our own, as if an upstream had sent it."""
        content, response.data.content = response.raw_content or b"", None
        yield from self.stock(layers.ResponseHeaders(self.stream_id, response, not content))
        if content:
            yield from self.stock(layers.ResponseData(self.stream_id, content))
        yield from self.stock(layers.ResponseEndOfMessage(self.stream_id))

    def end(self, tail: bytes) -> Commands[None]:
        if tail:
            yield from self.stock(layers.ResponseData(self.stream_id, tail))
        yield from self.stock(layers.ResponseEndOfMessage(self.stream_id))

    def interrupt(self, why: str, tail: bytes) -> Commands[None]:
        """The upstream died in mid-answer: end the stream with an error that the client
        recognises."""
        self.flow.error = flow.Error(why)
        if self.exchange:
            self.exchange.interrupted(why)
        yield from self.end(tail)

    # What goes wrong

    @property
    def is_killed(self) -> bool:
        """By a user, in mitmweb or in the console."""
        return self.flow.error is not None and self.flow.error.msg == flow.Error.KILLED_MESSAGE

    def killed(self) -> Commands[None]:
        yield from self.abandon()
        self.finish("killed")
        yield layers.HttpErrorHook(self.flow)
        yield from self.hang_up()

    def unread(self) -> Commands[None]:
        """The client has read nothing for long."""
        why = "the client stopped reading"
        yield from self.abandon()
        self.finish(why)
        self.flow.error = flow.Error(why)
        self.keep_partial_body()
        yield layers.HttpErrorHook(self.flow)
        yield from self.hang_up()

    def recover(self) -> Commands[None]:
        """Our code or an addon raised: report the error to the client as far as possible."""
        if self.server_state == self.state_wait_for_response_headers:
            yield from self.answer(responses.error(500, INTERNAL))
        elif self.server_state == self.state_stream_response_body and self.is_routed:
            why = envelope.body(
                "api_error", "Internal error in the proxy while streaming the answer"
            )
            is_complete = self.reply is not None and self.reply.complete
            yield from self.end(b"" if is_complete else sse.encode("error", why))
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
        self.finish("closed by the proxy")  # unless something better was said before
        self.flow.live = False
        self.client_state = self.server_state = self.state_errored
        yield layers.DropStream(self.stream_id)

    def abandon(self) -> Commands[None]:
        """End the attempts, and the connection of one that is under way."""
        if self.task:
            yield commands.CloseConnection(self.task)

    def finish(self, why: str | None) -> None:
        """May be called again; only the first `why` counts."""
        self.is_over = True
        # Taken away first: closed() may raise, and then recover() comes here again.
        exchange, self.exchange = self.exchange, None
        if exchange:
            exchange.closed(why)

    # The stock state machine

    def stock(self, event: events.Event) -> Commands[None]:
        """Mitmproxy's own handling of an event."""
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
        """Change a command of the stock code's as it has to be sent. False for one that is dropped, or
        carried out here: nobody replies to it."""
        if isinstance(command, layers.SendHttp):
            if command.connection == self.context.client:
                self.to_client(command.event)
            elif self.is_routed:
                return False  # the upstream is not mitmproxy's; drop() ends the attempt
            else:
                self.to_upstream(command.event)
        elif isinstance(command, layers.DropStream):
            # Its last command, when it has come to its end.
            self.finish(self.flow.error.msg if self.flow.error else None)
        elif isinstance(command, commands.Log):
            # "Streaming response from …" names the host that the client meant.
            return not self.is_routed
        elif isinstance(command, commands.StartHook) and command.blocking is True:
            # A layer inside this one, such as a WebSocket's, waits for the completion of its hooks. Who
            # replays a flow does more after one than call the addons.
            return bool(self.flow.is_replay) or not hooktable.run(command, self.flow)
        return True

    def to_client(self, event: layers.HttpEvent) -> None:
        """The answer is replaced by a copy that carries its cookies again."""
        if isinstance(event, layers.ResponseHeaders):
            event.response = credentials.with_cookies(event.response, self.cookies)

    def to_upstream(self, event: layers.HttpEvent) -> None:
        """The request is replaced by a copy that carries the client's own credential again."""
        if isinstance(event, layers.RequestHeaders):
            event.request = self.policy.passthrough(self.flow)
            if self.relay:
                passing.address(event.request, self.relay)

    def keep_partial_body(self) -> None:
        """The stock code stores a streamed body only if the stream ended without an error."""
        if self.response_body_buf and self.flow.response:
            self.flow.response.data.content = bytes(self.response_body_buf)
            self.response_body_buf.clear()


class Watch:
    """Looks after a stream whose attempts run: ends one that a user has killed, and keeps mitmproxy
    from taking a client that waits for long for one that has gone."""

    def __init__(
        self, stream: FailoverStream, handler: server.ConnectionHandler, clock: timers.Timers
    ) -> None:
        self._stream = stream
        self._handler = handler
        self._clock = clock
        self._killing: asyncio.Task[None] | None = None
        self._set()

    def _set(self) -> None:
        self._timer = self._clock.call_at(self._clock.time() + TICK, self._look)

    def _look(self) -> None:
        if self._stream.is_killed:
            killing = self._stream.tell(self._stream.killed)
            self._killing = background.start(killing, "the end of a killed flow")
        else:
            self._handler.timeout_watchdog.register_activity()
            self._set()

    def stop(self) -> None:
        self._timer.cancel()
        if self._killing:
            self._killing.cancel()  # it has done its work, or there is nothing left to kill


def made_for(
    policy: contract.Policy,
    reach: upstreams.Upstreams,
    patience: slow_readers.Patience = slow_readers.Default(),  # noqa: B008
) -> http_stream.MakeStream:
    """What makes a `FailoverStream` for each request, which asks the policy what to send."""

    def make(
        context: context.Context, stream_id: int, parent: layers.HttpLayer
    ) -> layers.HttpStream:
        place = places.current.get(None)
        if place and context.client.alpn == b"h2":
            place.multiplexes(parent.streams)
        return FailoverStream(context, stream_id, parent, policy, reach, patience)

    return make
