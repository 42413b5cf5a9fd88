"""Headers that end at the proxy."""

from __future__ import annotations

import pytest

from claude_route.access import fronts
from claude_route.wire import http_message

CLIENT: http_message.Fields = (
    (b"Host", b"localhost:4000"),
    (b"Accept", b"application/json"),
    (b"Authorization", b"Bearer sk-ant-oat01-own"),
    (b"x-api-key", b"sk-ant-api03-own"),
    (b"x-litellm-api-key", b"key"),
    (b"x-claude-token-mode", b"rotate"),
    (b"x-claude-code-session-id", b"s"),
    (b"x-client-request-id", b"r"),
    (b"x-stainless-retry-count", b"0"),
    (b"x-app", b"cli"),
    (b"anthropic-beta", b"oauth-2025-04-20"),
    (b"anthropic-client-token", b"t"),
    (b"traceparent", b"00-0-0-01"),
    (b"User-Agent", b"claude-cli/2.1.330"),
    (b"Content-Type", b"application/json"),
    (b"Content-Length", b"2"),
)


@pytest.mark.parametrize("is_routed", [True, False])
def test_a_clients_own_headers_stay(is_routed: bool) -> None:
    assert fronts.from_client(CLIENT, is_routed=is_routed) == CLIENT
    assert fronts.end_to_end(CLIENT) == CLIENT


@pytest.mark.parametrize("is_routed", [True, False])
@pytest.mark.parametrize(
    "name",
    [
        *("Forwarded", "Via", "X-Forwarded-For", "x-forwarded-access-token", "X-Real-IP"),
        *("true-client-ip", "x-client-ip", "remote-user", "Remote-Email", "x-remote-user"),
        *("cf-connecting-ip", "CF-Access-Jwt-Assertion", "cdn-loop", "fastly-client-ip"),
        *("x-amzn-oidc-data", "x-amzn-oidc-accesstoken", "x-amzn-trace-id", "x-amz-cf-id"),
        *("x-goog-iap-jwt-assertion", "x-goog-authenticated-user-email", "x-cloud-trace-context"),
        *("x-ms-client-principal", "x-ms-client-principal-name", "x-ms-token-aad-id-token"),
        *("x-auth-request-email", "x-auth-request-access-token", "x-authentik-jwt"),
        *("tailscale-user-login", "tailscale-user-name", "x-pomerium-jwt-assertion"),
        *("x-envoy-external-address", "x-azure-clientip", "x-original-url", "oidc_claim_email"),
        *("X-Claude-Gateway-User-Id", "x-claude-gateway-user-email", "x-litellm-end-user-id"),
        *("x-ssl-client-dn", "ssl-client-cert", "client-cert", "x-consumer-username"),
    ],
)
def test_what_a_front_adds_ends_here(name: str, is_routed: bool) -> None:
    fields = (*CLIENT, (name.encode(), b"front"))
    assert fronts.from_client(fields, is_routed=is_routed) == CLIENT


@pytest.mark.parametrize(
    ("cookies", "kept"),
    [
        (b"session=1", b"session=1"),
        (b"CF_Authorization=jwt", None),
        (b"a=1; CF_AppSession=2;b=3", b"a=1; b=3"),
        (b"AWSELBAuthSessionCookie-0=x; AWSALB=y; _oauth2_proxy=z", None),
        (b"GCP_IAP_UID=x; own=\xe9", b"own=\xe9"),
    ],
)
def test_cookies(cookies: bytes, kept: bytes | None) -> None:
    fields = (*CLIENT, (b"Cookie", cookies))
    expected = (*CLIENT, (b"Cookie", kept)) if kept else CLIENT
    assert fronts.from_client(fields, is_routed=False) == expected
    assert fronts.from_client(fields, is_routed=True) == CLIENT


@pytest.mark.parametrize("name", [b"ApiKey", b"x-gateway-token", b"x-company-secret"])
def test_only_what_passes_keeps_keys_that_are_not_anthropics(name: bytes) -> None:
    fields = (*CLIENT, (name, b"of another gateway"))
    assert fronts.from_client(fields, is_routed=True) == CLIENT
    assert fronts.from_client(fields, is_routed=False) == fields


def test_what_connection_names() -> None:
    connection = (b"Connection", b"keep-alive, X-Hop ,, content-length")
    fields = (*CLIENT, connection, (b"x-hop", b"1"), (b"keep-alive", b"timeout=5"))
    # The connection with the client still depends on these.
    kept = (*CLIENT, connection, (b"keep-alive", b"timeout=5"))
    assert fronts.from_client(fields, is_routed=True) == kept
    assert fronts.end_to_end(fields) == CLIENT


@pytest.mark.parametrize(
    "name", [b"Keep-Alive", b"TE", b"Trailer", b"Upgrade", b"Proxy-Connection", b"Connection"]
)
def test_hop_by_hop(name: bytes) -> None:
    assert fronts.end_to_end((*CLIENT, (name, b"x"))) == CLIENT


@pytest.mark.parametrize(
    ("name", "stays"),
    [
        *((name, False) for name in ("Authorization", "x-api-key", "X_API_Key", "x_api-key")),
        *((name, False) for name in ("Cookie", "api-key", "x-auth-token", "Proxy_Authorization")),
        *((name, False) for name in ("X-HTTP-Method-Override", "x_http_method", "x-original-url")),
        *((name, False) for name in ("x-claude-gateway-user-id", "X_LiteLLM_End_User_Id")),
        *((name, False) for name in ("x-forwarded-host", "X_Forwarded_For", "x-rewrite-url")),
        *(
            (name, True)
            for name in ("anthropic-beta", "anthropic-client-token", "x-app", "traceparent")
        ),
        *((name, True) for name in ("x-claude-code-session-id", "x-stainless-os", "user-agent")),
    ],
)
def test_what_goes_beside_a_credential_of_ours(name: str, stays: bool) -> None:
    assert bool(fronts.beside_ours([(name.encode(), b"x")])) is stays


def test_an_answer_that_passes() -> None:
    fields = (
        (b"Connection", b"close, x-hop"),
        (b"X-Hop", b"1"),
        (b"Keep-Alive", b"timeout=5"),
        (b"Upgrade", b"h2c"),
        (b"Content-Type", b"text/plain"),
        (b"Transfer-Encoding", b"chunked"),
    )
    kept = fronts.answered(fields, 200)
    assert kept == (fields[4], fields[5])
    assert fronts.answered(fields, 101) == (*kept, fields[3], (b"Connection", b"Upgrade"))


def test_trailers() -> None:
    checksum = (b"x-checksum", b"1")
    fields: http_message.Fields = (
        checksum,
        *((name, b"x") for name in (b"Connection", b"content-length", b"set-cookie", b"Host")),
        *((name, b"x") for name in (b"transfer-encoding", b"te", b"trailer", b"content-type")),
    )
    assert fronts.trailers(fields) == (checksum,)
