from __future__ import annotations

import pytest

from claude_route.access import guard
from claude_route.access import listener_modes


def test_keyless_listeners_on_loopback() -> None:
    modes = ["socks5@127.0.0.1:1080", "dns@[::1]:5353", "reverse:tcp://x:1@127.0.0.1:9"]
    assert (
        guard.Guard("static-0123456789-tokn").check_keyless(listener_modes.keyless(modes, "")) == []
    )


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
    assert listener_modes.default_modes(host, port, reverse_port) == expected


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
    assert listener_modes.with_host(mode, host, port) == expected


def test_allow_hosts() -> None:
    modes = ["regular", "reverse:http://[::1]:9000"]
    assert listener_modes.allow_hosts(["api.anthropic.com"], modes) == [
        r"^\[?api\.anthropic\.com\]?:\d+$",
        r"^\[?::1\]?:\d+$",
    ]
