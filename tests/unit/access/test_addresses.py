from __future__ import annotations

import pytest

from claude_route.access import addresses


@pytest.mark.parametrize(
    ("host", "loopback", "is_global"),
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
def test_addresses(host: str, loopback: bool, is_global: bool) -> None:
    assert addresses.is_loopback(host) is loopback
    assert addresses.is_global(host) is is_global


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
    assert addresses.names_address(host) is expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "localhost"),
        ("127.0.0.9", "localhost"),
        ("::1", "localhost"),
        ("::ffff:127.0.0.1", "localhost"),
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2::3", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("name", "name"),
    ],
)
def test_neighbours(host: str, expected: str) -> None:
    assert addresses.neighbours(host) == expected


@pytest.mark.parametrize(
    "host",
    [
        "::127.0.0.1",
        "::10.0.0.1",
        "::ffff:0:127.0.0.1",
        "::ffff:0:169.254.169.254",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::10.0.0.1",
        "64:ff9b:1:2::1",
        "2002:7f00:1::1",
        "2002:a00:1::1",
        "fec0::5",
        "168.63.129.16",
        "::ffff:168.63.129.16",
        "64:ff9b::168.63.129.16",
        "192.0.0.192",
    ],
)
def test_ways_into_the_own_network(host: str) -> None:
    assert not addresses.is_global(host)


@pytest.mark.parametrize(
    "host", ["2002:808:808::1", "64:ff9b::8.8.8.8", "2606:4700::1", "8.8.8.8", "160.79.104.10"]
)
def test_ways_out(host: str) -> None:
    assert addresses.is_global(host)
