from __future__ import annotations

import json

import pytest

from claude_route.dialects import envelope


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (404, "not_found_error"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (503, "api_error"),
        (529, "overloaded_error"),
    ],
)
def test_kind(status: int, kind: str) -> None:
    assert envelope.kind(status) == kind


def test_body() -> None:
    assert json.loads(envelope.body("api_error", "é")) == {
        "type": "error",
        "error": {"type": "api_error", "message": "é"},
    }


def test_body_details() -> None:
    wire = envelope.body("not_found_error", "gone", details={"error_code": "thread_not_found"})
    assert json.loads(wire)["error"]["details"] == {"error_code": "thread_not_found"}
