from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from collections.abc import Sequence

import pytest
from mitmproxy import connection
from mitmproxy.addons import proxyserver
from mitmproxy.proxy import server_hooks
from mitmproxy.test import taddons

from claude_route.access import addresses
from claude_route.access import guard
from claude_route.access import reach
from tests.unit import sources
from tests.unit.sources import INSIDE
from tests.unit.sources import OUTSIDE

OURS = guard.Guard(provider_addresses=frozenset({("127.0.0.1", 11434), ("llm.example", 443)}))


def asked(
    address: tuple[str, int],
    came_in_on: str = OUTSIDE,
    mode: str = "regular",
    local: str | None = None,
) -> server_hooks.ServerConnectionHookData:
    server = connection.Server(address=address)
    server.sockname = (local, 0) if local else None
    return server_hooks.ServerConnectionHookData(server, sources.client(came_in_on, mode))


class Names:
    """A resolver whose answers are given; each name has one after the other."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self.answers = {name.replace("_", "."): list(given) for name, given in answers.items()}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        if not (answers := self.answers.get(host)):
            raise socket.gaierror("no such name")
        return answers.pop(0) if len(answers) > 1 else answers[0]


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """That of a forward listener on loopback."""
    server = proxyserver.Proxyserver()
    with taddons.context(server) as tctx:
        tctx.options.update(mode=["regular@127.0.0.1:0"])
        assert await server.setup_servers()
        yield server.listen_addrs()[0][1]
        tctx.options.update(server=False)
        await server.setup_servers()


@pytest.mark.parametrize(
    ("came_in_on", "mode", "address", "allowed"),
    [
        (INSIDE, "regular", ("127.0.0.1", 80), True),
        (OUTSIDE, "regular", ("127.0.0.1", 80), False),
        (OUTSIDE, "regular", ("localhost", 80), False),
        (OUTSIDE, "regular", ("::1", 80), False),
        (OUTSIDE, "regular", ("10.1.2.3", 443), False),
        (OUTSIDE, "regular", ("169.254.169.254", 80), False),
        (OUTSIDE, "regular", ("0.0.0.0", 80), False),
        (OUTSIDE, "regular", ("::ffff:127.0.0.1", 80), False),
        (OUTSIDE, "regular", ("2130706433", 80), False),
        (OUTSIDE, "regular", ("8.8.8.8", 443), True),
        (OUTSIDE, "regular", ("127.0.0.1", 11434), True),
        (OUTSIDE, "reverse:http://127.0.0.1:9000", ("127.0.0.1", 9000), True),
        (OUTSIDE, "reverse:http://127.0.0.1:9000", ("127.0.0.1", 9001), False),
    ],
)
async def test_reach(came_in_on: str, mode: str, address: tuple[str, int], allowed: bool) -> None:
    judge, data = reach.Reach(lambda: OURS), asked(address, came_in_on, mode)
    assert not judge.has_judged(data.server)
    await judge.server_connect(data)
    assert (data.server.error is None) is allowed
    assert judge.has_judged(data.server)


@pytest.mark.parametrize("local", [None, "11.77.0.1"])
async def test_what_is_checked_is_what_is_connected_to(local: str | None) -> None:
    judge = reach.Reach(lambda: OURS, Names(flip_test=[["8.8.8.8"], ["127.0.0.1"]]))
    data = asked(("flip.test", 80), local=local)
    await judge.server_connect(data)
    assert data.server.error is None
    assert data.server.address == ("8.8.8.8", 80)


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        (None, "2001:4860:4860::8888"),
        ("11.77.0.1", "8.8.8.8"),
        ("2001:db8::1", "2001:4860:4860::8888"),
    ],
)
async def test_the_address_fits_the_one_that_connections_come_from(
    local: str | None, expected: str
) -> None:
    judge = reach.Reach(lambda: OURS, Names(both_test=[["2001:4860:4860::8888", "8.8.8.8"]]))
    data = asked(("both.test", 443), local=local)
    await judge.server_connect(data)
    assert data.server.address == (expected, 443)


async def test_no_address_fits() -> None:
    judge = reach.Reach(lambda: OURS, Names(six_test=[["2001:4860:4860::8888"]]))
    data = asked(("six.test", 443), local="11.77.0.1")
    await judge.server_connect(data)
    assert data.server.error == "no address of six.test can be reached from connect_addr"


@pytest.mark.parametrize("answers", [[], [["8.8.8.8", "10.0.0.1"]], [["8.8.8.8", "::1"]]])
async def test_one_private_address_is_enough(answers: list[list[str]]) -> None:
    judge, data = reach.Reach(lambda: OURS, Names(mixed_test=answers)), asked(("mixed.test", 80))
    await judge.server_connect(data)
    assert data.server.error


async def test_an_address_of_its_own_is_local_whatever_its_range(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(addresses, "is_own", lambda host: host == "8.8.4.4")
    for host, allowed in (("8.8.4.4", False), ("8.8.8.8", True)):
        data = asked((host, 80))
        await reach.Reach(lambda: OURS).server_connect(data)
        assert (data.server.error is None) is allowed


@pytest.mark.parametrize("host", ["a..b", "." * 3, "x" * 64 + ".example"])
@pytest.mark.parametrize("came_in_on", [INSIDE, OUTSIDE])
async def test_what_is_no_name(host: str, came_in_on: str) -> None:
    data = asked((host, 80), came_in_on)
    await reach.Reach(lambda: OURS).server_connect(data)
    assert data.server.error


async def test_an_error_of_another_addon_stays() -> None:
    data = asked(("8.8.8.8", 80))
    data.server.error = "blocked"
    await reach.Reach(lambda: OURS).server_connect(data)
    assert data.server.error == "blocked"


@pytest.mark.parametrize(
    ("host", "is_refused"),
    [
        *(
            (host, True)
            for host in ("127.1", "localhost", "LOCALHOST", "localhost.", "0.0.0.0", "0")
        ),
        *(
            (host, True)
            for host in ("2130706433", "0x7f.1", "0177.0.0.1", "127.8.9.1", "::1", "::")
        ),
        *((host, True) for host in ("::ffff:127.0.0.1", "::ffff:7f00:1", "::1%lo", "１２７.0.0.1")),
        ("192.0.2.1", False),
    ],
)
@pytest.mark.parametrize("came_in_on", [INSIDE, OUTSIDE])
async def test_a_connection_to_a_listener_of_ours(
    port: int, host: str, is_refused: bool, came_in_on: str
) -> None:
    for at, expected in ((port, is_refused), (port + 1, False)):
        data = asked((host, at), came_in_on)
        await reach.Reach(lambda: OURS).server_connect(data)
        if came_in_on == INSIDE:
            assert bool(data.server.error) is expected
        elif expected:
            assert data.server.error  # not all systems resolve all of these


async def test_a_name_that_leads_here_the_next_time(port: int) -> None:
    judge = reach.Reach(lambda: OURS, Names(flip_test=[["192.0.2.1"], ["127.0.0.1"]]))
    data = asked(("flip.test", port), INSIDE)
    await judge.server_connect(data)
    assert data.server.address == ("192.0.2.1", port)
    data = asked(("flip.test", port), INSIDE)
    await judge.server_connect(data)
    assert data.server.error == reach.OWN_LISTENER


async def test_a_name_that_is_not_resolved_is_not_tried_again(port: int) -> None:
    data = asked(("no.test", port), INSIDE)
    await reach.Reach(lambda: OURS, Names()).server_connect(data)
    assert data.server.error
    assert data.server.error.startswith("cannot resolve no.test: ")


async def test_a_proxy_on_the_way_that_is_a_listener_of_ours(port: int) -> None:
    judge = reach.Reach(lambda: OURS, Names(us_test=[["127.0.0.1"]]))
    for via, expected in (("us.test", reach.OWN_LISTENER), ("no.test", None)):
        data = asked(("llm.example", 443), INSIDE)
        data.server.via = ("http", (via, port))
        await judge.server_connect(data)
        assert data.server.error == expected
        assert data.server.address == ("llm.example", 443)


async def test_a_connection_of_our_own_that_has_come_here(port: int) -> None:
    judge = reach.Reach(lambda: OURS)
    for peer, expected in ((("127.0.0.1", port), reach.OWN_LISTENER), (("127.0.0.1", 9), None)):
        data = asked(("llm.example", 443), INSIDE)
        data.server.peername = peer
        judge.server_connected(data)
        assert data.server.error == expected
