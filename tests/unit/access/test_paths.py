"""Paths on the reverse listener: ours, Anthropic's, or nobody's."""

from __future__ import annotations

import pytest

from claude_route.access import paths


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/v1/messages", paths.MESSAGES),
        ("/v1/messages/", paths.MESSAGES),
        ("//v1/messages", paths.MESSAGES),
        ("/v1//messages", paths.MESSAGES),
        ("/v1/v1/messages", paths.MESSAGES),
        ("/anthropic/v1/messages", paths.MESSAGES),
        ("/api/anthropic/v1/messages//", paths.MESSAGES),
        ("/team-a/claude@2:x/v1/messages", paths.MESSAGES),
        ("/v1/messages/count_tokens", paths.COUNT_TOKENS),
        ("/v1/v1/messages/count_tokens/", paths.COUNT_TOKENS),
        ("/anthropic/v1/messages/count_tokens", paths.COUNT_TOKENS),
        ("", None),
        ("*", None),
        ("/", None),
        ("v1/messages", None),
        ("/messages", None),
        ("/v1/Messages", None),
        ("/v1/messages/batches", None),
        ("/v1/messages;x", None),
        ("/v1/chat/completions", None),
        ("/a/../v1/messages", None),
        ("/./v1/messages", None),
        ("/a/%2e%2e/v1/messages", None),
        ("/anthropic%2fv1/messages", None),
        ("/anthropic/v1%2fmessages", None),
        ("/anthropic/v1/messages%2f", None),
        ("/a%20b/v1/messages", None),
        ("/%76%31/messages", None),
        ("/a\\b/v1/messages", None),
        ("/a b/v1/messages", None),
        ("/caf\udcc3/v1/messages", None),
    ],
)
def test_endpoint(path: str, endpoint: str | None) -> None:
    assert paths.endpoint(path) == endpoint


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/hello", True),
        ("/api/oauth/profile", True),
        ("/api/event_logging/v2/batch", True),
        ("/api/ws/speech_to_text/voice_stream", True),
        ("/v1/messages/batches", True),
        ("/v1/models/claude-opus-5-5", True),
        ("/v1/models/claude%20opus", True),
        ("/v1/files/", True),
        ("/v1/code/sessions/a.b_c/events", True),
        ("", False),
        ("*", False),
        ("/", False),
        ("/v1", False),
        ("/v1/", False),
        ("/other", False),
        ("/favicon.ico", False),
        ("/v1/chat/completions", False),
        ("/v1/responses", False),
        ("/anthropic/v1/models", False),
        ("/apis/x", False),
        ("//api/hello", False),
        ("/api//hello", False),
        ("/API/hello", False),
        ("/api/../v1/messages", False),
        ("/api/..", False),
        ("/api/.", False),
        ("/api/%2e%2e/v1/messages", False),
        ("/api/x%2f..%2fmessages", False),
        ("/api/%252e%252e/v1", False),
        ("/api/..%5cv1", False),
        ("/api/x\\..", False),
        ("/api/..;/v1/messages", False),
        ("/v1/files/a b", False),
        ("/v1/%6dessages", False),
    ],
)
def test_is_anthropics(path: str, expected: bool) -> None:
    assert paths.is_anthropics(path) is expected


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("/v1/messages", "/v1/messages"),
        ("/v1/messages?beta=true", "/v1/messages?beta=true"),
        ("/v1/messages?api_key=x&beta=true&y", "/v1/messages?beta=true"),
        ("/v1/messages?key=x", "/v1/messages"),
        ("/v1/messages?beta=truest", "/v1/messages"),
    ],
)
def test_without_query(path: str, left: str) -> None:
    assert paths.without_query(path) == left
