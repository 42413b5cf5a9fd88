from __future__ import annotations

import pytest
from mitmproxy import options

from claude_route.access import listeners
from claude_route.proxy import tunnels

OURS = listeners.allow_hosts(["api.anthropic.com"], ["reverse:http://[::1]:9000"])


@pytest.mark.parametrize(
    ("allowed", "ignored", "address", "expected"),
    [
        (OURS, [], ("api.anthropic.com", 443), False),
        (OURS, [], ("API.Anthropic.com", 8443), False),
        (OURS, [], ("::1", 443), False),
        (OURS, [], ("claude.ai", 443), True),
        (OURS, [], ("api.anthropic.com.example", 443), True),
        ([], [], ("claude.ai", 443), False),
        ([], ["claude"], ("claude.ai", 443), True),
        ([], ["claude"], ("api.anthropic.com", 443), False),
        (OURS, ["anthropic"], ("api.anthropic.com", 443), True),
    ],
)
def test_passes_unread(
    allowed: list[str], ignored: list[str], address: tuple[str, int], expected: bool
) -> None:
    opts = options.Options(allow_hosts=allowed, ignore_hosts=ignored)
    assert tunnels.passes_unread(address, opts) is expected
