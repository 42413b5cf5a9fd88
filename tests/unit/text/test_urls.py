from __future__ import annotations

import pytest

from claude_route.text import urls


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://me:a-secret-word@host:1/2", "redis://host:1/2"),
        ("postgresql://me@host/ledger?password=a-secret-word#x", "postgresql://host/ledger"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock"),
        ("unix://me:a-secret-word@/run/redis.sock", "unix:///run/redis.sock"),
        ("https://me:a-secret-word@[::1]:8443/x?y", "https://[::1]:8443/x"),
        ("me:a-secret-word@proxy.example:3128", "proxy.example:3128"),
        ("proxy.example:3128", "proxy.example:3128"),
        ("http://me:a-secret-word@proxy.example:port", "http://proxy.example:port"),
        # In passwords that were not escaped.
        ("postgresql://me:a/secret-word@host/ledger", "postgresql://host/ledger"),
        ("postgresql://me:a#secret-word@host/ledger", "postgresql://host/ledger"),
        ("http://me:a?secret-w@rd@proxy.example:3128/", "http://proxy.example:3128/"),
        ("me:a/secret-word@proxy.example:3128", "proxy.example:3128"),
        ("http://host/@scope/model", "http://host/@scope/model"),
        ("unix:///run/a@b.sock", "unix:///run/a@b.sock"),
    ],
)
def test_shown(url: str, shown: str) -> None:
    assert urls.shown(url) == shown
