from __future__ import annotations

import logging

import pytest

from claude_route.patches import log_quotes


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            r"Client closed connection before completing request headers: b'POST / HTTP/1.1\r\nx-api-key: k'",
            "Client closed connection before completing request headers",
        ),
        ("127.0.0.1:1: Invalid header line: b'x-api-key k'", "127.0.0.1:1: Invalid header line"),
        ("127.0.0.1:1: Bad HTTP request line: b'x: k'", "127.0.0.1:1: Bad HTTP request line"),
        (
            "Cannot parse HTTP response: Bad HTTP response line: b'k\n'",
            "Cannot parse HTTP response: Bad HTTP response line",
        ),
        ("Unexpected data from server: b'k'", "Unexpected data from server"),
        (
            "Deferring layer decision, not enough data: '504f'",
            "Deferring layer decision, not enough data",
        ),
        (
            "Received WebSocket ping from client (payload: b'k')",
            "Received WebSocket ping from client",
        ),
        ("client connect", "client connect"),
    ],
)
def test_without_quotes(message: str, expected: str) -> None:
    assert log_quotes.without_quotes(message) == expected


def test_install(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger(log_quotes.LOGGERS[0])
    uninstall = log_quotes.install()
    logger.error("Invalid header line: b'k'")
    uninstall()
    logger.error("Invalid header line: b'k'")
    assert caplog.messages == ["Invalid header line", "Invalid header line: b'k'"]
