"""The layer by itself: how it uses its collaborators, even if they fail, and what it leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
from collections.abc import AsyncIterator
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import h2.connection
import h2.events
import pytest
from mitmproxy import ctx
from mitmproxy import http
from mitmproxy.addons import next_layer
from mitmproxy.addons import proxyserver
from mitmproxy.addons import tlsconfig
from mitmproxy.proxy.layers import http as layers
from mitmproxy.test import taddons

from claude_route.dialects.messages import safeguards
from claude_route.patches import client_tasks
from claude_route.patches import http_stream
from claude_route.profile import profiles
from claude_route.proxy import attempts
from claude_route.proxy import contract
from claude_route.proxy import layer
from claude_route.proxy import pings
from claude_route.proxy import upstreams
from claude_route.proxy import work
from claude_route.routing import failures
from claude_route.wire import sse
from tests import clocks
from tests.unit.proxy import drivers
from tests.wire import pairs
from tests.wire import proxies

REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
REFUSAL = b"HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\nno"
FIRST, SECOND, LAST = b"data: 1\n\n", b"data: 2\n\n", b"data: last\n\n"
COMMENT = b": waiting\n\n"
START = b"data: start\n\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


END = chunk(b"")
ANSWER = HEAD + chunk(FIRST) + chunk(SECOND) + END


class Upstream:
    """Answers every request alike, and then closes the connection unless it is to hold on."""

    def __init__(self) -> None:
        self.says = ANSWER
        self.holds = False
        self.left = 0
        self.requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(2)
                self.requests += 1
                first, mark, rest = self.says.partition(chunk(FIRST))
                writer.write(first + mark)
                if rest:
                    await asyncio.sleep(0.02)  # so that it comes in another read
                    writer.write(rest)
                if self.holds:
                    await reader.read()
                    self.left += 1
                if self.says is not ANSWER and self.says is not REFUSAL:
                    break
        writer.close()


class Reply:
    """Good from its first data that is neither a comment nor `START`, complete with `LAST`."""

    usage = None
    output = 0
    error = message_id = ""
    started = False

    def commit(self) -> None:
        self.exchange.record("commit")
        self.good = True

    def __init__(self, exchange: Exchange, response: http.Response) -> None:
        self.exchange = exchange
        self.response = response.copy()
        self.response.headers.pop("transfer-encoding", None)
        self.good = self.complete = False
        self.failure: contract.Failure | None = None

    def feed(self, data: bytes) -> bytes:
        self.exchange.record("feed late" if self.good else "feed")
        self.started = self.started or data == START
        if self.response.status_code == 200 and data not in (COMMENT, START):
            self.good = True
        self.complete = data == LAST
        return data

    def end(self) -> bytes:
        self.exchange.record("end")
        if self.response.status_code != 200:
            self.failure = contract.Failure(failures.Kind.STATUS, "HTTP 500", self.response)
        return b""

    def broken(self, why: str) -> bytes:
        self.exchange.record("broken")
        return b"" if self.complete else b"event: error\ndata: " + why.encode() + b"\n\n"


class Attempt:
    tls = False
    account = (b"secret",)

    def __init__(self, exchange: Exchange, port: int) -> None:
        self.exchange = exchange
        self.address = ("127.0.0.1", port)
        self.limits = exchange.policy.limits

    def request(self, address: tuple[str, int]) -> http.Request:
        self.exchange.record("request")
        return self.exchange.flow.request.copy()


class Exchange:
    """Two attempts at the same upstream. The second never fails on our side."""

    def __init__(self, policy: Policy, flow: http.HTTPFlow) -> None:
        self.policy = policy
        self.flow = flow
        self.attempts = 0
        self.failures: list[contract.Failure] = []
        self.ends: list[str | None] = []

    def record(self, what: str) -> None:
        """Raises what this place is to raise, the first time."""
        self.policy.calls.append(what)
        if self.attempts < 2 and (raised := self.policy.raises.get(what)):
            raise raised

    def _next(self) -> contract.Attempt:
        self.attempts += 1
        is_first = self.attempts == 1
        return Attempt(self, (is_first and self.policy.first_port) or self.policy.port)

    def begin(self) -> contract.Attempt | http.Response | None:
        self.record("begin")
        return self._next() if self.policy.admits is None else None

    async def admitted(self) -> contract.Attempt | http.Response:
        self.record("admitted")
        assert self.policy.admits
        return await self.policy.admits() or self._next()

    @property
    def is_heavy(self) -> bool:
        return self.policy.is_heavy

    def beginning(self) -> work.Work[contract.Attempt | http.Response]:
        step: contract.Attempt | http.Response = yield self.begin
        return step

    def failing(self, failure: contract.Failure) -> work.Work[contract.Attempt | http.Response]:
        step: contract.Attempt | http.Response = yield functools.partial(self.failed, failure)
        return step

    def failed(self, failure: contract.Failure) -> contract.Attempt | http.Response:
        self.failures.append(failure)
        self.record("failed")
        return self._next() if self.attempts < 2 else http.Response.make(502, failure.kind)

    def reply(self, response: http.Response) -> contract.Reply:
        self.record("reply")
        return Reply(self, response)

    @property
    def wants_stream(self) -> bool:
        return self.policy.wants_stream

    def opened(self) -> None:
        self.record("opened")

    def committed(self, response: http.Response) -> None:
        self.record("committed")

    def checks(self, calls: Sequence[safeguards.Call]) -> None:
        self.record("checks")

    def interrupted(self, why: str) -> None:
        self.record("interrupted")

    def closed(self, why: str | None) -> None:
        self.ends.append(why)
        self.record("closed")


class Policy:
    def __init__(self, port: int) -> None:
        self.port = port
        self.admits: Callable[[], Awaitable[http.Response | None]] | None = None
        """Of clients with limits."""
        self.first_port = 0
        """Another one for the first attempts."""
        self.limits = contract.Limits(1, 1, 1)
        self.wants_stream = False
        self.is_heavy = False
        self.profile: profiles.Profile | None = None
        """Where it says which proxy is on the way."""
        self.raises: dict[str, Exception | type[Exception]] = {}
        self.calls: list[str] = []
        self.exchanges: list[Exchange] = []
        self.hosts: list[str | None] = []

    def arrives(self, request: http.Request) -> None:
        self.hosts.append(request.host_header)

    def opens(self, flow: http.HTTPFlow) -> bool:
        return True

    def stands(self, flow: http.HTTPFlow) -> None:
        pass

    def exchange(self, flow: http.HTTPFlow) -> contract.Exchange:
        if raised := self.raises.get("exchange"):
            raise raised
        self.exchanges.append(Exchange(self, flow))
        return self.exchanges[-1]

    def rejects(self, flow: http.HTTPFlow) -> None:
        self.calls.append("rejects")

    def passthrough(self, flow: http.HTTPFlow) -> http.Request:
        raise NotImplementedError


class Running:
    """A reverse proxy with our layer, in this process."""

    def __init__(self, policy: Policy, upstream: Upstream, port: int, server: Any) -> None:
        self.policy = policy
        self.upstream = upstream
        self.port = port
        self.server = server

    async def ask(self, *, until: bytes = b"") -> bytes:
        """The bytes of an answer, up to its end or until some have arrived."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            return await self.ask_on(reader, writer, until=until)
        finally:
            writer.close()

    async def ask_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, until: bytes = b""
    ) -> bytes:
        writer.write(REQUEST)
        wire = b""
        async with asyncio.timeout(proxies.PATIENCE):
            while not (until and until in wire) and not whole(wire):
                data = await reader.read(65536)
                if not data:
                    break
                wire += data
        return wire

    async def settled(self, *, clients: int = 0, left: int = 0) -> None:
        """Wait until this many clients are connected, and this many upstream connections have
        ended."""
        async with asyncio.timeout(proxies.PATIENCE):
            while len(self.server.connections) > clients or self.upstream.left < left:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


def whole(wire: bytes) -> bool:
    head, _, body = wire.partition(b"\r\n\r\n")
    if b"content-length: 0" in head or not head:
        return bool(head)
    return wire.endswith(END) if b"chunked" in head else bool(body)


def events(wire: bytes) -> list[sse.Event]:
    """The events of a chunked answer, which must be complete."""
    _, _, body = wire.partition(b"\r\n\r\n")
    data = b""
    while body:
        length, _, body = body.partition(b"\r\n")
        size = int(length, 16)
        data, body = data + body[:size], body[size + 2 :]
    assert size == 0
    return sse.Decoder().feed(data)


@pytest.fixture(params=["light", "heavy"])
async def running(request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    """A heavy request begins in a task, and is read beside the event loop."""
    upstream = Upstream()
    listener = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    policy = Policy(listener.sockets[0].getsockname()[1])
    policy.is_heavy = request.param == "heavy"
    reach = upstreams.Upstreams()
    undo = [client_tasks.install(), http_stream.install(layer.made_for(policy, reach))]
    proxy = proxyserver.Proxyserver()
    with taddons.context(proxy, next_layer.NextLayer(), tlsconfig.TlsConfig(), reach) as tctx:
        mode = f"reverse:http://127.0.0.1:{policy.port}@127.0.0.1:0"
        tctx.options.update(mode=[mode], connection_strategy="lazy")
        assert await proxy.setup_servers()
        proxy.running()
        try:
            yield Running(policy, upstream, proxy.listen_addrs()[0][1], proxy)
        finally:
            for each in undo:
                each()
            await reach.client.close()
            tctx.options.update(server=False)
            await proxy.setup_servers()
            listener.close()


async def test_what_it_asks_in_turn(running: Running) -> None:
    wire = await running.ask()
    assert [event.data for event in events(wire)] == [b"1", b"2"]
    assert running.policy.calls == (
        ["begin", "request", "reply", "feed", "committed", "feed late", "end", "closed"]
    )
    assert running.policy.exchanges[0].ends == [None]
    assert running.policy.hosts == ["x"], "not the upstream's, which mitmproxy writes there"


async def test_a_client_with_limits_waits_until_it_is_admitted(running: Running) -> None:
    is_admitted = asyncio.Event()

    async def admits() -> None:
        await is_admitted.wait()

    running.policy.admits = admits
    asking = asyncio.create_task(running.ask())
    async with asyncio.timeout(proxies.PATIENCE):
        while "admitted" not in running.policy.calls:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert running.policy.calls == ["begin", "admitted"]
    is_admitted.set()
    assert [event.data for event in events(await asking)] == [b"1", b"2"]
    assert running.policy.calls[:3] == ["begin", "admitted", "request"]


async def test_a_client_with_limits_is_refused(running: Running) -> None:
    async def admits() -> http.Response:
        return http.Response.make(429, b"wait")

    running.policy.admits = admits
    wire = await running.ask()
    assert wire.startswith(b"HTTP/1.1 429 ") and wire.endswith(b"wait")
    assert running.policy.calls == ["begin", "admitted", "closed"]
    assert running.upstream.requests == 0


async def test_a_client_leaves_before_it_is_admitted(running: Running) -> None:
    cancelled = asyncio.Event()

    async def admits() -> None:
        try:
            await asyncio.sleep(proxies.PATIENCE)
        finally:
            cancelled.set()

    running.policy.admits = admits
    _, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(REQUEST)
    async with asyncio.timeout(proxies.PATIENCE):
        while "admitted" not in running.policy.calls:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        writer.close()
        await cancelled.wait()
    await running.settled()
    assert running.policy.calls == ["begin", "admitted", "closed"]


async def test_what_it_asks_when_an_attempt_fails(running: Running) -> None:
    running.upstream.says = REFUSAL
    wire = await running.ask()
    assert wire.startswith(b"HTTP/1.1 502 ") and wire.endswith(b"status")
    assert running.policy.calls == (
        ["begin", *["request", "reply", "feed", "end", "failed"] * 2, "closed"]
    )
    assert running.upstream.requests == 2


@pytest.mark.parametrize("where", ["exchange", "begin", "request", "failed"])
async def test_what_goes_wrong_before_an_answer(running: Running, where: str) -> None:
    running.upstream.says = REFUSAL
    running.policy.raises[where] = RuntimeError("secret")
    wire = await running.ask()
    assert wire.startswith(b"HTTP/1.1 500 ")
    assert b'"type":"api_error"' in wire
    assert b"secret" not in wire
    assert all(len(exchange.ends) == 1 for exchange in running.policy.exchanges)


@pytest.mark.parametrize("where", ["reply", "feed", "committed"])
async def test_an_answer_that_we_cannot_read_is_a_failed_attempt(
    running: Running, where: str
) -> None:
    running.policy.raises[where] = RuntimeError
    wire = await running.ask()
    assert [event.data for event in events(wire)] == [b"1", b"2"]
    (exchange,) = running.policy.exchanges
    assert [failure.kind for failure in exchange.failures] == ["local"]
    assert exchange.ends == [None]


async def test_a_request_that_cannot_be_made_is_a_failed_attempt(running: Running) -> None:
    running.policy.raises["request"] = ValueError("a credential is not for x")
    assert len(events(await running.ask())) == 2
    (failure,) = running.policy.exchanges[0].failures
    assert failure == contract.Failure(failures.Kind.LOCAL, "a credential is not for x")


@pytest.mark.parametrize("where", ["feed late", "end"])
async def test_an_error_in_the_answer_ends_it_well_formed(running: Running, where: str) -> None:
    running.policy.raises[where] = RuntimeError
    received = events(await running.ask())
    assert received[0].data == b"1"
    assert received[-1].name == "error"
    assert len(running.policy.exchanges[0].ends) == 1
    assert not running.policy.exchanges[0].failures


async def test_the_final_error_event_may_fail_too(running: Running) -> None:
    running.upstream.says = HEAD + chunk(FIRST)
    running.policy.raises["broken"] = RuntimeError
    received = events(await running.ask())
    assert [event.name for event in received] == ["", "error"]


async def test_an_addon_that_kills_at_responseheaders(running: Running) -> None:
    class Killer:
        def responseheaders(self, flow: http.HTTPFlow) -> None:
            flow.kill()

    running.upstream.says, running.upstream.holds = HEAD + chunk(FIRST), True
    ctx.master.addons.add(Killer())
    assert await running.ask() == b""
    await running.settled(left=1)
    assert [len(exchange.ends) for exchange in running.policy.exchanges] == [1]


async def test_what_arrived_of_a_streamed_body_is_kept(running: Running) -> None:
    """With the mitmproxy option to keep them."""
    seen: list[bytes | None] = []

    class Seen:
        def error(self, flow: http.HTTPFlow) -> None:
            seen.append(flow.response.content if flow.response else None)

    running.upstream.says, running.upstream.holds = HEAD + chunk(FIRST), True
    ctx.master.addons.add(Seen())
    ctx.options.store_streamed_bodies = True
    await running.ask(until=FIRST)
    await running.settled()
    assert seen == [FIRST]


async def test_an_addon_that_fails_at_each_piece(running: Running) -> None:
    """Neither mitmproxy nor we can answer then, but the client isn't left waiting."""

    class Broken:
        def responseheaders(self, flow: http.HTTPFlow) -> None:
            assert flow.response
            flow.response.stream = self.fail

        def fail(self, data: bytes) -> bytes:
            raise RuntimeError

    ctx.master.addons.add(Broken())
    assert not (await running.ask()).endswith(END)
    await running.settled()


async def test_a_failure_at_the_end_leaves_nobody_waiting(running: Running) -> None:
    running.policy.raises["closed"] = RuntimeError
    wire = await running.ask()
    assert chunk(FIRST) in wire and chunk(SECOND) in wire
    await running.settled()


async def test_uninstall_restores_the_original(running: Running) -> None:
    before = layers.HttpLayer.make_stream
    http_stream.install(layer.made_for(running.policy, upstreams.Upstreams()))()
    assert layers.HttpLayer.make_stream is before


async def test_a_connection_that_was_given_up_is_not_joined(running: Running) -> None:
    """It will be closed, but that may take a while."""

    class Slow:
        async def server_connect_error(self, data: object) -> None:
            await asyncio.sleep(0.1)

    ctx.master.addons.add(Slow())
    running.policy.limits = contract.Limits(0.2, 1, 1)
    with pairs.unanswered() as running.policy.port:
        assert (await running.ask()).startswith(b"HTTP/1.1 502 ")
    (exchange,) = running.policy.exchanges
    assert [failure.detail for failure in exchange.failures] == ["no connection within 0.2 s"] * 2


# Deadlines, by a clock that the test moves


@pytest.fixture
def clock() -> clocks.Timers:
    return clocks.Timers()


@pytest.fixture
def patient() -> Policy:
    policy = Policy(1)
    policy.limits = contract.Limits(connect=10, first_byte=20, idle=30)
    return policy


@contextlib.asynccontextmanager
async def driving(
    clock: clocks.Timers, policy: Policy, alpn: bytes = b"http/1.1"
) -> AsyncIterator[drivers.Driver]:
    """Nothing is left of it in the end: no timer, no connection, no task."""
    reach = drivers.reach(clock, lambda: policy.profile)
    undo = [client_tasks.install(), http_stream.install(layer.made_for(policy, reach))]
    with taddons.context(proxyserver.Proxyserver(), tlsconfig.TlsConfig(), reach) as tctx:
        driver = drivers.Driver(clock, tctx.options, alpn)
        await driver.start()
        policy.port = driver.port
        yield driver
        for each in undo:
            each()
        await driver.stop()
        assert reach.client.open == reach.client.idle
        await reach.client.close()
        await drivers.settle()
    assert reach.client.open == 0
    assert clock.active == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
async def driver(clock: clocks.Timers, patient: Policy) -> AsyncIterator[drivers.Driver]:
    async with driving(clock, patient) as driver:
        yield driver


ABSOLUTE = b"POST http://x/ HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}"


def failures_of(policy: Policy) -> list[tuple[str, str]]:
    """The failures of the last exchange."""
    return [(failure.kind, failure.detail) for failure in policy.exchanges[-1].failures]


async def test_a_connection_has_its_time_to_be_made(
    driver: drivers.Driver, patient: Policy
) -> None:
    with pairs.unanswered() as patient.port:
        await driver.ask(ABSOLUTE)
        await driver.wait(9.9)
        assert failures_of(patient) == []
        await driver.wait(0.2)
        no_connection = ("connect", "no connection within 10 s")
        assert failures_of(patient) == [no_connection]
        await driver.wait(10)
        assert failures_of(patient) == [no_connection] * 2
    assert driver.answer.endswith(b"\r\n\r\nconnect")


async def test_a_refusal_is_a_failed_attempt(driver: drivers.Driver, patient: Policy) -> None:
    patient.first_port = 1
    await driver.ask(ABSOLUTE)
    assert [kind for kind, _ in failures_of(patient)] == ["absent"]
    assert patient.exchanges[0].failures[0].detail.startswith("no connection to 127.0.0.1:1: ")
    await driver.say(ANSWER)
    assert driver.answer.endswith(END)


async def test_an_upstream_may_be_silent_for_so_long(
    driver: drivers.Driver, patient: Policy
) -> None:
    await driver.ask(ABSOLUTE)
    first_server = patient.exchanges[0].flow.server_conn
    await driver.wait(19.9)
    assert failures_of(patient) == []
    await driver.wait(0.2)
    assert failures_of(patient) == [("timeout", "silent for 20 s")]
    first, second = driver.upstreams
    assert first.is_left
    assert second.asked == first.asked
    server = patient.exchanges[0].flow.server_conn
    assert server is not first_server
    assert server.sockname == second.writer.get_extra_info("peername")
    await driver.say(ANSWER)
    assert [event.data for event in events(driver.answer)] == [b"1", b"2"]


async def test_silence_ends_with_each_sign_of_life_until_the_first_event(
    driver: drivers.Driver, patient: Policy
) -> None:
    await driver.ask(ABSOLUTE)
    await driver.say(HEAD)
    for _ in range(3):
        await driver.wait(15)
        await driver.say(chunk(COMMENT))
    await driver.wait(19.9)
    assert failures_of(patient) == []
    assert driver.answer == b""
    await driver.wait(0.2)
    assert failures_of(patient) == [("timeout", "silent for 20 s")]


async def test_signs_of_life_alone_are_no_answer(driver: drivers.Driver, patient: Policy) -> None:
    await driver.ask(ABSOLUTE)
    await driver.say(HEAD)
    for _ in range(6):
        await driver.wait(15)
        await driver.say(chunk(COMMENT))
    await driver.wait(9.9)
    assert failures_of(patient) == []
    await driver.wait(0.2)
    assert failures_of(patient) == [("timeout", "no beginning after 100 s")]


async def test_all_of_an_answer_takes_too_long_before_the_client_has_any(
    driver: drivers.Driver, patient: Policy
) -> None:
    patient.limits = patient.limits._replace(total=50)
    await driver.ask(ABSOLUTE)
    await driver.say(HEAD)
    for _ in range(4):
        await driver.wait(12)
        await driver.say(chunk(COMMENT))
    assert failures_of(patient) == []
    await driver.wait(2.1)
    assert failures_of(patient) == [("timeout", "no end after 50 s")]
    await driver.say(ANSWER)
    assert [event.data for event in events(driver.answer)] == [b"1", b"2"]


async def test_all_of_an_answer_takes_too_long(driver: drivers.Driver, patient: Policy) -> None:
    patient.limits = patient.limits._replace(total=50)
    await driver.ask(ABSOLUTE)
    await driver.say(HEAD + chunk(FIRST))
    for _ in range(4):
        await driver.wait(12)
        await driver.say(chunk(SECOND))
    await driver.wait(2.1)
    last = events(driver.answer)[-1]
    assert (last.name, last.data) == ("error", b"no end after 50 s")
    assert driver.upstreams[0].is_left
    assert failures_of(patient) == []


async def test_an_answer_that_ends_in_time(driver: drivers.Driver, patient: Policy) -> None:
    patient.limits = patient.limits._replace(total=50)
    await driver.ask(ABSOLUTE)
    await driver.say(ANSWER)
    await driver.wait(60)
    assert "interrupted" not in patient.calls


async def test_a_header_alone_is_no_sign_of_life(driver: drivers.Driver, patient: Policy) -> None:
    await driver.ask(ABSOLUTE)
    await driver.wait(15)
    await driver.say(HEAD)
    await driver.wait(5.1)
    assert failures_of(patient) == [("timeout", "silent for 20 s")]


async def test_a_stream_that_starts_and_falls_silent_is_replaced(
    driver: drivers.Driver, patient: Policy
) -> None:
    await driver.ask(ABSOLUTE)
    await driver.say(HEAD + chunk(START))
    await driver.wait(29.9)
    assert failures_of(patient) == []
    await driver.wait(0.2)
    assert failures_of(patient) == [("timeout", "silent for 30 s")]
    assert driver.answer == b""
    await driver.say(ANSWER)
    assert [event.data for event in events(driver.answer)] == [b"1", b"2"]


async def test_a_stream_that_starts_and_sends_only_pings_is_not_held_for_ever(
    driver: drivers.Driver, patient: Policy
) -> None:
    await driver.ask(ABSOLUTE)
    await driver.wait(15)
    await driver.say(HEAD + chunk(START))
    for _ in range(3):
        await driver.wait(20)
        assert driver.answer == b""
        await driver.say(chunk(COMMENT))
    await driver.wait(1)
    await driver.say(chunk(COMMENT))
    assert driver.answer.count(chunk(START)[3:-2]) == 1
    assert "commit" in patient.calls
    await driver.say(chunk(FIRST) + END)
    assert [event.data for event in events(driver.answer)] == [b"start", *[b""] * 4, b"1"]


async def test_an_answer_that_falls_silent_is_ended(
    driver: drivers.Driver, patient: Policy
) -> None:
    await driver.ask(ABSOLUTE)
    await driver.say(HEAD + chunk(FIRST))
    for _ in range(3):
        await driver.wait(29.9)
        await driver.say(chunk(SECOND))
    await driver.wait(29.9)
    assert not driver.upstreams[0].is_left
    assert not driver.answer.endswith(END)
    await driver.wait(0.2)
    last = events(driver.answer)[-1]
    assert (last.name, last.data) == ("error", b"silent for 30 s")
    assert driver.upstreams[0].is_left
    assert "interrupted" in patient.calls
    assert failures_of(patient) == []


async def test_a_complete_answer_does_not_wait_long_for_its_end(
    driver: drivers.Driver, patient: Policy
) -> None:
    await driver.ask(ABSOLUTE)
    await driver.say(HEAD + chunk(FIRST))
    await driver.say(chunk(LAST))
    await driver.wait(attempts.LINGER - 0.1)
    assert not driver.answer.endswith(END)
    await driver.wait(0.2)
    assert [event.data for event in events(driver.answer)] == [b"1", b"last"]
    assert "interrupted" not in patient.calls
    assert driver.upstreams[0].is_left


async def test_an_errors_body_is_waited_for_but_not_long(
    driver: drivers.Driver, patient: Policy
) -> None:
    await driver.ask(ABSOLUTE)
    await driver.say(REFUSAL[:-1])
    await driver.wait(attempts.ERROR_BODY_TIMEOUT - 0.1)
    assert failures_of(patient) == []
    await driver.wait(0.2)
    assert failures_of(patient) == [("status", "HTTP 500")]
    assert driver.upstreams[0].is_left


@pytest.mark.parametrize("idle", [0, 0.9, 30], ids=str)
async def test_a_kept_connection_that_dies_is_replaced_for_nothing(
    driver: drivers.Driver, patient: Policy, idle: float
) -> None:
    await driver.ask(ABSOLUTE)
    await driver.say(ANSWER)
    await driver.wait(idle)
    await driver.ask(ABSOLUTE)
    assert len(driver.upstreams) == 1
    await driver.hang_up()
    assert len(driver.upstreams) == 2
    assert failures_of(patient) == []
    await driver.say(ANSWER)
    assert driver.answer.endswith(END)
    assert failures_of(patient) == []
    server = patient.exchanges[-1].flow.server_conn
    assert server.sockname == driver.upstreams[1].writer.get_extra_info("peername")


async def test_an_upstream_is_asked_a_second_time_for_nothing_only_once(
    driver: drivers.Driver, patient: Policy
) -> None:
    await driver.ask(ABSOLUTE)
    await driver.say(ANSWER)
    await driver.ask(ABSOLUTE)
    await driver.hang_up()
    assert len(driver.upstreams) == 2
    await driver.hang_up()
    assert len(driver.upstreams) == 3, "the second attempt's"
    assert [kind for kind, _ in failures_of(patient)] == ["reset"]


async def test_each_stream_of_an_http2_client_fails_for_itself(
    clock: clocks.Timers, patient: Policy
) -> None:
    client = h2.connection.H2Connection()
    client.initiate_connection()
    for stream in (1, 3, 5):
        pseudo = [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", "/")]
        client.send_headers(stream, pseudo, end_stream=True)
    async with driving(clock, patient, alpn=b"h2") as driver:
        await driver.ask(client.data_to_send())
        assert len(driver.upstreams) == 3
        assert all(b"\r\nHost: x\r\n" in upstream.asked for upstream in driver.upstreams)
        await driver.hang_up(0)
        assert [len(exchange.failures) for exchange in patient.exchanges] == [1, 0, 0]
        assert len(driver.upstreams) == 4
        await driver.leave()
        assert all(upstream.is_left for upstream in driver.upstreams[1:])


async def test_a_client_that_leaves_ends_the_attempt(
    driver: drivers.Driver, patient: Policy
) -> None:
    await driver.ask(ABSOLUTE)
    await driver.leave()
    assert driver.upstreams[0].is_left
    await driver.wait(100)
    assert len(driver.upstreams) == 1
    (exchange,) = patient.exchanges
    assert len(exchange.ends) == 1


async def test_a_client_that_leaves_while_a_connection_is_made(
    driver: drivers.Driver, patient: Policy
) -> None:
    with pairs.unanswered() as patient.port:
        await driver.ask(ABSOLUTE)
        await driver.leave()
        await driver.wait(100)
    assert "failed" not in patient.calls
    assert len(patient.exchanges[0].ends) == 1


async def test_a_flow_that_is_killed_ends_at_the_next_tick(
    driver: drivers.Driver, patient: Policy
) -> None:
    await driver.ask(ABSOLUTE)
    patient.exchanges[0].flow.kill()
    await driver.wait(layer.TICK)
    assert driver.upstreams[0].is_left
    assert driver.socket.is_closed
    assert patient.exchanges[0].ends == ["killed"]


async def test_a_flow_that_is_killed_gets_no_second_attempt(
    driver: drivers.Driver, patient: Policy
) -> None:
    await driver.ask(ABSOLUTE)
    patient.exchanges[0].flow.kill()
    await driver.hang_up()
    assert len(driver.upstreams) == 1
    assert patient.exchanges[0].ends == ["killed"]


async def test_a_flow_that_is_killed_in_its_stream_ends_with_the_next_event(
    driver: drivers.Driver, patient: Policy
) -> None:
    await driver.ask(ABSOLUTE)
    await driver.say(HEAD + chunk(FIRST))
    patient.exchanges[0].flow.kill()
    await driver.say(chunk(SECOND))
    assert driver.socket.is_closed
    assert SECOND not in driver.answer
    assert patient.exchanges[0].ends == ["killed"]


async def test_a_client_that_waits_is_not_taken_for_one_that_has_gone(
    driver: drivers.Driver,
) -> None:
    await driver.ask(ABSOLUTE)
    driver.handler.timeout_watchdog.last_activity = 0
    await driver.wait(layer.TICK)
    assert driver.handler.timeout_watchdog.last_activity > 0


async def test_events_wait_for_a_hook_that_takes_its_time(
    driver: drivers.Driver, patient: Policy
) -> None:
    """Those of an addon that is asked about the headers come before the body."""
    admits = asyncio.Event()

    async def hold(flow: http.HTTPFlow) -> None:
        await admits.wait()

    driver.on_hook["responseheaders"] = [hold]
    await driver.ask(ABSOLUTE)
    await driver.say(HEAD + chunk(FIRST))
    await driver.say(chunk(SECOND))
    assert driver.answer == b""
    admits.set()
    await drivers.settle()
    await driver.say(END)
    assert [event.data for event in events(driver.answer)] == [b"1", b"2"]


async def test_a_client_that_reads_nothing_holds_its_upstream_back(
    driver: drivers.Driver, patient: Policy
) -> None:
    await driver.ask(ABSOLUTE)
    await driver.say(HEAD + chunk(FIRST))
    driver.socket.unread = 1 << 20
    driver.protocol.pause_writing()
    await driver.say(chunk(SECOND))
    for _ in range(10):
        await driver.say(chunk(SECOND))
    assert driver.answer.count(SECOND) == 1
    await driver.wait(1000)
    assert not driver.upstreams[0].is_left, "who may not speak is not silent"
    driver.socket.unread = 0
    driver.protocol.resume_writing()
    await drivers.settle()
    assert driver.answer.count(SECOND) == 11
    await driver.say(END)
    assert len(events(driver.answer)) == 2 + 10


async def test_a_proxy_on_the_way_is_asked_with_its_password_each_time(
    driver: drivers.Driver, patient: Policy
) -> None:
    patient.profile = profiles.parse(
        "providers: {x: {base_url: 'http://x', auth: none}}\nmodels: {x: x/x}\n"
        f"upstream_proxy: http://me:secret@127.0.0.1:{driver.port}",
        {},
        "x.yaml",
    )
    await driver.ask(ABSOLUTE)
    await driver.hang_up()
    first, second = driver.upstreams
    assert b"\r\nProxy-Authorization: Basic " in first.asked
    assert second.asked == first.asked
    await driver.say(ANSWER)
    assert driver.answer.endswith(END)


async def test_a_malformed_response_is_a_failed_attempt(
    driver: drivers.Driver, patient: Policy
) -> None:
    for wrong in (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", b"ICY 200 OK\r\n\r\n"):
        await driver.ask(ABSOLUTE)
        await driver.say(wrong)
        assert [kind for kind, _ in failures_of(patient)] == ["reset"]
        await driver.say(ANSWER)
        assert driver.answer.endswith(END)


# What is left behind


def remaining(kind: type) -> int:
    gc.collect()
    return sum(type(each) is kind for each in gc.get_objects())


@pytest.fixture
def quiet() -> Iterator[None]:
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    ("says", "until"),
    [
        pytest.param(ANSWER, b"", id="answered"),
        pytest.param(REFUSAL, b"", id="refused"),
        pytest.param(HEAD + chunk(FIRST), b"", id="died"),
        pytest.param(b"", b"", id="hung up"),
        pytest.param(HEAD + chunk(FIRST), FIRST, id="client left"),
    ],
)
async def test_a_kept_connection_keeps_no_request(
    running: Running, quiet: None, says: bytes, until: bytes
) -> None:
    running.upstream.says = says
    running.upstream.holds = bool(until)
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    for _ in range(3):
        if until:
            await running.ask(until=until)
        else:
            await running.ask_on(reader, writer)
    running.policy.exchanges.clear()
    await running.settled(clients=1, left=3 if until else 0)
    assert remaining(layer.FailoverStream) == 0
    assert remaining(Exchange) == 0
    writer.close()
    await running.settled()
    assert remaining(layer.Act) == 0
    others = {task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}}
    assert not [name for name in others if "connection handler" in name]


# Pings, by the same clock


@pytest.fixture
def streaming(patient: Policy) -> Policy:
    patient.wants_stream = True
    patient.limits = contract.Limits(connect=100, first_byte=100, idle=100)
    return patient


def parts(wire: bytes) -> list[bytes]:
    """The data of each event of an answer that may not have ended."""
    _, _, body = wire.partition(b"\r\n\r\n")
    data = b"".join(body.split(b"\r\n")[1::2])
    return [b"ping" if e.name == "ping" else e.data for e in sse.Decoder().feed(data)]


async def test_a_client_that_waits_gets_pings_before_the_first_event(
    driver: drivers.Driver, streaming: Policy
) -> None:
    await driver.ask(ABSOLUTE)
    await driver.wait(14.9)
    assert driver.answer == b""
    await driver.wait(0.2)
    head, _, _ = driver.answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\ncontent-type: text/event-stream; charset=utf-8" in head
    assert b"x-route" not in head, "nobody knows who will answer"
    for _ in range(2):
        await driver.wait(15)
    assert parts(driver.answer) == [b"ping"] * 3
    await driver.say(HEAD)
    await driver.wait(15)
    await driver.say(chunk(COMMENT))
    assert parts(driver.answer) == [b"ping"] * 4, "what comes before the first event is held back"
    await driver.say(chunk(FIRST))
    await driver.say(chunk(SECOND) + END)
    assert [event.name for event in events(driver.answer)[:4]] == ["ping"] * 4
    assert parts(driver.answer)[-2:] == [b"1", b"2"]
    assert driver.answer.count(b"HTTP/1.1") == 1
    assert driver.hooks.count("responseheaders") == driver.hooks.count("response") == 1
    (exchange,) = streaming.exchanges
    assert exchange.ends == [None]
    assert streaming.calls.count("opened") == streaming.calls.count("committed") == 1


async def test_another_takes_its_place_behind_the_pings(
    driver: drivers.Driver, streaming: Policy
) -> None:
    await driver.ask(ABSOLUTE)
    await driver.wait(20)
    await driver.hang_up()
    assert [kind for kind, _ in failures_of(streaming)] == ["reset"]
    await driver.wait(20)
    await driver.say(ANSWER)
    assert parts(driver.answer) == [b"ping", b"ping", b"1", b"2"]
    assert driver.answer.endswith(END)
    assert streaming.exchanges[0].ends == [None]


async def test_a_failure_behind_pings_is_the_last_event(
    driver: drivers.Driver, streaming: Policy
) -> None:
    await driver.ask(ABSOLUTE)
    await driver.wait(20)
    await driver.hang_up()
    await driver.hang_up()
    first, last = events(driver.answer)
    assert (first.name, last.name) == ("ping", "error")
    assert b'"type":"api_error"' in last.data
    (exchange,) = streaming.exchanges
    assert exchange.flow.error
    assert exchange.flow.error.msg.startswith("502 ")
    assert exchange.ends == [exchange.flow.error.msg]
    await driver.ask(ABSOLUTE)
    assert len(streaming.exchanges) == 2, "the connection is as good as before"


async def test_a_whole_answer_comes_behind_pings(driver: drivers.Driver, streaming: Policy) -> None:
    await driver.ask(ABSOLUTE)
    await driver.wait(20)
    await driver.say(HEAD + chunk(FIRST) + END)
    assert parts(driver.answer) == [b"ping", b"1"]
    assert driver.answer.endswith(END)


async def test_a_silence_in_the_middle_of_a_stream(
    driver: drivers.Driver, streaming: Policy
) -> None:
    await driver.ask(ABSOLUTE)
    await driver.say(HEAD + chunk(FIRST))
    await driver.wait(14.9)
    await driver.say(chunk(SECOND))
    await driver.wait(14.9)
    assert parts(driver.answer) == [b"1", b"2"]
    await driver.wait(0.2)
    await driver.wait(15)
    assert parts(driver.answer) == [b"1", b"2", b"ping", b"ping"]
    await driver.say(chunk(SECOND) + END)
    assert parts(driver.answer)[-1] == b"2"
    assert "opened" not in streaming.calls


async def test_pings_keep_no_upstream_alive(driver: drivers.Driver, streaming: Policy) -> None:
    await driver.ask(ABSOLUTE)
    await driver.say(HEAD + chunk(FIRST))
    for _ in range(8):
        await driver.wait(15)
    assert parts(driver.answer)[-1] == b"silent for 100 s"
    assert driver.upstreams[0].is_left


async def test_who_wants_no_stream_gets_no_ping(driver: drivers.Driver, streaming: Policy) -> None:
    streaming.wants_stream = False
    await driver.ask(ABSOLUTE)
    await driver.wait(90)
    assert driver.answer == b""
    await driver.say(HEAD + chunk(FIRST))
    await driver.wait(90)
    assert parts(driver.answer) == [b"1"]


async def test_a_client_that_reads_nothing_gets_no_ping(
    driver: drivers.Driver, streaming: Policy
) -> None:
    await driver.ask(ABSOLUTE)
    await driver.say(HEAD + chunk(FIRST))
    driver.socket.unread = 1 << 20
    await driver.wait(60)
    assert parts(driver.answer) == [b"1"]
    driver.socket.unread = 0
    await driver.wait(15)
    assert parts(driver.answer) == [b"1", b"ping"]


async def test_an_answer_waits_for_a_hook_about_the_pings(
    driver: drivers.Driver, streaming: Policy
) -> None:
    admits = asyncio.Event()

    async def hold(flow: http.HTTPFlow) -> None:
        await admits.wait()

    driver.on_hook["responseheaders"] = [hold]
    await driver.ask(ABSOLUTE)
    await driver.wait(15)
    await driver.say(HEAD + chunk(FIRST))
    await driver.wait(30)
    assert driver.answer == b""
    admits.set()
    await drivers.settle()
    await driver.say(chunk(SECOND) + END)
    assert [event.name for event in events(driver.answer)] == ["ping", "", ""]
    assert parts(driver.answer) == [b"ping", b"1", b"2"]


async def test_a_client_that_leaves_between_pings(
    driver: drivers.Driver, streaming: Policy
) -> None:
    await driver.ask(ABSOLUTE)
    await driver.wait(20)
    await driver.leave()
    assert driver.upstreams[0].is_left
    await driver.wait(100)
    assert parts(driver.answer) == [b"ping"]
    assert len(streaming.exchanges[0].ends) == 1


async def test_a_flow_that_is_killed_between_pings(
    driver: drivers.Driver, streaming: Policy
) -> None:
    await driver.ask(ABSOLUTE)
    await driver.wait(20)
    streaming.exchanges[0].flow.kill()
    await driver.wait(layer.TICK)
    assert driver.upstreams[0].is_left
    assert driver.socket.is_closed
    assert streaming.exchanges[0].ends == ["killed"]


@pytest.mark.parametrize("where", ["committed", "feed", "reply"])
async def test_an_error_of_ours_behind_pings_costs_one_attempt(
    driver: drivers.Driver, streaming: Policy, where: str
) -> None:
    streaming.raises[where] = RuntimeError
    await driver.ask(ABSOLUTE)
    await driver.wait(20)
    await driver.say(HEAD + chunk(FIRST))
    await driver.wait(20)
    await driver.say(HEAD + chunk(FIRST) + END)
    assert parts(driver.answer) == [b"ping", b"ping", b"1"]


async def test_an_error_of_ours_that_ends_a_stream_of_pings(
    driver: drivers.Driver, streaming: Policy
) -> None:
    streaming.raises["failed"] = RuntimeError
    await driver.ask(ABSOLUTE)
    await driver.wait(20)
    await driver.hang_up()
    assert [event.name for event in events(driver.answer)] == ["ping", "error"]


async def test_pings_for_an_http2_client(clock: clocks.Timers, streaming: Policy) -> None:
    client = h2.connection.H2Connection()
    client.initiate_connection()
    for stream in (1, 3):
        pseudo = [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", "/")]
        client.send_headers(stream, pseudo, end_stream=True)
    async with driving(clock, streaming, alpn=b"h2") as driver:
        await driver.ask(client.data_to_send())
        await driver.say(HEAD + chunk(FIRST), 0)
        await driver.wait(20)
        await driver.say(HEAD + chunk(FIRST) + END, 1)
        await driver.wait(15)
        await driver.say(chunk(LAST) + END, 0)
        got: dict[int, bytes] = {1: b"", 3: b""}
        for event in client.receive_data(driver.answer):
            if isinstance(event, h2.events.DataReceived):
                got[event.stream_id or 0] += event.data
        assert got == {1: FIRST + pings.PING * 2 + LAST, 3: pings.PING + FIRST}
        await driver.leave()
