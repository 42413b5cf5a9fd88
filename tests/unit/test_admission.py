"""Admission: each row is a request on a listener, and what happens to it."""

from __future__ import annotations

import base64
import dataclasses
import hashlib

import pytest
from mitmproxy import http
from mitmproxy.net.http import http1
from mitmproxy.proxy import mode_specs
from mitmproxy.test import tflow

from claude_route import admission
from claude_route import responses
from claude_route import settings
from claude_route import targets
from claude_route.access import admissions
from claude_route.access import clients
from claude_route.access import credentials
from claude_route.access import guard
from claude_route.access import listeners
from claude_route.access import places
from claude_route.pages import table
from claude_route.profile import clients as profile_clients
from claude_route.profile import profiles
from claude_route.proxy import contract
from tests.unit import states
from tests.wire import proxies

PROFILE = profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "p.yaml")
KEY = "static-0123456789-tokn"
NAMED_KEY = "alice-0123456789-tokn"

FORWARD, REVERSE = "regular", "reverse:https://api.anthropic.com"
INSIDE, OUTSIDE = "127.0.0.1", "203.0.113.5"

MESSAGES = "POST https://api.anthropic.com/v1/messages"
COUNT = "POST https://api.anthropic.com/v1/messages/count_tokens?beta=true"
BATCHES = "POST https://api.anthropic.com/v1/messages/batches"
OTHER = "POST https://api.anthropic.com/other"
ELSEWHERE = "POST https://example.com/v1/messages"
HEALTH = "GET https://api.anthropic.com/health"
MODELS = "GET https://api.anthropic.com/v1/models"
STATUS = "GET https://api.anthropic.com/status"
STATUS_CSS = "HEAD https://api.anthropic.com/status.css"


def make(line: str, **headers: str) -> http.Request:
    method, _, url = line.partition(" ")
    request = http.Request.make(method, url)
    for name, value in headers.items():
        request.headers[name.replace("_", "-")] = value
    return request


@pytest.mark.parametrize(
    ("line", "at_forward", "at_reverse"),
    [
        (MESSAGES, "routed", "routed"),
        (COUNT, "routed", "routed"),
        (MESSAGES.replace("api.a", "API.A"), "routed", "routed"),
        (MESSAGES.replace("POST", "GET"), "passing", "passing"),
        (BATCHES, "passing", "passing"),
        (ELSEWHERE, "passing", "routed"),
        (HEALTH, "passing", "/health"),
        (MODELS, "passing", "/v1/models"),
        (STATUS, "passing", "/status"),
        (STATUS_CSS, "passing", "/status"),
        (STATUS.replace("GET", "POST"), "passing", "unknown"),
        (OTHER, "passing", "unknown"),
        (OTHER.replace("/other", "/"), "passing", "unknown"),
    ],
)
def test_classify(line: str, at_forward: str, at_reverse: str) -> None:
    for is_reverse, expected in ((False, at_forward), (True, at_reverse)):
        kind = admission.classify(make(line), PROFILE, is_reverse=is_reverse)
        assert (kind.path if isinstance(kind, table.Page) else kind) == expected


def refused(
    line: str,
    mode: str = REVERSE,
    came_in_on: str = INSIDE,
    needs: str | None = KEY,
    key: str | None = None,
    *,
    is_replay: bool = False,
    mode_error: str = "",
    host: str | None = "127.0.0.1:4000",
    **headers: str,
) -> http.Response | None:
    """The refusal of a request; `needs` is the key that is set, `key` the one that the client
    presents."""
    source = tflow.tclient_conn()
    source.sockname = (came_in_on, 4000)
    source.proxy_mode = mode_specs.ProxyMode.parse(mode)
    entry = listeners.Listeners()
    entry.guard = guard.Guard(needs)
    request = make(line, **headers)
    client = entry.client(source, [clients.Key(key, "header")] if key else [])
    kind = admission.classify(request, PROFILE, is_reverse=listeners.is_reverse(source))
    candidate = admission.Candidate(request, source, client, mode_error, host, is_replay)
    return admission.refusal(kind, candidate, entry)


@pytest.mark.parametrize("key", [None, "wrong", KEY])
@pytest.mark.parametrize("is_replay", [False, True])
@pytest.mark.parametrize(
    ("line", "mode", "came_in_on", "without_key"),
    [
        (MESSAGES, REVERSE, INSIDE, 401),
        (MESSAGES, FORWARD, INSIDE, 401),
        (MESSAGES, FORWARD, OUTSIDE, 401),
        (BATCHES, REVERSE, INSIDE, 401),
        (BATCHES, FORWARD, INSIDE, None),
        (BATCHES, FORWARD, OUTSIDE, 401),
        (OTHER, FORWARD, INSIDE, None),
        (ELSEWHERE, FORWARD, INSIDE, None),
        (ELSEWHERE, FORWARD, OUTSIDE, 401),
        (HEALTH, REVERSE, OUTSIDE, None),
        (MODELS, REVERSE, INSIDE, 401),
        (STATUS, REVERSE, INSIDE, 401),
        (STATUS_CSS, REVERSE, INSIDE, 401),
        (STATUS, FORWARD, INSIDE, None),
        (STATUS, FORWARD, OUTSIDE, 401),
    ],
)
def test_where_a_key_is_set(
    line: str, mode: str, came_in_on: str, without_key: int | None, is_replay: bool, key: str | None
) -> None:
    response = refused(line, mode, came_in_on, KEY, key, is_replay=is_replay)
    expected = None if key == KEY or is_replay else without_key
    assert (response.status_code if response else None) == expected


def test_a_base_url_at_the_forward_listener() -> None:
    line = "POST http://127.0.0.1:4000/v1/messages"
    for needs in (None, KEY):
        response = refused(line, FORWARD, needs=needs)
        assert response
        assert response.status_code == 421
    assert refused(line, REVERSE, needs=None) is None


@pytest.mark.parametrize("line", [MESSAGES, BATCHES, MODELS, STATUS])
def test_where_no_key_is_set(line: str) -> None:
    assert refused(line, REVERSE, INSIDE, None) is None
    assert refused(line, FORWARD, INSIDE, None) is None


@pytest.mark.parametrize("needs", [None, KEY])
@pytest.mark.parametrize("is_replay", [False, True])
@pytest.mark.parametrize(
    ("line", "expected"),
    [(HEALTH, None), (MODELS, 403), (STATUS, 403), (STATUS_CSS, 403), (MESSAGES, None)],
)
def test_under_another_name(
    line: str, expected: int | None, is_replay: bool, needs: str | None
) -> None:
    response = refused(
        line, REVERSE, INSIDE, needs, needs, host="rebound.example:4000", is_replay=is_replay
    )
    expected = None if needs or is_replay else expected
    assert (response.status_code if response else None) == expected


@pytest.mark.parametrize("is_replay", [False, True])
@pytest.mark.parametrize(
    ("line", "wrong", "expected"),
    [
        (MESSAGES, {"mode_error": "expected rotate or passthrough"}, 400),
        (BATCHES, {"mode_error": "expected rotate or passthrough"}, None),
        (STATUS, {"mode_error": "expected rotate or passthrough"}, None),
        (MESSAGES, {"origin": "https://example.com"}, 403),
        (MESSAGES, {"sec_fetch_site": "same-origin"}, 403),
        (COUNT, {"origin": "null"}, 403),
        (BATCHES, {"origin": "https://example.com"}, None),
        (STATUS, {"origin": "https://example.com"}, None),
        (MESSAGES, {"content_length": str(responses.MAX_BODY + 1)}, 413),
        (MESSAGES, {"content_length": str(responses.MAX_BODY)}, None),
        (BATCHES, {"content_length": str(responses.MAX_BODY + 1)}, None),
    ],
)
def test_what_is_wrong_with_a_request(
    line: str, wrong: dict[str, str], expected: int | None, is_replay: bool
) -> None:
    response = refused(line, REVERSE, INSIDE, KEY, KEY, is_replay=is_replay, **wrong)
    assert (response.status_code if response else None) == expected


def test_order_of_the_checks() -> None:
    """After each refusal its cause is removed, and the next check refuses."""
    wrong = {
        "mode_error": "expected rotate or passthrough",
        "origin": "https://example.com",
        "content_length": str(responses.MAX_BODY + 1),
    }
    key: str | None = None
    seen = []
    for mended in (None, "key", *wrong):
        key = KEY if mended == "key" else key
        wrong = {name: value for name, value in wrong.items() if name != mended}
        response = refused(MESSAGES, key=key, **wrong)  # type: ignore[arg-type]
        seen.append(response.status_code if response else None)
    assert seen == [401, 400, 403, 413, None]


@pytest.mark.parametrize(
    ("line", "mode", "is_challenged"),
    [
        (STATUS, REVERSE, True),
        (STATUS_CSS, REVERSE, True),
        (MODELS, REVERSE, False),
        (MESSAGES, REVERSE, False),
        (STATUS, FORWARD, False),
    ],
)
def test_browsers_are_asked_for_the_key(line: str, mode: str, is_challenged: bool) -> None:
    response = refused(line, mode, OUTSIDE, accept="text/html")
    assert response
    assert response.status_code == 401
    assert ("www-authenticate" in response.headers) is is_challenged


# From the headers of a request to its admission


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"me:{password}".encode()).decode()


def admitted(
    line: str, mode: str = REVERSE, **headers: str
) -> tuple[http.HTTPFlow, admission.Route]:
    entry = listeners.Listeners()
    digest = hashlib.sha256(NAMED_KEY.encode()).digest()
    entry.guard = guard.Guard(KEY, named=(profile_clients.Client("alice", (digest,)),))
    in_force = settings.Settings(entry)
    in_force.state = states.state_of(PROFILE)
    route = admission.Route(in_force, entry, contract.Observer(), states.sources())
    flow = tflow.tflow(req=make(line, **headers))
    flow.client_conn.sockname = (INSIDE, 4000)
    flow.client_conn.proxy_mode = mode_specs.ProxyMode.parse(mode)
    route.requestheaders(flow)
    return flow, route


@pytest.mark.parametrize(("key", "name"), [(NAMED_KEY, "alice"), (KEY, None), ("wrong", None)])
def test_a_client_with_a_name_takes_turns_of_its_own(key: str, name: str | None) -> None:
    place = places.Table().enter(INSIDE, 5, lambda: None, 0.0)
    assert isinstance(place, places.Place)
    token = places.current.set(place)
    admitted(MESSAGES, x_litellm_api_key=key)
    places.current.reset(token)
    assert place.share is (place.table.turns.share(name) if name else place.group.share)


@pytest.mark.parametrize(
    ("line", "mode", "headers", "client"),
    [
        (MESSAGES, REVERSE, {"x_litellm_api_key": KEY}, ("shared", "header")),
        (MESSAGES, REVERSE, {"x_litellm_api_key": f"Bearer {KEY}"}, ("shared", "header")),
        (MESSAGES, FORWARD, {"proxy_authorization": basic(KEY)}, ("shared", "proxy password")),
        (STATUS, REVERSE, {"authorization": basic(KEY)}, ("shared", "basic")),
        (MESSAGES, REVERSE, {"authorization": f"Bearer {KEY}"}, ("shared", "bearer")),
        (MESSAGES, FORWARD, {"authorization": f"Bearer {KEY}"}, ("shared", "bearer")),
        (COUNT, REVERSE, {"x_api_key": KEY}, ("shared", "x-api-key")),
        (MESSAGES, FORWARD, {"x_api_key": KEY}, ("shared", "x-api-key")),
        (BATCHES, REVERSE, {"x_api_key": KEY, "authorization": KEY}, ("shared", "bearer")),
        (BATCHES, FORWARD, {"x_api_key": KEY}, ("shared", "x-api-key")),
        (STATUS, REVERSE, {"authorization": f"Bearer {KEY}"}, ("shared", "bearer")),
        (STATUS, REVERSE, {"x_api_key": KEY}, ("shared", "x-api-key")),
        (MODELS, REVERSE, {"authorization": f"Bearer {KEY}"}, ("shared", "bearer")),
        (MODELS, REVERSE, {"x_api_key": KEY}, ("shared", "x-api-key")),
        (HEALTH, REVERSE, {"x_api_key": KEY}, ("shared", "x-api-key")),
        # A wrong key hides no right one, nor does a credential of the client's own.
        (MESSAGES, REVERSE, {"x_litellm_api_key": "no", "x_api_key": KEY}, ("shared", "x-api-key")),
        (
            MESSAGES,
            REVERSE,
            {"authorization": "Bearer own", "x_api_key": KEY},
            ("shared", "x-api-key"),
        ),
        (
            MESSAGES,
            REVERSE,
            {"authorization": f"Bearer {KEY}", "x_api_key": "o"},
            ("shared", "bearer"),
        ),
        (
            STATUS,
            REVERSE,
            {"authorization": basic(KEY), "x_litellm_api_key": "no"},
            ("shared", "basic"),
        ),
        (BATCHES, FORWARD, {}, None),
        (BATCHES, FORWARD, {"x_litellm_api_key": "wrong"}, None),
        (HEALTH, REVERSE, {}, None),
    ],
)
def test_who_is_admitted(
    line: str, mode: str, headers: dict[str, str], client: tuple[str, clients.KeyKind] | None
) -> None:
    flow, route = admitted(line, mode, **headers)
    assert flow.response is None
    assert route.admissions[flow].client == (client and clients.Client(*client))
    assert KEY not in str(flow.request.headers)
    assert "proxy-authorization" not in flow.request.headers


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        (MODELS, {"authorization": basic(KEY)}),
        (MESSAGES, {"authorization": basic(KEY)}),
        (MESSAGES, {"authorization": f"Basic {KEY}"}),
        (STATUS, {"cookie": f"key={KEY}"}),
        (MESSAGES, {"x_api_key": f"{KEY}x", "authorization": f"Bearer {KEY[:-1]}"}),
    ],
)
def test_a_key_that_does_not_count(line: str, headers: dict[str, str]) -> None:
    flow, route = admitted(line, REVERSE, **headers)
    assert flow.response
    assert flow.response.status_code == 401
    assert flow not in route.admissions


@pytest.mark.parametrize("value", [b"a\rx-other: b", b"a\r\n b", b"a\0"])
@pytest.mark.parametrize("name", [b"x-other", b"authorization"])
@pytest.mark.parametrize(("line", "mode"), [(MESSAGES, REVERSE), (BATCHES, FORWARD)])
def test_a_header_that_some_would_take_for_two(
    line: str, mode: str, name: bytes, value: bytes
) -> None:
    flow, route = admitted(line, mode, x_litellm_api_key=KEY, **{name.decode(): value.decode()})
    assert flow.response
    assert flow.response.status_code == 400
    assert flow not in route.admissions


@pytest.mark.parametrize("method", ["\0", "GET\0", "G\x7fT", "G(T", "GÉT"])
@pytest.mark.parametrize("mode", [REVERSE, FORWARD])
def test_a_method_that_is_no_token(mode: str, method: str) -> None:
    flow, route = admitted(BATCHES.replace("POST", method), mode, x_litellm_api_key=KEY)
    assert flow.response
    assert flow.response.status_code == 400
    assert flow not in route.admissions


@pytest.mark.parametrize(
    ("line", "mode", "is_routed", "is_streamed"),
    [
        (MESSAGES, REVERSE, True, False),
        (MESSAGES, FORWARD, True, False),
        (BATCHES, FORWARD, False, True),
    ],
)
def test_what_passes_is_streamed(line: str, mode: str, is_routed: bool, is_streamed: bool) -> None:
    flow, route = admitted(line, mode, x_litellm_api_key=KEY)
    assert route.admissions[flow].is_routed is is_routed
    assert bool(flow.request.stream) is is_streamed


@pytest.mark.parametrize(
    ("mode", "rotates"), [(None, True), ("rotate", True), ("passthrough", False)]
)
def test_token_mode(mode: str | None, rotates: bool) -> None:
    headers = {"x_claude_token_mode": mode} if mode else {}
    flow, route = admitted(MESSAGES, x_litellm_api_key=KEY, **headers)
    assert route.admissions[flow].rotates is rotates


@pytest.mark.parametrize("needs", [None, KEY])
def test_a_path_that_nobody_has(needs: str | None) -> None:
    refusal = refused(OTHER, needs=needs, key=needs)
    assert refusal
    assert refusal.status_code == 404
    assert refusal.json()["error"]["type"] == "not_found_error"
    assert "claude-route" in refusal.json()["error"]["message"]
    without_key = refused(OTHER, needs=KEY)
    assert without_key
    assert without_key.status_code == 401


@pytest.mark.parametrize(
    ("mode", "path", "received"),
    [
        (REVERSE, "/anthropic/v1/messages?beta=true", "/v1/messages?beta=true"),
        (REVERSE, "//v1/messages", "/v1/messages"),
        (REVERSE, "/v1/v1/messages/count_tokens/?b=1", "/v1/messages/count_tokens?b=1"),
        (REVERSE, "/v1/messages?a=/v1/messages/count_tokens", None),
        (REVERSE, "/v1/files?a=/v1/messages", None),
        (FORWARD, "/anthropic/v1/messages?beta=true", None),
    ],
)
def test_a_base_url_with_a_path(mode: str, path: str, received: str | None) -> None:
    line = f"POST https://api.anthropic.com{path}"
    flow, route = admitted(line, mode, x_litellm_api_key=KEY)
    assert flow.request.path == (received or path)
    is_routed = mode == REVERSE and "v1/messages" in path.partition("?")[0]
    assert route.admissions[flow].is_routed is is_routed


def test_what_a_front_adds_is_in_no_flow() -> None:
    front = {
        "x_forwarded_for": "10.0.0.1",
        "x_amzn_oidc_data": "jwt",
        "cookie": "CF_Authorization=x",
    }
    for line, mode, count in (
        (MESSAGES, REVERSE, 0),
        (BATCHES, REVERSE, 0),
        (MESSAGES, FORWARD, 3),
    ):
        flow, _ = admitted(line, mode, x_litellm_api_key=KEY, **front)
        names = {name.replace("_", "-") for name in front}
        assert len(names & {name.lower() for name in flow.request.headers}) == count


@pytest.mark.parametrize("mode", [REVERSE, FORWARD])
def test_hop_by_hop_headers_of_what_passes(mode: str) -> None:
    headers = {
        "x_litellm_api_key": KEY,
        "keep_alive": "timeout=5",
        "connection": "keep-alive, x-app, authorization",
        "x_app": "cli",
        "authorization": "Bearer sk-ant-oat01-own",
    }
    flow, route = admitted(BATCHES, mode, **headers)
    passed = route.passthrough(flow).headers
    assert not {"connection", "keep-alive", "x-app", "authorization"} & set(passed)
    flow.request.headers["upgrade"] = "websocket"
    passed = route.passthrough(flow).headers
    assert passed["connection"] == "Upgrade"
    assert passed["upgrade"] == "websocket"
    assert not {"x-app", "authorization"} & set(passed)


@pytest.mark.parametrize("mode", [REVERSE, FORWARD])
def test_what_raises_shows_nobodys_credential(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(credentials, "hide", broken)
    path = f"{BATCHES}?key=sk-ant-api03-own"
    flow, route = admitted(path, mode, authorization="Bearer sk-ant-oat01-own")
    assert flow.response
    assert flow.response.status_code == 500
    assert "sk-ant" not in str(flow.get_state())
    assert isinstance(route.exchange(flow), http.Response)


@pytest.mark.parametrize("mode", [REVERSE, FORWARD])
def test_a_key_in_the_address_is_refused(mode: str) -> None:
    path = BATCHES.replace("batches", f"batches/{KEY}")
    flow, route = admitted(path, mode, x_litellm_api_key=KEY)
    assert flow.response
    assert flow.response.status_code == 400
    assert KEY not in str(flow.get_state())
    assert isinstance(route.exchange(flow), http.Response)


def test_without_hooks_nothing_is_seen() -> None:
    flow, route = admitted(MESSAGES, x_litellm_api_key=KEY)
    assert route.arrives(flow.request) is None
    route.done()
    refusal = route.arrives(flow.request)
    assert refusal
    assert refusal.status_code == 500
    assert not route.opens(flow)


def test_a_page_is_answered_once_its_request_is_whole() -> None:
    flow, route = admitted(STATUS_CSS, x_litellm_api_key=KEY)
    assert flow.response is None
    route.request(flow)
    assert flow.response
    assert flow.response.status_code == 200
    assert flow.response.raw_content == b""


def test_what_was_not_admitted_goes_nowhere() -> None:
    flow, route = admitted(MESSAGES)
    answer = route.exchange(flow)
    assert isinstance(answer, http.Response)
    assert answer.status_code == 500


@pytest.mark.parametrize(
    ("length", "size"),
    [
        ("12", 12),
        ("", 0),
        ("-1", 0),
        ("twelve", 0),
        ("²", 0),
        ("0" * 5000 + "12", 12),
        ("1" + "0" * 5000, 10**19),
    ],
)
def test_declared_size(length: str, size: int) -> None:
    request = http.Request.make("POST", "http://a/", b"")
    request.headers["content-length"] = length
    assert admission.declared_size(request) == size


def test_without_anthropic_in_the_profile_nothing_is_asked_of_it() -> None:
    profile = profiles.parse(
        "{providers: {zai: {base_url: http://zai.example}}, models: {glm: zai/glm-5}}", {}, "p.yaml"
    )
    kinds = [
        admission.classify(make(line), profile, is_reverse=is_reverse)
        for line in (MESSAGES, BATCHES, "GET https://example.com/other")
        for is_reverse in (False, True)
    ]
    assert kinds == ["routed", "routed", "absent", "absent", "passing", "unknown"]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x_api_key": "sk-ant-api03-client-cLnt"}, "own"),
        ({"authorization": "Bearer sk-ant-oat01-client-cLnt"}, "own"),
        ({"authorization": "Bearer any", "x_api_key": "sk-ant-api03-client-cLnt"}, "own"),
        ({"authorization": f"Bearer {KEY}", "x_api_key": "sk-ant-api03-client-cLnt"}, "own"),
        ({"authorization": "Bearer any"}, "text"),
        ({"authorization": "Bearer any", "x_api_key": KEY}, "text"),
        ({"authorization": f"Bearer {KEY}"}, "none"),
        ({"x_api_key": KEY, "authorization": f"Bearer {KEY}"}, "none"),
        ({"authorization": "Bearer ", "x_api_key": ""}, "none"),
        ({}, "none"),
    ],
)
def test_what_a_client_has_of_a_login(headers: dict[str, str], expected: admissions.Login) -> None:
    flow, route = admitted(MESSAGES, x_litellm_api_key=KEY, **headers)
    assert route.admissions[flow].login == expected


@pytest.mark.parametrize(
    ("own", "asked", "pool", "expected"),
    [
        (None, None, "rotate", True),
        (None, "passthrough", "rotate", False),
        (None, "rotate", "passthrough", True),
        ("rotate", None, "passthrough", True),
        ("rotate", "passthrough", "passthrough", False),
        ("passthrough", None, "rotate", False),
        # The profile keeps it from the pool, whatever it asks for.
        ("passthrough", "rotate", "rotate", False),
    ],
)
def test_token_mode_of_a_client(
    own: targets.TokenMode | None,
    asked: targets.TokenMode | None,
    pool: targets.TokenMode,
    expected: bool,
) -> None:
    entry = profile_clients.Client("alice", (), token_mode=own)
    pooled = dataclasses.replace(PROFILE.pool, mode=pool)
    profile = dataclasses.replace(PROFILE, pool=pooled)
    client = clients.Client("alice", "header", entry)
    assert admission.rotates(client, asked, profile) is expected
    assert admission.rotates(None, asked, profile) is ((asked or pool) == "rotate")


@pytest.mark.parametrize(
    ("version", "expected"), [("HTTP/1.1", b"POST /v1/files HTTP/1.1"), ("HTTP/2.0", b"")]
)
def test_no_target_names_another_host(version: str, expected: bytes) -> None:
    """In absolute form, which a server takes before the Host header."""
    request = make("POST https://api.anthropic.com/v1/files")
    request.http_version, request.authority = version, "elsewhere.example"
    admission.receive(request)
    assert request.authority == ("" if expected else "elsewhere.example")
    if expected:
        assert http1.assemble_request_head(request).startswith(expected)
