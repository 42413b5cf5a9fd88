from __future__ import annotations

from typing import Any

import pytest
from mitmproxy import connection
from mitmproxy import http
from mitmproxy.test import tflow
from mitmproxy.test import tutils

from claude_route.proxy import passing
from claude_route.proxy.upstream import dial
from claude_route.proxy.upstream import proxies
from claude_route.proxy.upstream import tls
from tests.unit import sources

RULES = proxies.rules(
    {
        "HTTPS_PROXY": "http://me:hush@proxy.example:3128",
        "HTTP_PROXY": "http://me:hush@proxy.example:3128",
        "NO_PROXY": "inside.example",
    }
)


class Reach:
    def __init__(self) -> None:
        self.piped: list[dial.Destination] = []

    @property
    def client(self) -> Any:
        return self

    async def pipe(self, destination: dial.Destination) -> str:
        self.piped.append(destination)
        return "streams"

    def proxy(self, scheme: str, host: str, port: int) -> proxies.Proxy | None:
        return RULES.proxy(scheme, host, port)

    def settings(self, host: str) -> tls.Settings:
        return tls.Settings(ca_file=host)


@pytest.mark.parametrize(
    ("mode", "address", "is_piped"),
    [
        ("regular", ("claude.ai", 443), True),
        ("reverse:https://api.anthropic.com", ("api.anthropic.com", 443), True),
        ("regular", ("claude.ai", 22), True),
        ("regular", ("a.inside.example", 443), False),
        ("regular", ("127.0.0.1", 443), False),
        ("regular", ("proxy.example", 3128), False),
        ("upstream:http://other.example:8", ("other.example", 8), False),
        ("regular", None, False),
    ],
)
async def test_which_connections_go_through_a_proxy(
    mode: str, address: tuple[str, int] | None, is_piped: bool
) -> None:
    reach = Reach()
    dialer = passing.Dialer(reach)
    opened = await dialer(sources.client(mode=mode), connection.Server(address=address))
    assert (opened is not None) is is_piped
    for destination in reach.piped:
        assert (destination.host, destination.port) == address
        assert str(destination.proxy) == "http://proxy.example:3128"
        assert destination.tls.ca_file == "proxy.example"


@pytest.mark.parametrize(
    ("changes", "here", "expected"),
    [
        ({}, "127.0.0.1", True),
        ({"host": "a.inside.example"}, "127.0.0.1", False),
        ({"scheme": b"https"}, "127.0.0.1", False),
        ({"http_version": b"HTTP/2.0"}, "127.0.0.1", False),
        ({"headers": http.Headers([(b"upgrade", b"websocket")])}, "127.0.0.1", False),
        ({}, "10.0.0.1", False),
    ],
)
def test_which_requests_go_to_the_proxy_itself(
    changes: dict[str, Any], here: str, expected: bool
) -> None:
    request = tutils.treq(**{"host": "a.example", "scheme": b"http", **changes})
    flow = tflow.tflow(client_conn=sources.client(here), req=request)
    flow.server_conn = connection.Server(address=None)
    assert (passing.relay(Reach(), flow) is not None) is expected
    flow.server_conn.via = ("http", ("other.example", 8))
    assert passing.relay(Reach(), flow) is None


@pytest.mark.parametrize(
    ("host", "authority"), [("a.example", "a.example:80"), ("2001:db8::1", "[2001:db8::1]:80")]
)
def test_a_request_for_the_proxy(host: str, authority: str) -> None:
    request = tutils.treq(host=host, port=80, scheme=b"http", authority=b"")
    passing.address(request, proxies.parse("http://me:hush@proxy.example"))
    assert request.authority == authority
    assert request.headers["proxy-authorization"] == "Basic bWU6aHVzaA=="
    request.headers.pop("proxy-authorization")
    passing.address(request, proxies.parse("http://proxy.example"))
    assert "proxy-authorization" not in request.headers


def test_a_certificate_that_nobody_trusts() -> None:
    assert "SSL_CERT_FILE" in passing.explain("Certificate verify failed: unable to get issuer")
    assert passing.explain("connection refused") == "connection refused"


@pytest.mark.parametrize(
    ("why", "expected"),
    [
        ("Certificate verify failed: unable to get issuer", True),
        ("proxy http://proxy.example:3128 opens no tunnel: it answered 'HTTP/1.1 403 No'", True),
        ("no connection to proxy.example:3128: refused", False),
    ],
)
def test_what_waits_for_somebody(why: str, expected: bool) -> None:
    assert passing.is_final(why) is expected
