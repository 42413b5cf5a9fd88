"""Each fault of an upstream, over each kind of connection to it, for each kind of client: what the
client gets, how many attempts it took, and that nothing is left behind."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import Literal
from typing import NamedTuple

import httpx
import pytest
import trustme

from simulator import ports
from tests import listening
from tests.wire import corporate
from tests.wire import pairs
from tests.wire import proxies

type Through = Literal["direct", "absolute", "mode", "tunnel", "tls_tunnel"]
"""How an upstream is reached: directly; through an HTTP proxy that is given whole URLs, by the profile or
by `--mode upstream:`; through one that opens a tunnel (with TLS in it), itself without TLS or with it."""

SHORT = 0.4
"""Seconds that the limits of some providers are long."""
CONNECT = 0.8
"""... and that a connection may take. One is made in no time, but a busy machine can stop the proxy for
as long as that in the middle of it."""

# What an upstream sends


class Sent(NamedTuple):
    data: bytes
    then: Literal["keep", "close", "reset", "wait", "flood"] = "keep"
    """`wait`: send nothing more; `flood`: send header fields for as long as they are taken."""


def event(name: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (
        name.encode(),
        json.dumps({"type": name, **fields}).encode(),
    )


def headers(status: str, length: int, kind: str = "application/json") -> bytes:
    lines = f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {length}"
    return "\r\n".join((*lines, "", "")).encode()


def stream(text: str) -> bytes:
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": "m", "type": "message", "role": "assistant", "model": "m"}
    body = b"".join(
        (
            event("message_start", message={**message, "content": [], "usage": usage}),
            event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            event("content_block_delta", index=0, delta={"type": "text_delta", "text": text}),
            event("content_block_stop", index=0),
            event("message_delta", delta={"stop_reason": "end_turn"}, usage=usage),
            event("message_stop"),
        )
    )
    return headers("200 OK", len(body), "text/event-stream") + body


def refusal(status: str, kind: str) -> Sent:
    body = json.dumps({"type": "error", "error": {"type": kind, "message": "No"}}).encode()
    return Sent(headers(status, len(body)) + body)


ANSWER = stream("from the upstream")
FALLBACK = Sent(stream("from the fallback"))
EARLY = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n"
BEGUN = headers("200 OK", len(ANSWER), "text/event-stream")
HALF_AN_EVENT = ANSWER[: len(BEGUN) + 20]
SOME_EVENTS = ANSWER[: ANSWER.index(b"event: content_block_stop") + 10]
ERROR = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
FIRST_EVENT_ERROR = headers("200 OK", len(ERROR), "text/event-stream") + ERROR

# The table


class Fault(NamedTuple):
    provider: Literal["up", "hasty", "anthropic", "refusing", "far"]
    sent: tuple[Sent, ...]
    """For one request with the fault's model after the other; after the last, a good answer."""
    result: Literal["fallback", "next token", "error event", "answer"]
    why: str = ""
    """What the log says of it."""
    through_a_proxy: tuple[str, str] | None = None
    """... where the proxy on the way fails in its place: given a whole URL, and in a tunnel."""
    is_repeated: bool = False
    """Whether a kept connection with it is replaced by a new one before it counts."""
    is_last: bool = False
    """Whether its connection must not be used again, though the upstream leaves it open."""


FAULTS = {
    "refused": Fault(
        "refusing", (), "fallback", "no connection to 127.0.0.1:", through_a_proxy=("502", "502")
    ),
    "not connected in time": Fault(
        "far",
        (),
        "fallback",
        f"no connection within {CONNECT} s",
        through_a_proxy=(f"silent for {SHORT} s", f"no connection within {CONNECT} s"),
    ),
    "closed before headers": Fault(
        "up",
        (Sent(b"", "close"), Sent(b"", "close")),
        "fallback",
        "closed without a response",
        is_repeated=True,
    ),
    "reset before headers": Fault(
        "up",
        (Sent(b"", "reset"), Sent(b"", "reset")),
        "fallback",
        "closed without a response",
        is_repeated=True,
    ),
    "closed in headers": Fault(
        "up", (Sent(BEGUN[:-10], "close"),), "fallback", "in the middle of the response's headers"
    ),
    "malformed headers": Fault(
        "up", (Sent(b"HTTP/1.1 2oo OK\r\n\r\n"),), "fallback", "malformed response"
    ),
    "endless headers": Fault(
        "up", (Sent(BEGUN[:-2], "flood"),), "fallback", "malformed response: more than"
    ),
    "silent": Fault("hasty", (Sent(b"", "wait"),), "fallback", f"silent for {SHORT} s"),
    "silent after headers": Fault(
        "hasty", (Sent(BEGUN, "wait"),), "fallback", f"silent for {SHORT} s"
    ),
    "429": Fault("up", (refusal("429 Too Many", "rate_limit_error"),), "fallback", "429"),
    "529": Fault("up", (refusal("529 Overloaded", "overloaded_error"),), "fallback", "529"),
    "401": Fault("anthropic", (refusal("401 No", "authentication_error"),), "next token", "401"),
    "500": Fault("up", (refusal("500 Error", "api_error"),), "fallback", "500"),
    "first event": Fault(
        "up", (Sent(FIRST_EVENT_ERROR),), "fallback", "first event overloaded_error"
    ),
    "first event, then silence": Fault(
        "up",
        (Sent(BEGUN + ERROR, "wait"),),  # nobody waits for the rest
        "fallback",
        "first event overloaded_error",
    ),
    "closed before an event": Fault(
        "up", (Sent(HALF_AN_EVENT, "close"),), "fallback", "in the middle of the response"
    ),
    "reset before an event": Fault(
        "up", (Sent(HALF_AN_EVENT, "reset"),), "fallback", "in the middle of the response"
    ),
    "closed after events": Fault("up", (Sent(SOME_EVENTS, "close"),), "error event"),
    "reset after events": Fault("up", (Sent(SOME_EVENTS, "reset"),), "error event"),
    "silent after events": Fault("hasty", (Sent(SOME_EVENTS, "wait"),), "error event"),
    "interim": Fault("up", (Sent(EARLY * 3 + ANSWER),), "answer"),
    "connection: close": Fault(
        "up",
        (Sent(ANSWER.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)),),
        "answer",
        is_last=True,
    ),
    "HTTP/1.0": Fault(
        "up", (Sent(ANSWER.replace(b"HTTP/1.1", b"HTTP/1.0", 1)),), "answer", is_last=True
    ),
    "bytes behind the end": Fault("up", (Sent(ANSWER + ANSWER),), "answer", is_last=True),
}

CLIENTS = {
    "http1-connect": pairs.tunnel,
    "http1-reverse": pairs.reverse,
    "http2-connect": pairs.http2,
    "http2-reverse": pairs.reverse_http2,
}
CONNECTIONS: dict[str, tuple[Through, bool]] = {
    "new": ("direct", False),
    "kept": ("direct", True),
    "absolute": ("absolute", False),
    "absolute-kept": ("absolute", True),
    "tunnel": ("tunnel", False),
    "tunnel-kept": ("tunnel", True),
    "mode": ("mode", False),
    "tls-tunnel": ("tls_tunnel", False),
}
"""The kinds of connections to an upstream; and whether an earlier request has left it."""
ONLY = {
    "absolute-kept": ("http1-connect", "http2-reverse"),
    "mode": ("http1-reverse", "http2-connect"),
    "tls-tunnel": ("http1-connect",),
}
"""The clients that are tried with a kind of connection, where the others have cells enough."""
CELLS = [
    pytest.param(make_client, *connection, id=f"{client}-{name}")
    for client, make_client in CLIENTS.items()
    for name, connection in CONNECTIONS.items()
    if client in ONLY.get(name, CLIENTS)
]

# The upstream, and a proxy in front of it


class Upstream:
    """Answers each request as planned for its model."""

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self.listener.getsockname()[1]
        self.plans: dict[str, list[Sent]] = {}
        self.seen: list[tuple[str, int]] = []
        """The model of each request, and the number of its connection."""
        self._tls = tls
        self._open: dict[int, socket.socket] = {}
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def connections(self, model: str) -> list[int]:
        return [number for name, number in self.seen if name == model]

    def hang_up(self) -> None:
        """Close all connections that wait for a request, or for their client to leave."""
        for client in list(self._open.values()):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(proxies.PATIENCE)
        self.listener.close()
        self.hang_up()
        proxies.wait_until(lambda: not self._open)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            for number in itertools.count():
                client, _ = self.listener.accept()
                # Else what waits for an acknowledgement of TLS's tickets is lost in a reset.
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open[number] = client
                threading.Thread(target=self._serve, args=(number, client), daemon=True).start()

    def _serve(self, number: int, client: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError):
                if self._tls:
                    client = self._open[number] = self._tls.wrap_socket(client, server_side=True)
                while self._answer(number, client):
                    pass
        finally:
            client.close()
            del self._open[number]

    def _answer(self, number: int, client: socket.socket) -> bool:
        request = read(client)
        if not request:
            return False
        found = re.search(rb'"model": ?"([^"]+)"', request)
        assert found, request
        model = found[1].decode()
        self.seen.append((model, number))
        plan = self.plans.get(model)
        sent = plan.pop(0) if plan else FALLBACK if model == "glm-5" else Sent(ANSWER)
        client.sendall(sent.data)
        if sent.then == "wait":
            client.recv(65536)
        while sent.then == "flood":
            client.sendall(b"x-more: and more\r\n" * 1000)
        if sent.then == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return sent.then == "keep"


def read(client: socket.socket) -> bytes:
    """A request; nothing, where none comes any more."""
    request = b""
    while b"\r\n\r\n" not in request:
        received = client.recv(65536)
        if not received:
            return b""
        request += received
    length = re.search(rb"(?i)content-length: *(\d+)", request)
    end = request.index(b"\r\n\r\n") + 4 + (int(length[1]) if length else 0)
    while len(request) < end:
        request += listening.more(client)
    return request


PROBE = """
import asyncio
import gc
import json
from pathlib import Path
from mitmproxy import ctx
from mitmproxy import http
from claude_route.proxy import pings


def request(flow):
    if "x-probe" not in flow.request.headers:
        return
    pings.INTERVAL = float(flow.request.headers.get("x-interval", 15))
    upstreams = ctx.master.addons.get("upstreams").client
    counted = {
        "tasks": len(asyncio.all_tasks()),
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "open": upstreams.open,
        "idle": upstreams.idle,
    }
    if flow.request.headers["x-probe"] == "objects":
        gc.unfreeze()
        gc.collect()
        gc.unfreeze()  # `collector` has frozen what it looked at
        kinds = [type(each).__name__ for each in gc.get_objects()]
        for kind in ("FailoverStream", "Attempts", "Exchange", "Answer"):
            counted[kind] = kinds.count(kind)
    flow.response = http.Response.make(200, json.dumps(counted))
"""


class Site:
    """A proxy, its upstream, and what may be on the way from one to the other."""

    def __init__(
        self,
        folder: Path,
        *,
        tls: ssl.SSLContext | None = None,
        roots: Path | None = None,
        company: corporate.Corporate | None = None,
        by_mode: bool = False,
    ) -> None:
        """`by_mode`: not the profile but `--mode upstream:` names the proxy on the way."""
        self.upstream = Upstream(tls=tls)
        self._tls = tls
        self.refusing, self.far = ports.free(), ports.free()
        self.company = company
        scheme = "https" if tls else "http"
        url = f"{scheme}://127.0.0.1:"
        keyed = {"auth": "bearer", "api_key": "provider-key-0123456789"}
        hasty = {"first_byte_timeout": SHORT, "idle_timeout": SHORT}
        # A proxy that is given whole URLs connects to the upstream itself, in the time for the first
        # byte: a limit for the connection to that proxy would only be in the way.
        connect = {} if company and not tls else {"connect_timeout": CONNECT}
        providers = {
            "up": {"base_url": f"{url}{self.upstream.port}/up", **keyed},
            "hasty": {"base_url": f"{url}{self.upstream.port}/hasty", **keyed, **hasty},
            "anthropic": {"base_url": f"{url}{self.upstream.port}/anthropic", "auth": "pool"},
            "refusing": {"base_url": f"{url}{self.refusing}", **keyed},
            "far": {"base_url": f"{url}{self.far}", **keyed, **hasty, **connect},
            "zai": {
                "base_url": f"{url}{self.upstream.port}/zai",
                "auth": "bearer",
                "api_key": "zai-key-0123456789",
            },
        }
        names = [name for name in providers if name != "zai"]
        # A token that was refused is out of use: there is one for each time, and for the kept
        # connections of those in use.
        tokens = [f"sk-ant-oat01-pool-{number:012}" for number in range(30)]
        profile: dict[str, Any] = {
            "providers": providers,
            "models": {"glm": "zai/glm-5", **{f"{name}-*": f"{name}/{name}-*" for name in names}},
            "fallbacks": {f"{name}-*": ["glm"] for name in names},
            "pool": {"tokens": tokens},
            "ledger": "off",  # its files are opened when its first batch is written
        }
        if company and not by_mode:
            profile["upstream_proxy"] = company.url
        probe = folder / "probe.py"
        probe.write_text(PROBE)
        self.proxy = proxies.Proxy(
            folder,
            profile,
            arguments=["-s", str(probe), "--set", "warm_connections=false"],
            environ={"SSL_CERT_FILE": str(roots)} if roots else None,
            upstream=company.url if company and by_mode else None,
        )
        self.pair = pairs.Pair(None, self.proxy, itertools.count(1))  # type: ignore[arg-type]
        self._probe = self.proxy.client(headers={"x-probe": "1"})
        for make_client in CLIENTS.values():  # what is made on first use is made
            with make_client(self.pair) as client:
                assert pairs.ask(client, self.pair.model("up")).status == 200
        self.upstream.hang_up()
        proxies.wait_until(lambda: not self.probe()["open"])
        self.before = self.settled()

    def close(self) -> None:
        self._probe.close()
        self.proxy.close()
        self.upstream.close()
        if self.company:
            self.company.close()

    def probe(self, kind: str = "1") -> dict[str, int]:
        return dict(self._probe.get("/api/probe", headers={"x-probe": kind}).json())

    @contextlib.contextmanager
    def impatient(self) -> Iterator[None]:
        """A proxy whose clients get pings before a silence of `SHORT` is over."""
        self._probe.get("/api/probe", headers={"x-interval": str(SHORT / 3)})
        yield
        self.probe()

    def settled(self) -> dict[str, int]:
        counted: list[dict[str, int]] = []

        def is_settled() -> bool:
            counted.append(self.probe())
            return counted[-5:] == counted[-1:] * 5

        proxies.wait_until(is_settled)
        return counted[-1]

    def sockets(self) -> int:
        """Those of the proxy's process that lead, or are to lead, to an upstream or to the proxy on the
        way, as the system counts them."""
        process = Path(f"/proc/{self.proxy.process.pid}")
        held = set()
        for each in (process / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                held.add(str(each.readlink()))
        ours = {self.upstream.port, self.refusing, self.far}
        ours |= {self.company.port} if self.company else set()
        rows = [row.split() for row in (process / "net/tcp").read_text().splitlines()[1:]]
        return sum(
            int(row[2].rpartition(":")[2], 16) in ours and f"socket:[{row[9]}]" in held
            for row in rows
        )

    def assert_nothing_is_left(self) -> None:
        """But for idle connections, which end when the upstream ends them."""

        def only_idle_ones() -> bool:
            counted = self.probe()
            return (
                counted["open"] == counted["idle"] == self.sockets()
                and counted["tasks"] == self.before["tasks"]
            )

        proxies.wait_until(only_idle_ones)
        self.upstream.hang_up()
        proxies.wait_until(lambda: self.probe() == self.before and not self.sockets())

    @contextlib.contextmanager
    def failing(
        self, provider: str, client: httpx.Client, *, is_kept: bool
    ) -> Iterator[int | None]:
        """An upstream that is as its provider's name says, and the connection that is kept to it."""
        kept = None
        port = {"refusing": self.refusing, "far": self.far}.get(provider)
        if is_kept:
            upstream = Upstream(port, self._tls) if port else self.upstream
            model = self.pair.model(provider)
            answer = pairs.ask(client, model)
            assert (answer.text, answer.headers["x-route-attempts"]) == ("from the upstream", "1")
            (kept,) = upstream.connections(model)
            proxies.wait_until(lambda: self.probe()["idle"] == 1)
            if port:
                upstream.close()
        with pairs.unanswered(self.far) if provider == "far" else contextlib.nullcontext():
            yield kept


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("direct"))
    yield site
    site.close()


@pytest.fixture(scope="module")
def absolute(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("absolute"), company=corporate.Corporate())
    yield site
    site.close()


@pytest.fixture(scope="module")
def mode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("mode"), company=corporate.Corporate(), by_mode=True)
    yield site
    site.close()


@pytest.fixture(scope="module")
def tunnel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("tunnel")
    context, roots = trusted(folder)
    site = Site(folder, tls=context, roots=roots, company=corporate.Corporate())
    yield site
    site.close()


@pytest.fixture(scope="module")
def tls_tunnel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("tls_tunnel")
    context, roots = trusted(folder)
    site = Site(folder, tls=context, roots=roots, company=corporate.Corporate(context))
    yield site
    site.close()


def trusted(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """TLS for servers at 127.0.0.1, and the roots that it takes to trust them."""
    authority, roots = trustme.CA(), folder / "roots.pem"
    authority.cert_pem.write_to_path(str(roots))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context, roots


@pytest.mark.parametrize(("make_client", "through", "is_kept"), CELLS)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault(
    request: pytest.FixtureRequest,
    fault: Fault,
    make_client: Callable[[pairs.Pair], httpx.Client],
    through: Through,
    is_kept: bool,
) -> None:
    site: Site = request.getfixturevalue(through)
    model = site.pair.model(fault.provider)
    site.upstream.plans[model] = list(fault.sent)
    if site.company:
        site.company.requests.clear()
    with make_client(site.pair) as client:
        client.headers["x-claude-code-session-id"] = model  # its requests get the same token
        with site.failing(fault.provider, client, is_kept=is_kept) as kept:
            answer = pairs.ask(client, model)
        if fault.is_last:
            assert pairs.ask(client, model).text == "from the upstream"
    assert (answer.status, answer.broken) == (200, "")
    assert (answer.version == "HTTP/2") == (make_client in (pairs.http2, pairs.reverse_http2))

    upstream = f"{fault.provider}/{model}"
    target, attempts, last = {
        "fallback": ("zai/glm-5", "2", "message_stop"),
        "next token": (upstream, "2", "message_stop"),
        "error event": (upstream, "1", "error"),
        "answer": (upstream, "1", "message_stop"),
    }[fault.result]
    assert answer.headers["x-route-target"] == target
    assert answer.headers["x-route-attempts"] == attempts
    assert (answer.names[0], answer.names[-1]) == ("message_start", last)
    assert answer.names.count("message_start") == 1
    assert answer.text == f"from the {'fallback' if target == 'zai/glm-5' else 'upstream'}"

    why = fault.why
    has_tunnel = "tunnel" in through
    if fault.through_a_proxy and through != "direct":
        why = fault.through_a_proxy[has_tunnel]
    lines = site.pair.log_of(model)
    assert len(lines) == (fault.result != "answer")
    assert all(why in line for line in lines), lines

    used = site.upstream.connections(model)
    if fault.provider not in ("refusing", "far"):
        repeated = fault.is_repeated and is_kept
        assert len(used) == 1 + (fault.result == "next token") + repeated + fault.is_last
        on_the_first = [name for name, number in site.upstream.seen if number == used[0]]
        assert len(on_the_first) == 1 + is_kept
        assert used[0] == kept or not is_kept
    if site.company:
        asked = {line.partition("127.0.0.1")[0] for line, _ in site.company.requests}
        assert asked == {"CONNECT " if has_tunnel else "POST http://"}
    site.assert_nothing_is_left()


@pytest.mark.parametrize(("make_client", "through", "is_kept"), CELLS)
@pytest.mark.parametrize("is_last", [False, True], ids=["then fails over", "then all fail"])
def test_silence_with_pings(
    request: pytest.FixtureRequest,
    is_last: bool,
    make_client: Callable[[pairs.Pair], httpx.Client],
    through: Through,
    is_kept: bool,
) -> None:
    site: Site = request.getfixturevalue(through)
    model = site.pair.model("hasty")
    site.upstream.plans[model] = [Sent(b"", "wait")]
    if is_last:
        site.upstream.plans["glm-5"] = [refusal("529 Overloaded", "overloaded_error")]
    with (
        make_client(site.pair) as client,
        site.failing("hasty", client, is_kept=is_kept),
        site.impatient(),
    ):
        answer = pairs.ask(client, model)
    assert (answer.status, answer.broken) == (200, "")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "x-route-target" not in answer.headers
    start = next(place for place, name in enumerate(answer.names) if name != "ping")
    assert start
    if is_last:
        assert answer.names[start:] == ["error"]
        error = json.loads(answer.events[-1].data)["error"]
        assert error["type"] == "overloaded_error"
        assert f"silent for {SHORT} s; zai/glm-5: 529" in error["message"]
        # The row says so too: mitmdump logs it.
        assert any("✗" in line for line in site.proxy.log.splitlines() if model in line)
    else:
        assert (answer.names[start], answer.names[-1]) == ("message_start", "message_stop")
        assert answer.text == "from the fallback"
    assert sum(f"silent for {SHORT} s" in line for line in site.pair.log_of(model)) >= 1
    site.assert_nothing_is_left()


@pytest.mark.parametrize("make_client", CLIENTS.values(), ids=CLIENTS)
@pytest.mark.parametrize("then", ["close", "reset"])
def test_a_kept_connection_that_dies_once_costs_no_attempt(
    direct: Site, make_client: Callable[[pairs.Pair], httpx.Client], then: Literal["close", "reset"]
) -> None:
    model = direct.pair.model("up")
    direct.upstream.plans[model] = [Sent(b"", then)]
    with make_client(direct.pair) as client, direct.failing("up", client, is_kept=True) as kept:
        answer = pairs.ask(client, model)
    assert (answer.status, answer.text) == (200, "from the upstream")
    assert answer.headers["x-route-attempts"] == "1"
    first, second = direct.upstream.connections(model)
    assert first == kept != second
    direct.assert_nothing_is_left()


def test_nothing_is_left_of_them_all(
    direct: Site, absolute: Site, mode: Site, tunnel: Site, tls_tunnel: Site
) -> None:
    for site in (direct, absolute, mode, tunnel, tls_tunnel):
        counted = site.probe("objects")
        kinds = ("FailoverStream", "Attempts", "Exchange", "Answer")
        assert [counted[kind] for kind in kinds] == [1, 0, 0, 0], "the first is the probe's own"
        assert "crashed" not in site.proxy.log and "Traceback" not in site.proxy.log
