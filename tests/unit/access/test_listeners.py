from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Sequence

import pytest
from mitmproxy import connection
from mitmproxy import http
from mitmproxy.test import tflow

from claude_route.access import clients
from claude_route.access import guard
from claude_route.access import listener_modes
from claude_route.access import listeners
from claude_route.profile import clients as profile_clients
from tests.unit import sources
from tests.unit.sources import INSIDE
from tests.unit.sources import OUTSIDE

KEY = "static-0123456789-tokn"


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
    source = sources.client(came_in_on)
    entry.client_connected(source)
    assert bool(source.error) is refused


def test_before_any_settings_nobody_may_connect(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    entry, source = listeners.Listeners(), sources.client()
    entry.client_connected(source)
    assert source.error
    assert caplog.messages == ["Refused a connection, because no profile is in force"]
    flow = request_from(sources.client())
    entry.http_connect(flow)
    assert not entry.has_opened(flow)
    assert not admits(entry, sources.client(), [], passes=True)


@pytest.mark.parametrize(
    ("mode", "is_open", "refused"),
    [
        ("regular", False, False),
        ("upstream:http://x", False, False),
        ("reverse:https://x", False, False),
        ("reverse:http3://x", False, False),
        *((mode, False, True) for mode in ("socks5", "transparent", "dns", "tun", "local")),
        *(
            (f"reverse:{scheme}://x:9", False, True)
            for scheme in ("tcp", "tls", "udp", "dns", "quic")
        ),
        ("wireguard", False, True),
        ("socks5", True, False),
    ],
)
def test_modes_that_cannot_ask_for_a_key(mode: str, is_open: bool, refused: bool) -> None:
    entry = guarded(KEY, is_open)
    for came_in_on, expected in ((INSIDE, False), (OUTSIDE, refused)):
        source = sources.client(came_in_on, mode)
        entry.client_connected(source)
        assert bool(source.error) is expected
        assert bool(entry.refusal(source)) is expected
    keyless = listener_modes.keyless([mode], "192.0.2.1")
    why = "can't ask clients for a key: expected a loopback address, got '192.0.2.1'"
    if refused and not mode.startswith(("socks5", "transparent", "reverse:tcp", "reverse:tls")):
        with pytest.raises(ValueError, match=why):
            entry.guard.check_keyless(keyless)
    else:
        warnings = entry.guard.check_keyless(keyless)
        assert [why in warning for warning in warnings] == [True] * refused


# Keys that change


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[connection.Client]:
    """The connections that were ended; all tunnels of the test are open until then."""
    ended: list[connection.Client] = []
    monkeypatch.setattr(listeners, "hang_up", ended.append)
    return ended


def tunnel(
    entry: listeners.Listeners, came_in_on: str = INSIDE, password: str | None = KEY
) -> connection.Client:
    source = sources.client(came_in_on)
    headers = {"proxy_authorization": basic(password)} if password else {}
    entry.client_connected(source)
    entry.http_connect(request_from(source, **headers))
    entry.stands(source, ())
    return source


NEXT_KEY = "static-9876543210-next"


@pytest.mark.parametrize(
    ("came_in_on", "password", "before", "after", "is_ended"),
    [
        (INSIDE, KEY, guard.Guard(KEY), guard.Guard(NEXT_KEY), True),
        (OUTSIDE, KEY, guard.Guard(KEY), guard.Guard(NEXT_KEY), True),
        (INSIDE, KEY, guard.Guard(KEY), guard.Guard(NEXT_KEY, next_key=KEY), False),
        (INSIDE, KEY, guard.Guard(KEY), guard.Guard(KEY, is_open=True), False),
        (INSIDE, None, guard.Guard(KEY), guard.Guard(NEXT_KEY), False),
        (INSIDE, None, guard.Guard(), guard.Guard(KEY), False),
        (OUTSIDE, None, guard.Guard(is_open=True), guard.Guard(KEY), True),
        (OUTSIDE, None, guard.Guard(is_open=True), guard.Guard(), True),
    ],
)
def test_a_tunnel_ends_with_its_key(
    ended: list[connection.Client],
    monkeypatch: pytest.MonkeyPatch,
    came_in_on: str,
    password: str | None,
    before: guard.Guard,
    after: guard.Guard,
    is_ended: bool,
) -> None:
    entry = listeners.Listeners()
    entry.put_in_force(before)
    source = tunnel(entry, came_in_on, password)
    monkeypatch.setattr(listeners, "open_connections", lambda: [source])
    entry.put_in_force(after)
    assert ended == ([source] if is_ended else [])


@pytest.mark.parametrize(
    ("shown", "is_ended"), [([KEY], True), (["own", KEY], True), (["own"], False), ([], False)]
)
def test_a_websocket_ends_with_its_key(
    ended: list[connection.Client],
    monkeypatch: pytest.MonkeyPatch,
    shown: list[str],
    is_ended: bool,
) -> None:
    entry, source = listeners.Listeners(), sources.client()
    entry.put_in_force(guard.Guard(KEY))
    entry.stands(source, [clients.Key(secret, "bearer") for secret in shown])
    monkeypatch.setattr(listeners, "open_connections", lambda: [source])
    entry.put_in_force(guard.Guard(NEXT_KEY))
    assert ended == ([source] if is_ended else [])


def test_a_tunnel_that_carries_no_http_ends_with_its_key(
    ended: list[connection.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry, source = listeners.Listeners(), sources.client()
    entry.put_in_force(guard.Guard(KEY))
    entry.http_connect(request_from(source, proxy_authorization=basic(KEY)))
    flow = tflow.ttcpflow()
    flow.client_conn = source
    entry.tcp_start(flow)
    monkeypatch.setattr(listeners, "open_connections", lambda: [source])
    entry.put_in_force(guard.Guard(NEXT_KEY))
    assert ended == [source]


def test_a_connection_that_still_carries_requests_is_asked_with_each(
    ended: list[connection.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry, source = guarded(KEY), sources.client(OUTSIDE)
    monkeypatch.setattr(listeners, "open_connections", lambda: [source])
    entry.put_in_force(guard.Guard(NEXT_KEY))
    assert not ended
    entry.guard = guard.Guard()  # it was open when this connection came in
    assert not admits(entry, source, [], passes=True)


async def test_what_stands_is_left_to_the_next_script(
    ended: list[connection.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = listeners.Listeners()
    old.put_in_force(guard.Guard(KEY))
    source = tunnel(old)
    monkeypatch.setattr(listeners, "open_connections", lambda: [source])
    old.done()
    assert not old.guard.accepts(is_outside=False)
    broken = listeners.Listeners()  # whose script could not be loaded
    broken.succeeds(old)
    new = listeners.Listeners()
    new.succeeds(broken)
    assert new.last_guard == guard.Guard(KEY)
    new.put_in_force(guard.Guard(KEY))
    assert new.has_accepted(source)
    assert admits(new, source, [], passes=False)
    old._end_all()
    assert not ended
    new.put_in_force(guard.Guard(NEXT_KEY))
    assert ended == [source]


async def test_what_stands_ends_where_no_script_is_loaded(
    ended: list[connection.Client],
) -> None:
    old = guarded(KEY)
    source = tunnel(old)
    old.done()
    old._end_all()
    assert ended == [source]


def test_a_key_that_is_none_any_more_is_taken_out_too() -> None:
    entry = listeners.Listeners()
    entry.put_in_force(guard.Guard(KEY))
    entry.put_in_force(guard.Guard(NEXT_KEY))
    request = request_from(sources.client(), authorization=f"Bearer {KEY}").request
    entry.search(sources.client(), []).take_out(request)
    assert "authorization" not in request.headers


def test_a_key_that_a_client_has_shown_is_taken_out_of_any_text() -> None:
    entry = listeners.Listeners()
    digest = hashlib.sha256(KEY.encode()).digest()
    entry.put_in_force(guard.Guard(named=(profile_clients.Client("alice", (digest,)),)))
    hidden = f"a={base64.b64encode(f'me:{KEY}'.encode()).decode()}"
    before = request_from(sources.client(), x_app=hidden).request
    entry.search(sources.client(), []).take_out(before)
    assert before.headers["x-app"] == hidden
    entry.search(sources.client(), [clients.Key(KEY, "header")])
    for new in (entry.guard, guard.Guard(NEXT_KEY)):
        entry.put_in_force(new)
        after = request_from(sources.client(), x_app=hidden, authorization=f"Bearer {KEY}").request
        entry.search(sources.client(), []).take_out(after)
        assert set(after.headers).isdisjoint({"x-app", "authorization"})


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
    flow = request_from(sources.client(came_in_on), **headers)
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
    assert admits(entry, sources.client(came_in_on, mode), presented, passes=not ours) is admitted


def test_a_tunnels_password_counts_for_its_requests() -> None:
    entry = guarded(KEY)
    source = sources.client()
    entry.http_connect(request_from(source, proxy_authorization=basic(KEY)))
    assert admits(entry, source, [], passes=False)
    assert not admits(entry, sources.client(), [], passes=False)
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
    source = sources.client()
    entry.http_connect(request_from(source, proxy_authorization=basic(KEY)))
    assert entry.client(source, presented) == clients.Client("shared", expected)


def test_a_tunnel_does_not_outlive_its_key() -> None:
    entry = guarded(KEY)
    source = sources.client()
    entry.http_connect(request_from(source, proxy_authorization=basic(KEY)))
    entry.guard = guard.Guard("another", next_key=KEY)
    assert admits(entry, source, [], passes=False)
    entry.guard = guard.Guard("another")
    assert not admits(entry, source, [], passes=False)


def test_a_request_without_a_key_is_nobodys() -> None:
    entry = guarded(None)
    assert entry.client(sources.client(), [clients.Key(KEY, "header")]) is None
    assert admits(entry, sources.client(), [], passes=False)


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
    assert entry.answers_to(sources.client(came_in_on, "reverse:http://x"), host) is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [({}, False), ({"origin": "null"}, True), ({"sec-fetch-site": "cross-site"}, True)],
)
def test_is_from_browser(headers: dict[str | bytes, str | bytes], expected: bool) -> None:
    request = http.Request.make("POST", "http://x/", headers=headers)
    assert listeners.is_from_browser(request) is expected
