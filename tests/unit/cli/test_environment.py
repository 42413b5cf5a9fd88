from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote
from urllib.parse import urlsplit

import pytest

from claude_route.cli import environment

CA = Path("/tmp/x/ca.pem")
HOSTS = ["api.anthropic.com"]


def forward(environ: dict[str, str], key: str | None = None) -> dict[str, str]:
    return environment.through_forward_listener(environ, port=81, ca=CA, key=key, hosts=HOSTS)


def test_forward_listener() -> None:
    environ = {"HOME": "/home/me", "ANTHROPIC_BASE_URL": "http://127.0.0.1:4000", "TERM": "x"}
    assert forward(environ) == {
        "HOME": "/home/me",
        "TERM": "x",
        "HTTPS_PROXY": "http://127.0.0.1:81",
        "https_proxy": "http://127.0.0.1:81",
        "NODE_EXTRA_CA_CERTS": "/tmp/x/ca.pem",
    }
    assert "ANTHROPIC_BASE_URL" in environ


def test_a_key_goes_along_as_the_proxy_password() -> None:
    key = "p@ss/word: 100%"
    assert unquote(urlsplit(forward({}, key)["HTTPS_PROXY"]).password or "") == key


def test_programs_that_are_not_node_get_a_bundle() -> None:
    changed = environment.through_forward_listener(
        {"SSL_CERT_FILE": "/etc/mine.pem"}, port=81, ca=CA, key=None, hosts=HOSTS, bundle=Path("/b")
    )
    assert {changed[name] for name in environment.CA_BUNDLES} == {"/b"}


@pytest.mark.parametrize(
    ("no_proxy", "kept"),
    [
        ("", ""),
        ("localhost,127.0.0.1", "localhost,127.0.0.1"),
        ("localhost, .anthropic.com", "localhost"),
        ("api.anthropic.com:443 localhost", "localhost"),
        ("*", ""),
        ("*.anthropic.com,*.example", "*.example"),
        ("anthropic.com", ""),
        ("API.Anthropic.COM", ""),
        ("thropic.com,com.example", "thropic.com,com.example"),
        ("com", ""),
        ("api.anthropic.com.example", "api.anthropic.com.example"),
    ],
)
def test_no_proxy_does_not_lead_past_us(no_proxy: str, kept: str) -> None:
    assert environment.without_hosts(no_proxy, HOSTS) == kept
    changed = forward({"NO_PROXY": no_proxy, "no_proxy": no_proxy})
    assert (changed["NO_PROXY"], changed["no_proxy"]) == (kept, kept)


def test_reverse_listener() -> None:
    environ = {"HTTP_PROXY": "http://proxy.example", "NO_PROXY": "a.example"}
    assert environment.through_reverse_listener(environ, port=82, key=None) == {
        "HTTP_PROXY": "http://proxy.example",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:82",
        "NO_PROXY": "a.example,127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


@pytest.mark.parametrize(
    ("headers", "sent"),
    [("", "x-litellm-api-key: k"), ("x-title: a", "x-title: a\nx-litellm-api-key: k")],
)
def test_a_key_goes_along_as_a_header(headers: str, sent: str) -> None:
    environ = {"ANTHROPIC_CUSTOM_HEADERS": headers} if headers else {}
    changed = environment.through_reverse_listener(environ, port=82, key="k")
    assert changed["ANTHROPIC_CUSTOM_HEADERS"] == sent


@pytest.mark.parametrize(
    ("environ", "token"),
    [
        ({}, environment.PLACEHOLDER),
        ({"ANTHROPIC_AUTH_TOKEN": ""}, environment.PLACEHOLDER),
        ({"ANTHROPIC_AUTH_TOKEN": "mine"}, "mine"),
        ({"ANTHROPIC_API_KEY": "mine"}, None),
    ],
)
def test_a_program_without_a_credential_gets_a_placeholder(
    environ: dict[str, str], token: str | None
) -> None:
    assert environment.with_credential(environ).get("ANTHROPIC_AUTH_TOKEN") == token


@pytest.mark.parametrize(
    ("environ", "window", "value"),
    [
        ({}, 65536, "65536"),
        ({}, None, None),
        ({"CLAUDE_CODE_MAX_CONTEXT_TOKENS": "1000"}, 65536, "1000"),
        ({"CLAUDE_CODE_MAX_CONTEXT_TOKENS": ""}, 65536, ""),
    ],
)
def test_the_window(environ: dict[str, str], window: int | None, value: str | None) -> None:
    changed = environment.with_window({"A": "1", **environ}, window)
    assert changed["A"] == "1"
    assert changed.get("CLAUDE_CODE_MAX_CONTEXT_TOKENS") == value
