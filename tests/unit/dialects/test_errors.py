from __future__ import annotations

from typing import Any

import pytest

from claude_route.dialects import errors


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        ({"code": 429}, "", 429),
        ({"status_code": "503"}, "", 503),
        ({"code": 200}, "", 500),
        ({"code": "x"}, "rate_limit_exceeded", 429),
        ({"code": "1302", "message": "Rate limit reached for requests"}, "1302", 429),
        ({}, "OVERLOADED", 529),
        ({}, "", 500),
    ],
)
def test_status_of(error: dict[str, Any], code: str, status: int) -> None:
    assert errors.status_of(error, code) == status


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (200, "the provider gave no error message"),
        (502, "the provider answered 502: Bad Gateway"),
        (599, "the provider answered 599: an error"),
    ],
)
def test_wordless(status: int, message: str) -> None:
    assert errors.wordless(status) == message


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (401, "No", True),
        (403, "Invalid API key", True),
        (400, "API key not valid", True),
        (403, "Not for you", False),
        (500, "Invalid API key", False),
    ],
)
def test_a_key_that_is_refused(status: int, message: str, expected: bool) -> None:
    error = errors.translate(status, "", message)
    assert error.refuses_key is expected
    assert (error.status == 500) is (expected or status == 500)
