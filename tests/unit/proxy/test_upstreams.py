from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import connection
from mitmproxy.addons import proxyserver
from mitmproxy.addons import tlsconfig
from mitmproxy.addons import upstream_auth
from mitmproxy.test import taddons
from mitmproxy.test import tflow

from claude_route.profile import profiles
from claude_route.proxy import contract
from claude_route.proxy import upstreams
from claude_route.proxy.upstream import answer
from claude_route.proxy.upstream import client
from claude_route.proxy.upstream import dial
from claude_route.proxy.upstream import proxies
from claude_route.proxy.upstream import tls
from simulator import ports
from tests import clocks
from tests.unit.proxy import drivers
from tests.unit.proxy.upstream import certificates
from tests.unit.proxy.upstream import servers

PROFILE = """
providers: {zai: {base_url: "https://api.z.ai", auth: none}}
models: {glm: zai/glm-5}
"""


class Attempt:
    limits = contract.Limits(1, 1, 1)
    account: tuple[bytes, ...] = (b"Bearer secret",)

    def __init__(self, host: str = "127.0.0.1", port: int = 443, *, tls: bool = False) -> None:
        self.address = (host, port)
        self.tls = tls

    def request(self, address: tuple[str, int]) -> Any:
        raise NotImplementedError


class Recorder:
    """An addon with hooks for connections."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, connection.Server, connection.Client]] = []
        self.refuses = ""
        self.moves_to: tuple[str, int] | None = None
        self.when_connected: Callable[[], object] = lambda: None

    def server_connect(self, data: Any) -> None:
        self._record("connect", data)
        data.server.error = data.server.error or self.refuses or None
        data.server.address = self.moves_to or data.server.address

    def server_connected(self, data: Any) -> None:
        self._record("connected", data)
        self.when_connected()

    def server_connect_error(self, data: Any) -> None:
        self._record("error", data)

    def server_disconnected(self, data: Any) -> None:
        self._record("disconnected", data)

    def _record(self, what: str, data: Any) -> None:
        self.seen.append((what, data.server, data.client))

    @property
    def names(self) -> list[str]:
        return [what for what, _, _ in self.seen]


class Reach:
    """The addon in a mitmproxy, and time stands still."""

    def __init__(self, tctx: taddons.context, clock: clocks.Timers, recorder: Recorder) -> None:
        self.tctx = tctx
        self.clock = clock
        self.recorder = recorder
        self.profile: profiles.Profile | None = None
        self.addon = upstreams.Upstreams(
            lambda: self.profile,
            lambda watcher: client.Client(clock=clock, watcher=watcher),
        )

    def with_proxy(self, url: str) -> None:
        self.profile = profiles.parse(f"{PROFILE}\nupstream_proxy: {url}", {}, "test.yaml")

    def proxy(self, attempt: Attempt, via: Any = None) -> str:
        found = self.addon.destination(attempt, via).proxy
        return f"{found} {found.user} {found.password}" if found else ""

    async def get(self, destination: dial.Destination) -> connection.Server:
        async with self.addon.client.request(destination, servers.GET) as got:
            await got.read()
            assert got.opened
            return self.addon.server(got.opened)


@pytest.fixture
async def reach(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Reach]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    recorder, clock = Recorder(), clocks.Timers()
    server = proxyserver.Proxyserver()
    with taddons.context(
        server, tlsconfig.TlsConfig(), upstream_auth.UpstreamAuth(), recorder
    ) as tctx:
        made = Reach(tctx, clock, recorder)
        tctx.master.addons.add(made.addon)
        yield made
        await made.addon.client.close()
        await drivers.settle()
    assert clock.active == []


@pytest.fixture
async def server() -> AsyncIterator[servers.Server]:
    async with servers.serving(servers.answering(servers.OK)) as running:
        yield running


# Where an attempt goes


async def test_one_connection_never_carries_two_accounts(reach: Reach) -> None:
    one, other = Attempt(), Attempt()
    assert reach.addon.destination(one, None) == reach.addon.destination(other, None)
    other.account = (b"Bearer other",)
    assert reach.addon.destination(one, None) != reach.addon.destination(other, None)
    assert "secret" not in repr(reach.addon.destination(one, None))


async def test_tls_by_mitmproxys_options(reach: Reach, tmp_path: Path) -> None:
    def settings() -> tls.Settings:
        return reach.addon.destination(Attempt("a.example", tls=True), None).tls

    assert settings() == tls.Settings()
    ca = tmp_path / "ca.pem"
    ca.touch()
    certificate = tmp_path / "a.example.pem"
    certificate.touch()
    reach.tctx.options.update(
        ssl_insecure=True,
        ssl_verify_upstream_trusted_ca=str(ca),
        ssl_verify_upstream_trusted_confdir=str(tmp_path),
        ciphers_server="ECDHE+AESGCM",
        tls_ecdh_curve_server="secp384r1",
        client_certs=str(tmp_path),
    )
    assert settings() == tls.Settings(
        insecure=True,
        ca_file=str(ca),
        ca_folder=str(tmp_path),
        client_cert=str(certificate),
        ciphers="ECDHE+AESGCM",
        curve="secp384r1",
    )
    reach.tctx.options.update(client_certs=str(ca))
    assert settings().client_cert == str(ca)
    certificate.unlink()
    reach.tctx.options.update(client_certs=str(tmp_path))
    assert settings().client_cert is None


async def test_without_tls_its_settings_tell_nothing_apart(reach: Reach) -> None:
    before = reach.addon.destination(Attempt(), None)
    reach.tctx.options.update(ssl_insecure=True)
    assert reach.addon.destination(Attempt(), None) == before


async def test_where_connections_come_from(reach: Reach, server: servers.Server) -> None:
    attempt = Attempt(port=server.port)
    reach.tctx.options.update(connect_addr="127.0.0.2")
    upstream = await reach.get(reach.addon.destination(attempt, None))
    assert upstream.sockname and upstream.sockname[0] == "127.0.0.2"
    reach.tctx.options.update(connect_addr=None)
    upstream = await reach.get(reach.addon.destination(attempt, None))
    assert upstream.sockname and upstream.sockname[0] == "127.0.0.1", "not the one that is kept"


# Through which proxy


async def test_the_environments_proxy(
    reach: Reach, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hush@proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "b.example")
    used = "http://proxy.example:3128 me hush"
    assert reach.proxy(Attempt("a.example", tls=True)) == used
    assert reach.proxy(Attempt("a.example")) == ""
    assert reach.proxy(Attempt("b.example", tls=True)) == ""
    reach.addon.running()
    assert "http://proxy.example:3128 for https" in caplog.text
    assert "hush" not in caplog.text


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"HTTPS_PROXY": "http://proxy.example"}, True),
        ({"http_proxy": "http://proxy.example"}, True),
        ({"HTTPS_PROXY": "http://proxy.example", "NO_PROXY": ".example,127.0.0.1"}, False),
        ({"HTTPS_PROXY": "http://proxy.example", "no_proxy": "*"}, False),
    ],
)
def test_what_a_client_in_such_a_shell_needs(environ: dict[str, str], expected: bool) -> None:
    assert ("NO_PROXY" in upstreams.shell_advice(environ)) is expected


async def test_the_profiles_proxy_comes_first(
    reach: Reach, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setenv("HTTPS_PROXY", "http://other.example:1")
    monkeypatch.setenv("NO_PROXY", "b.example")
    reach.with_proxy("https://me:hush@proxy.example")
    for is_tls in (True, False):
        assert reach.proxy(Attempt("a.example", tls=is_tls)) == "https://proxy.example:443 me hush"
    assert reach.proxy(Attempt("b.example", tls=True)) == ""
    reach.addon.running()
    assert "https://proxy.example:443 (upstream_proxy" in caplog.text
    assert "hush" not in caplog.text
    reach.with_proxy("http://next.example:8000")
    assert reach.proxy(Attempt("a.example")) == "http://next.example:8000 None "


async def test_a_listeners_own_proxy_comes_before_all_others(reach: Reach) -> None:
    reach.with_proxy("http://other.example")
    via = ("http", ("proxy.example", 3128))
    assert reach.proxy(Attempt("a.example"), via) == "http://proxy.example:3128 None "
    reach.tctx.options.update(upstream_auth="me:hush:hush")
    assert reach.proxy(Attempt("a.example"), via) == "http://proxy.example:3128 me hush:hush"


async def test_it_counts_for_the_other_listeners_too(reach: Reach) -> None:
    reach.tctx.options.update(mode=["regular@1", "upstream:https://proxy.example@2"], server=False)
    assert reach.proxy(Attempt("a.example")) == "https://proxy.example:443 None "


async def test_a_proxy_in_the_environment_that_nobody_can_use(
    reach: Reach, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://me:hush@proxy.example")
    assert reach.proxy(Attempt("a.example")) == ""
    assert "ALL_PROXY: expected an http or https proxy" in caplog.text
    assert "hush" not in caplog.text


async def test_a_proxy_that_is_this_one(
    reach: Reach, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The shell that starts it may be one that leads `claude` through it."""
    server = reach.tctx.master.addons.get("proxyserver")
    reach.tctx.options.update(mode=["regular@127.0.0.1:0"])
    assert await server.setup_servers()
    port = server.listen_addrs()[0][1]
    monkeypatch.setenv("HTTPS_PROXY", f"http://localhost:{port}")
    for _ in range(2):
        assert reach.proxy(Attempt("a.example", tls=True)) == ""
    assert caplog.text.count("is this proxy itself") == 1
    reach.tctx.options.update(server=False)
    await server.setup_servers()


# What other addons see


async def test_hooks_of_a_connection(reach: Reach, server: servers.Server) -> None:
    source = tflow.tclient_conn()
    reach.addon.asks(source)
    for _ in range(2):
        upstream = await reach.get(server.destination)
    assert reach.recorder.names == ["connect", "connected"]
    assert {id(each) for _, each, _ in reach.recorder.seen} == {id(upstream)}
    assert reach.recorder.seen[0][2] is source
    assert upstream.address == upstream.peername == ("127.0.0.1", server.port)
    assert upstream.sockname == server.peers[0].writer.get_extra_info("peername")
    assert upstream.connected
    assert upstream.timestamp_start and upstream.timestamp_tcp_setup
    assert not upstream.tls and upstream.timestamp_tls_setup is None
    reach.clock.advance(60)
    await drivers.settle()
    assert reach.recorder.names == ["connect", "connected", "disconnected"]
    assert not upstream.connected
    assert upstream.timestamp_end


async def test_a_connection_with_tls(reach: Reach, authority: certificates.Authority) -> None:
    reach.tctx.options.update(ssl_verify_upstream_trusted_ca=authority.ca_file)
    async with servers.serving(
        servers.answering(servers.OK), tls=authority.server("localhost")
    ) as server:
        attempt = Attempt("localhost", server.port, tls=True)
        upstream = await reach.get(reach.addon.destination(attempt, None))
        assert upstream.tls and upstream.tls_established
        assert (upstream.sni, upstream.alpn) == ("localhost", b"")
        assert upstream.tls_version == "TLSv1.3"
        assert upstream.cipher
        assert upstream.certificate_list[0].altnames
        assert upstream.peername and upstream.peername[0] in ("127.0.0.1", "::1")
        copied = connection.Server.from_state(upstream.get_state())
        assert copied.certificate_list == upstream.certificate_list
        await reach.addon.client.close()
        await drivers.settle()


async def test_a_hook_that_refuses(reach: Reach, server: servers.Server) -> None:
    reach.recorder.refuses = "not there"
    with pytest.raises(dial.UnreachableError, match="Connection killed: not there"):
        await reach.get(server.destination)
    assert reach.recorder.names == ["connect", "error"]
    assert server.peers == []


async def test_a_hook_that_leads_elsewhere(reach: Reach, server: servers.Server) -> None:
    """A credential never goes to another address."""
    reach.recorder.moves_to = ("127.0.0.2", 1)
    with pytest.raises(dial.BarredError, match="an addon changed the address"):
        await reach.get(server.destination)
    assert server.peers == []


async def test_a_connection_that_cannot_be_made(reach: Reach) -> None:
    with pytest.raises(dial.UnreachableError):
        await reach.get(dial.Destination("http", "127.0.0.1", 1))
    assert reach.recorder.names == ["connect", "error"]
    _, upstream, source = reach.recorder.seen[1]
    assert upstream.error and upstream.error.startswith("no connection to 127.0.0.1:1")
    assert upstream.timestamp_start
    assert source.peername == ("127.0.0.1", 0), "nobody's"


async def test_a_client_that_leaves_while_its_connection_is_made(reach: Reach) -> None:
    with ports.unanswered() as port:
        got = asyncio.ensure_future(reach.get(dial.Destination("http", "127.0.0.1", port)))
        await servers.until(lambda: reach.recorder.names == ["connect"])
        await drivers.settle()
        got.cancel()
        with pytest.raises(asyncio.CancelledError):
            await got
    await drivers.settle()
    assert reach.recorder.names == ["connect", "error"]
    assert reach.recorder.seen[1][1].error == "connection cancelled"


async def test_a_client_that_leaves_as_soon_as_its_connection_stands(
    reach: Reach, server: servers.Server
) -> None:
    got = asyncio.ensure_future(reach.get(server.destination))
    reach.recorder.when_connected = got.cancel
    with pytest.raises(asyncio.CancelledError):
        await got
    await drivers.settle()
    assert reach.recorder.names == ["connect", "connected", "disconnected"]


async def test_one_that_leads_through_a_proxy_says_so(reach: Reach, server: servers.Server) -> None:
    proxy = proxies.Proxy("http", "127.0.0.1", server.port)
    upstream = await reach.get(dial.Destination("http", "a.example", 80, proxy))
    assert upstream.address == ("a.example", 80)
    assert upstream.via == ("http", ("127.0.0.1", server.port))
    assert upstream.peername is None


# Warm connections


@pytest.mark.parametrize(("option", "connections"), [(True, 2), (False, 1)])
async def test_what_was_used_is_kept_warm(
    reach: Reach, server: servers.Server, option: bool, connections: int
) -> None:
    reach.tctx.options.update(warm_connections=option)
    reach.addon.running()
    await drivers.settle()
    assert server.peers == [], "nobody has used it"
    await reach.get(server.destination)
    reach.clock.advance(55)
    await servers.until(lambda: len(server.peers) == connections)
    reach.tctx.options.update(warm_connections=False)
    reach.clock.advance(120)
    await drivers.settle()
    assert len(server.peers) == connections


async def test_at_the_end_what_is_used_is_left_to_its_user(
    reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script that was changed is loaded again while answers stream."""
    monkeypatch.setattr(asyncio, "sleep", quick(asyncio.sleep))
    async with servers.serving(two_halves) as server:
        destination = server.destination
        async with reach.addon.client.request(
            destination, servers.GET, limits=answer.Limits()
        ) as got:
            await got.head()
            reach.addon.done()
            await drivers.settle()
            assert reach.addon.client.open == 1
            await server.peers[0].send(b"k")
            assert await got.read() == b"ok"
        await servers.until(lambda: reach.addon.client.open == 0)


async def two_halves(peer: servers.Peer) -> None:
    await peer.request()
    await peer.send(servers.OK[:-1])
    await peer.gone()


def quick(sleep: Callable[[float], Any]) -> Callable[[float], Any]:
    return lambda seconds: sleep(0)
