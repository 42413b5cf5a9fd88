"""The attempts at answering one request: a straight line of awaits, in a task of its own.

What the client is to get of them goes to the stream, which is the client's side: in the stream's own
turn (`Stream.tell`), or straight to the client's socket (`client_writer`).
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable
from collections.abc import Generator
from typing import Any
from typing import Protocol

from mitmproxy import connection
from mitmproxy import http
from mitmproxy.net import server_spec
from mitmproxy.proxy import commands

from claude_route.access import loops
from claude_route.proxy import checks
from claude_route.proxy import client_writer
from claude_route.proxy import contract
from claude_route.proxy import held as held_replies
from claude_route.proxy import pings
from claude_route.proxy import upstreams
from claude_route.proxy import wire_form
from claude_route.proxy import work
from claude_route.proxy.upstream import answer
from claude_route.proxy.upstream import dial
from claude_route.proxy.upstream import timers
from claude_route.routing import failures
from claude_route.wire import shape

logger = logging.getLogger(__name__)

type Act = Callable[[], Generator[commands.Command, Any, None]]

ERROR_BODY_TIMEOUT = 2.0
"""Seconds to wait for the body of an error response."""

HOLD = 60.0
"""Seconds for which a stream without a block is held back once it has started. If such a stream sends
pings, the client waits too, but not for ever: Claude Code for 180 s without a byte."""

SLICE = 4 * 1024
"""Bytes of an answer that are read at once. They may be a thousand comments, each of which takes 15 µs."""

TURN = 0.005
"""Seconds of reading after which others get their turn."""

SIGNS_OF_LIFE = 5
"""An answer that has not begun may take so many times `first_byte_timeout` in all, if it is never silent
for that long: pings, comments or white space tell that a provider has the request in its queue."""

LINGER = 2.0
"""Seconds to wait for the end of a stream whose answer is complete."""


class Stream(Protocol):
    """The client's side of a request, as its attempts see it."""

    flow: http.HTTPFlow
    is_over: bool
    """The client has been answered, or has gone."""
    reply: contract.Reply | None
    """The answer that the client gets a part of."""

    @property
    def is_killed(self) -> bool:
        """By a user, in mitmweb or in the console."""

    async def tell(self, act: Act) -> None:
        """Has the stream carry out one of the following in its turn, unless it is over. Returns when
        that is done, hooks included."""

    def reaches(self, upstream: connection.Server) -> None:
        """The current attempt has this connection."""

    def writer(self) -> client_writer.ClientWriter: ...

    def answer(self, response: http.Response) -> Generator[commands.Command, Any, None]: ...
    def begin(
        self, response: http.Response, held: bytes, *, is_whole: bool
    ) -> Generator[commands.Command, Any, None]: ...
    def pass_on(
        self, data: bytes, *, is_whole: bool = False
    ) -> Generator[commands.Command, Any, None]: ...
    def end(self, tail: bytes) -> Generator[commands.Command, Any, None]: ...
    def interrupt(self, why: str, tail: bytes) -> Generator[commands.Command, Any, None]: ...
    def fail(self, why: str, tail: bytes) -> Generator[commands.Command, Any, None]: ...
    def killed(self) -> Generator[commands.Command, Any, None]: ...
    def unread(self) -> Generator[commands.Command, Any, None]: ...
    def recover(self) -> Generator[commands.Command, Any, None]: ...


class Attempts:
    def __init__(
        self,
        stream: Stream,
        exchange: contract.Exchange,
        reach: upstreams.Upstreams,
        via: server_spec.ServerSpec | None,
    ) -> None:
        """`via` is the proxy of the listener that the client came to, where it has one."""
        self.stream = stream
        self.exchange = exchange
        self.upstreams = reach
        self.via = via
        self.clock = reach.client.clock
        self.is_open = False
        """The client's stream has begun, with a ping."""
        self.client: client_writer.ClientWriter | None = None
        """Since an answer streams."""
        self._is_encoded = False
        """Whether the current answer is. What each piece expands to isn't known before it is decoded."""
        self._kept = 0
        """Bytes of the current answer since anything of it went on: those of an event that isn't whole yet."""
        self.pings: pings.Pings | None = None
        if exchange.wants_stream:
            self.pings = pings.Pings(self.clock, self._ping)

    async def run(self, first: contract.Attempt | http.Response | None) -> None:
        """One attempt after the other until an answer is good, or none is left. `first` is None if the
        client's limits have to allow it yet."""
        try:
            await self._run(first)
        except Exception:
            logger.exception("Internal error while proxying a request")
            await self._quiet()
            await self.stream.tell(self.stream.recover)
        finally:
            if self.pings:
                self.pings.stop()

    async def _run(self, first: contract.Attempt | http.Response | None) -> None:
        step = first or await self.exchange.admitted()
        while not isinstance(step, http.Response):
            failure = await self._make(step)
            if failure is None or self.stream.is_over:
                return
            if self.stream.is_killed:
                await self.stream.tell(self.stream.killed)
                return
            if self.exchange.is_heavy:
                step = await work.beside(self.exchange.failing(failure))
            else:
                step = self.exchange.failed(failure)
        response = step
        await self._quiet()
        if self.is_open:
            why, event = pings.failure(response)
            await self.stream.tell(lambda: self.stream.fail(why, event))
        else:
            await self.stream.tell(lambda: self.stream.answer(response))

    async def _ping(self) -> None:
        if self.client is None:
            await self._ping_early()
        elif not self.client.is_full:  # else it has something to read
            await self._pass_on(pings.PING, self.client)

    async def _ping_early(self) -> None:
        if self.stream.reply:
            return  # an answer is about to begin
        if self.is_open:
            await self.stream.tell(lambda: self.stream.pass_on(pings.PING))
            return
        self.is_open = True
        self.exchange.opened()
        head = pings.head()
        self._frame(head)
        await self.stream.tell(lambda: self.stream.begin(head, pings.PING, is_whole=False))

    async def _quiet(self) -> None:
        """From now on nothing but the caller writes to the client."""
        if self.pings:
            await self.pings.pause()

    async def _make(self, attempt: contract.Attempt) -> contract.Failure | None:
        """None: the answer was good, or there is nobody to be answered any more."""
        limits = attempt.limits
        try:
            request, body = wire_form.of_request(attempt.request(attempt.address))
            hops = loops.HEADER.encode(), loops.sent_on(self.stream.flow.request)
            request = request._replace(local_fields=(hops,))
            got = self.upstreams.client.request(
                self.upstreams.destination(attempt, self.via),
                request,
                body,
                answer.Limits(
                    limits.connect, limits.first_byte, limits.first_byte, total=limits.total
                ),
            )
        except ValueError as e:
            return contract.Failure(failures.Kind.LOCAL, str(e))
        try:
            async with got:
                return await self._converse(attempt, got)
        except dial.BarredError as e:
            return contract.Failure(failures.Kind.BARRED, str(e))
        except dial.AbsentError as e:
            return contract.Failure(failures.Kind.ABSENT, str(e))
        except dial.CrowdedError as e:
            return contract.Failure(failures.Kind.CROWDED, str(e))
        except dial.UnreachableError as e:
            return contract.Failure(failures.Kind.CONNECT, str(e))
        except TimeoutError as e:
            return contract.Failure(failures.Kind.TIMEOUT, overdue(e, limits.first_byte))
        except ConnectionError as e:
            return contract.Failure(failures.Kind.RESET, str(e))

    async def _converse(
        self, attempt: contract.Attempt, got: answer.Answer
    ) -> contract.Failure | None:
        assert got.opened
        self.stream.reaches(self.upstreams.server(got.opened))
        response = wire_form.response(await got.head())
        self._is_encoded = "content-encoding" in response.headers
        self._kept = 0
        self.stream.reaches(self.upstreams.server(got.opened))  # the first one may have been dead
        try:
            return await self._judge(attempt, self.exchange.reply(response), got)
        except OSError:
            raise
        except Exception:
            if self.stream.reply:  # the client has seen some of it
                raise
            logger.exception("Internal error while reading an answer")
            why = "internal error in the proxy while reading the answer"
            return contract.Failure(failures.Kind.LOCAL, why)

    async def _judge(
        self, attempt: contract.Attempt, reply: contract.Reply, got: answer.Answer
    ) -> contract.Failure | None:
        """Holds the answer back until it is known to be good."""
        if not 200 <= reply.response.status_code < 300:
            return await self._read_error(reply, got)
        first_byte, idle = attempt.limits.first_byte, attempt.limits.idle
        # The headers are no sign of life; pings, comments and white space are.
        got.limit(max(0.0, got.sent + first_byte - self.clock.time()))
        due = got.sent + SIGNS_OF_LIFE * first_byte
        held, is_whole, size = b"", False, 0
        started: float | None = None
        while not (reply.failure or reply.good or is_whole):
            try:
                piece = await got.next()
            except TimeoutError as e:
                why = overdue(e, idle if reply.started else first_byte)
                if not reply.started and self.clock.time() >= due:
                    why = f"no beginning after {SIGNS_OF_LIFE * first_byte:g} s"
                return contract.Failure(failures.Kind.TIMEOUT, why)
            is_whole = piece is None
            size += len(piece or b"")
            if piece is not None:
                held += await self._feed(reply, piece)
            elif size > shape.LARGE or self._is_encoded:
                held += await work.aside(reply.end)
            else:
                held += reply.end()
            if reply.started:
                started = started or self.clock.time()
                if self.clock.time() - started > HOLD:
                    reply.commit()
            got.limit(idle if reply.started else min(first_byte, due - self.clock.time()))
        if reply.failure:
            return reply.failure
        if not reply.good:
            return contract.Failure(failures.Kind.RESET, "ended before the first event")
        if why := self.upstreams.malformed(reply.response):
            return contract.Failure(failures.Kind.RESET, why)
        if self.stream.is_killed:
            await self.stream.tell(self.stream.killed)
            return None
        if not is_whole and got.is_exhausted:
            # All of it came at once, and so it goes to the client.
            held, is_whole = held + reply.end(), True
        if "content-length" in reply.response.headers:
            held = await self._settled(reply, held)
        is_whole = is_whole and not is_held(reply)
        await self._commit(reply, held, is_whole=is_whole)
        if not is_whole and not self.stream.is_over:
            await self._stream(attempt, reply, got)
        return None

    async def _feed(self, reply: contract.Reply, piece: bytes) -> bytes:
        """What the client gets for a piece of the answer. Others get their turn meanwhile."""
        if self._is_encoded or self._kept + len(piece) > shape.LARGE:
            out = await work.aside(functools.partial(reply.feed, piece))
        else:
            out = await self._fed(reply, piece)
        self._kept = 0 if out else self._kept + len(piece)
        return out

    async def _fed(self, reply: contract.Reply, piece: bytes) -> bytes:
        if len(piece) <= SLICE:
            return reply.feed(piece) if piece else b""
        out = []
        began = time.perf_counter()
        for at in range(0, len(piece), SLICE):
            out.append(reply.feed(piece[at : at + SLICE]))
            if time.perf_counter() - began > TURN:
                await asyncio.sleep(0)
                began = time.perf_counter()
        return b"".join(out)

    async def _read_error(
        self, reply: contract.Reply, got: answer.Answer
    ) -> contract.Failure | None:
        """Its body says why, as far as it comes."""
        try:
            async with timers.within(self.clock, ERROR_BODY_TIMEOUT):
                while not reply.failure and (piece := await got.next()) is not None:
                    await self._feed(reply, piece)
        except OSError:
            pass
        if not reply.failure:
            await work.aside(reply.end) if self._is_encoded else reply.end()
        return reply.failure or contract.Failure(
            failures.Kind.STATUS, f"HTTP {reply.response.status_code}"
        )

    async def _commit(self, reply: contract.Reply, held: bytes, *, is_whole: bool) -> None:
        response = reply.response
        self.exchange.committed(response)
        self.stream.reply = reply
        await self._quiet()
        if self.is_open:
            if shown := self.stream.flow.response:
                shown.timestamp_start = response.timestamp_start  # rather than the first ping's
            await self.stream.tell(lambda: self.stream.pass_on(held, is_whole=is_whole))
            return
        if "content-length" not in response.headers:
            self._frame(response)
        await self.stream.tell(lambda: self.stream.begin(response, held, is_whole=is_whole))

    def _frame(self, response: http.Response) -> None:
        """As a stream, without the upstream's framing. Without any, mitmproxy would end the body by closing
        the client's connection."""
        response.headers.pop("content-length", None)
        response.stream = True
        if self.stream.flow.request.http_version == "HTTP/1.1":
            response.headers["transfer-encoding"] = "chunked"

    async def _stream(
        self, attempt: contract.Attempt, reply: contract.Reply, got: answer.Answer
    ) -> None:
        """Passes on what comes, as it comes, to a client that may read slowly."""
        client = self.client = self.stream.writer()
        heartbeat = self.pings
        if heartbeat:
            heartbeat.resume()
        idle = attempt.limits.idle
        got.limit(LINGER if reply.complete else idle)

        def direct(data: bytes) -> bool:
            """Within the read that brought it, where nothing is in between."""
            if not client.is_free or self._is_encoded or len(data) > SLICE:
                return False
            if self._kept > shape.LARGE:
                return False
            self._kept += len(data)
            data = reply.feed(data)
            if data:
                self._kept = 0
                client.send(data)
                if heartbeat:
                    heartbeat.wrote()
            if reply.complete:
                got.limit(LINGER)
                if is_held(reply):
                    got.wake()
            if client.is_full:
                got.pause()
                got.wake()
            return True

        if is_held(reply):
            await self._pass_on(await self._settled(reply, b""), client)
        if client.is_direct:
            got.direct = direct
        why = ""
        try:
            while (piece := await got.next()) is not None:
                if data := await self._feed(reply, piece):
                    await self._pass_on(data, client)
                    if heartbeat:
                        heartbeat.wrote()
                if reply.complete:
                    if is_held(reply):
                        await self._pass_on(await self._settled(reply, b""), client)
                    got.limit(LINGER)
                if client.is_full:
                    got.pause()
                    if not await client.drain():
                        await self.stream.tell(self.stream.unread)
                        return
                got.resume()
                if self.stream.is_over:
                    return
        except TimeoutError as e:
            why = overdue(e, idle)
        except ConnectionError as e:
            why = str(e)
        got.close()
        await self._quiet()
        if why and not reply.complete:
            tail = reply.broken(why)
            await self.stream.tell(lambda: self.stream.interrupt(why, tail))
        else:
            tail = await self._settled(reply, reply.broken(why) if why else reply.end())
            await self.stream.tell(lambda: self.stream.end(tail))

    async def _settled(self, reply: contract.Reply, data: bytes) -> bytes:
        """What the client gets of an answer, and its end, once its calls are checked."""
        if not isinstance(reply, held_replies.Held) or reply.unjudged is None:
            return data
        asked = self.exchange.checks(reply.unjudged)
        if asked is None:
            return data + reply.judged(None)
        return data + reply.judged(await checks.verdicts(asked, self._check, self.clock))

    async def _check(
        self,
        collector: checks.Collector,
        exchange: contract.Exchange,
        first: contract.Attempt | None,
    ) -> None:
        await Attempts(collector, exchange, self.upstreams, self.via).run(first)

    async def _pass_on(self, data: bytes, client: client_writer.ClientWriter) -> None:
        if client.is_free:
            client.send(data)
        else:
            await self.stream.tell(lambda: self.stream.pass_on(data))


def overdue(error: TimeoutError, limit: float) -> str:
    """Why an answer was given up; `limit` is that of a silence, in seconds."""
    return str(error) if isinstance(error, answer.OverdueError) else f"silent for {limit:g} s"


def is_held(reply: contract.Reply) -> bool:
    """Whether the end of the answer waits for its calls to be checked."""
    return isinstance(reply, held_replies.Held) and reply.unjudged is not None
