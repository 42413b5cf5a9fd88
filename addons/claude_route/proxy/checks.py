"""Asks a model whether the calls of an answer may run: a request of our own for each call, made as any
other is, for the client that the answer is for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Sequence
from typing import Any

from mitmproxy import connection
from mitmproxy import flow
from mitmproxy import http
from mitmproxy.proxy import commands

import claude_route
from claude_route.access import loops
from claude_route.access import paths
from claude_route.dialects import registry
from claude_route.dialects.messages import requests
from claude_route.dialects.messages import safeguard_check
from claude_route.dialects.messages import safeguards
from claude_route.dialects.messages import scrub
from claude_route.proxy import client_writer
from claude_route.proxy import contract
from claude_route.proxy.upstream import timers
from claude_route.wire import http_message

TIMEOUT = 10.0
"""Seconds for the checks of an answer, for which the client waits: less than the silence that it bears."""

MOST = 16
"""Calls of one answer that are checked: each costs a request, and models make few at once."""

_KEPT = {
    b"authorization",
    b"host",
    b"x-api-key",
    b"x-claude-code-agent-id",
    b"x-claude-code-session-id",
    loops.HEADER.encode(),
}
"""What the request for a check has of the client's: its credential, and the session, which keeps its token.
The rest describes Claude Code, which doesn't write this request."""

type Run = Callable[[Collector, contract.Exchange, contract.Attempt | None], Awaitable[None]]
"""Makes the attempts of an exchange."""


def flow_for(asking: http.HTTPFlow, body: bytes) -> http.HTTPFlow:
    """The flow of a check for the client of `asking`, with its placeholders for credentials."""
    client = asking.request
    fields = [field for field in client.headers.fields if field[0].lower() in _KEPT]
    fields += [
        *registry.MESSAGES.version_headers,
        (b"accept", b"application/json"),
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"user-agent", f"claude-route/{claude_route.__version__}".encode()),
    ]
    if scrub.OAUTH_BETA in client.headers.get("anthropic-beta", ""):
        fields.append((b"anthropic-beta", scrub.OAUTH_BETA.encode()))
    made = http.HTTPFlow(asking.client_conn, connection.Server(address=None))
    made.request = http_message.like(
        client,
        path=paths.MESSAGES.encode(),
        headers=http.Headers(fields),
        content=body,
        trailers=None,
        timestamp_start=time.time(),
        timestamp_end=time.time(),
    )
    return made


def prepare(
    calls: Sequence[safeguards.Call],
    model: str,
    request: requests.Request,
    context: bytes,
    asking: http.HTTPFlow,
    exchange_for: Callable[[http.HTTPFlow], contract.Exchange],
) -> list[contract.Check]:
    """How a model checks the calls of an answer to `request`, which has come with `asking`. `exchange_for`
    makes what answers the flow of a check."""

    def check(call: safeguards.Call) -> contract.Check:
        if call.input is None:
            return contract.Check(call, verdict=safeguards.unavailable("truncated"))
        try:
            body = safeguard_check.body(model, call, request, context)
        except ValueError:
            return contract.Check(call)
        if body is None:
            return contract.Check(call, verdict=safeguards.unavailable("input_too_long"))
        flow = flow_for(asking, body)
        return contract.Check(call, flow, exchange_for(flow))

    return [*map(check, calls[:MOST]), *map(contract.Check, calls[MOST:])]


async def verdicts(
    asked: Sequence[contract.Check], run: Run, clock: timers.Timers
) -> dict[str, safeguards.Verdict]:
    """The verdict about each call, by its id."""
    made = await asyncio.gather(*(_verdict(check, run, clock) for check in asked))
    return {check.call.id: verdict for check, verdict in zip(asked, made, strict=True)}


async def _verdict(check: contract.Check, run: Run, clock: timers.Timers) -> safeguards.Verdict:
    if check.exchange is None or check.flow is None:
        return check.verdict
    collector, why = Collector(check.flow), "the client has gone"
    try:
        step = check.exchange.begin()
        if isinstance(step, http.Response):
            collector.take(step, step.raw_content or b"")
        else:
            async with timers.within(clock, TIMEOUT):
                await run(collector, check.exchange, step)
        why = collector.why
    except TimeoutError:
        why = f"no verdict within {TIMEOUT:g} s"
    finally:
        collector.is_over = True
        if why:
            check.flow.error = flow.Error(why)
        check.exchange.closed(why or None)
    if why:
        return safeguards.unavailable("timeout")
    assert check.flow.response
    if check.flow.response.status_code in (401, 403):
        # So is the client's own credential refused when it asks itself. One of ours would be a 424.
        return safeguards.NOBODY
    if not collector.is_good:
        return safeguards.UNKNOWN
    return safeguard_check.verdict(check.flow.response.raw_content or b"")


class Collector:
    """Takes an answer in the client's place. Implements `attempts.Stream`."""

    def __init__(self, flow: http.HTTPFlow) -> None:
        self.flow = flow
        self.is_over = False
        self.is_good = False
        """The answer is an upstream's, and all of it has come."""
        self.why = ""
        """Why there is none."""
        self.reply: contract.Reply | None = None
        self._body = bytearray()

    @property
    def is_killed(self) -> bool:
        return False

    async def tell(self, act: Callable[[], Generator[commands.Command, Any, None]]) -> None:
        if not self.is_over:
            for _ in act():
                pass

    def reaches(self, upstream: connection.Server) -> None:
        self.flow.server_conn = upstream

    def writer(self) -> client_writer.ClientWriter:
        return NoWriter()

    def take(self, response: http.Response, body: bytes) -> None:
        self._body += body
        self.flow.response = response
        response.stream = False
        response.headers.pop("transfer-encoding", None)
        response.content = bytes(self._body)
        response.timestamp_end = time.time()
        self.is_over = True

    def answer(self, response: http.Response) -> Generator[commands.Command, Any, None]:
        self.take(response, response.raw_content or b"")
        yield from ()

    def begin(
        self, response: http.Response, held: bytes, *, is_whole: bool
    ) -> Generator[commands.Command, Any, None]:
        self.flow.response = response
        self._body += held
        if is_whole:
            yield from self.end(b"")

    def pass_on(
        self, data: bytes, *, is_whole: bool = False
    ) -> Generator[commands.Command, Any, None]:
        self._body += data
        if is_whole:
            yield from self.end(b"")

    def end(self, tail: bytes) -> Generator[commands.Command, Any, None]:
        assert self.flow.response
        self.take(self.flow.response, tail)
        self.is_good = True
        yield from ()

    def interrupt(self, why: str, tail: bytes) -> Generator[commands.Command, Any, None]:
        self.why, self.is_over = why, True
        yield from ()

    def fail(self, why: str, tail: bytes) -> Generator[commands.Command, Any, None]:
        yield from self.interrupt(why, tail)

    def killed(self) -> Generator[commands.Command, Any, None]:
        yield from self.interrupt("killed", b"")

    def unread(self) -> Generator[commands.Command, Any, None]:
        yield from self.interrupt("unread", b"")

    def recover(self) -> Generator[commands.Command, Any, None]:
        yield from self.interrupt("internal error in the proxy; see its log", b"")


class NoWriter(client_writer.ClientWriter):
    """There is no client whose socket could be written to."""

    is_direct = is_free = is_full = False

    def __init__(self) -> None:
        pass
