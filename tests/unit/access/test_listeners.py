from __future__ import annotations

import base64
from collections.abc import Sequence

import pytest
from mitmproxy import connection
from mitmproxy import http
from mitmproxy.proxy import mode_specs
from mitmproxy.proxy import server_hooks
from mitmproxy.test import tflow

from claude_route.access import clients
from claude_route.access import guard
from claude_route.access import listeners

KEY = "static-0123456789-tokn"

INSIDE = "127.0.0.1"
OUTSIDE = "203.0.113.5"


def client(came_in_on: str = INSIDE, mode: str = "regular") -> connection.Client:
    made = tflow.tclient_conn()
    made.sockname = (came_in_on, 8080)
    made.proxy_mode = mode_specs.ProxyMode.parse(mode)
    return made


def request_from(source: connection.Client, **headers: str) -> http.HTTPFlow:
    flow = tflow.tflow()
    flow.client_conn = source
    for name, value in headers.items():
        flow.request.headers[name.replace("_", "-")] = value
    return flow


def guarded(key: str | None = None, is_open: bool = False) -> listeners.Listeners:
    entry = listeners.Listeners()
    entry.guard = guard.Guard(key, is_open)
    return entry


def admits(
    entry: listeners.Listeners, source: connection.Client, keys: Sequence[clients.Key], passes: bool
) -> bool:
    return entry.admits(source, entry.client(source, keys), passes=passes)


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"user:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("came_in_on", "key", "is_open", "refused"),
    [
        (INSIDE, None, False, False),
        ("::1", None, False, False),
        (OUTSIDE, None, False, True),
        ("::ffff:203.0.113.5", None, False, True),
        (OUTSIDE, KEY, False, False),
        (OUTSIDE, None, True, False),
    ],
)
def test_connections(came_in_on: str, key: str | None, is_open: bool, refused: bool) -> None:
    entry = guarded(key, is_open)
    source = client(came_in_on)
    entry.client_connected(source)
    assert bool(source.error) is refused


@pytest.mark.parametrize(
    ("came_in_on", "password", "status"),
    [
        (INSIDE, None, None),
        (INSIDE, KEY, None),
        (INSIDE, "wrong", 407),
        (OUTSIDE, None, 407),
        (OUTSIDE, KEY, None),
    ],
)
def test_tunnels(came_in_on: str, password: str | None, status: int | None) -> None:
    entry = guarded(KEY)
    headers = {"proxy_authorization": basic(password)} if password else {}
    flow = request_from(client(came_in_on), **headers)
    entry.http_connect(flow)
    assert (flow.response.status_code if flow.response else None) == status
    assert "proxy-authorization" not in flow.request.headers


@pytest.mark.parametrize(
    ("came_in_on", "mode", "ours", "key", "password", "admitted"),
    [
        (INSIDE, "regular", True, None, None, False),
        (INSIDE, "regular", True, KEY, None, True),
        (INSIDE, "regular", True, "wrong", None, False),
        (INSIDE, "regular", True, None, KEY, True),
        (INSIDE, "regular", False, None, None, True),
        (OUTSIDE, "regular", False, None, None, False),
        (OUTSIDE, "regular", False, None, KEY, True),
        (INSIDE, "reverse:http://x", False, None, None, False),
        (INSIDE, "reverse:http://x", False, KEY, None, True),
    ],
)
def test_requests(
    came_in_on: str, mode: str, ours: bool, key: str | None, password: str | None, admitted: bool
) -> None:
    entry = guarded(KEY)
    presented = [clients.Key(key, "header")] if key else []
    presented += [clients.Key(password, "proxy password")] if password else []
    assert admits(entry, client(came_in_on, mode), presented, passes=not ours) is admitted


def test_a_tunnels_password_counts_for_its_requests() -> None:
    entry = guarded(KEY)
    source = client()
    entry.http_connect(request_from(source, proxy_authorization=basic(KEY)))
    assert admits(entry, source, [], passes=False)
    assert not admits(entry, client(), [], passes=False)
    assert entry.client(source, []) == clients.Client("shared", "proxy password")


@pytest.mark.parametrize(
    ("presented", "expected"),
    [
        ([clients.Key(KEY, "header")], "header"),
        ([clients.Key("wrong", "header")], "proxy password"),
        ([clients.Key(KEY, "bearer")], "proxy password"),
        ([clients.Key("wrong", "header"), clients.Key(KEY, "x-api-key")], "proxy password"),
        ([], "proxy password"),
    ],
)
def test_what_is_for_the_proxy_alone_counts_before_a_credential(
    presented: list[clients.Key], expected: clients.KeyKind
) -> None:
    entry = guarded(KEY)
    source = client()
    entry.http_connect(request_from(source, proxy_authorization=basic(KEY)))
    assert entry.client(source, presented) == clients.Client("shared", expected)


def test_a_tunnel_does_not_outlive_its_key() -> None:
    entry = guarded(KEY)
    source = client()
    entry.http_connect(request_from(source, proxy_authorization=basic(KEY)))
    entry.guard = guard.Guard("another", next_key=KEY)
    assert admits(entry, source, [], passes=False)
    entry.guard = guard.Guard("another")
    assert not admits(entry, source, [], passes=False)


def test_a_request_without_a_key_is_nobodys() -> None:
    entry = guarded(None)
    assert entry.client(client(), [clients.Key(KEY, "header")]) is None
    assert admits(entry, client(), [], passes=False)


@pytest.mark.parametrize(
    ("came_in_on", "key", "host", "expected"),
    [
        (INSIDE, None, "127.0.0.1:4000", True),
        (INSIDE, None, "rebound.example:4000", False),
        (INSIDE, None, None, False),
        (INSIDE, KEY, "rebound.example:4000", True),
        (OUTSIDE, None, "server.example:4000", True),
    ],
)
def test_names(came_in_on: str, key: str | None, host: str | None, expected: bool) -> None:
    entry = guarded(key)
    assert entry.answers_to(client(came_in_on, "reverse:http://x"), host) is expected


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
    entry = listeners.Listeners()
    entry.guard = guard.Guard(provider_addresses=frozenset({("127.0.0.1", 11434)}))
    server = connection.Server(address=address)
    data = server_hooks.ServerConnectionHookData(server, client(came_in_on, mode))
    await entry.server_connect(data)
    assert (server.error is None) is allowed


ANTHROPIC = "reverse:https://api.anthropic.com"


@pytest.mark.parametrize(
    ("host", "port", "reverse_port", "expected"),
    [
        ("", None, 4000, ["regular@127.0.0.1:8080", f"{ANTHROPIC}@127.0.0.1:4000"]),
        ("", 9999, 4001, ["regular@127.0.0.1:9999", f"{ANTHROPIC}@127.0.0.1:4001"]),
        ("0.0.0.0", None, 4000, ["regular", f"{ANTHROPIC}@0.0.0.0:4000"]),
        ("::1", 9999, 4000, ["regular", f"{ANTHROPIC}@::1:4000"]),
    ],
)
def test_default_modes(host: str, port: int | None, reverse_port: int, expected: list[str]) -> None:
    assert listeners.default_modes(host, port, reverse_port) == expected


@pytest.mark.parametrize(
    ("mode", "host", "port", "expected"),
    [
        ("regular", "", None, "regular@127.0.0.1:8080"),
        ("regular", "", 9999, "regular@127.0.0.1:9999"),
        ("regular", "0.0.0.0", 9999, "regular"),
        ("regular@8082", "", None, "regular@127.0.0.1:8082"),
        ("regular@8082", "0.0.0.0", None, "regular@0.0.0.0:8082"),
        ("regular@0.0.0.0:8082", "", None, "regular@0.0.0.0:8082"),
        (f"{ANTHROPIC}@4001", "", None, f"{ANTHROPIC}@127.0.0.1:4001"),
        (f"{ANTHROPIC}@[::1]:4001", "", None, f"{ANTHROPIC}@::1:4001"),
        (f"{ANTHROPIC}@::1:4001", "", None, f"{ANTHROPIC}@::1:4001"),
        ("local:curl", "", None, "local:curl"),
        ("wireguard", "", None, "wireguard"),
    ],
)
def test_a_mode_without_a_host(mode: str, host: str, port: int | None, expected: str) -> None:
    assert listeners.with_host(mode, host, port) == expected


def test_allow_hosts() -> None:
    modes = ["regular", "reverse:http://[::1]:9000"]
    assert listeners.allow_hosts(["api.anthropic.com"], modes) == [
        r"^\[?api\.anthropic\.com\]?:\d+$",
        r"^\[?::1\]?:\d+$",
    ]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [({}, False), ({"origin": "null"}, True), ({"sec-fetch-site": "cross-site"}, True)],
)
def test_is_from_browser(headers: dict[str | bytes, str | bytes], expected: bool) -> None:
    request = http.Request.make("POST", "http://x/", headers=headers)
    assert listeners.is_from_browser(request) is expected


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (None, "this request presents none"),
        (clients.Key("wrong", "header"), "the one in x-litellm-api-key is another"),
        (clients.Key("wrong", "proxy password"), "the proxy password is another"),
        (clients.Key("wrong", "basic"), "the password is another"),
    ],
)
def test_what_a_client_without_the_key_is_advised(key: clients.Key | None, words: str) -> None:
    response = listeners.refusal(key)
    assert response.status_code == 401
    assert response.headers["x-should-retry"] == "false"
    message = str(response.text)
    assert words in message
    assert "wrong" not in message
    assert "ANTHROPIC_CUSTOM_HEADERS" in message


@pytest.mark.parametrize(
    ("came_in_on", "mode", "host", "port", "is_misdirected"),
    [
        (INSIDE, "regular", "127.0.0.1", 8080, True),
        (INSIDE, "regular", "localhost", 8080, True),
        ("::1", "regular", "::1", 8080, True),
        (OUTSIDE, "regular", OUTSIDE, 8080, True),
        (INSIDE, "regular", "127.0.0.1", 4000, False),
        (INSIDE, "regular", "api.anthropic.com", 8080, False),
        (OUTSIDE, "regular", "127.0.0.1", 8080, False),
        (INSIDE, "reverse:http://x", "127.0.0.1", 8080, False),
    ],
)
def test_a_base_url_at_the_forward_listener(
    came_in_on: str, mode: str, host: str, port: int, is_misdirected: bool
) -> None:
    request = http.Request.make("POST", "http://example.com/v1/messages")
    request.host, request.port = host, port
    response = listeners.misdirected(request, client(came_in_on, mode))
    assert bool(response) is is_misdirected
    if response:
        assert response.headers["x-should-retry"] == "false"
        assert "HTTPS_PROXY" in str(response.text)


def test_a_tunnel_through_the_reverse_listener(caplog: pytest.LogCaptureFixture) -> None:
    assert listeners.no_tunnel(client()).status_code == 407
    assert "port 8080 is for ANTHROPIC_BASE_URL" in caplog.text
