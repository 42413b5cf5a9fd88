from __future__ import annotations

from typing import Any

import pytest
from mitmproxy import http

from claude_route import targets
from claude_route.dialects.messages import requests
from claude_route.profile import profiles
from claude_route.proxy import attempt
from claude_route.routing import plan
from tests.wire import proxies


@pytest.mark.parametrize(
    ("named", "stream", "first_byte"),
    [
        ({}, True, 300),
        ({}, False, 300),
        ({"first_byte_timeout": 5}, True, 5),
        ({"first_byte_timeout": 5}, False, 5),
        ({"first_byte_timeout": 600}, False, 600),
        ({"idle_timeout": 60}, False, 300),
        ({"idle_timeout": 600}, True, 300),
        ({"idle_timeout": 600}, False, 600),
    ],
)
def test_limits(named: dict[str, float], stream: bool, first_byte: float) -> None:
    profile = proxies.profile("http://127.0.0.1:1")
    profile["providers"]["zai"] |= named
    provider = profiles.parse(str(profile), {}, "p.yaml").providers["zai"]
    found = attempt.limits(provider, stream=stream)
    assert found.first_byte == first_byte
    assert found.idle == named.get("idle_timeout", 300)
    assert found.connect == 10


@pytest.mark.parametrize(("stream", "first_byte"), [(True, 120), (False, 300)])
def test_limits_of_anthropic(stream: bool, first_byte: float) -> None:
    profile = profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "p.yaml")
    found = attempt.limits(profile.providers["anthropic"], stream=stream)
    assert found.first_byte == first_byte


def attempt_at(target: targets.Target, client: http.Request) -> attempt.Attempt:
    request = requests.read(client.content or b"")
    return attempt.Attempt(plan.Step(target), client, request, {})


def test_a_credential_goes_to_its_own_address_only() -> None:
    profile = profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "p.yaml")
    target = profile.target("glm")
    assert target
    body = b'{"model":"glm","messages":[]}'
    url = "https://api.anthropic.com/v1/messages?beta=true"
    client = http.Request.make("POST", url, body, http.Headers(x_api_key="{{client}}"))
    made = attempt_at(target, client)
    assert made.shown.headers["authorization"] == "Bearer {{zai}}"
    assert made.shown.pretty_url == "http://127.0.0.1:1/provider/zai/v1/messages?beta=true"
    sent = made.request(("127.0.0.1", 1))
    assert sent.headers["authorization"] == "Bearer zai-key-0123456789"
    assert sent.content == b'{"model":"glm-5","messages":[]}'
    assert "x-api-key" not in sent.headers
    assert made.shown.headers["authorization"] == "Bearer {{zai}}"
    assert client.headers["x-api-key"] == "{{client}}"
    with pytest.raises(ValueError, match="must not be sent to example"):
        made.request(("example.com", 1))


@pytest.mark.parametrize(
    ("auth", "key", "sent", "beta"),
    [
        ("bearer", "sk-ant-oat01-x", "a,b", "a,b,oauth-2025-04-20"),
        ("bearer", "sk-ant-oat01-x", None, "oauth-2025-04-20"),
        ("x-api-key", "sk-ant-api03-x", "a,oauth-2025-04-20", "a"),
        ("x-api-key", "sk-ant-api03-x", "oauth-2025-04-20", None),
        ("bearer", "key-of-a-gateway", "a,oauth-2025-04-20", "a,oauth-2025-04-20"),
        ("client", None, "a,oauth-2025-04-20", "a,oauth-2025-04-20"),
    ],
)
def test_the_beta_header_follows_the_kind_of_key(
    auth: str, key: str | None, sent: str | None, beta: str | None
) -> None:
    provider = {"base_url": "http://127.0.0.1:1", "auth": auth, **({"api_key": key} if key else {})}
    text = str({"providers": {"anthropic": provider}, "models": {"claude-*": "anthropic/claude-*"}})
    target = profiles.parse(text, {}, "p.yaml").target("claude-x")
    assert target
    body = b'{"model":"claude-x","messages":[]}'
    headers = http.Headers(anthropic_beta=sent) if sent else http.Headers()
    client = http.Request.make("POST", "https://api.anthropic.com/v1/messages", body, headers)
    shown = attempt_at(target, client).shown
    assert shown.headers.get("anthropic-beta") == beta


def made(path: str = "/v1/messages", **changes: Any) -> attempt.Attempt:
    """An attempt at a request that was changed after admission."""
    profile = profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "p.yaml")
    target = profile.target("glm")
    assert target
    body = b'{"model":"glm","messages":[]}'
    client = http.Request.make("POST", "https://api.anthropic.com/", body)
    client.path = path
    for name, value in changes.items():
        setattr(client, name, value)
    return attempt_at(target, client)


@pytest.mark.parametrize(
    ("path", "changes", "wanted"),
    [
        ("/v1/messages", {}, True),
        ("/v1/messages?beta=true", {}, True),
        ("/v1/messages?x=/v1/files", {}, True),
        ("/v1/messages/count_tokens", {}, True),
        ("/v1/messages", {"method": "GET"}, False),
        ("/v1/messages", {"method": "DELETE"}, False),
        ("/v1/files", {}, False),
        ("/v1/messages/", {}, False),
        ("/v1/messages/../files", {}, False),
        ("//v1/messages", {}, False),
        ("/v1/messages%2f", {}, False),
        ("/v1/messages;x", {}, False),
        ("/v1/messages#x", {}, False),
        ("/V1/messages", {}, False),
    ],
)
def test_no_credential_goes_to_another_path(
    path: str, changes: dict[str, Any], wanted: bool
) -> None:
    if wanted:
        assert made(path, **changes).shown.path.endswith(path.removesuffix("?x=/v1/files"))
    else:
        with pytest.raises(ValueError, match="POST /v1/messages"):
            made(path, **changes)


@pytest.mark.parametrize(
    ("path", "header", "refused"),
    [
        ("/v1/messages?beta=true", b"a\tb \xff", ""),
        ("/v1/messages?a b", b"", "path"),
        ("/v1/messages?a HTTP/1.1\r\nx-b: c", b"", "path"),
        ("/v1/messages?\0", b"", "path"),
        ("/v1/messages", b"a\rauthorization: b", "header values"),
        ("/v1/messages", b"a\r\n b", "header values"),
        ("/v1/messages", b"a\nb", "header values"),
        ("/v1/messages", b"a\0b", "header values"),
    ],
)
def test_nothing_of_a_client_ends_a_line(path: str, header: bytes, refused: str) -> None:
    """The rest could be parsed as another request, with our credential in its headers."""
    headers = http.Headers([(b"user-agent", header)])
    if refused:
        with pytest.raises(ValueError, match=refused):
            made(path, headers=headers)
    else:
        assert made(path, headers=headers).shown.headers.fields[0] == (b"user-agent", header)


@pytest.mark.parametrize("model", ["claude-x", "glm"])
def test_headers_for_one_connection_stay_there(model: str) -> None:
    profile = profiles.parse(str(proxies.profile("http://127.0.0.1:1")), {}, "p.yaml")
    target = profile.target(model)
    assert target
    headers = http.Headers(
        connection="keep-alive, x-app", keep_alive="timeout=5", te="trailers", x_app="cli"
    )
    body = b'{"model":"x","messages":[]}'
    client = http.Request.make("POST", "https://api.anthropic.com/v1/messages", body, headers)
    sent = attempt_at(target, client).request(("127.0.0.1", 1))
    assert not {"connection", "keep-alive", "te", "x-app"} & {name.lower() for name in sent.headers}
    assert client.headers["connection"] == "keep-alive, x-app"
