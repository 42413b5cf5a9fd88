from __future__ import annotations

import pytest
from mitmproxy import http

from claude_route.access import identity


def test_read() -> None:
    headers = http.Headers(
        x_claude_code_session_id="s-1",
        x_claude_code_agent_id=" researcher@team ",
        x_claude_code_parent_agent_id="a-0",
        x_client_request_id="r-1",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )
    assert identity.read(headers.fields) == identity.Identity(
        session="s-1",
        agent="researcher@team",
        parent_agent="a-0",
        request="r-1",
        trace="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )


def test_nobody() -> None:
    assert identity.read(()) == identity.NOBODY


@pytest.mark.parametrize(
    ("value", "expected"), [("x" * 1000, "x" * 128), ("a\x07b", ""), ("\udcff", ""), ("", "")]
)
def test_what_is_no_id(value: str, expected: str) -> None:
    assert identity.read(http.Headers(x_claude_code_agent_id=value).fields).agent == expected
