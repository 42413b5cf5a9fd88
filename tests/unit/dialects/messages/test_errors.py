from __future__ import annotations

import json
from typing import Any

import pytest

from claude_route.dialects.messages import errors


def error(kind: str, message: str = "No", **more: Any) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message, **more}}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, error("overloaded_error"), (529, "overloaded_error", "No")),
        (200, error("permission_error"), (403, "permission_error", "No")),
        (200, error("not_found_error"), (400, "invalid_request_error", "No")),
        (200, error("1302", "Slow", code="429"), (429, "rate_limit_error", "Slow")),
        (200, {"message": "bare", "type": "overloaded_error"}, (529, "overloaded_error", "bare")),
        (200, error("x", ""), (500, "api_error", "the provider gave no error message")),
        (
            400,
            error("invalid_request_error", "Invalid request: exceeded model token limit: 9"),
            (
                400,
                "invalid_request_error",
                "prompt is too long: Invalid request: exceeded model token limit: 9",
            ),
        ),
        (
            422,
            {"detail": [{"loc": ["body", "thinking"], "msg": "Extra inputs are not permitted"}]},
            (400, "invalid_request_error", "body.thinking: Extra inputs are not permitted"),
        ),
        (500, [error("api_error")], (500, "api_error", "No")),
        (429, {"error": "slow down"}, (429, "rate_limit_error", "slow down")),
    ],
)
def test_translate(status: int, body: Any, expected: tuple[int, str, str]) -> None:
    assert errors.translate(status, json.dumps(body).encode())[:3] == expected
