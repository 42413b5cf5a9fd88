from __future__ import annotations

import base64

import pytest

from claude_route.access import clients


@pytest.mark.parametrize(
    ("key", "mode", "expected"),
    [
        (None, None, (None, None)),
        ("tok", None, ("tok", None)),
        ("Bearer tok", None, ("tok", None)),
        ("bearer  tok ", "Rotate", ("tok", "rotate")),
        ("tok", " PASSTHROUGH ", ("tok", "passthrough")),
        ("tok, x-claude-token-mode: passthrough", None, ("tok", "passthrough")),
        ("Bearer tok,X-Claude-Token-Mode:Rotate", None, ("tok", "rotate")),
        ("tok, x-claude-token-mode: passthrough", "rotate", ("tok", "rotate")),
        ("tok, something: else", None, ("tok", None)),
        ("a,b", None, ("a,b", None)),
        ("a,b, x-claude-token-mode: rotate", None, ("a,b", "rotate")),
        ("", "", (None, None)),
    ],
)
def test_presented(
    key: str | None, mode: str | None, expected: tuple[str | None, str | None]
) -> None:
    assert clients.presented(key, mode) == expected


@pytest.mark.parametrize(
    ("key", "mode"), [(None, "both"), ("tok, x-claude-token-mode: x", None), ("tok", "rotate2")]
)
def test_unknown_mode_names_the_two(key: str | None, mode: str | None) -> None:
    with pytest.raises(ValueError, match="rotate or passthrough"):
        clients.presented(key, mode)


@pytest.mark.parametrize(
    ("candidate", "key", "ok"),
    [
        ("tok", "tok", True),
        ("tok", "tok2", False),
        ("", "", False),
        (None, "tok", False),
        ("", "tok", False),
        ("\udcff", "tok", False),
        ("é", "é", True),
    ],
)
def test_is_key(candidate: str | None, key: str, ok: bool) -> None:
    assert clients.is_key(candidate, key) is ok


def basic(credentials: bytes) -> str:
    return "Basic " + base64.b64encode(credentials).decode()


@pytest.mark.parametrize(
    ("header", "password"),
    [
        (basic(b"user:tok"), "tok"),
        (basic(b":tok"), "tok"),
        (basic(b"user:a:b"), "a:b"),
        (basic(b"user"), None),
        (basic(b"user:"), None),
        (basic(b"user:\xff"), "\udcff"),
        ("basic !!", None),
        ("Bearer tok", None),
        ("", None),
        (None, None),
    ],
)
def test_proxy_password(header: str | None, password: str | None) -> None:
    assert clients.proxy_password(header) == password


@pytest.mark.parametrize(
    ("host", "loopback", "public"),
    [
        ("127.0.0.1", True, False),
        ("127.9.9.9", True, False),
        ("::1", True, False),
        ("localhost", True, False),
        ("::ffff:127.0.0.1", True, False),
        ("64:ff9b::7f00:1", True, False),
        ("10.0.0.1", False, False),
        ("172.16.3.4", False, False),
        ("192.168.1.1", False, False),
        ("169.254.169.254", False, False),
        ("fe80::1%eth0", False, False),
        ("fd00::1", False, False),
        ("100.64.0.1", False, False),
        ("0.0.0.0", False, False),
        ("", False, False),
        ("::", False, False),
        ("224.0.0.1", False, False),
        ("203.0.113.7", False, False),
        ("8.8.8.8", False, True),
        ("2606:4700::1111", False, True),
    ],
)
def test_addresses(host: str, loopback: bool, public: bool) -> None:
    assert clients.is_loopback(host) is loopback
    assert clients.is_public(host) is public


@pytest.mark.parametrize(
    ("hosts", "has_key", "is_open", "ok"),
    [
        (["127.0.0.1", "::1"], False, False, True),
        (["127.0.0.1", "0.0.0.0"], False, False, False),
        ([""], False, False, False),
        (["0.0.0.0"], True, False, True),
        (["0.0.0.0"], False, True, True),
    ],
)
def test_check_listeners(hosts: list[str], has_key: bool, is_open: bool, ok: bool) -> None:
    if ok:
        clients.check_listeners(hosts, has_key=has_key, is_open=is_open)
    else:
        with pytest.raises(ValueError, match="PROXY_STATIC_TOKEN"):
            clients.check_listeners(hosts, has_key=has_key, is_open=is_open)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:4000", True),
        ("[::1]", True),
        ("[::1]:4000", True),
        ("[fe80::1%eth0]:4000", True),
        ("192.168.1.2:4000", True),
        ("localhost", True),
        ("LocalHost:4000", True),
        ("localhost:", True),
        (None, False),
        ("", False),
        (":4000", False),
        ("example.com", False),
        ("example.com:4000", False),
        ("localhost.example.com:4000", False),
        ("127.0.0.1.example.com", False),
        ("example.com:127.0.0.1", False),
        ("example.com, 127.0.0.1", False),
        ("127.0.0.1, example.com", False),
        ("127.0.0.1@example.com", False),
        ("user@127.0.0.1", False),
        ("[::1]example.com", False),
        ("[127.0.0.1]", False),
        ("[localhost]", False),
        ("::1", False),
        ("[::1", False),
        ("127.0.0.1:4000:80", False),
        ("127.0.0.1:x", False),
        ("127.0.0.1:٤", False),
        ("١٢٧.0.0.1", False),
        ("2130706433", False),
        ("127.1", False),
        ("0x7f000001", False),
        ("127.0.0.1\n", False),
        (" localhost", False),
        ("localhost.", False),
        ("\udcff", False),
    ],
)
def test_names_address(host: str | None, expected: bool) -> None:
    assert clients.names_address(host) is expected
